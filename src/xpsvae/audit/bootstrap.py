"""Intervals by drawing stars again, the same draws for all that is compared."""

import numpy as np

__all__ = ["gain", "interval", "resampled_means", "share"]


def resampled_means(values, n_resamples, seed):
    """Means over bootstrap resamples of the stars.

    Parameters
    ----------
    values : array (n,) or (n, k)
        A row a star; its columns are resampled together.
    n_resamples, seed : int

    Returns
    -------
    float64 array (n_resamples,) or (n_resamples, k)
    """
    values = np.asarray(values, dtype=float)
    generator, n = np.random.default_rng(seed), len(values)
    means = np.empty((n_resamples, *values.shape[1:]))
    for number in range(n_resamples):
        means[number] = np.bincount(generator.integers(n, size=n), minlength=n) @ values / n
    return means


def interval(resampled):
    """Bounds of 95 per cent of the resamples: list of two floats."""
    return [float(bound) for bound in np.percentile(resampled, (2.5, 97.5))]


def share(error, error_more, n_bootstrap, seed):
    """Share of what one regressor leaves unexplained that a better informed one explains.

    Parameters
    ----------
    error, error_more : array (n,)
        Errors of both for the same stars, out of fold.
    n_bootstrap, seed : int
        Of the paired bootstrap over stars.

    Returns
    -------
    dict
        ``share`` = 1 - mean(error_more^2) / mean(error^2) and its ``interval``.
    """
    squares = np.square(np.column_stack([error, error_more]))
    means = squares.mean(axis=0)
    resampled = resampled_means(squares, n_bootstrap, seed)
    return {
        "share": float(1 - means[1] / means[0]),
        "interval": interval(1 - resampled[:, 1] / resampled[:, 0]),
    }


def gain(value, value_more, n_bootstrap, seed):
    """Mean difference of two values of the same stars, with its paired interval."""
    difference = np.asarray(value_more, dtype=float) - np.asarray(value, dtype=float)
    resampled = resampled_means(difference, n_bootstrap, seed)
    return {"gain": float(difference.mean()), "interval": interval(resampled)}
