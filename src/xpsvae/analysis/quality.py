"""How good a trained model is: what recipes and networks are compared by.

One function, so that the recipes in README and the ablations of the paper have the same numbers.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from xpsvae.analysis import latents
from xpsvae.analysis.classify import common_sample, features, forest, metrics
from xpsvae.analysis.sample import sample
from xpsvae.compare.residuals import WAVELENGTHS, pulls
from xpsvae.errors import InputError
from xpsvae.model import infer, standardise
from xpsvae.xp.basis import coefficients_to_flux

__all__ = ["FEWEST_PER_LATENT", "Stars", "quality"]

FEWEST_PER_LATENT = 100  # training stars; with fewer a dimension follows single stars


@dataclass(frozen=True)
class Stars:
    """The stars that models are trained and judged on: tables row by row, arrays (n_stars, n_inputs)."""

    stars: pd.DataFrame
    subsets: pd.DataFrame
    split: pd.DataFrame
    sequences: pd.DataFrame
    x: np.ndarray  # standardised coefficients
    x_err: np.ndarray  # and their errors
    normalisation: tuple  # mu and sigma (n_inputs,) of c / F_G

    @classmethod
    def of(cls, stars, subsets, split, sequences, coefficients, errors):
        """Standardise coefficients by the training stars.

        Parameters
        ----------
        stars, subsets, split, sequences : pandas.DataFrame
            Row-aligned products of the catalogue and of `xpsvae.analysis.alpha`.
        coefficients, errors : array (n_stars, n_inputs)
            [e-/s].
        """
        flux, train = stars["phot_g_mean_flux"].to_numpy(), split["train"].to_numpy(bool)
        normalisation = standardise.normalisation(coefficients[train], flux[train])
        x, x_err = standardise.standardise(coefficients, errors, flux, *normalisation)
        return cls(stars, subsets, split, sequences, x, x_err, normalisation)

    @property
    def train(self):
        """Which stars train, bool array (n_stars,)."""
        return self.split["train"].to_numpy(bool)

    @property
    def test(self):
        """Which stars test, bool array (n_stars,)."""
        return self.split["test"].to_numpy(bool)

    def require_enough(self, n_latents):
        """See before training that a model of so many dimensions can be trained and judged.

        Raises
        ------
        InputError
            If there are too few training stars for the latents, or too few classified stars for the forests.
        """
        n_train, needed = int(self.train.sum()), FEWEST_PER_LATENT * n_latents
        if n_train < needed:
            raise InputError(
                f"{n_latents} latents need at least {needed} training stars, and there are {n_train}: take more "
                "stars (library: limit in config.yaml) or fewer latents."
            )
        _, classes, split = self._classified(np.zeros((len(self.stars), n_latents), dtype=np.float32))
        for name, rows in zip(("training", "test"), split, strict=True):
            n_low = int(classes[rows].sum())
            if min(n_low, len(rows) - n_low) < 2:
                raise InputError(
                    f"the {name} stars hold {len(rows) - n_low} high-alpha and {n_low} low-alpha giants, and "
                    "at least two of each are needed: take more stars (library: limit in config.yaml)."
                )

    def scores(self, means, live):
        """Score forests on latents, as the leak-free rows "Latent" of Table 1.

        Parameters
        ----------
        means : array (n_stars, n_latents)
            Of the posteriors.
        live : sequence of int
            1-based live dimensions.

        Returns
        -------
        dict of dict
            ``latent`` and, where a latent lives, ``latent_live``: the metrics of `classify.metrics`.
        """
        frame, classes, split = self._classified(means)
        rows = {}
        for name in ("latent", "latent_live") if live else ("latent",):
            found = metrics(classes[split[1]], *forest(features(name, frame, live)[0], classes, *split))
            rows[name] = {metric: float(values[0]) for metric, values in found.items()}
        return rows

    def _classified(self, means):
        columns = {f"mean_{number + 1}": column for number, column in enumerate(means.T)}
        table = pd.DataFrame({"source_id": self.stars["source_id"], **columns})
        frame = sample(self.stars, self.subsets, table, split=self.split)
        frame, classes = common_sample(frame, self.sequences)
        return frame, classes, [np.flatnonzero(frame[name].to_numpy(bool)) for name in ("train", "test")]


def quality(model, stars):
    """Tell live latents, reconstruction, calibration and what forests make of the latents.

    Parameters
    ----------
    model : ScatterVAE
    stars : Stars

    Returns
    -------
    dict
        ``kl`` of each latent [nat] and ``live``, how many are in use; ``rmse``, the median over the test stars
        of the root mean square of x - x_hat, decoded from their posterior means, in standard deviations of the
        training stars; ``flux_rmse``, that of the flux at `compare.residuals.WAVELENGTHS` in per cent of its
        mean there; ``pull``, the median over the coefficients of the width of (x - x_hat) / (sigma^2 +
        scatter^2)^1/2, and ``chi2``, the mean of its square; ``table1``, see `Stars.scores`.
    """
    mean, sigma = infer.embed(model, stars.x)
    test = stars.test
    x_hat, scatter = infer.reconstruct(model, mean[test])
    difference = x_hat - stars.x[test]
    rms = np.sqrt((difference**2).mean(axis=1))
    mu, scale = stars.normalisation
    observed = coefficients_to_flux(stars.x[test] * scale + mu, WAVELENGTHS)
    off = np.sqrt((coefficients_to_flux(difference * scale, WAVELENGTHS) ** 2).mean(axis=1))
    magnitude = stars.stars["phot_g_mean_mag"].to_numpy(float)[test]
    pull = pulls(difference, stars.x_err[test], scatter, magnitude)
    state = latents.summary(latents.divergence(mean, sigma)[test].mean(axis=0))
    return {
        "kl": state["kl"],
        "live": len(state["live"]),
        "rmse": float(np.median(rms)),
        "flux_rmse": float(np.median(100 * off / observed.mean(axis=1))),
        "pull": float(np.median(pull["coefficients"]["width"])),
        "chi2": pull["chi2"],
        "table1": stars.scores(mean, state["live"]),
    }
