"""The most anomalous stars, by calibrated chi-square and by how empty the latent space is around them.

What such a search finds is told by stars that were made anomalous: blends of two, a band whose wavelengths are
shifted, one line band that is changed.
"""

import numpy as np
import pandas as pd

from xpsvae.errors import InputError
from xpsvae.xp.basis import coefficients_to_flux, dr3_basis
from xpsvae.xp.inversion import flux_to_coefficients

__all__ = [
    "INJECTIONS",
    "LEVEL",
    "blend",
    "change_line",
    "distance",
    "reasons",
    "recovered",
    "shift_band",
    "table",
    "unusual",
]

LEVEL = 0.99  # of the unaltered test stars lie below the threshold
NEIGHBOURS = 20  # in latent space
SHIFT = 2.0  # [nm] by which a band is shifted
LINE, WIDTH, DEPTH = (
    515.0,
    8.0,
    0.1,
)  # [nm] of the magnesium triplet, a normal profile; fraction at its centre
_FLUX_WEIGHT = (
    0.01  # error of the changed flux, relative to its median: what no basis function can show is left out
)
RATIO = 0.5  # light of the second star of a blend, in units of the first one's
METAL_POOR = -1.5  # [dex] below which [M/H] is unusual here
HOTTEST = 0.01  # fraction of the stars
CARBON_RICH = 0.3  # [dex] of [C/Fe], where the dataset has it


def distance(latents, reference):
    """Distance of each star to its 20th neighbour among the training stars, in latent space.

    Parameters
    ----------
    latents : array (n_stars, n_live)
        Posterior means of the live latents.
    reference : array (n_train, n_live)
        Those of the training stars; each latent counts in units of its standard deviation among them.

    Returns
    -------
    array (n_stars,)
        A star that is itself in the reference counts as its own first neighbour.

    Raises
    ------
    InputError
        If the reference has fewer stars than neighbours, or no latent is in use.
    """
    from scipy.spatial import cKDTree

    if len(reference) <= NEIGHBOURS or not reference.shape[1]:
        raise InputError(
            f"outliers need more than {NEIGHBOURS} training stars and a latent in use, and there are "
            f"{len(reference)} and {reference.shape[1]}: take more stars (library: limit in config.yaml)."
        )
    scale = reference.std(axis=0)
    tree = cKDTree(np.asarray(reference, dtype=float) / scale)
    return tree.query(np.asarray(latents, dtype=float) / scale, NEIGHBOURS + 1)[0][:, -1]


def blend(coefficients, errors, flux, partner):
    """Add the light of a second star to each: half as much, with its errors.

    Parameters
    ----------
    coefficients, errors : array (n_stars, n_coefficients)
        [e-/s].
    flux : array (n_stars,)
        G flux [e-/s].
    partner : array (n_stars,) of int
        Row of the second star.

    Returns
    -------
    coefficients, errors, flux
        Of the sum.
    """
    weight = (RATIO * flux / flux[partner])[:, None]
    total = coefficients + weight * coefficients[partner]
    return total, np.hypot(errors, weight * errors[partner]), (1 + RATIO) * flux


def shift_band(coefficients):
    """Shift what RP saw by `SHIFT` to the red, as a wrong wavelength calibration of that band would.

    Parameters
    ----------
    coefficients : array (n_stars, n_coefficients)
        [e-/s].

    Returns
    -------
    array (n_stars, n_coefficients)
        The difference of the sampled flux, inverted, is added: what the inversion loses of a spectrum cancels.
    """
    basis = dr3_basis()
    alone = np.zeros_like(coefficients)
    alone[:, basis.slices[1]] = coefficients[:, basis.slices[1]]
    flux, grid = coefficients_to_flux(alone), basis.wavelengths
    moved = np.array([np.interp(grid - SHIFT, grid, row) for row in flux])
    return _with_flux(coefficients, coefficients_to_flux(coefficients) - flux + moved)


def change_line(coefficients):
    """Deepen one line band by `DEPTH` of its flux; the coefficients that give it.

    Parameters
    ----------
    coefficients : array (n_stars, n_coefficients)
        [e-/s].
    """
    profile = np.exp(-(((dr3_basis().wavelengths - LINE) / WIDTH) ** 2) / 2)
    return _with_flux(coefficients, coefficients_to_flux(coefficients) * (1 - DEPTH * profile))


def _with_flux(coefficients, flux):
    given = coefficients_to_flux(coefficients)
    before, after = (flux_to_coefficients(each, flux_weight=_FLUX_WEIGHT)[0] for each in (given, flux))
    return coefficients + after - before


