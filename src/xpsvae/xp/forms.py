"""The forms that XP_CONTINUOUS spectra come in: csv, ecsv, FITS and VOTable, plain or gzipped.

`blocks` yields the rows of a file, whatever its form. A file is known by its content, not by its name. All
tables of a file are read; names of columns are found in any case, as FITS and VOTable mean them. What cannot
be decided is refused with what was found, so that no star is lost, renamed or invented.
"""

import csv
import gzip
import io
import re
import warnings
import zlib

import numpy as np

from xpsvae.arrays import convert, identifiers, plain
from xpsvae.errors import InputError
from xpsvae.xp.basis import BANDS, COEFFICIENT_UNIT

__all__ = ["NOT_NUMERIC", "NO_ARRAY", "blocks"]

NO_ARRAY, NOT_NUMERIC = 0, -1  # in place of a length
# dtypes of the Gaia data model, so that text and binary files give the same numbers
_DTYPES = {
    "coefficients": np.float64,
    "coefficient_errors": np.float32,
    "coefficient_correlations": np.float32,
    "standard_deviation": np.float32,
}
_REQUIRED = tuple(f"{band}_{name}" for band in BANDS for name in ("coefficients", "coefficient_errors"))
_OTHER_FORMS = {
    b"PK\x03\x04": "a zip archive: unpack it",
    b"PAR1": "a Parquet file",
    b"\x89HDF": "an HDF5 file",
    b"\x93NUMPY": "a numpy file",
    b"Obj\x01": "an Avro file",
    b"\x1f\x8b": "gzipped twice: unpack it once",
    b"BZh": "a bzip2 file: unpack it",
    b"\xfd7zXZ": "an xz file: unpack it",
    b"\x28\xb5\x2f\xfd": "a Zstandard file: unpack it",
    b"{": "JSON",
    b"%PDF": "a PDF file",
}
_SEPARATORS = {"\t": "tabs", ";": "semicolons", "|": "bars", " ": "blanks"}
_BLOCK = 2 << 20  # bytes of text parsed at a time, some 50 spectra; pyarrow reads up to 40 blocks ahead
_REASON = 200  # characters of a server's message that are shown
_FETCH_AGAIN = "fetch it again"


def blocks(path, wanted=None):
    """Rows of a file, some at a time.

    Parameters
    ----------
    path : path-like
    wanted : int64 array (n,), optional
        source_ids of the rows to keep; all if not given.

    Yields
    ------
    source_id : int64 array (n_rows,)
        0 where the file has none.
    columns : dict of str to (values, lengths)
        Numbers of all rows one after the other, and how many are whose: `NO_ARRAY` where there is none,
        `NOT_NUMERIC` where there are others than real numbers.

    Raises
    ------
    InputError
        If the file is cut, of another kind or an error message, lacks a column or has one twice, has a
        source_id that is no integer, or tables that do not fit together.
    """
    return {"csv": _text, "fits": _fits, "votable": _votable}[_kind(path)](path, wanted)


def _kind(path):
    head = _read(path, 4096).lstrip(b"\xef\xbb\xbf \t\r\n")
    if head.startswith(b"SIMPLE  ="):
        return "fits"
    if head.startswith(b"<"):
        if b"VOTABLE" in head.upper():
            return "votable"
        raise InputError(f"{path} is a web page or other XML, not a VOTable: {_FETCH_AGAIN}.")
    found = next((form for magic, form in _OTHER_FORMS.items() if head.startswith(magic)), "")
    if found == "JSON":
        found += f" ({_one_line(head.decode(errors='replace'))})"
    if found or b"\0" in head or not head:
        raise InputError(
            f"{path} is not csv, ecsv, FITS or VOTable{', but ' * bool(found)}{found}: "
            "give an XP_CONTINUOUS file in one of these formats."
        )
    return "csv"


