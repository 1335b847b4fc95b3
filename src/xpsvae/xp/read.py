"""Gaia XP_CONTINUOUS files as arrays: csv, ecsv, FITS and VOTable, plain or gzipped, downloaded or bulk.

A file is known by its content, not by its name. A spectrum that cannot be used is named and either dropped
or refused; none comes back with NaN in it. Sizes of the bands come from the data.
"""

import gzip
import io
import warnings
import zlib
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from xpsvae.errors import InputError
from xpsvae.xp.basis import BANDS

__all__ = ["XPSpectra", "iter_bulk", "read_spectra"]

_REQUIRED = ("coefficients", "coefficient_errors")
# dtypes of the Gaia data model, so that text and binary files give the same numbers
_DTYPES = {
    "coefficients": np.float64,
    "coefficient_errors": np.float32,
    "coefficient_correlations": np.float32,
    "standard_deviation": np.float32,
}
_SOURCE_ID_END = 12 * 4**12 << 35  # a source_id starts with the star's HEALPix pixel of level 12
_BLOCK = 2 << 20  # bytes of text parsed at a time, some 50 spectra; pyarrow reads up to 40 blocks ahead
_NO_ARRAY, _NOT_NUMERIC = 0, -1  # in place of a length
_FETCH_AGAIN = "fetch it again"


@dataclass(frozen=True)
class XPSpectra:
    """Spectra of a file in its order, without those that could not be used.

    Attributes
    ----------
    source_id : int64 array (n_stars,)
    coefficients : float64 array (n_stars, n_bp + n_rp)
        BP then RP [e-/s].
    errors : float32 array (n_stars, n_bp + n_rp)
        [e-/s].
    correlations : float32 array (n_stars, 2, n_pairs) or None
        Strict lower triangle of the correlation matrix of BP and of RP, row by row
        (``np.tril_indices(n, -1)``); None if the file has none. If the bands differ in size the smaller one
        ends in zeros: the pairs of the coefficients that it lacks.
    standard_deviations : float32 array (n_stars, 2) or None
        ``bp_standard_deviation``, ``rp_standard_deviation``; None if the file has none.
    band_sizes : tuple of two int
        n_bp, n_rp.
    dropped : dict of str to list of int
        Why spectra were left out, and their source_ids.
    """

    source_id: np.ndarray
    coefficients: np.ndarray
    errors: np.ndarray
    correlations: np.ndarray | None
    standard_deviations: np.ndarray | None
    band_sizes: tuple
    dropped: dict = field(default_factory=dict)

    def __len__(self):
        return len(self.source_id)


def read_spectra(path, invalid="drop"):
    """Read all spectra of a file.

    Parameters
    ----------
    path : path-like
        XP_CONTINUOUS of the Gaia archive in any of its forms: csv, ecsv, FITS or VOTable, also gzipped.
    invalid : {"drop", "refuse"}
        What to do if a spectrum lacks a band, has another number of values than the others, holds text,
        NaN, an error that is not positive or correlations that are not those of a positive definite matrix,
        or if its source_id is impossible or came before.

    Returns
    -------
    XPSpectra

    Raises
    ------
    InputError
        If the file is missing, cut, of another kind or without the needed columns; if no spectrum can be
        used; if one cannot and ``invalid`` is "refuse".
    """
    parts = list(_iterate(path, None, invalid))
    dropped = _merge(part.dropped for part in parts)
    if not any(len(part) for part in parts):
        raise InputError(
            f"{path} holds no spectrum that can be used{_explain(dropped)}: give a file with BP and RP."
        )
    parts = [part for part in parts if len(part)]

    def joined(name):
        arrays = [getattr(part, name) for part in parts]
        return None if arrays[0] is None else np.concatenate(arrays)

    arrays = ("source_id", "coefficients", "errors", "correlations", "standard_deviations")
    return XPSpectra(*map(joined, arrays), parts[0].band_sizes, dropped)


def iter_bulk(path, source_ids, invalid="drop"):
    """Read the wanted spectra of a bulk file (``XpContinuousMeanSpectrum_*.csv.gz``) as a stream.

    Memory is bounded by some 200 MB, whatever the size of the file.

    Parameters
    ----------
    path : path-like
        Text files stream; FITS and VOTable are read whole.
    source_ids : array (n,) of int
        Stars to keep.
    invalid : {"drop", "refuse"}
        See `read_spectra`; stars that are not wanted are never refused.

    Yields
    ------
    XPSpectra
        In the order of the file; one without stars says only what was dropped.

    Raises
    ------
    InputError
        See `read_spectra`; a file without wanted stars is not an error.
    """
    return _iterate(path, np.asarray(source_ids, dtype=np.int64), invalid)


