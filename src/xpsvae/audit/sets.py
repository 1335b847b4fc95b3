"""The giants that the headline is measured on, and what a regressor or classifier of them is shown.

Labels are T_eff, log g and [M/H]; photometry adds J - H, J - K, A_K, BP - RP and G - K. A dataset that lacks a
magnitude or A_K does without the columns that need it, and every number says which columns it stood on.
"""

import numpy as np

from xpsvae.errors import InputError

__all__ = ["BASE", "COLOURS", "LABELS", "SETS", "columns", "giants", "matrix", "usable"]

LABELS = ("teff", "logg", "m_h")
COLOURS = ("j_h", "j_k")  # the paper's stand-in for extinction
PHOTOMETRY = (*COLOURS, "a_k", "bp_rp", "g_k")
BASE = (*LABELS, *PHOTOMETRY)
_DIFFERENCES = {
    "j_h": ("j", "h"),
    "j_k": ("j", "k"),
    "bp_rp": ("phot_bp_mean_mag", "phot_rp_mean_mag"),
    "g_k": ("phot_g_mean_mag", "k"),
}
SETS = {  # name: columns of stars, and arrays with a row a star
    "labels": (LABELS, ()),
    "labels_colours": ((*LABELS, *COLOURS), ()),
    "base": (BASE, ()),
    "latents": ((), ("latents",)),
    "labels_latents": (LABELS, ("latents",)),
    "base_latents": (BASE, ("latents",)),
    "base_latents_live": (BASE, ("latents_live",)),
    "coefficients": ((), ("coefficients",)),
    "labels_coefficients": (LABELS, ("coefficients",)),
    "base_coefficients": (BASE, ("coefficients",)),
    "pca_6": ((), ("pca_6",)),
    "base_pca_6": (BASE, ("pca_6",)),
    "pca_20": ((), ("pca_20",)),
    "base_pca_20": (BASE, ("pca_20",)),
}
FEWEST = 20  # giants: four in each of five folds


def columns(frame):
    """Collect what labels and photometry tell of stars.

    Parameters
    ----------
    frame : pandas.DataFrame (n,)
        ``teff`` [K], ``logg``, ``m_h`` [dex], ``a_k`` and magnitudes; NaN where unknown.

    Returns
    -------
    pandas.DataFrame (n,)
        `BASE`: [K], [dex], [mag].
    """
    import pandas as pd

    found = {
        name: frame[_DIFFERENCES[name][0]] - frame[_DIFFERENCES[name][1]]
        if name in _DIFFERENCES
        else frame[name]
        for name in BASE
    }
    return pd.DataFrame(found).astype(float)


def usable(base):
    """Columns of `columns` that at least half of the stars have: stars without them are left out."""
    return [name for name in base if base[name].notna().mean() >= 0.5]


def giants(stars, marks, split):
    """Giants that are classified, with all that the base needs and a known [alpha/M].

    Parameters
    ----------
    stars : pandas.DataFrame (n,)
        The catalogue.
    marks : pandas.DataFrame (n,)
        Table of `xpsvae.analysis.alpha.sequences`.
    split : pandas.DataFrame (n,)
        ``train`` and ``test``.

    Returns
    -------
    pandas.DataFrame (m,)
        Indexed by row of the catalogue: source_id, the usable columns of `BASE`, ``teff_err``, ``logg_err``,
        ``m_h_err``, ``alpha_m``, ``high_alpha`` and ``unseen`` (bool): the sVAE was not trained on it.

    Raises
    ------
    InputError
        If fewer than twenty giants are left.
    """
    chosen = marks["classified"].to_numpy(dtype=bool) & np.isfinite(stars["alpha_m"].to_numpy(dtype=float))
    base = columns(stars[chosen])
    base = base[usable(base)].dropna()
    if len(base) < FEWEST:
        raise InputError(
            f"{len(base)} giants have labels, photometry and [alpha/M]: what latents add beyond labels needs "
            f"{FEWEST}, so use more stars (library: limit in config.yaml)."
        )
    rows = base.index
    beside = stars.loc[rows, ["source_id", "teff_err", "logg_err", "m_h_err", "alpha_m"]]
    frame = base.join(beside)
    frame["high_alpha"] = marks.loc[rows, "high_alpha"].to_numpy(dtype=bool)
    frame["unseen"] = ~split.loc[rows, "train"].to_numpy(dtype=bool)
    return frame


def matrix(name, frame, arrays):
    """Features of one of `SETS`.

    Parameters
    ----------
    name : str
    frame : pandas.DataFrame (n,)
        Of `giants`.
    arrays : dict of str to array (n, k)
        ``latents``, ``coefficients``, ``pca_6``, ``pca_20``: those that the set needs.

    Returns
    -------
    float64 array (n, n_features)
    """
    labels, others = SETS[name]
    parts = [frame[[column for column in labels if column in frame]].to_numpy(dtype=float)]
    return np.hstack([*parts, *(np.asarray(arrays[other], dtype=float) for other in others)])
