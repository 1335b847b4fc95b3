"""Correlation matrices of coefficients that are none: counted, and repaired, dropped or refused.

A correlation matrix has no eigenvalue below zero; one that has, by rounding or by a fit that failed, makes errors
imaginary and Eq. 7 negative.
"""

import sys

import numpy as np

from xpsvae.errors import InputError

__all__ = ["INVALID", "SMALLEST", "definite", "sound", "unpacked"]

INVALID = ("repair", "drop", "refuse")
SMALLEST = 1e-6  # eigenvalue that a repaired matrix has at least
_CHUNK = 2048  # stars at a time: some 50 MB of matrices


def unpacked(triangles, size):
    """Correlation matrices of one band, from the leading part of their strict lower triangles.

    Parameters
    ----------
    triangles : array (n_stars, n_pairs)
        Row by row, of matrices at least as large.
    size : int
        Rows of the leading block.

    Returns
    -------
    float64 array (n_stars, size, size)
    """
    rows, columns = np.tril_indices(size, -1)  # the leading block is the head of the triangle
    matrices = np.empty((len(triangles), size, size))
    matrices[:, np.arange(size), np.arange(size)] = 1.0
    matrices[:, rows, columns] = matrices[:, columns, rows] = np.asarray(triangles)[:, : len(rows)]
    return matrices


def definite(correlations):
    """Which stars have positive definite matrices in both bands.

    Parameters
    ----------
    correlations : array (n_stars, 2, n_pairs)
        Strict lower triangle of the correlation matrix of BP and of RP, row by row.

    Returns
    -------
    bool array (n_stars,)
        False where a correlation is not finite.
    """
    good = np.isfinite(correlations).all(axis=(1, 2))
    for start in range(0, len(correlations), _CHUNK):
        rows = start + np.flatnonzero(good[start : start + _CHUNK])
        for band in range(2):
            matrices = unpacked(correlations[rows, band], _size(correlations))
            try:
                np.linalg.cholesky(matrices)
            except np.linalg.LinAlgError:  # of one of them: eigenvalues tell of which
                good[rows] &= np.linalg.eigvalsh(matrices)[:, 0] > 0
    return good


def sound(correlations, invalid="repair"):
    """Treat the stars whose matrices are not positive definite; standard error says how many there are.

    Parameters
    ----------
    correlations : array (n_stars, 2, n_pairs)
        As for `definite`.
    invalid : str
        ``"repair"``: eigenvalues below `SMALLEST` are raised to it and the diagonal is brought back to one;
        ``"drop"``: the star's correlations become NaN, and with them all that is computed from them; ``"refuse"``.
        A star with a correlation that is not finite cannot be repaired and is dropped.

    Returns
    -------
    correlations : array (n_stars, 2, n_pairs)
        The array itself where nothing was to be done.
    counts : dict
        ``not_definite``, ``repaired`` and ``dropped`` stars.

    Raises
    ------
    InputError
        With ``"refuse"``, if there is such a star.
    """
    bad = np.flatnonzero(~definite(correlations))
    counts = {"not_definite": len(bad), "repaired": 0, "dropped": 0}
    if not len(bad):
        return correlations, counts
    if invalid == "refuse":
        raise InputError(
            f"correlations of {len(bad)} test stars, row {bad[0]} the first, make no positive definite covariance: "
            "mend them, or write covariances: {invalid: repair} or drop in config.yaml."
        )
    correlations = np.array(correlations)
    size = _size(correlations)
    rows, columns = np.tril_indices(size, -1)
    for star in bad:
        if invalid == "drop" or not np.isfinite(correlations[star]).all():
            correlations[star] = np.nan
            counts["dropped"] += 1
            continue
        for band in range(2):
            values, vectors = np.linalg.eigh(unpacked(correlations[star, band][None], size)[0])
            matrix = (vectors * np.maximum(values, SMALLEST)) @ vectors.T
            deviations = np.sqrt(np.diag(matrix))
            correlations[star, band] = (matrix / np.outer(deviations, deviations))[rows, columns]
        counts["repaired"] += 1
    print(
        f"{len(bad)} test stars have a covariance that is not positive definite: {counts['repaired']} repaired, "
        f"{counts['dropped']} dropped.",
        file=sys.stderr,
    )
    return correlations, counts


def _size(correlations):
    """Rows of a matrix whose strict lower triangle has so many numbers."""
    return round((1 + np.sqrt(1 + 8 * correlations.shape[-1])) / 2)