def _columns(names, where):
    """Find the columns by their names in any case: {our name: name there}.

    The correlations and the standard deviations may be absent.
    """
    found = {}
    for name in names:
        found.setdefault(name.strip().lower(), []).append(name)
    missing = [name for name in ("source_id", *_REQUIRED) if name not in found]
    if missing:
        if "flux" in found:
            advice = (
                "it holds sampled spectra (column flux); give XP_CONTINUOUS ones, or turn the flux into "
                "coefficients with xpsvae.xp.flux_to_coefficients"
            )
        else:
            advice = f"give XP_CONTINUOUS spectra; its columns are {_one_line(', '.join(names), 100)}"
        raise InputError(f"{where} has no column {', '.join(missing)}: {advice}.")
    optional = [name for name in _DTYPES if all(f"{band}_{name}" in found for band in BANDS)]
    wanted = ["source_id", *(f"{band}_{name}" for name in optional for band in BANDS)]
    for name in wanted:
        if len(found[name]) > 1:
            raise InputError(
                f"{where} has the column {name} {len(found[name])} times ({', '.join(found[name])}): "
                "leave one of them."
            )
    return {name: found[name][0] for name in wanted}


def _dtype(column):
    return np.dtype(_DTYPES[column.split("_", 1)[1]])


# -- text


def _text(path, wanted):
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.csv

    header, delimiter, names = _text_header(path)
    columns = _columns(names, path)
    declared = _declared(header)
    datatype = declared.get(columns["source_id"], {}).get("datatype", "int64")
    if not datatype.startswith(("int", "uint", "string")):
        raise InputError(
            f"source_id in {path} is {datatype}, which need not hold all digits of a source_id: "
            "give 64-bit integers."
        )
    with pa.input_stream(str(path), compression="gzip" if _gzipped(path) else None) as stream:
        try:
            reader = pa.csv.open_csv(
                stream,
                pa.csv.ReadOptions(block_size=_BLOCK, skip_rows=len(header)),
                pa.csv.ParseOptions(delimiter=delimiter),
                pa.csv.ConvertOptions(
                    include_columns=list(columns.values()),
                    column_types=dict.fromkeys(columns.values(), pa.string()),
                    null_values=["", "null", "NULL", "nan", "NaN", "--"],
                    strings_can_be_null=True,
                ),
            )
            for batch in reader:
                source_id = _text_identifiers(batch[columns["source_id"]], path)
                if wanted is not None:
                    rows = pc.is_in(source_id, value_set=pa.array(wanted))
                    batch, source_id = batch.filter(rows), source_id.filter(rows)
                if batch.num_rows:
                    ragged = {}
                    for name, there in columns.items():
                        if name != "source_id":
                            where = f"{name} in {path}"
                            values, lengths = _parse(batch[there], _dtype(name), where)
                            unit = declared.get(there, {}).get("unit")
                            ragged[name] = _in_unit(values, name, unit, where).astype(_dtype(name)), lengths
                    yield source_id.to_numpy(), ragged
        except OSError as error:
            raise InputError(f"{path} is a cut or damaged gzip file ({error}): {_FETCH_AGAIN}.") from error
        except pa.ArrowInvalid as error:
            raise InputError(
                f"{path} is not a regular table ({_one_line(error)}): {_FETCH_AGAIN}."
            ) from error


def _text_identifiers(texts, path):
    import pyarrow as pa
    import pyarrow.compute as pc

    texts = pc.fill_null(pc.utf8_trim_whitespace(texts), "0")
    digits = pc.match_substring_regex(texts, "^-?[0-9]+$")  # pyarrow would read hexadecimal numbers as well
    if not pc.all(digits).as_py():
        other = texts.filter(pc.invert(digits))[0].as_py()
        raise InputError(
            f"{path} has '{_one_line(other, 40)}' in column source_id, not an integer: "
            "give source_ids with all their digits."
        )
    try:
        return texts.cast(pa.int64())
    except pa.ArrowInvalid as error:
        raise InputError(
            f"{path} has a source_id that needs more than 64 bits ({_one_line(error)}): give Gaia source_ids."
        ) from error


