"""Whether a reconstruction is nearer to the truth than a noisy observation is.

Bright stars stand for the truth: noise as of fainter stars is added to their coefficients, and both the noisy
spectrum and its reconstruction are compared with what was observed.
"""

import numpy as np

from xpsvae.errors import InputError

__all__ = ["BRIGHT", "FIT_FROM", "noise_model", "noisy", "nearer"]

BRIGHT = 12.5  # [mag] the truth are stars at most as faint: with at least 10 times the light of G = 15
FIT_FROM = 12.5  # [mag] errors of stars at least as faint tell how errors grow
_FEWEST = 100  # stars behind that
_COLUMNS = 10  # coefficients at a time


def noise_model(magnitude, colour, errors, flux):
    """How the relative error of each coefficient grows with magnitude, at given colour.

    Red stars have less light in BP, and faint stars of a catalogue are others than bright ones: without the colour,
    the growth would be that of the mixture.

    Parameters
    ----------
    magnitude, colour : array (n_stars,)
        G and G_BP - G_RP [mag].
    errors : array (n_stars, n_coefficients)
        [e-/s]; may be memory-mapped.
    flux : array (n_stars,)
        ``phot_g_mean_flux`` [e-/s].

    Returns
    -------
    array (4, n_coefficients)
        log10(error / flux) = a G + b colour + c colour^2 + d, by least squares.

    Raises
    ------
    InputError
        If too few stars are faint enough.
    """
    faint = np.isfinite(colour) & (magnitude >= FIT_FROM)
    if faint.sum() < _FEWEST:
        raise InputError(
            f"how errors grow with magnitude needs {_FEWEST} stars of G >= {FIT_FROM:g}, and there are "
            f"{int(faint.sum())}: take more stars (library: limit in config.yaml)."
        )
    design = _design(magnitude[faint], colour[faint])
    found = np.empty((design.shape[1], errors.shape[1]))
    for start in range(0, errors.shape[1], _COLUMNS):
        columns = slice(start, start + _COLUMNS)
        relative = errors[:, columns][faint] / flux[faint, np.newaxis]
        found[:, columns] = np.linalg.lstsq(design, np.log10(relative), rcond=None)[0]
    return found


def noisy(x, x_err, scale, growth, magnitude, colour, seed):
    """Give bright stars the noise of fainter ones of their colour.

    Parameters
    ----------
    x, x_err : array (n_stars, n_coefficients)
        Standardised coefficients and their errors.
    scale : array (n_coefficients,)
        Standard deviation of c / F_G by which they were standardised.
    growth : array (4, n_coefficients)
        `noise_model`.
    magnitude : float
        G [mag] of the fainter stars.
    colour : array (n_stars,)
        G_BP - G_RP [mag].
    seed : int or sequence of int

    Returns
    -------
    noisy, errors : float32 arrays (n_stars, n_coefficients)
        What is added makes up the difference of the variances: the total error is that of the fainter star.
    """
    total = 10 ** (_design(np.full(len(x), magnitude), colour) @ growth) / scale
    added = np.sqrt(np.maximum(total**2 - np.asarray(x_err, dtype=float) ** 2, 0))
    noise = added * np.random.default_rng(seed).standard_normal(x.shape)
    return (x + noise).astype(np.float32), np.hypot(x_err, added).astype(np.float32)


def _design(magnitude, colour):
    return np.column_stack([magnitude, colour, colour**2, np.ones(len(colour))])


def nearer(reconstruction, observation, truth):
    """Compare the distances of a reconstruction and of an observation from the truth.

    Parameters
    ----------
    reconstruction, observation, truth : array (n_stars, n)
        Flux at n wavelengths, or n coefficients.

    Returns
    -------
    dict
        ``ratio`` (n): median over the stars of the absolute error of the reconstruction, in units of the
        observation's; ``median``, over the n; ``share``, fraction of the stars whose reconstruction is nearer as a
        whole, by the sum of squares. Medians, since few stars that the model cannot make would outweigh all others.
    """
    ours, theirs = (np.asarray(values) - truth for values in (reconstruction, observation))
    ratio = np.median(np.abs(ours), axis=0) / np.median(np.abs(theirs), axis=0)
    share = np.mean((ours**2).sum(axis=1) < (theirs**2).sum(axis=1))
    return {"ratio": ratio.tolist(), "median": float(np.median(ratio)), "share": float(share)}
