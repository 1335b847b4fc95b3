"""XP spectra in FITS files, as a stream, and in VOTables, read whole; of all their tables."""

import base64
import io
import math
import re
import warnings
from contextlib import contextmanager
from xml.etree import ElementTree

import numpy as np

from xpsvae.arrays import identifiers, plain
from xpsvae.errors import InputError
from xpsvae.xp.columns import (
    ANY,
    FETCH_AGAIN,
    REQUIRED,
    dtype_of,
    find_columns,
    gzipped,
    identifier_of,
    in_unit,
    one_line,
    parse_text,
    read_bytes,
)

__all__ = ["fits_blocks", "table_blocks", "votable_blocks"]

_FITS_BLOCK = 2880  # bytes
_FITS_ROWS = 2048  # at a time
_BYTES = {
    **dict.fromkeys(("boolean", "unsignedByte", "char"), 1),
    **dict.fromkeys(("short", "unicodeChar"), 2),
    **dict.fromkeys(("int", "float"), 4),
    **dict.fromkeys(("long", "double", "floatComplex"), 8),
    "doubleComplex": 16,
}  # of one element in a VOTable's BINARY


def fits_blocks(path, wanted, product):
    """Rows of every table of a FITS file that has coefficients; see `xpsvae.xp.forms.blocks`."""
    from astropy.io import fits

    standard = (fits.PrimaryHDU, fits.ImageHDU, fits.TableHDU, fits.BinTableHDU, fits.CompImageHDU)
    with _fits_stream(path) as stream:
        # Of a damaged header astropy makes no HDU, or takes it for a part of the header before.
        headers, size = _count_headers(stream)
        with _readable(path, "FITS"):
            hdus = fits.open(stream, lazy_load_hdus=False, memmap=False)
            if other := [number for number, hdu in enumerate(hdus) if not isinstance(hdu, standard)]:
                raise InputError(f"{path} is damaged in HDU {other[0]}: {FETCH_AGAIN}.")
            ends = [span["datLoc"] + span["datSpan"] for span in (hdu.fileinfo() for hdu in hdus)]
            if max(ends) > size:
                raise InputError(f"{path} is cut short ({size} bytes): {FETCH_AGAIN}.")
            stream.seek(ends[-1])
            if stream.read(_FITS_BLOCK).strip(b"\0 ") or headers != len(hdus) - 1:
                raise InputError(f"{path} is damaged, HDU {len(hdus) - 1} or behind it: {FETCH_AGAIN}.")
            tables = {
                _called("HDU", number, hdu.name, path): hdu
                for number, hdu in enumerate(hdus)
                if isinstance(hdu, (fits.BinTableHDU, fits.TableHDU))
            }
            names = {where: list(map(str, hdu.columns.names)) for where, hdu in tables.items()}
            chosen = _chosen(path, names, "binary table", product)
        for where, columns in chosen.items():
            hdu = tables[where]
            single = None
            if "source_id" not in columns:
                single = identifier_of(path, hdu.header.get("SOURCEID"))
            text = isinstance(hdu, fits.TableHDU)
            parts = iter([hdu]) if text else _fits_parts(hdu, stream, columns.values())
            while found := _next_part(parts, columns, path):
                yield from _rows(found, wanted, where, single)


def _next_part(parts, columns, path):
    with _readable(path, "FITS"):
        part = next(parts, None)
        return part and {name: _fits_column(part, there) for name, there in columns.items()}


@contextmanager
def _fits_stream(path):
    """Open the bytes of a FITS file, on disk, or all in memory if it is gzipped."""
    if gzipped(path):
        yield io.BytesIO(read_bytes(path))
    else:
        with open(path, "rb") as stream:
            yield stream


def _count_headers(stream):
    """How many blocks begin like the header of an extension, and the size of the file."""
    count = size = 0
    while chunk := stream.read(4096 * _FITS_BLOCK):
        count += sum(chunk.startswith(b"XTENSION", start) for start in range(0, len(chunk), _FITS_BLOCK))
        size += len(chunk)
    stream.seek(0)
    return count, size


