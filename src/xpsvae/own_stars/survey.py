"""A survey's stars in latent space, from tables of latents file by file: counts, densities, the most anomalous.

Memory does not grow with the number of files or stars.
"""

from collections import Counter
from itertools import combinations

import numpy as np
import pandas as pd

from xpsvae.own_stars.tables import WARNINGS
from xpsvae.products import read_table
from xpsvae.xp.photometry import G_ZERO_POINT

__all__ = ["MEASURES", "NOTES", "UNITS", "Survey"]

MEASURES = ("chi2", "distance")  # by either of which a star is anomalous
UNITS = {"phot_g_mean_flux": "electron / s", "phot_g_mean_mag": "mag"}
NOTES = {
    "phot_g_mean_flux": "that of the spectrum in the DR3 passband",
    "phot_g_mean_mag": "that of the spectrum in the DR3 passband",
    "chi2": "chi-square a coefficient of the reconstruction, scatter calibrated",
    "distance": "Mahalanobis distance of the latents from the training stars'",
    "listed_for": "the measures by which the star is among the most anomalous of the survey",
}
_UNLIKE = ["faint", "bright", "poor_fit", "far"]  # warnings that say a star is unlike the training stars
_BINS, _REACH = 120, 6.0  # of a latent, within so many standard deviations of the training stars
_MAGNITUDES = np.linspace(3, 22, 191)
_LOG_CHI2 = np.linspace(-2, 6, 161)


class Survey:
    """Counts that grow table by table.

    Parameters
    ----------
    reference : xpsvae.own_stars.reference.Reference
        The training stars of the model, around which densities are counted.
    listed : int
        How many stars of highest chi2, and as many of largest distance, are kept by name.
    """

    def __init__(self, reference, listed):
        self._listed, self._n_latents = listed, len(reference.latent_mean)
        reach = _REACH * np.sqrt(np.diag(reference.latent_covariance))
        self._edges = np.linspace(reference.latent_mean - reach, reference.latent_mean + reach, _BINS + 1).T
        self._pairs = list(combinations(range(self._n_latents), 2))
        self._counts = np.zeros((len(self._pairs), _BINS, _BINS), np.int64)
        self._single = np.zeros((self._n_latents, _BINS), np.int64)
        self._quality = np.zeros((len(_MAGNITUDES) - 1, len(_LOG_CHI2) - 1), np.int64)
        self._reasons, self._warnings, self._outside, self._like = Counter(), Counter(), 0, 0
        self._files, self._outliers = [], None

    def add(self, path, name):
        """Count the stars of one more table.

        Parameters
        ----------
        path : path-like
            As `xpsvae.own_stars.bulk.describe_file` writes it.
        name : str
            Of the file that it describes.

        Raises
        ------
        InputError
            If it cannot be read or lacks a column.
        """
        means = [f"mean_{k + 1}" for k in range(self._n_latents)]
        stars = read_table(path, ["source_id", "phot_g_mean_flux", *means, *MEASURES, "reason", "warnings"])
        self._reasons.update(stars["reason"][stars["reason"] != ""])
        described = stars[stars["reason"] == ""].drop(columns="reason")
        described.insert(2, "phot_g_mean_mag", G_ZERO_POINT - 2.5 * np.log10(described["phot_g_mean_flux"]))
        said = Counter(described["warnings"])
        for words, count in said.items():
            self._warnings.update(dict.fromkeys(words.split(), count))
            self._like += count * (not set(_UNLIKE) & set(words.split()))
        self._count(described, means)
        self._keep(described)
        self._files.append((name, len(stars), len(described)))

    def _count(self, stars, means):
        places = [_bins(stars[name], edges) for name, edges in zip(means, self._edges, strict=True)]
        for k, place in enumerate(places):
            self._single[k] += np.bincount(place[place >= 0], minlength=_BINS)
        for pair, (one, other) in enumerate(self._pairs):
            self._counts[pair] += _together(places[one], places[other], (_BINS, _BINS))
        self._outside += int((np.stack(places) < 0).any(axis=0).sum())
        with np.errstate(divide="ignore"):
            log_chi2 = np.log10(stars["chi2"].to_numpy(float))
        magnitude = _bins(stars["phot_g_mean_mag"], _MAGNITUDES)
        self._quality += _together(magnitude, _bins(log_chi2, _LOG_CHI2), self._quality.shape)

    def _keep(self, stars):
        """Keep the most anomalous stars so far, by each measure."""
        pool = stars if self._outliers is None else pd.concat([self._outliers, stars])
        pool = pool.sort_values(
            "source_id", ignore_index=True
        )  # of equals the first, in whatever order the files came
        best = [pool[name].nlargest(self._listed).index for name in MEASURES]
        self._outliers = pool.loc[best[0].union(best[1])].reset_index(drop=True)

    def summary(self):
        """Give the counts by name, for JSON."""
        described = sum(described for _, _, described in self._files)
        return {
            "files": len(self._files),
            "stars": sum(stars for _, stars, _ in self._files),
            "described": described,
            "like_training_stars": self._like,
            "not_described": dict(self._reasons),
            "warnings": {name: self._warnings[name] for name in WARNINGS},
            "outside_of_density": self._outside,
        }

    def density(self):
        """Give the counts in bins: of each latent, each pair of latents, and of G and chi2.

        Returns
        -------
        dict of str to array
            ``edges`` (n_latents, n_bins + 1); ``single`` (n_latents, n_bins); ``pairs`` (n_pairs, 2), latents from 1;
            ``counts`` (n_pairs, n_bins, n_bins), the first latent of the pair along the first axis; ``quality``
            (n_magnitudes, n_chi2) with ``magnitude_edges`` [mag] and ``log_chi2_edges``.
        """
        return {
            "edges": self._edges,
            "single": self._single,
            "pairs": np.array(self._pairs) + 1,
            "counts": self._counts,
            "quality": self._quality,
            "magnitude_edges": _MAGNITUDES,
            "log_chi2_edges": _LOG_CHI2,
        }

    def outliers(self):
        """List the most anomalous stars, a DataFrame by falling chi2; ``listed_for`` says by which measure."""
        stars = self._outliers
        ranks = {name: stars[name].rank(method="first", ascending=False) <= self._listed for name in MEASURES}
        words = [" ".join(name for name in MEASURES if ranks[name][row]) for row in stars.index]
        return stars.assign(listed_for=words).sort_values(
            "chi2", ascending=False, kind="stable", ignore_index=True
        )

    def files(self):
        """Make a DataFrame of one row a file: its name, its stars, how many of them are described."""
        return pd.DataFrame(self._files, columns=["file", "stars", "described"])


def _bins(values, edges):
    """Numbers of the bins, all of one width, that values fall into; -1 outside."""
    place = np.searchsorted(edges, np.asarray(values, float), side="right") - 1
    return np.where(place < len(edges) - 1, place, -1)


def _together(one, other, shape):
    inside = (one >= 0) & (other >= 0)
    flat = one[inside] * shape[1] + other[inside]
    return np.bincount(flat, minlength=shape[0] * shape[1]).reshape(shape)