# By name: what is done to coefficients, errors, G flux and the rows of second stars, and in words.
INJECTIONS = {
    "blend": (blend, f"with a second star of {RATIO:g} times its light"),
    "shifted_band": (
        lambda coefficients, errors, flux, partner: (shift_band(coefficients), errors, flux),
        f"whose RP is shifted by {SHIFT:g} nm",
    ),
    "changed_line": (
        lambda coefficients, errors, flux, partner: (change_line(coefficients), errors, flux),
        f"whose flux at {LINE:g} nm is {100 * DEPTH:g} per cent lower",
    ),
}


def recovered(altered, unaltered):
    """Fraction of altered stars whose score is above that of `LEVEL` of the unaltered ones.

    Parameters
    ----------
    altered, unaltered : array (n,)
        Score, the larger the more anomalous.

    Returns
    -------
    float
    """
    return float(np.mean(altered > np.quantile(unaltered, LEVEL)))


def unusual(stars):
    """Which stars the labels mark as unusual: metal-poor, hottest, carbon-rich where [C/Fe] is known.

    Parameters
    ----------
    stars : pandas.DataFrame
        ``teff`` [K], ``m_h`` [dex], and ``c_fe`` [dex] if the dataset has it.

    Returns
    -------
    dict of str to bool array (n_stars,)
    """
    marks = {
        "metal_poor": (stars["m_h"] < METAL_POOR).to_numpy(bool),
        "hottest": (stars["teff"] >= stars["teff"].quantile(1 - HOTTEST)).to_numpy(bool),
    }
    if "c_fe" in stars and stars["c_fe"].notna().any():
        marks["carbon_rich"] = (stars["c_fe"] > CARBON_RICH).to_numpy(bool)
    return marks


def reasons(pull, chi2, far, chi2_level, far_level):
    """Say in words why stars are anomalous.

    Parameters
    ----------
    pull : array (n_stars, n_coefficients)
        Calibrated pulls.
    chi2, far : array (n_stars,)
        Sum of their squares, and `distance`.
    chi2_level, far_level : float
        Thresholds of both.

    Returns
    -------
    list of str
    """
    n_band = pull.shape[1] // 2
    words = []
    for row, own_chi2, own_far in zip(pull, chi2, far, strict=True):
        worst = int(np.argmax(np.abs(row)))
        share = float((row[:n_band] ** 2).sum() / max(own_chi2, 1e-300))
        band = "BP" if share > 0.7 else "RP" if share < 0.3 else "both bands"
        parts = []
        if own_chi2 > chi2_level:
            name = f"{'BP' if worst < n_band else 'RP'} {worst % n_band}"
            parts.append(f"reconstruction off in {band}, most in coefficient {name} ({row[worst]:+.1f})")
        if own_far > far_level:
            parts.append("few stars near it in latent space")
        words.append("; ".join(parts) or "below both thresholds")
    return words


def table(stars, scores, levels, pull, marks, n=100):
    """List the most anomalous stars of either score.

    Parameters
    ----------
    stars : pandas.DataFrame
        ``source_id`` and labels.
    scores : dict of str to array (n_stars,)
        ``chi2`` and ``distance``.
    levels : dict of str to float
        Threshold of each.
    pull : array (n_stars, n_coefficients)
        Calibrated pulls.
    marks : dict of str to bool array (n_stars,)
        As `unusual` gives them.
    n : int
        Stars of each score.

    Returns
    -------
    pandas.DataFrame
        A row a star, by chi-square: labels, ``chi2``, ``distance``, rank in each (1: the most anomalous),
        ``unusual`` (what its labels say) and ``why``.
    """
    ranks = {
        name: pd.Series(values).rank(ascending=False, method="first").astype(int).to_numpy()
        for name, values in scores.items()
    }
    rows = np.flatnonzero(np.any([rank <= n for rank in ranks.values()], axis=0))
    rows = rows[np.argsort(-scores["chi2"][rows], kind="stable")]
    found = stars.iloc[rows].reset_index(drop=True)
    for name, values in scores.items():
        found[name] = values[rows]
        found[f"{name}_rank"] = ranks[name][rows]
    found["unusual"] = [
        ", ".join(name.replace("_", "-") for name, mark in marks.items() if mark[row]) for row in rows
    ]
    found["why"] = reasons(
        pull[rows], scores["chi2"][rows], scores["distance"][rows], levels["chi2"], levels["distance"]
    )
    return found