def _fits_parts(hdu, stream, names):
    """Divide a binary table into tables of some rows: astropy would read all of it, and its heap, at once."""
    from astropy.io import fits

    dtype, n_rows, start = hdu.columns.dtype.newbyteorder(">"), hdu.header["NAXIS2"], hdu.fileinfo()["datLoc"]
    heap = start + hdu.header.get("THEAP", hdu.header["NAXIS1"] * n_rows)
    variable = [column for column in hdu.columns if re.match(r"\d*[PQ]", column.format)]
    if dtype.itemsize != hdu.header["NAXIS1"]:
        raise InputError(f"HDU {hdu.name} has rows of {hdu.header['NAXIS1']} bytes, not {dtype.itemsize}.")
    for first in range(0, n_rows, _FITS_ROWS):
        stream.seek(start + first * dtype.itemsize)
        count = min(_FITS_ROWS, n_rows - first)
        rows = np.frombuffer(bytearray(stream.read(count * dtype.itemsize)), dtype)
        spans = {}  # where the rows' arrays lie in the heap
        for column in variable:
            lengths, offsets = rows[column.name].astype(np.int64).T
            width = np.dtype(fits.column.FITS2NUMPY[re.match(r"\d*[PQ](\w)", column.format)[1]]).itemsize
            if column.name in names and lengths.any():
                there = lengths > 0
                spans[column.name] = offsets[there].min(), (offsets + lengths * width)[there].max()
            else:
                rows[column.name][:] = 0
        pieces, shifts, size = _heap_pieces(stream, heap, spans)
        for name, shift in shifts.items():
            rows[name][:, 1] += np.where(rows[name][:, 0] > 0, shift, 0)
        header = hdu.header.copy()
        header["NAXIS2"], header["PCOUNT"] = count, size
        header.remove("THEAP", ignore_missing=True)
        padding = bytes(-(rows.nbytes + size) % _FITS_BLOCK)
        content = b"".join([header.tostring().encode(), rows.tobytes(), *pieces, padding])
        part = fits.BinTableHDU.fromstring(content, uint=True)
        part.arrays = {
            column.name: values
            for column in variable
            if column.name in names
            and (values := _of_one_length(column, rows[column.name], b"".join(pieces))) is not None
        }
        yield part


def _heap_pieces(stream, heap, spans):
    """Read the spans of a heap, as one piece where columns lie among each other: pieces, shifts, bytes."""
    pieces, shifts, size = [], {}, 0
    low, high = (
        pick(span[end] for span in spans.values()) if spans else 0 for end, pick in ((0, min), (1, max))
    )
    together = int(high) - int(low) <= sum(int(end - start) for start, end in spans.values())
    for name, (start, end) in spans.items():
        if together and pieces:
            shifts[name] = -int(low)
            continue
        start, end = (int(low), int(high)) if together else (int(start), int(end))
        stream.seek(heap + start)
        pieces.append(stream.read(end - start))
        shifts[name] = size - start
        size += end - start
    return pieces, shifts, size


def _of_one_length(column, rows, heap):
    """Arrays of a column as the rows of one; None if they are no plain numbers, or not of one length.

    An array that a row lacks is NaN. (astropy takes 50 us for each.)
    """
    code = re.match(r"\d*[PQ](\w)", column.format)[1]
    lengths, offsets = rows.astype(np.int64).T
    there, length = lengths > 0, lengths.max(initial=0)
    scaled = any(value not in (None, "") for value in (column.bscale, column.bzero, column.null))
    if code not in "DE" or scaled or not there.any() or (lengths[there] != length).any():
        return None
    dtype = np.dtype(f">f{8 if code == 'D' else 4}")
    if (offsets[there] + length * dtype.itemsize).max() > len(heap) or offsets.min() < 0:
        raise InputError("its heap is cut short.")
    held = np.frombuffer(heap, np.uint8)
    values = np.full((len(rows), length), np.nan, dtype)
    taken = held[offsets[there, None] + np.arange(length * dtype.itemsize)]
    values[there] = taken.view(dtype)
    return values


def _fits_column(hdu, name):
    if name in getattr(hdu, "arrays", ()):
        return hdu.arrays[name], hdu.columns[name].unit
    values, null = hdu.data[name], hdu.columns[name].null
    if null is not None and getattr(values, "dtype", np.dtype("O")).kind in "iu":
        values = np.ma.masked_equal(values, null)
    return values, hdu.columns[name].unit


def votable_blocks(path, wanted, product):
    """Rows of every table of a VOTable that has coefficients; see `xpsvae.xp.forms.blocks`."""
    from astropy.io.votable import parse
    from astropy.io.votable.exceptions import W18

    content = read_bytes(path)
    if re.search(rb"<(\w+:)?STREAM\s[^>]*href", content):
        raise InputError(f"{path} keeps its rows in another file: give a VOTable that holds them.")
    with _readable(path, "VOTable"):
        warnings.simplefilter("error", W18)  # another number of rows than is announced
        file = parse(io.BytesIO(content), verify="warn")
        _require_success(file, path)
        if b"STREAM" in content:
            _require_whole_streams(content, path)
        tables = {
            _called("table", number, table.name or table.ID, path): table
            for number, table in enumerate(file.iter_tables(), 1)
        }
        names = {where: [field.name for field in table.fields] for where, table in tables.items()}
        found = {
            where: _votable_columns(tables[where], columns)
            for where, columns in _chosen(path, names, "table", product).items()
        }
    for where, columns in found.items():
        single = None
        if "source_id" not in columns:
            said = [str(each.value) for each in tables[where].params if each.name.lower() == "source_id"]
            single = identifier_of(path, *said[:1])
        yield from _rows(columns, wanted, where, single)


