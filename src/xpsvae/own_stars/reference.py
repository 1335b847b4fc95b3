"""What is known of the stars that a model was trained on: the measure of whether it holds for another star.

One small file beside the weights, ``reference.json``, made from products of the workflow or by ``xpsvae train``.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from xpsvae import digests
from xpsvae.errors import InputError
from xpsvae.model import infer, standardise
from xpsvae.products import read_json, write_json

__all__ = ["Reference", "build_reference", "chi_square", "read_reference", "write_reference"]

# Percentiles that are kept: fine where a star becomes an outlier.
PERCENTILES = np.r_[np.arange(99.0), 99 + np.arange(9) / 10, 99.9 + np.arange(11) / 100]
_DIGITS = 9  # significant; more than float32 has


@dataclass(frozen=True)
class Reference:
    """The training stars, as far as they are a measure of others.

    Attributes
    ----------
    band_sizes : tuple of two int
        Coefficients of BP and of RP.
    n_stars : int
    inverted : bool
        Whether their coefficients come from sampled spectra; those of other stars are then brought to that form.
    g_flux_range : tuple of two float
        Smallest and largest ``phot_g_mean_flux`` [e-/s].
    factors : array (n_inputs,)
        By which the scatter of each standardised coefficient is multiplied to be calibrated; 1 where it is not.
    latent_mean : array (n_latents,)
        Mean of the posterior means.
    latent_covariance : array (n_latents, n_latents)
        Covariance of draws from the posteriors: that of the means, plus the mean variance on the diagonal.
    chi2, distance : array (n_percentiles,)
        At `PERCENTILES` of the training stars.
    """

    band_sizes: tuple
    n_stars: int
    inverted: bool
    g_flux_range: tuple
    factors: np.ndarray
    latent_mean: np.ndarray
    latent_covariance: np.ndarray
    chi2: np.ndarray
    distance: np.ndarray

    def distances(self, mean):
        """Mahalanobis distance of latents from the training stars', float64 array (n_stars,).

        With the covariance of draws, latents that the model does not use count for nothing.
        """
        apart = np.asarray(mean, dtype=float) - self.latent_mean
        return np.sqrt(np.einsum("ij,ij->i", apart, np.linalg.solve(self.latent_covariance, apart.T).T))

    def percentile(self, name, values):
        """Percentage of the training stars with a lower ``chi2`` or ``distance``, float64 array (n_stars,)."""
        return np.interp(values, getattr(self, name), PERCENTILES)


def chi_square(x, x_err, x_hat, scatter, factors=1.0):
    """Chi-square a coefficient of a reconstruction, with the calibrated scatter.

    (1 / n) sum_j (x_j - x_hat_j)^2 / (x_err_j^2 + (factor_j scatter_j)^2): twice Eq. 3 of the paper over the
    number of coefficients. About 1 for a star that is like the training stars if errors and scatter are right.

    Parameters
    ----------
    x, x_err, x_hat, scatter : arrays (n_stars, n_inputs)
        Standardised.
    factors : array (n_inputs,), optional

    Returns
    -------
    float64 array (n_stars,)
    """
    variance = x_err.astype(float) ** 2 + (factors * scatter.astype(float)) ** 2
    return ((x.astype(float) - x_hat) ** 2 / variance).mean(axis=1)


def build_reference(model, coefficients, errors, g_flux, band_sizes, inverted=False, factors=None):
    """Measure the training stars.

    Parameters
    ----------
    model : ScatterVAE
        With its normalisation, as `xpsvae.model.load` returns it.
    coefficients, errors : array (n_stars, n_inputs)
        Of the training stars [e-/s]; may be memory-mapped.
    g_flux : array (n_stars,)
        ``phot_g_mean_flux`` [e-/s].
    band_sizes : tuple of two int
    inverted : bool
        Whether the coefficients come from sampled spectra.
    factors : array (n_inputs,), optional
        Calibration of the scatter, one factor a coefficient; none if not given.

    Returns
    -------
    Reference
    """
    factors = np.ones(model.n_inputs) if factors is None else np.asarray(factors, dtype=float)
    if factors.shape != (model.n_inputs,) or not (np.isfinite(factors).all() and (factors > 0).all()):
        raise InputError(f"the factors of the scatter have to be {model.n_inputs} positive numbers.")
    means, variance, chi2 = [], np.zeros(model.n_latents), []
    for start in range(0, len(coefficients), infer.CHUNK):
        rows = slice(start, start + infer.CHUNK)
        x, x_err = standardise.standardise(
            coefficients[rows], errors[rows], g_flux[rows], *model.normalisation
        )
        mean, sigma = infer.embed(model, x, start)
        means.append(mean.astype(float))
        variance += (sigma.astype(float) ** 2).sum(axis=0)
        chi2.append(chi_square(x, x_err, *infer.reconstruct(model, mean), factors))
    means = np.concatenate(means)
    covariance = np.atleast_2d(np.cov(means, rowvar=False)) + np.diag(variance / len(means))
    unfinished = Reference(
        tuple(band_sizes),
        len(means),
        bool(inverted),
        (float(np.min(g_flux)), float(np.max(g_flux))),
        factors,
        means.mean(axis=0),
        covariance,
        np.percentile(np.concatenate(chi2), PERCENTILES),
        np.zeros(len(PERCENTILES)),
    )
    distance = np.percentile(unfinished.distances(means), PERCENTILES)
    return Reference(**(unfinished.__dict__ | {"distance": distance}))


def write_reference(path, reference):
    """Write ``reference.json``."""
    content = {name: _rounded(np.asarray(value).tolist()) for name, value in reference.__dict__.items()}
    write_json(path, content | {"percentiles": _rounded(PERCENTILES.tolist())})


def read_reference(path, n_inputs, n_latents):
    """Read ``reference.json``.

    Returns
    -------
    Reference or None
        None if there is no such file.

    Raises
    ------
    InputError
        If it is damaged, or of another model.
    """
    path = Path(path)
    if not path.is_file():
        return None
    digests.verify(path)
    content = read_json(path)
    shapes = {
        "factors": (n_inputs,),
        "latent_mean": (n_latents,),
        "latent_covariance": (n_latents, n_latents),
        "chi2": PERCENTILES.shape,
        "distance": PERCENTILES.shape,
        "percentiles": PERCENTILES.shape,
    }
    try:
        arrays = {name: np.array(content.pop(name), dtype=float) for name in shapes}
        good = all(
            arrays[name].shape == shape and np.isfinite(arrays[name]).all() for name, shape in shapes.items()
        )
        sizes, n_stars, limits = (content[name] for name in ("band_sizes", "n_stars", "g_flux_range"))
        good = good and type(content["inverted"]) is bool
        good = good and [type(size) for size in sizes] == [int, int] and sum(sizes) == n_inputs
        low, high = map(float, limits)
    except (KeyError, TypeError, ValueError, AttributeError):
        good = False
    if not good:
        raise InputError(
            f"{path} is damaged or of another model: delete it, or make it again with the model."
        )
    arrays.pop("percentiles")
    return Reference(tuple(sizes), int(n_stars), content["inverted"], (low, high), **arrays)


def _rounded(value):
    if isinstance(value, list):
        return [_rounded(each) for each in value]
    return float(f"{value:.{_DIGITS}g}") if isinstance(value, float) else value
