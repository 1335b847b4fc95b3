"""The products that headline, controls and seeds start from, as tables and arrays of the giants alone."""

import numpy as np

from xpsvae.analysis.sample import latent_columns, require_aligned
from xpsvae.audit.sets import giants
from xpsvae.compare.models import pca
from xpsvae.model.standardise import standardised
from xpsvae.products import read_table

__all__ = ["components", "latents", "pairs", "sample", "spectra"]


def sample(given):
    """Giants of the headline (`xpsvae.audit.sets.giants`).

    Parameters
    ----------
    given : mapping of str to path
        ``stars``, ``sequences``, ``split``.
    """
    stars, marks, split = (read_table(given[name]) for name in ("stars", "sequences", "split"))
    require_aligned(stars, marks, "stars and sequences")
    require_aligned(stars, split, "stars and split")
    return giants(stars, marks, split)


def latents(given, frame):
    """Means of the posteriors of the giants, float array (n, n_latents), from ``given["latents"]``."""
    table = read_table(given["latents"])
    return table[latent_columns(table, "mean")].to_numpy(dtype=float)[frame.index]


def pairs(given, frame):
    """Rows of the giants that make matched pairs, int array (n_pairs, 2), from ``given["pairs"]``."""
    alike = read_table(given["pairs"])[["high", "low"]].to_numpy()
    return np.searchsorted(frame.index.to_numpy(), alike)


def spectra(given, rows, normalisation):
    """Standardised coefficients and their errors of some rows of the catalogue.

    Parameters
    ----------
    given : mapping of str to path
        ``stars``, ``coefficients``, ``errors``.
    rows : int array (n,)
    normalisation : pair of arrays
        ``mu`` and ``sigma`` of c / F_G.

    Returns
    -------
    x, x_err : array (n, n_coefficients)
    """
    flux = read_table(given["stars"], ["phot_g_mean_flux"])["phot_g_mean_flux"].to_numpy()
    return standardised(given["coefficients"], given["errors"], flux, *normalisation, rows)


def components(given, x, x_err, normalisation, numbers=(6, 20)):
    """Error-weighted principal components of the stars that trained the sVAE, of some stars.

    Parameters
    ----------
    given : mapping of str to path
        As for `spectra`, and ``split``.
    x, x_err : array (n, n_coefficients)
    normalisation : pair of arrays
    numbers : sequence of int

    Returns
    -------
    dict of str to array (n, number)
        ``pca_<number>``.
    """
    train = np.flatnonzero(read_table(given["split"], ["train"])["train"].to_numpy(dtype=bool))
    fitted = pca.fit(*spectra(given, train, normalisation), max(numbers))
    return {f"pca_{number}": pca.most_probable(x, x_err, fitted, number) for number in numbers}
