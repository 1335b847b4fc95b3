"""Standardised spectra: coefficients over the G flux, less their mean, in standard deviations (section 2).

Checks what goes into the model, so that a wrong array stops with a sentence and not with a NaN.
"""

import hashlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from xpsvae.arrays import plain
from xpsvae.errors import InputError

__all__ = ["checked", "examine", "inputs", "normalisation", "standardise"]

UNIT = "electron / s"
CHUNK = 8192  # stars looked at together: few enough for the processor's cache


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
        If a coefficient is the same for all stars, NaN or masked for one, or in a unit that is none of a
        count rate.
    """
    ratio = _per_flux("coefficients", coefficients, flux)
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
        NaN where an input is NaN or masked.

    Raises
    ------
    InputError
        If there is something else than numbers, or a unit that is none of a count rate.
    """
    x_err = _per_flux("errors", errors, flux) / sigma
    return inputs(coefficients, flux, mu, sigma), x_err.astype(np.float32)


def inputs(coefficients, flux, mu, sigma):
    """Standardise coefficients alone, which is what the encoder is given; see `standardise`."""
    return ((_per_flux("coefficients", coefficients, flux) - mu) / sigma).astype(np.float32)


def checked(x, x_err, which, width=None):
    """Return ``x`` and ``x_err`` as contiguous float32 arrays, memory-mapped ones of that kind as they are.

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
        If shapes differ or are wrong, or there is something else than numbers.
    """
    x, x_err = (
        np.array(
            plain(f"the {which} array of {name}", array),
            np.float32,
            copy=None,
            order="C",
            subok=isinstance(array, np.memmap),
        )
        for name, array in (("coefficients", x), ("errors", x_err))
    )
    if x.ndim != 2 or x.shape != x_err.shape or width not in (None, x.shape[-1]):
        columns = "n_inputs" if width is None else width
        raise InputError(
            f"the {which} arrays have shapes {x.shape} and {x_err.shape}: give coefficients and errors of "
            f"one shape (n_stars, {columns})."
        )
    return x, x_err


def examine(arrays, processes, threads=1):
    """Look at every value before the first step; return hexadecimal digits that change with any of them.

    Data are read once, in chunks that the processes and their threads share.

    Parameters
    ----------
    arrays : sequence of (which, x, x_err)
        As `checked` takes and returns them.
    processes : xpsvae.model.parallel.Processes
    threads : int

    Raises
    ------
    InputError
        In all processes, if a value is not finite or an error is not positive.
    """
    chunks = [
        (which, start, x[start : start + CHUNK], x_err[start : start + CHUNK])
        for which, x, x_err in arrays
        for start in range(0, len(x), CHUNK)
    ]
    with processes.together(), ThreadPoolExecutor(threads) as pool:
        own = b"".join(pool.map(lambda chunk: _digest(*chunk), processes.part(chunks)))
    return hashlib.sha256(b"".join(processes.gather(own))).hexdigest()


def _digest(which, start, x, x_err):
    for name, values, lowest in (("coefficient", x, -np.inf), ("error", x_err, 0.0)):
        if not lowest < values.min() <= values.max() < np.inf:  # a NaN is every array's minimum
            good = np.isfinite(values) & (values > lowest)
            star, column = np.argwhere(~good)[0]
            raise InputError(
                f"the {which} {name} of star {start + star}, column {column}, is {values[star, column]}: "
                "coefficients have to be finite and errors finite and positive in float32, so mend "
                "that star or leave it out."
            )
    return hashlib.sha256(x).digest() + hashlib.sha256(x_err).digest()


def _per_flux(name, values, flux):
    values, flux = plain(name, values, UNIT), plain("flux", flux, UNIT)
    return np.asarray(values, dtype=np.float64) / np.asarray(flux, dtype=np.float64)[:, np.newaxis]