def _votable_columns(element, columns):
    table = element.to_table(use_names_over_ids=True)
    return {name: (np.ma.asarray(table[there]), table[there].unit) for name, there in columns.items()}


def table_blocks(columns):
    """Rows of a table in memory; see `xpsvae.xp.forms.blocks`.

    Parameters
    ----------
    columns : dict of str to array
        Column of astropy or pandas, Quantity or array, by name.
    """
    where, found = "the table", find_columns(list(columns), "the table", ANY)
    if "source_id" not in found:
        raise InputError(f"{where} has no column source_id: add it.")
    held = {name: _in_memory(columns[there]) for name, there in found.items()}
    if len({len(values) for values, _ in held.values()}) != 1:
        raise InputError(f"{where} has columns of different lengths: give one row a star.")
    yield from _rows(held, None, where)


def _in_memory(column):
    """Values and unit of a column."""
    unit = getattr(column, "unit", None) if not hasattr(column, "iloc") else None
    if hasattr(column, "iloc"):
        column = column.to_numpy()
    elif unit is not None or hasattr(column, "mask"):
        column = np.ma.asarray(getattr(column, "value", column)) if hasattr(column, "mask") else column.value
    return (column if isinstance(column, np.ndarray) else np.asarray(column)), unit


@contextmanager
def _readable(path, form):
    """Turn what a damaged file ends in into a sentence: in astropy that may be any exception."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # archives break the standards here and there
            yield
    except InputError:
        raise
    except Exception as error:
        raise InputError(f"{path} is not readable as {form} ({one_line(error)}): {FETCH_AGAIN}.") from error


def _require_success(file, path):
    """Refuse the answer of a server that failed or left rows out: QUERY_STATUS says so, ERROR of old."""
    queue = [file]
    while queue:
        element = queue.pop(0)
        queue += element.resources
        for info in element.infos:
            name, status, reason = (
                str(info.name).strip().upper(),
                str(info.value).strip().upper(),
                info.content,
            )
            if name == "ERROR":
                status, reason = name, info.value
            elif name != "QUERY_STATUS" or status == "OK":
                continue
            reason = f" ({one_line(reason)})" if reason else ""
            if status == "OVERFLOW":
                raise InputError(
                    f"{path} is cut by the server's limit on rows, QUERY_STATUS OVERFLOW{reason}: "
                    "ask for fewer stars at once."
                )
            raise InputError(
                f"{path} is an error message of the server, QUERY_STATUS {status}{reason}: "
                "correct the request and send it again."
            )


def _called(what, number, name, path):
    return f"{what} {number}{f' ({name})' if name else ''} of {path}"


def _require_whole_streams(content, path):
    """Refuse binary rows that end in the middle of one: astropy leaves it out without a word."""
    for table in ElementTree.fromstring(content).iterfind(".//{*}TABLE"):
        fields = [
            (field.get("datatype"), field.get("arraysize", "1")) for field in table.iterfind("{*}FIELD")
        ]
        for form, masks in (("BINARY", 0), ("BINARY2", (len(fields) + 7) // 8)):
            for stream in table.iterfind(f"{{*}}DATA/{{*}}{form}/{{*}}STREAM"):
                if fields and not _is_whole(base64.b64decode(stream.text or ""), fields, masks):
                    raise InputError(
                        f"{path} has a table whose binary data end in the middle of a row: {FETCH_AGAIN}, "
                        "or in another form."
                    )


def _is_whole(data, fields, masks):
    position = 0
    while position < len(data):
        position += masks
        for datatype, arraysize in fields:
            *fixed, last = arraysize.split("x")
            count = math.prod(map(int, fixed))
            if last.endswith("*"):
                count *= int.from_bytes(data[position : position + 4], "big", signed=True)
                position += 4
            else:
                count *= int(last)
            if count < 0:
                return False
            position += -(-count // 8) if datatype == "bit" else count * _BYTES[datatype]
    return position == len(data)


def _chosen(path, names, kind, product):
    """Columns to read of each table that has coefficients; a table with stars alone would lose them."""
    present = {where: {name.strip().lower() for name in columns} for where, columns in names.items()}
    chosen = {
        where: find_columns(names[where], where, product) for where in names if present[where] & set(REQUIRED)
    }
    if not chosen and product == ANY:
        chosen = {
            where: find_columns(names[where], where, ANY) for where in names if "flux" in present[where]
        }
    if not names:
        raise InputError(f"{path} has no {kind}: {FETCH_AGAIN}.")
    if not chosen:
        best = max(names, key=lambda where: ("flux" in present[where], "source_id" in present[where]))
        find_columns(names[best], path, product)
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


def _rows(found, wanted, where, single=None):
    """Rows of a table that is in memory: `found` has values and unit of each column."""
    if single is None:
        values, _ = found.pop("source_id")
        source_id = identifiers(f"source_id in {where}", np.ma.filled(values, 0))
    else:
        source_id = np.full(len(next(iter(found.values()))[0]), single)
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