def _iterate(path, wanted, invalid):
    if invalid not in ("drop", "refuse"):
        raise InputError(f"invalid is {invalid!r} where 'drop' or 'refuse' is expected.")
    if not Path(path).is_file():
        raise InputError(f"{path} does not exist: give the path of an XP_CONTINUOUS file.")
    blocks = {"csv": _text_blocks, "fits": _fits_blocks, "votable": _votable_blocks}[_kind(path)]
    sizes, seen = [0, 0], set()
    for source_id, columns in blocks(path, wanted):
        spectra = _check(source_id, columns, sizes, seen)
        if spectra.dropped and invalid == "refuse":
            raise InputError(
                f"{path} holds spectra that cannot be used{_explain(spectra.dropped)}: "
                "mend the file, or let them be dropped."
            )
        yield spectra


def _check(source_id, columns, sizes, seen):
    """Sort out the spectra that cannot be used; ``sizes`` and ``seen`` are carried from block to block."""
    reason = np.full(len(source_id), "", dtype=object)

    def mark(bad, why):
        reason[bad & (reason == "")] = why

    mark((source_id <= 0) | (source_id >= _SOURCE_ID_END), "source_id is not a Gaia identifier")
    for band, name in enumerate(BANDS):
        lengths = columns[f"{name}_coefficients"][1]
        if not sizes[band]:
            counted = Counter(lengths[lengths > 0].tolist()).most_common(1)
            sizes[band] = counted[0][0] if counted else 0
        mark(lengths == _NO_ARRAY, f"{name.upper()} is missing")
    matrices = {}
    for column, (values, lengths) in columns.items():
        name, quantity = column.split("_", 1)
        size = sizes[BANDS.index(name)]
        expected = {
            "coefficient_correlations": size * (size - 1) // 2,
            "standard_deviation": 1,
        }.get(quantity, size)
        mark(lengths == _NOT_NUMERIC, f"{column} is not numeric")
        mark(lengths != expected, f"{column} does not have {expected} values")
        whole = lengths == expected
        matrix = np.full((len(source_id), expected), np.nan, dtype=values.dtype)
        matrix[whole] = values[np.repeat(whole, lengths.clip(min=0))].reshape(whole.sum(), expected)
        if quantity == "coefficients":
            mark(np.isnan(matrix).all(axis=1), f"{name.upper()} is missing")
        mark(~np.isfinite(matrix).all(axis=1), f"{column} is not finite")
        if quantity in ("coefficient_errors", "standard_deviation"):
            mark(~(matrix > 0).all(axis=1), f"{column} is not positive")
        if quantity == "coefficient_correlations":
            finite = np.isfinite(matrix).all(axis=1)
            mark(finite & ~_positive_definite(matrix, size), f"{column} is not positive definite")
        matrices[column] = matrix
    for row in np.flatnonzero(reason == ""):
        if source_id[row] in seen:
            reason[row] = "source_id occurs again"
        seen.add(source_id[row])
    dropped = {why: source_id[reason == why].tolist() for why in dict.fromkeys(reason) if why}
    return _gather(source_id, matrices, reason == "", tuple(sizes), dropped)


def _gather(source_id, matrices, good, sizes, dropped):
    def both(quantity):
        if f"{BANDS[0]}_{quantity}" in matrices:
            return [matrices[f"{name}_{quantity}"][good] for name in BANDS]

    correlations, deviations = both("coefficient_correlations"), both("standard_deviation")
    if correlations is not None:
        # The triangle of a smaller matrix, row by row, is how that of a larger one begins.
        stacked = np.zeros((good.sum(), len(BANDS), max(c.shape[1] for c in correlations)), np.float32)
        for band, values in enumerate(correlations):
            stacked[:, band, : values.shape[1]] = values
        correlations = stacked
    return XPSpectra(
        source_id[good],
        np.hstack(both("coefficients")),
        np.hstack(both("coefficient_errors")),
        correlations,
        None if deviations is None else np.hstack(deviations),
        sizes,
        dropped,
    )