def _text_header(path):
    """Read the comment lines, the delimiter and the column names."""
    comments, delimiter = [], ","
    with (gzip.open if _gzipped(path) else open)(path, "rt", encoding="utf-8-sig", newline="") as lines:
        try:
            for line in lines:
                if not line.startswith("#"):
                    return comments, delimiter, _names(line, delimiter, path)
                comments.append(line)
                if line.startswith("# %ECSV"):
                    delimiter = " "  # what the format means if no line names it
                elif line.startswith("# delimiter:"):
                    delimiter = line.split(":", 1)[1].strip().strip("'\"") or " "
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise InputError(f"{path} is a cut or damaged gzip file ({error}): {_FETCH_AGAIN}.") from error
        except UnicodeDecodeError as error:
            raise InputError(f"{path} is not text ({error.reason}): {_FETCH_AGAIN}.") from error
    raise InputError(f"{path} has no line with column names: {_FETCH_AGAIN}.")


def _names(line, delimiter, path):
    line = line.strip("\r\n")
    if delimiter not in line:
        for separator, what in _SEPARATORS.items():
            if len(line.split(separator)) > len(_REQUIRED):
                raise InputError(
                    f"{path} has its columns separated by {what}: give csv, separated by commas, or ecsv."
                )
    return next(csv.reader([line], delimiter=delimiter), [])


def _declared(header):
    """Datatype and unit of columns in the header of an ecsv file: {name: {"datatype": ..., "unit": ...}}."""
    found = {}
    for item in re.split(r"^# *- *", "".join(header), flags=re.MULTILINE)[1:]:
        said = {
            key: match[2]
            for key in ("name", "datatype", "unit")
            if (match := re.search(rf"\b{key}: *(['\"]?)([^'\",}}\n]+)\1", item))
        }
        if "name" in said:
            found[said["name"].strip()] = said
    return found


def _parse(texts, dtype, where):
    """Numbers of array-valued text, "(1, 2)" or "[1,null]": all values in a row, and how many are whose."""
    import pyarrow as pa
    import pyarrow.compute as pc

    for pattern, what in (
        (r"^\s*\{", "braces, {1,2}, as PostgreSQL writes them"),
        (r"[0-9.]\s*;", "numbers separated by semicolons"),
        (r"[0-9.]\s+[-+0-9.]", "numbers separated by blanks, as numpy prints them"),
    ):
        if pc.any(pc.match_substring_regex(texts, pattern)).as_py():
            raise InputError(f"{where} holds arrays in {what}: write them as (1, 2) or [1, 2].")
    bare = pc.replace_substring(pc.utf8_trim(texts, "()[] "), " ", "")
    bare = pc.replace_substring(pc.if_else(pc.equal(bare, ""), None, bare), "null", "nan")
    parts = pc.split_pattern(bare, ",")
    lengths = pc.fill_null(pc.list_value_length(parts), NO_ARRAY).to_numpy().astype(np.int64)
    arrow_type = pa.from_numpy_dtype(dtype)
    try:
        return parts.flatten().cast(arrow_type).to_numpy(), lengths
    except pa.ArrowInvalid:
        good = [pa.array([], arrow_type)]
        for row, part in enumerate(parts):
            try:
                if part.is_valid:
                    good.append(part.values.cast(arrow_type))
            except pa.ArrowInvalid:
                lengths[row] = NOT_NUMERIC
        return pa.concat_arrays(good).to_numpy(), lengths


# -- FITS and VOTable


