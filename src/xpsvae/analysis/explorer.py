"""What the latent explorer shows of a sample of stars: latents, labels, sequence, chi-square, spectra."""

import numpy as np

from xpsvae.analysis.sample import latent_columns
from xpsvae.errors import InputError

__all__ = ["LABELS", "NO_SEQUENCE", "SEQUENCES", "WAVELENGTHS", "chi_square", "collect", "pick"]

LABELS = ("teff", "logg", "m_h", "alpha_m")
SEQUENCES = ("low_alpha", "high_alpha")
NO_SEQUENCE = len(SEQUENCES)  # of a star that is in neither
WAVELENGTHS = np.arange(336.0, 1020.0, 8.0)  # [nm] of the spectra: every fourth of the grid


def pick(frame, number, seed):
    """Draw stars at random, without replacement, in the order of the catalogue.

    Parameters
    ----------
    frame : pandas.DataFrame
    number : int
        Stars that are wanted; where there are fewer all are taken.
    seed : int

    Returns
    -------
    pandas.DataFrame
        Rows of ``frame``.

    Raises
    ------
    InputError
        If there is none.
    """
    if frame.empty:
        raise InputError("no star has good labels: loosen the cuts in config.yaml (cuts: good).")
    generator = np.random.default_rng(seed)
    rows = generator.choice(len(frame), min(number, len(frame)), replace=False)
    return frame.iloc[np.sort(rows)]


def chi_square(x, x_err, x_hat, scatter):
    """Mean over a star's coefficients of (x - x_hat)^2 / (x_err^2 + scatter^2), as in the loss (Eq. 2-4).

    Parameters
    ----------
    x, x_err, x_hat, scatter : array (n_stars, n_inputs)
        Standardised coefficients, their errors, their reconstruction and its intrinsic scatter.

    Returns
    -------
    float64 array (n_stars,)
        About 1 where errors and scatter are what separates a spectrum from its reconstruction.
    """
    x, x_err, x_hat, scatter = (np.asarray(values, dtype=np.float64) for values in (x, x_err, x_hat, scatter))
    return ((x - x_hat) ** 2 / (x_err**2 + scatter**2)).mean(axis=1)


def collect(frame, coefficients, errors, reconstruction, scatter, normalisation, marks=None):
    """Gather what the page shows of each star.

    Parameters
    ----------
    frame : pandas.DataFrame (n,)
        Stars with source_id, ``phot_g_mean_flux`` [e-/s], latents ``z_k`` and whichever labels there are; the
        index is the row number in the catalogue.
    coefficients, errors : array (n_catalogue, n_coefficients)
        Observed coefficients and their errors [e-/s]; may be memory-mapped, as the next two.
    reconstruction, scatter : array (n_catalogue, n_coefficients)
        The model's reconstruction and its intrinsic scatter, standardised.
    normalisation : dict of array (n_coefficients,)
        ``mu`` and ``sigma`` of c / F_G.
    marks : pandas.DataFrame (n_catalogue,), optional
        Table of `xpsvae.analysis.alpha.sequences`.

    Returns
    -------
    dict
        ``source_id`` int64 (n,); ``latents`` (n, n_latents); ``chi2`` (n,), see `chi_square`; ``labels``, dict of
        those that any star has, (n,) with NaN where unknown; ``sequence`` uint8 (n,), an index of
        `SEQUENCES` or `NO_SEQUENCE`, or None where no star is in one; ``spectra``, dict of ``observed``,
        ``error``, ``reconstructed`` and ``scatter`` (n, n_wavelengths) [W m-2 nm-1] at `WAVELENGTHS`.
    """
    from xpsvae.model.standardise import standardise
    from xpsvae.xp.basis import coefficients_to_flux, flux_errors

    rows = frame.index.to_numpy()
    c, c_err, x_hat, spread = (
        np.asarray(values[rows], dtype=np.float64)
        for values in (coefficients, errors, reconstruction, scatter)
    )
    g_flux = frame["phot_g_mean_flux"].to_numpy(dtype=np.float64)
    mu, sigma = normalisation["mu"], normalisation["sigma"]
    x, x_err = standardise(c, c_err, g_flux, mu, sigma)
    labels = {name: frame[name].to_numpy(dtype=np.float64) for name in LABELS if name in frame}
    g_flux = g_flux[:, None]
    return {
        "source_id": frame["source_id"].to_numpy(dtype=np.int64),
        "latents": frame[latent_columns(frame)].to_numpy(dtype=np.float64),
        "chi2": chi_square(x, x_err, x_hat, spread),
        "labels": {name: values for name, values in labels.items() if np.isfinite(values).any()},
        "sequence": None if marks is None else _sequence(marks["high_alpha"].to_numpy()[rows]),
        "spectra": {
            "observed": coefficients_to_flux(c, WAVELENGTHS),
            "error": flux_errors(c_err, wavelengths=WAVELENGTHS),
            "reconstructed": coefficients_to_flux((x_hat * sigma + mu) * g_flux, WAVELENGTHS),
            "scatter": flux_errors(spread * sigma * g_flux, wavelengths=WAVELENGTHS),
        },
    }


def _sequence(high):
    """Give each star the number of its sequence, by what is null for a star of neither; None if all are."""
    import pandas as pd

    known = ~pd.isna(high)
    numbers = np.full(len(high), NO_SEQUENCE, dtype=np.uint8)
    numbers[known] = high[known].astype(bool)
    return numbers if known.any() else None