def _positive_definite(triangles, size):
    """Whether each strict lower triangle makes a positive definite correlation matrix."""
    definite = np.zeros(len(triangles), dtype=bool)
    matrices = np.zeros((len(triangles), size, size))
    matrices[:, np.arange(size), np.arange(size)] = 1.0
    matrices[:, *np.tril_indices(size, -1)] = triangles  # all that the decomposition reads
    usable = np.isfinite(triangles).all(axis=1)
    try:
        np.linalg.cholesky(matrices[usable])
        definite[usable] = True
    except np.linalg.LinAlgError:  # of the whole stack: find out which
        for row in np.flatnonzero(usable):
            try:
                np.linalg.cholesky(matrices[row])
                definite[row] = True
            except np.linalg.LinAlgError:
                pass
    return definite


def _kind(path):
    """Tell the format by the first bytes: names differ between the archive's services."""
    head = _read(path, 4096).lstrip(b"\xef\xbb\xbf \t\r\n")
    if head.startswith(b"SIMPLE  ="):
        return "fits"
    if head.startswith(b"<"):
        if b"VOTABLE" in head.upper():
            return "votable"
        raise InputError(f"{path} is a web page or other XML, not a VOTable: {_FETCH_AGAIN}.")
    if b"\0" in head or not head:
        raise InputError(
            f"{path} is not csv, ecsv, FITS or VOTable: give an XP_CONTINUOUS file in one of these formats."
        )
    return "csv"


def _gzipped(path):
    with open(path, "rb") as stream:
        return stream.read(2) == b"\x1f\x8b"


def _read(path, size=-1):
    with (gzip.open if _gzipped(path) else open)(path, "rb") as stream:
        try:
            return stream.read(size)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise InputError(f"{path} is a cut or damaged gzip file ({error}): {_FETCH_AGAIN}.") from error


def _wanted_columns(path, present):
    """Columns to read; the correlations and the standard deviations may be absent."""
    needed = ["source_id", *(f"{band}_{name}" for band in BANDS for name in _REQUIRED)]
    missing = [name for name in needed if name not in present]
    if missing:
        raise InputError(
            f"{path} has no column {', '.join(missing)}: "
            "give XP_CONTINUOUS spectra, with coefficients, not sampled ones."
        )
    return [
        f"{band}_{name}"
        for name in _DTYPES
        if all(f"{band}_{name}" in present for band in BANDS)
        for band in BANDS
    ]


def _text_blocks(path, wanted):
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.csv

    comments, delimiter, names = _text_header(path)
    columns = _wanted_columns(path, names)
    with pa.input_stream(str(path), compression="gzip" if _gzipped(path) else None) as stream:
        try:
            reader = pa.csv.open_csv(
                stream,
                pa.csv.ReadOptions(block_size=_BLOCK, skip_rows=comments),
                pa.csv.ParseOptions(delimiter=delimiter),
                pa.csv.ConvertOptions(
                    include_columns=["source_id", *columns],
                    column_types={"source_id": pa.int64(), **dict.fromkeys(columns, pa.string())},
                    null_values=["", "null", "NULL", "nan", "NaN", "--"],
                    strings_can_be_null=True,
                ),
            )
            for batch in reader:
                if wanted is not None:
                    batch = batch.filter(pc.is_in(batch["source_id"], value_set=pa.array(wanted)))
                if batch.num_rows:
                    ragged = {name: _parse(batch[name], _dtype(name)) for name in columns}
                    yield batch["source_id"].fill_null(0).to_numpy(), ragged
        except OSError as error:
            raise InputError(f"{path} is a cut or damaged gzip file ({error}): {_FETCH_AGAIN}.") from error
        except pa.ArrowInvalid as error:
            raise InputError(
                f"{path} is not a regular table ({_one_line(error)}): {_FETCH_AGAIN}."
            ) from error


def _text_header(path):
    """Count the comment lines; find the delimiter and the column names."""
    comments, delimiter = 0, ","
    with (gzip.open if _gzipped(path) else open)(path, "rt", encoding="utf-8-sig", newline="") as lines:
        try:
            for line in lines:
                if not line.startswith("#"):
                    return comments, delimiter, line.strip().replace('"', "").split(delimiter)
                comments += 1
                if line.startswith("# %ECSV"):
                    delimiter = " "  # what the format means if no line names it
                elif line.startswith("# delimiter:"):
                    delimiter = line.split(":", 1)[1].strip().strip("'\"") or " "
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise InputError(f"{path} is a cut or damaged gzip file ({error}): {_FETCH_AGAIN}.") from error
        except UnicodeDecodeError as error:
            raise InputError(f"{path} is not text ({error.reason}): {_FETCH_AGAIN}.") from error
    raise InputError(f"{path} has no line with column names: {_FETCH_AGAIN}.")


