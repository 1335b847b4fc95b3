"""What all forms of XP files have in common: names, types and units of columns, arrays in text."""

import re
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from xpsvae.arrays import convert
from xpsvae.errors import InputError
from xpsvae.unpack import DAMAGED_GZIP, open_gzip
from xpsvae.xp.basis import BANDS, COEFFICIENT_UNIT, FLUX_UNIT, WAVELENGTH_UNIT

__all__ = [
    "ANY",
    "CONTINUOUS",
    "FETCH_AGAIN",
    "NOT_NUMERIC",
    "NO_ARRAY",
    "REQUIRED",
    "dtype_of",
    "find_columns",
    "gzipped",
    "identifier_of",
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
# What else is read where any XP product is welcome. Flux is float32 in the archive; GaiaXPy gives more digits.
_SAMPLED = {"flux": FLUX_UNIT, "flux_error": FLUX_UNIT}
_BESIDE = {
    "wavelength": WAVELENGTH_UNIT,
    "phot_g_mean_flux": COEFFICIENT_UNIT,
    "phot_g_mean_mag": "mag",
}
CONTINUOUS, ANY = "continuous", "any"  # what a reader may meet: XP_CONTINUOUS in full, or any XP product
REQUIRED = tuple(f"{band}_{name}" for band in BANDS for name in ("coefficients", "coefficient_errors"))
_ARRAYS = {
    re.compile(r"\s*\{"): "braces, {1,2}, as PostgreSQL writes them",
    re.compile(r".*[0-9.]\s*;"): "numbers separated by semicolons",
    re.compile(r".*[0-9.]\s+[-+0-9.]"): "numbers separated by blanks, as numpy prints them",
}
FETCH_AGAIN = "fetch it again"


def find_columns(names, where, product=CONTINUOUS):
    """Find the columns by their names in any case: {our name: name there}.

    Of `CONTINUOUS` the correlations and the standard deviations may be absent. Of `ANY` they are not read, but
    the G magnitude or flux is; sampled spectra may lack source_id, which then stands in the file's head or name.
    """
    found = {}
    for name in names:
        found.setdefault(name.strip().lower(), []).append(name)
    if product == ANY:
        wanted = _any_columns(found, names, where)
    else:
        _require(("source_id", *REQUIRED), found, names, where)
        optional = [name for name in _DTYPES if all(f"{band}_{name}" in found for band in BANDS)]
        wanted = ["source_id", *(f"{band}_{name}" for name in optional for band in BANDS)]
    for name in wanted:
        if len(found[name]) > 1:
            raise InputError(
                f"{where} has the column {name} {len(found[name])} times ({', '.join(found[name])}): "
                "leave one of them."
            )
    return {name: found[name][0] for name in wanted}


def _any_columns(found, names, where):
    beside = [name for name in ("phot_g_mean_flux", "phot_g_mean_mag") if name in found]
    if not found.keys() & set(REQUIRED) and found.keys() & set(_SAMPLED):
        _require(_SAMPLED, found, names, where)
        return [name for name in ("source_id", "wavelength") if name in found] + [*_SAMPLED, *beside]
    if not found.keys() & set(REQUIRED) and {"log_pos", "log_lik"} & found.keys():
        raise InputError(f"{where} holds MCMC samples, not spectra: give XP_CONTINUOUS or XP_SAMPLED.")
    _require(("source_id", *REQUIRED), found, names, where)
    return ["source_id", *REQUIRED, *beside]


def _require(columns, found, names, where):
    missing = [name for name in columns if name not in found]
    if not missing:
        return
    if "flux" in found and "flux" not in columns:
        advice = (
            "it holds sampled spectra (column flux); give XP_CONTINUOUS ones, or turn the flux into "
            "coefficients with xpsvae.xp.flux_to_coefficients(flux, flux_error, sampled_by='archive')"
        )
    else:
        advice = f"give XP_CONTINUOUS spectra; its columns are {one_line(', '.join(names), 100)}"
    raise InputError(f"{where} has no column {', '.join(missing)}: {advice}.")


def identifier_of(path, said=None):
    """source_id of a file that holds one star's sampled spectrum, as its head says, or else its name."""
    digits = re.findall(r"(?<!\d)\d{6,19}(?!\d)", str(said if said is not None else Path(path).stem))
    if len(digits) != 1 or int(digits[0]) > np.iinfo(np.int64).max:
        raise InputError(
            f"{path} has no column source_id, and neither its head nor its name has one: add the column."
        )
    return int(digits[0])


def dtype_of(column):
    return np.dtype(
        np.float64 if column in _SAMPLED or column in _BESIDE else _DTYPES[column.split("_", 1)[1]]
    )


def in_unit(values, name, unit, where):
    """Values in the unit of the data model; what the file says of units is not thrown away."""
    if unit in (None, ""):
        return values
    own = (_SAMPLED | _BESIDE).get(name)
    if own is None:
        own = COEFFICIENT_UNIT if name.endswith(("coefficients", "errors")) else ""
    return convert(where, values, unit, own)


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
        except DAMAGED_GZIP as error:
            raise InputError(f"{path} is a cut or damaged gzip file ({error}): {FETCH_AGAIN}.") from error


def read_bytes(path, size=-1):
    with unpacked(path) as stream:
        return stream.read(size)


def one_line(text, length=200):
    return " ".join(str(text).split())[:length]
