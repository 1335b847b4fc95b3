"""What all forms of XP_CONTINUOUS files have in common: names, types and units of columns, arrays in text."""

import gzip
import re
import zlib
from contextlib import contextmanager

import numpy as np

from xpsvae.arrays import convert
from xpsvae.errors import InputError
from xpsvae.unpack import open_gzip
from xpsvae.xp.basis import BANDS, COEFFICIENT_UNIT

__all__ = [
    "FETCH_AGAIN",
    "NOT_NUMERIC",
    "NO_ARRAY",
    "REQUIRED",
    "dtype_of",
    "find_columns",
    "in_unit",
    "one_line",
    "parse_text",
    "read_bytes",
    "unpacked",
]

NO_ARRAY, NOT_NUMERIC = 0, -1  # in place of a length
# dtypes of the Gaia data model, so that text and binary files give the same numbers
_DTYPES = {
    "coefficients": np.float64,
    "coefficient_errors": np.float32,
    "coefficient_correlations": np.float32,
    "standard_deviation": np.float32,
}
REQUIRED = tuple(f"{band}_{name}" for band in BANDS for name in ("coefficients", "coefficient_errors"))
_ARRAYS = {
    re.compile(r"\s*\{"): "braces, {1,2}, as PostgreSQL writes them",
    re.compile(r".*[0-9.]\s*;"): "numbers separated by semicolons",
    re.compile(r".*[0-9.]\s+[-+0-9.]"): "numbers separated by blanks, as numpy prints them",
}
FETCH_AGAIN = "fetch it again"


def find_columns(names, where):
    """Find the columns by their names in any case: {our name: name there}.

    The correlations and the standard deviations may be absent.
    """
    found = {}
    for name in names:
        found.setdefault(name.strip().lower(), []).append(name)
    missing = [name for name in ("source_id", *REQUIRED) if name not in found]
    if missing:
        if "flux" in found:
            advice = (
                "it holds sampled spectra (column flux); give XP_CONTINUOUS ones, or turn the flux into "
                "coefficients with xpsvae.xp.flux_to_coefficients(flux, flux_error, sampled_by='archive')"
            )
        else:
            advice = f"give XP_CONTINUOUS spectra; its columns are {one_line(', '.join(names), 100)}"
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


def dtype_of(column):
    return np.dtype(_DTYPES[column.split("_", 1)[1]])


def in_unit(values, name, unit, where):
    """Values in the unit of the data model; what the file says of units is not thrown away."""
    if unit in (None, ""):
        return values
    return convert(where, values, unit, COEFFICIENT_UNIT if name.endswith(("coefficients", "errors")) else "")


def parse_text(texts, dtype, where):
    """Numbers of array-valued text, "(1, 2)" or "[1,null]": all values in a row, and how many are whose."""
    import pyarrow as pa
    import pyarrow.compute as pc

    first = next((text.as_py() for text in texts if text.is_valid), "")
    for pattern, what in _ARRAYS.items():
        if pattern.match(first[:200]):
            raise InputError(f"{where} holds arrays in {what}: write them as (1, 2) or [1, 2].")
    bare = pc.utf8_trim(texts, "()[] ")
    bare = pc.replace_substring(pc.if_else(pc.equal(bare, ""), None, bare), "null", "nan")
    parts = pc.split_pattern(bare, ",")
    lengths = pc.fill_null(pc.list_value_length(parts), NO_ARRAY).to_numpy().astype(np.int64)
    arrow_type = pa.from_numpy_dtype(dtype)
    try:
        return pc.utf8_trim_whitespace(parts.flatten()).cast(arrow_type).to_numpy(), lengths
    except pa.ArrowInvalid:
        good = [pa.array([], arrow_type)]
        for row, part in enumerate(parts):
            try:
                if part.is_valid:
                    good.append(pc.utf8_trim_whitespace(part.values).cast(arrow_type))
            except pa.ArrowInvalid:
                lengths[row] = NOT_NUMERIC
        return pa.concat_arrays(good).to_numpy(), lengths


def gzipped(path):
    with open(path, "rb") as stream:
        return stream.read(2) == b"\x1f\x8b"


@contextmanager
def unpacked(path):
    """Open a file for reading bytes, unpacked if it is gzipped; what that fails with becomes a sentence."""
    with open_gzip(path) if gzipped(path) else open(path, "rb") as stream:
        try:
            yield stream
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise InputError(f"{path} is a cut or damaged gzip file ({error}): {FETCH_AGAIN}.") from error


def read_bytes(path, size=-1):
    with unpacked(path) as stream:
        return stream.read(size)


def one_line(text, length=200):
    return " ".join(str(text).split())[:length]
