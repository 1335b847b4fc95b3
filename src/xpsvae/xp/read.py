"""Gaia XP_CONTINUOUS files as arrays: csv, ecsv, FITS, VOTable, plain or gzipped, and Parquet.

A spectrum that cannot be used is named and either dropped or refused; none comes back with NaN in it. Sizes
of the bands come from the data.
"""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from xpsvae.arrays import identifiers
from xpsvae.errors import InputError
from xpsvae.xp.basis import BANDS
from xpsvae.xp.columns import NO_ARRAY, NOT_NUMERIC
from xpsvae.xp.forms import blocks

__all__ = ["XPSpectra", "examine", "filled", "iter_bulk", "read_spectra"]

_SOURCE_ID_END = 12 * 4**12 << 35  # a source_id starts with the star's HEALPix pixel of level 12


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
        XP_CONTINUOUS of the Gaia archive in any of its forms: csv, ecsv, FITS or VOTable, also gzipped; Parquet.
        Columns are found by their names in any case; of several tables all are read, one after the other.
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
        If the file is missing, cut, of another kind, a server's error message or without the needed columns;
        if source_id is no column of integers, or a column holds complex numbers or truth values; if its
        tables do not fit together; if no spectrum can be used; if one cannot and ``invalid`` is "refuse".
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
        Text, FITS and Parquet stream; VOTable and gzipped FITS are read whole.
    source_ids : array (n,) of int
        Stars to keep, integers.
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
    return _iterate(path, identifiers("source_ids", source_ids), invalid)


def _iterate(path, wanted, invalid):
    if invalid not in ("drop", "refuse"):
        raise InputError(f"invalid is {invalid!r} where 'drop' or 'refuse' is expected.")
    if not Path(path).is_file():
        raise InputError(f"{path} does not exist: give the path of an XP_CONTINUOUS file.")
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
    matrices, reason = examine(source_id, columns, sizes)
    for row in np.flatnonzero(reason == ""):
        if source_id[row] in seen:
            reason[row] = "source_id occurs again"
        seen.add(source_id[row])
    dropped = {why: source_id[reason == why].tolist() for why in dict.fromkeys(reason) if why}
    return _gather(source_id, matrices, reason == "", tuple(sizes), dropped)


def examine(source_id, columns, sizes):
    """Find the spectra that cannot be used.

    Parameters
    ----------
    source_id : int64 array (n_stars,)
    columns : dict of str to (values, lengths)
        As `xpsvae.xp.forms.blocks` yields them.
    sizes : list of two int
        Coefficients of BP and of RP; 0 where not known yet, and then set from the data.

    Returns
    -------
    matrices : dict of str to array (n_stars, n_values)
        NaN for a star that has another number of values.
    reason : object array (n_stars,) of str
        Why a spectrum cannot be used; empty where it can.
    """
    reason = np.full(len(source_id), "", dtype=object)

    def mark(bad, why):
        reason[bad & (reason == "")] = why

    mark((source_id <= 0) | (source_id >= _SOURCE_ID_END), "source_id is not a Gaia identifier")
    for band, name in enumerate(BANDS):
        lengths = columns[f"{name}_coefficients"][1]
        if not sizes[band]:
            counted = Counter(lengths[lengths > 0].tolist()).most_common(1)
            sizes[band] = counted[0][0] if counted else 0
        mark(lengths == NO_ARRAY, f"{name.upper()} is missing")
    matrices = {}
    for column, (values, lengths) in columns.items():
        name, quantity = column.split("_", 1)
        size = sizes[BANDS.index(name)]
        expected = {
            "coefficient_correlations": size * (size - 1) // 2,
            "standard_deviation": 1,
        }.get(quantity, size)
        mark(lengths == NOT_NUMERIC, f"{column} is not numeric")
        mark(lengths != expected, f"{column} does not have {expected} values")
        matrix = filled(values, lengths, expected)
        if quantity == "coefficients":
            mark(np.isnan(matrix).all(axis=1), f"{name.upper()} is missing")
        mark(~np.isfinite(matrix).all(axis=1), f"{column} is not finite")
        if quantity in ("coefficient_errors", "standard_deviation"):
            mark(~(matrix > 0).all(axis=1), f"{column} is not positive")
        if quantity == "coefficient_correlations":
            finite = np.isfinite(matrix).all(axis=1)
            mark(finite & ~_positive_definite(matrix, size), f"{column} is not positive definite")
        matrices[column] = matrix
    return matrices, reason


def filled(values, lengths, expected):
    """Rows of ``expected`` numbers; NaN where a row has another number of them."""
    whole = lengths == expected
    matrix = np.full((len(lengths), expected), np.nan, dtype=values.dtype)
    matrix[whole] = values[np.repeat(whole, lengths.clip(min=0))].reshape(whole.sum(), expected)
    return matrix


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


def _merge(dictionaries):
    merged = {}
    for dictionary in dictionaries:
        for why, source_ids in dictionary.items():
            merged.setdefault(why, []).extend(source_ids)
    return merged


def _explain(dropped):
    parts = [f"{why} in {len(ids)}, first in source_id {ids[0]}" for why, ids in dropped.items()]
    return f" ({'; '.join(parts)})" if parts else ""
