"""Standardised spectra: coefficients over the G flux, less their mean, in standard deviations (section 2).

Checks what goes into the model, so that a wrong array stops with a sentence and not with a NaN.
"""

import numpy as np

from xpsvae.errors import InputError

__all__ = ["checked", "normalisation", "standardise"]

CHUNK = 65536  # stars looked at together


def normalisation(coefficients, flux):
    """Mean and standard deviation of each coefficient over the G flux.

    Parameters
    ----------
    coefficients : array (n_stars, n_inputs)
        [e-/s].
    flux : array (n_stars,)
        ``phot_g_mean_flux`` [e-/s].

    Returns
    -------
    mu, sigma : float64 arrays (n_inputs,)

    Raises
    ------
    InputError
        If a coefficient is the same for all stars.
    """
    ratio = _per_flux(coefficients, flux)
    mu, sigma = ratio.mean(0), ratio.std(0)
    constant = np.flatnonzero(~(sigma > 0))
    if constant.size:
        raise InputError(
            f"coefficient {constant[0]} is the same for all {len(ratio)} training stars (or not finite), so "
            "it cannot be standardised: give more stars or mend that column."
        )
    return mu, sigma


def standardise(coefficients, errors, flux, mu, sigma):
    """Standardise coefficients and their errors: x = (c / F_G - mu) / sigma, x_err = c_err / (F_G sigma).

    Parameters
    ----------
    coefficients, errors : array (n_stars, n_inputs)
        [e-/s].
    flux : array (n_stars,)
        ``phot_g_mean_flux`` [e-/s].
    mu, sigma : array (n_inputs,)
        As `normalisation` gives them.

    Returns
    -------
    x, x_err : float32 arrays (n_stars, n_inputs)
    """
    x = (_per_flux(coefficients, flux) - mu) / sigma
    x_err = _per_flux(errors, flux) / sigma
    return x.astype(np.float32), x_err.astype(np.float32)


def checked(x, x_err, which, width=None):
    """Return ``x`` and ``x_err`` as contiguous float32 arrays that a model can be trained on.

    Memory-mapped arrays of that kind are read through in chunks and returned as they are.

    Parameters
    ----------
    x, x_err : array (n_stars, n_inputs)
    which : str
        What the arrays are called in an error, e.g. ``"training"``.
    width : int, optional
        Number of inputs expected.

    Raises
    ------
    InputError
        If shapes differ or are wrong, a value is not finite or an error is not positive.
    """
    x, x_err = (np.ascontiguousarray(array, dtype=np.float32) for array in (x, x_err))
    if x.ndim != 2 or x.shape != x_err.shape or width not in (None, x.shape[-1]):
        columns = "n_inputs" if width is None else width
        raise InputError(
            f"the {which} arrays have shapes {x.shape} and {x_err.shape}: give coefficients and errors of "
            f"one shape (n_stars, {columns})."
        )
    for start in range(0, len(x), CHUNK):
        chunks = x[start : start + CHUNK], x_err[start : start + CHUNK]
        for name, chunk, positive in zip(("coefficient", "error"), chunks, (False, True), strict=True):
            good = np.isfinite(chunk) & ((chunk > 0) | (not positive))
            if not good.all():
                star, column = np.argwhere(~good)[0]
                raise InputError(
                    f"the {which} {name} of star {start + star}, column {column}, is {chunk[star, column]}: "
                    "coefficients have to be finite and errors finite and positive in float32, so mend "
                    "that star or leave it out."
                )
    return x, x_err


def _per_flux(values, flux):
    return np.asarray(values, dtype=np.float64) / np.asarray(flux, dtype=np.float64)[:, np.newaxis]