def _fits(path, wanted):
    from astropy.io import fits

    content = _read(path)
    standard = (fits.PrimaryHDU, fits.ImageHDU, fits.TableHDU, fits.BinTableHDU, fits.CompImageHDU)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a cut file, which is refused below
            hdus = fits.open(io.BytesIO(content), lazy_load_hdus=False)
        with hdus:
            spans = [hdu.fileinfo() for hdu in hdus]
            end = spans[-1]["datLoc"] + spans[-1]["datSpan"]
            if any(span["datLoc"] + span["datSpan"] > len(content) for span in spans):
                raise InputError(f"{path} is cut short ({len(content)} bytes): {_FETCH_AGAIN}.")
            if content[end:].strip(b"\0 "):
                raise InputError(f"{path} is damaged after HDU {len(hdus) - 1}: {_FETCH_AGAIN}.")
            if other := [number for number, hdu in enumerate(hdus) if not isinstance(hdu, standard)]:
                raise InputError(f"{path} is damaged in HDU {other[0]}: {_FETCH_AGAIN}.")
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
        raise InputError(f"{path} is not readable FITS ({_one_line(error)}): {_FETCH_AGAIN}.") from error


def _fits_column(hdu, name):
    values, null = hdu.data[name], hdu.columns[name].null
    if null is not None and getattr(values, "dtype", np.dtype("O")).kind in "iu":
        values = np.ma.masked_equal(values, null)
    return values, hdu.columns[name].unit


def _votable(path, wanted):
    from xml.parsers.expat import ExpatError

    from astropy.io.votable import parse
    from astropy.io.votable.exceptions import VOTableSpecError

    content = _read(path)
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
                        f"{_FETCH_AGAIN}."
                    )
                found = {
                    name: (np.ma.asarray(table[there]), table[there].unit) for name, there in columns.items()
                }
                yield from _rows(found, wanted, where)
    except (ExpatError, VOTableSpecError, OSError, ValueError, TypeError, IndexError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path} is not a readable VOTable ({_one_line(error)}): {_FETCH_AGAIN}.") from error


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
            reason = f" ({_one_line(info.content)})" if info.content else ""
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
    chosen = {where: _columns(names[where], where) for where in names if present[where] & set(_REQUIRED)}
    if not names:
        raise InputError(f"{path} has no {kind}: {_FETCH_AGAIN}.")
    if not chosen:
        best = max(names, key=lambda where: ("flux" in present[where], "source_id" in present[where]))
        _columns(names[best], path)
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
    """Like `_parse`, for arrays that a binary format has read: masked, empty, of fixed or variable length."""
    dtype = _dtype(name)
    if column.dtype.kind in "SU" or isinstance(column[0], (str, bytes)):
        import pyarrow as pa

        texts = [x.decode("latin-1") if isinstance(x, bytes) else str(x) for x in np.ma.filled(column, "")]
        values, lengths = _parse(pa.array(texts), dtype, where)
    elif column.dtype.kind == "O":
        rows = [np.empty(0) if row is None else plain(where, row).ravel() for row in column]
        values, lengths = np.concatenate(rows), np.array([len(row) for row in rows])
    else:
        values = plain(where, column).reshape(len(column), -1)
        values, lengths = values.ravel(), np.full(len(values), values.shape[1])
    with np.errstate(over="ignore"):  # what float32 cannot hold is infinite, and so named and left out
        return _in_unit(values, name, unit, where).astype(dtype), lengths


def _in_unit(values, name, unit, where):
    """Values in the unit of the data model; what the file says of units is not thrown away."""
    if unit in (None, ""):
        return values
    return convert(where, values, unit, COEFFICIENT_UNIT if name.endswith(("coefficients", "errors")) else "")


# -- bytes and words


def _gzipped(path):
    with open(path, "rb") as stream:
        return stream.read(2) == b"\x1f\x8b"


def _read(path, size=-1):
    with (gzip.open if _gzipped(path) else open)(path, "rb") as stream:
        try:
            return stream.read(size)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise InputError(f"{path} is a cut or damaged gzip file ({error}): {_FETCH_AGAIN}.") from error


def _one_line(text, length=_REASON):
    return " ".join(str(text).split())[:length]
