"""Standardised spectra: coefficients over the G flux, less their mean, in standard deviations (section 2).

Checks what goes into the model, so that a wrong array stops with a sentence and not with a NaN.
"""

import hashlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from xpsvae.arrays import plain
from xpsvae.errors import InputError
from xpsvae.products import read_array

__all__ = ["checked", "examine", "inputs", "normalisation", "standardise", "standardised"]

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
    n_stars = len(flux)
    mu = _sum(ratio for _, ratio in _per_flux("coefficients", coefficients, flux)) / n_stars
    squares = (np.square(ratio - mu) for _, ratio in _per_flux("coefficients", coefficients, flux))
    sigma = np.sqrt(_sum(squares) / n_stars)
    constant = np.flatnonzero(~(sigma > 0))
    if constant.size:
        raise InputError(
            f"coefficient {constant[0]} is the same for all {n_stars} training stars (or not finite), so "
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
    x_err = np.empty(np.shape(errors), dtype=np.float32)
    for rows, ratio in _per_flux("errors", errors, flux):
        x_err[rows] = ratio / sigma
    return inputs(coefficients, flux, mu, sigma), x_err


def standardised(coefficients, errors, flux, mu, sigma, rows=None):
    """Standardise stars whose spectra are on disk (`standardise`); of the files no more is held than a chunk.

    Parameters
    ----------
    coefficients, errors : path-like
        ``.npy``, arrays (n_stars, n_inputs) [e-/s].
    flux : array (n_stars,)
        ``phot_g_mean_flux`` [e-/s].
    mu, sigma : array (n_inputs,)
    rows : bool array (n_stars,) or int array (n,), optional
        Stars that are wanted; all if not given.

    Returns
    -------
    x, x_err : float32 arrays (n, n_inputs)

    Raises
    ------
    InputError
        If a file is missing or damaged, or holds something else than numbers.
    """
    flux = np.asarray(flux)
    rows = np.arange(len(flux)) if rows is None else np.arange(len(flux))[rows]
    width = read_array(coefficients, memory_map=True).shape[1]
    x, x_err = (np.empty((len(rows), width), dtype=np.float32) for _ in range(2))
    for start in range(0, len(rows), CHUNK):
        some, chunk = rows[start : start + CHUNK], slice(start, start + CHUNK)
        # mapped anew each time, so that pages of earlier chunks do not stay
        mapped = (read_array(path, memory_map=True)[some] for path in (coefficients, errors))
        x[chunk], x_err[chunk] = standardise(*mapped, flux[some], mu, sigma)
    return x, x_err


def inputs(coefficients, flux, mu, sigma):
    """Standardise coefficients alone, which is what the encoder is given; see `standardise`."""
    x = np.empty(np.shape(coefficients), dtype=np.float32)
    for rows, ratio in _per_flux("coefficients", coefficients, flux):
        x[rows] = (ratio - mu) / sigma
    return x


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
    """Ratios as float64, some stars at a time: rows, and array (n_rows, n_inputs)."""
    values, flux = plain(name, values, UNIT), np.asarray(plain("flux", flux, UNIT), dtype=np.float64)
    if len(values) != len(flux):
        raise InputError(
            f"there are {name} of {len(values)} stars but a flux of {len(flux)}: give one a star."
        )
    for start in range(0, max(len(flux), 1), CHUNK):
        rows = slice(start, start + CHUNK)
        yield rows, np.asarray(values[rows], dtype=np.float64) / flux[rows, np.newaxis]


def _sum(chunks):
    """Sum over rows as numpy has it for one array, one row after the other."""
    total = None
    for chunk in chunks:
        total = np.add.reduce(chunk if total is None else np.concatenate([total[np.newaxis], chunk]))
    return total