def _parse(texts, dtype):
    """Numbers of array-valued text, "(1, 2)" or "[1,null]": all values in a row, and how many are whose."""
    import pyarrow as pa
    import pyarrow.compute as pc

    bare = pc.replace_substring(pc.utf8_trim(texts, "()[] "), " ", "")
    bare = pc.replace_substring(pc.if_else(pc.equal(bare, ""), None, bare), "null", "nan")
    parts = pc.split_pattern(bare, ",")
    lengths = pc.fill_null(pc.list_value_length(parts), _NO_ARRAY).to_numpy().astype(np.int64)
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
                lengths[row] = _NOT_NUMERIC
        return pa.concat_arrays(good).to_numpy(), lengths


def _fits_blocks(path, wanted):
    from astropy.io import fits

    content = _read(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a cut file, which is refused below
            hdus = fits.open(io.BytesIO(content), lazy_load_hdus=False)
        with hdus:
            spans = [hdu.fileinfo() for hdu in hdus]
            if any(span["datLoc"] + span["datSpan"] > len(content) for span in spans):
                raise InputError(f"{path} is cut short ({len(content)} bytes): {_FETCH_AGAIN}.")
            tables = [hdu for hdu in hdus if isinstance(hdu, fits.BinTableHDU)]
            if not tables:
                raise InputError(f"{path} has no binary table: {_FETCH_AGAIN}.")
            table = next((t for t in tables if "bp_coefficients" in t.columns.names), tables[0])
            columns = _wanted_columns(path, table.columns.names)
            yield from _binary_blocks(table.data, columns, wanted)
    except (OSError, ValueError, TypeError, KeyError, IndexError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path} is not readable FITS ({_one_line(error)}): {_FETCH_AGAIN}.") from error


def _votable_blocks(path, wanted):
    from xml.parsers.expat import ExpatError

    from astropy.io.votable import parse_single_table
    from astropy.io.votable.exceptions import VOTableSpecError

    content = _read(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the archive's own files break the standard here and there
            table = parse_single_table(io.BytesIO(content)).to_table(use_names_over_ids=True)
    except (ExpatError, VOTableSpecError, OSError, ValueError, TypeError, IndexError) as error:
        raise InputError(f"{path} is not a readable VOTable ({_one_line(error)}): {_FETCH_AGAIN}.") from error
    yield from _binary_blocks(table, _wanted_columns(path, table.colnames), wanted)


def _binary_blocks(table, columns, wanted):
    source_id = np.ma.filled(table["source_id"], 0).astype(np.int64)
    rows = np.arange(len(source_id)) if wanted is None else np.flatnonzero(np.isin(source_id, wanted))
    if len(rows):
        yield source_id[rows], {name: _ragged(table[name][rows], _dtype(name)) for name in columns}


def _ragged(column, dtype):
    """Like `_parse`, for arrays that a binary format has read: masked, empty, of fixed or variable length."""
    if column.dtype.kind in "SU" or isinstance(column[0], (str, bytes)):
        import pyarrow as pa

        return _parse(pa.array([x.decode() if isinstance(x, bytes) else str(x) for x in column]), dtype)
    rows = [np.ma.filled(np.ma.asarray(row).astype(dtype), np.nan).ravel() for row in column]
    return np.concatenate(rows), np.array([len(row) for row in rows])


def _dtype(column):
    return np.dtype(_DTYPES[column.split("_", 1)[1]])


def _merge(dictionaries):
    merged = {}
    for dictionary in dictionaries:
        for why, source_ids in dictionary.items():
            merged.setdefault(why, []).extend(source_ids)
    return merged


def _explain(dropped):
    parts = [f"{why} in {len(ids)}, first in source_id {ids[0]}" for why, ids in dropped.items()]
    return f" ({'; '.join(parts)})" if parts else ""


def _one_line(error):
    return " ".join(str(error).split())[:200]
