"""XP_CONTINUOUS spectra in FITS files and VOTables, of all their tables; read whole."""

import io
import re
import warnings

import numpy as np

from xpsvae.arrays import identifiers, plain
from xpsvae.errors import InputError
from xpsvae.xp.columns import (
    FETCH_AGAIN,
    REQUIRED,
    dtype_of,
    find_columns,
    in_unit,
    one_line,
    parse_text,
    read_bytes,
)

__all__ = ["fits_blocks", "votable_blocks"]


def fits_blocks(path, wanted):
    from astropy.io import fits

    content = read_bytes(path)
    standard = (fits.PrimaryHDU, fits.ImageHDU, fits.TableHDU, fits.BinTableHDU, fits.CompImageHDU)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a cut file, which is refused below
            hdus = fits.open(io.BytesIO(content), lazy_load_hdus=False)
        with hdus:
            spans = [hdu.fileinfo() for hdu in hdus]
            end = spans[-1]["datLoc"] + spans[-1]["datSpan"]
            if any(span["datLoc"] + span["datSpan"] > len(content) for span in spans):
                raise InputError(f"{path} is cut short ({len(content)} bytes): {FETCH_AGAIN}.")
            if content[end:].strip(b"\0 "):
                raise InputError(f"{path} is damaged after HDU {len(hdus) - 1}: {FETCH_AGAIN}.")
            if other := [number for number, hdu in enumerate(hdus) if not isinstance(hdu, standard)]:
                raise InputError(f"{path} is damaged in HDU {other[0]}: {FETCH_AGAIN}.")
            tables = {
                _called("HDU", number, hdu.name, path): hdu
                for number, hdu in enumerate(hdus)
                if isinstance(hdu, (fits.BinTableHDU, fits.TableHDU))
            }
            names = {where: hdu.columns.names for where, hdu in tables.items()}
            for where, columns in _chosen(path, names, "binary table").items():
                found = {name: _fits_column(tables[where], there) for name, there in columns.items()}
                yield from _rows(found, wanted, where)
    except (OSError, ValueError, TypeError, KeyError, IndexError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path} is not readable FITS ({one_line(error)}): {FETCH_AGAIN}.") from error


def _fits_column(hdu, name):
    values, null = hdu.data[name], hdu.columns[name].null
    if null is not None and getattr(values, "dtype", np.dtype("O")).kind in "iu":
        values = np.ma.masked_equal(values, null)
    return values, hdu.columns[name].unit


def votable_blocks(path, wanted):
    from xml.parsers.expat import ExpatError

    from astropy.io.votable import parse
    from astropy.io.votable.exceptions import VOTableSpecError

    content = read_bytes(path)
    if re.search(rb"<(\w+:)?STREAM\s[^>]*href", content):
        raise InputError(f"{path} keeps its rows in another file: give a VOTable that holds them.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the archive's own files break the standard here and there
            file = parse(io.BytesIO(content))
            _require_success(file, path)
            tables = {
                _called("table", number, table.name or table.ID, path): table
                for number, table in enumerate(file.iter_tables(), 1)
            }
            names = {where: [field.name for field in table.fields] for where, table in tables.items()}
            for where, columns in _chosen(path, names, "table").items():
                table = tables[where].to_table(use_names_over_ids=True)
                if tables[where].nrows not in (None, len(table)):
                    raise InputError(
                        f"{where} has {len(table)} rows where {tables[where].nrows} are announced: "
                        f"{FETCH_AGAIN}."
                    )
                found = {
                    name: (np.ma.asarray(table[there]), table[there].unit) for name, there in columns.items()
                }
                yield from _rows(found, wanted, where)
    except (ExpatError, VOTableSpecError, OSError, ValueError, TypeError, IndexError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path} is not a readable VOTable ({one_line(error)}): {FETCH_AGAIN}.") from error


def _require_success(file, path):
    """Refuse the answer of a server that failed or left rows out; QUERY_STATUS says so."""
    queue = [file]
    while queue:
        element = queue.pop(0)
        queue += element.resources
        for info in element.infos:
            status = str(info.value).strip().upper()
            if str(info.name).strip().upper() != "QUERY_STATUS" or status == "OK":
                continue
            reason = f" ({one_line(info.content)})" if info.content else ""
            if status == "OVERFLOW":
                raise InputError(
                    f"{path} is cut by the server's limit on rows, QUERY_STATUS OVERFLOW{reason}: "
                    "ask for fewer stars at once."
                )
            raise InputError(f"{path} is an error message of the server, QUERY_STATUS {status}{reason}.")


def _called(what, number, name, path):
    return f"{what} {number}{f' ({name})' if name else ''} of {path}"


def _chosen(path, names, kind):
    """Columns to read of each table that has coefficients; a table with stars alone would lose them."""
    present = {where: {name.strip().lower() for name in columns} for where, columns in names.items()}
    chosen = {where: find_columns(names[where], where) for where in names if present[where] & set(REQUIRED)}
    if not names:
        raise InputError(f"{path} has no {kind}: {FETCH_AGAIN}.")
    if not chosen:
        best = max(names, key=lambda where: ("flux" in present[where], "source_id" in present[where]))
        find_columns(names[best], path)
    first = next(iter(chosen))
    for where in chosen:
        if other := sorted(chosen[first].keys() ^ chosen[where].keys()):
            raise InputError(
                f"only one of {first} and {where.removesuffix(f' of {path}')} has column {', '.join(other)}: "
                "give files whose tables have the same columns."
            )
    for where in names:
        if where not in chosen and "source_id" in present[where]:
            raise InputError(
                f"{where} has stars but no coefficients, beside {first.removesuffix(f' of {path}')}: "
                "give a file of XP_CONTINUOUS alone."
            )
    return chosen


def _rows(found, wanted, where):
    """Rows of a table that is in memory: `found` has values and unit of each column."""
    values, _ = found.pop("source_id")
    source_id = identifiers(f"source_id in {where}", np.ma.filled(values, 0))
    if source_id.ndim != 1:
        raise InputError(f"source_id in {where} has several values a row: give one.")
    rows = np.arange(len(source_id)) if wanted is None else np.flatnonzero(np.isin(source_id, wanted))
    if len(rows):
        yield (
            source_id[rows],
            {
                name: _ragged(values[rows], name, unit, f"{name} in {where}")
                for name, (values, unit) in found.items()
            },
        )


def _ragged(column, name, unit, where):
    """Like `parse_text`, for arrays that are no text: masked, empty, of fixed or variable length."""
    dtype = dtype_of(name)
    if column.dtype.kind in "SU" or isinstance(column[0], (str, bytes)):
        import pyarrow as pa

        texts = [x.decode("latin-1") if isinstance(x, bytes) else str(x) for x in np.ma.filled(column, "")]
        values, lengths = parse_text(pa.array(texts), dtype, where)
    elif column.dtype.kind == "O":
        rows = [np.empty(0) if row is None else plain(where, row).ravel() for row in column]
        values, lengths = np.concatenate(rows), np.array([len(row) for row in rows])
    else:
        values = plain(where, column).reshape(len(column), -1)
        values, lengths = values.ravel(), np.full(len(values), values.shape[1])
    with np.errstate(over="ignore"):  # what float32 cannot hold is infinite, and so named and left out
        return in_unit(values, name, unit, where).astype(dtype), lengths
