"""The alpha bimodality: both sequences, Gaia-Enceladus, and tracks across them (paper Fig. 13).

Gaia-Enceladus is selected by actions where the dataset has them. Where it does not, a chemical selection
stands in and says so in its name; being cut in [alpha/M], it cannot tell anything new about [alpha/M].
"""

import numpy as np

from xpsvae.analysis.sample import latent_columns
from xpsvae.analysis.tracks import bin_means
from xpsvae.errors import InputError

__all__ = [
    "ENCELADUS",
    "along",
    "alpha_tracks",
    "chemical_enceladus",
    "directions",
    "gaia_enceladus",
    "matched_stars",
    "patil_sequence",
    "sequences",
    "summary",
]

LABELS = ("teff", "logg", "m_h", "alpha_m", "fe_h", "mg_fe")
GIANT_LOGG, GIANT_TEFF, DISC_FE_H = 3.8, 5500.0, -1.0  # [dex], [K], [dex]

ENCELADUS = {
    "lane2022": "actions (action-diamond ellipse of Lane et al. 2022)",
    "myeong2019": "actions (action-diamond box of Myeong et al. 2019)",
    "chemical": (
        "chemical (no actions in this dataset): giants with -1.6 < [Fe/H] < -0.9 and "
        "0.06 < [alpha/M] < 0.20 - 0.10 ([Fe/H] + 1), lines drawn here in the gap between the low- and "
        "high-magnesium halo of Hayes et al. (2018); accreted-halo candidates, selected by [alpha/M] itself "
        "and open to other accreted dwarfs"
    ),
}


def patil_sequence(fe_h, mg_fe):
    """Whether a star belongs to the high-alpha sequence of Patil et al. (2023).

    Parameters
    ----------
    fe_h, mg_fe : array (n,)
        [Fe/H] and [Mg/Fe] [dex].

    Returns
    -------
    array (n,) of bool
        [Mg/Fe] > 0.1754 x^3 + 0.1119 x^2 - 0.1253 x + 0.1353 with x = [Fe/H]; False where either is NaN.
    """
    boundary = np.polynomial.polynomial.polyval(
        np.asarray(fe_h, dtype=float), (0.1353, -0.1253, 0.1119, 0.1754)
    )
    return np.asarray(mg_fe, dtype=float) > boundary


def gaia_enceladus(j_r, l_z, j_z, parallax, parallax_error, selection="lane2022"):
    """Select Gaia-Enceladus in the action diamond, among stars with a good parallax.

    With J_tot = |J_phi| + |J_R| + |J_z| and J_phi = L_z, ``"lane2022"`` is the ellipse of Lane et al. (2022),
    ((J_phi / J_tot) / 0.08)^2 + (((J_z - J_R) / J_tot + 1) / 0.3)^2 < 1, and ``"myeong2019"`` the box of
    Myeong et al. (2019) that the paper used, |J_phi / J_tot| < 0.07 and (J_z - J_R) / J_tot < -0.3.
    Both ask for parallax > 0 and parallax / error > 10.

    Parameters
    ----------
    j_r, l_z, j_z : array (n,)
        Radial action, angular momentum and vertical action [kpc km/s].
    parallax, parallax_error : array (n,)
        [mas].
    selection : str
        ``"lane2022"`` or ``"myeong2019"``.

    Returns
    -------
    array (n,) of bool
        False where an action or the parallax is NaN.

    Raises
    ------
    InputError
        If ``selection`` is neither.
    """
    j_r, l_z, j_z, parallax, parallax_error = (
        np.asarray(values, dtype=float) for values in (j_r, l_z, j_z, parallax, parallax_error)
    )
    total = np.abs(j_r) + np.abs(l_z) + np.abs(j_z)
    with np.errstate(divide="ignore", invalid="ignore"):
        azimuthal, vertical = l_z / total, (j_z - j_r) / total
        measured = (parallax > 0) & (parallax / parallax_error > 10)
    if selection == "lane2022":
        return measured & ((azimuthal / 0.08) ** 2 + ((vertical + 1) / 0.3) ** 2 < 1)
    if selection == "myeong2019":
        return measured & (np.abs(azimuthal) < 0.07) & (vertical < -0.3)
    raise InputError(f"enceladus selection {selection!r} is unknown: use 'lane2022' or 'myeong2019'.")


def chemical_enceladus(fe_h, alpha_m):
    """Select accreted-halo candidates by chemistry alone, where a dataset has no actions.

    -1.6 < [Fe/H] < -0.9 and 0.06 < [alpha/M] < 0.20 - 0.10 ([Fe/H] + 1). Hayes et al. (2018) found two
    chemical populations below [Fe/H] = -0.9 and took the low-magnesium one for accreted; the lines here are
    this project's, drawn in that gap, and above the Magellanic Clouds and other dwarfs of lower [alpha/M].
    The sample is not pure and not independent of [alpha/M].

    Parameters
    ----------
    fe_h, alpha_m : array (n,)
        [dex].

    Returns
    -------
    array (n,) of bool
        False where either is NaN.
    """
    fe_h, alpha_m = np.asarray(fe_h, dtype=float), np.asarray(alpha_m, dtype=float)
    metal_poor = (fe_h > -1.6) & (fe_h < -0.9)
    return metal_poor & (alpha_m > 0.06) & (alpha_m < 0.20 - 0.10 * (fe_h + 1))


def sequences(stars, pristine, enceladus="lane2022", classified="giants"):
    """Mark giants, their alpha sequence and Gaia-Enceladus in the whole catalogue.

    Parameters
    ----------
    stars : pandas.DataFrame
        The catalogue: source_id, labels, actions and parallax (NaN where the dataset lacks them).
    pristine : array (n,) of bool
        Stars with pristine labels.
    enceladus : str
        Selection of `gaia_enceladus`; without any action in the catalogue `chemical_enceladus` stands in.
    classified : str
        Stars that the classifiers are for: ``"giants"``, or all ``"pristine"`` ones as published.

    Returns
    -------
    frame : pandas.DataFrame (n,)
        source_id; ``giant`` (bool): pristine, all labels known, log g < 3.8, T_eff < 5500 K, [Fe/H] > -1;
        ``classified`` (bool): the giants, or all pristine stars of known labels; ``high_alpha`` (nullable):
        `patil_sequence`, null where not ``classified``; ``enceladus`` (nullable): null where a star lacks
        what the selection needs. Actions select among all stars, as in the paper, chemistry among pristine giants
        (log g < 3.8, T_eff < 5500 K).
    selection : str
        Key of `ENCELADUS`: what was done.
    """
    import pandas as pd

    column = {
        name: stars[name].to_numpy(dtype=float)
        for name in (*LABELS, "j_r", "l_z", "j_z", "parallax", "parallax_error")
    }
    known = np.all([np.isfinite(column[name]) for name in LABELS], axis=0)
    complete = known & np.asarray(pristine, dtype=bool)
    evolved = complete & (column["logg"] < GIANT_LOGG) & (column["teff"] < GIANT_TEFF)
    giant = evolved & (column["fe_h"] > DISC_FE_H)
    if classified not in ("giants", "pristine"):
        raise InputError(f"classified is {classified!r}: use 'giants' or 'pristine'.")
    in_classes = giant if classified == "giants" else complete

    needed = [column[name] for name in ("j_r", "l_z", "j_z", "parallax", "parallax_error")]
    if np.isfinite(column["j_r"]).any():
        candidates = np.all(np.isfinite(needed), axis=0)
        members, selection = gaia_enceladus(*needed, selection=enceladus), enceladus
    else:
        selection, candidates = "chemical", evolved
        members = chemical_enceladus(column["fe_h"], column["alpha_m"])

    frame = pd.DataFrame({"source_id": stars["source_id"].to_numpy(), "giant": giant})
    frame["classified"] = in_classes
    high = patil_sequence(column["fe_h"], column["mg_fe"])
    frame["high_alpha"] = pd.array(high, dtype="boolean")
    frame.loc[~in_classes, "high_alpha"] = pd.NA
    frame["enceladus"] = pd.array(members, dtype="boolean")
    frame.loc[~candidates, "enceladus"] = pd.NA
    return frame, selection


def summary(marks, selection, stars):
    """Count what `sequences` marked, for its summary.

    Parameters
    ----------
    marks : pandas.DataFrame
        Table of `sequences`.
    selection : str
        Key of `ENCELADUS` that `sequences` returned.
    stars : pandas.DataFrame
        The catalogue.

    Returns
    -------
    dict
        Counts of giants, of both sequences and of Gaia-Enceladus, what the sequences were split in, and the
        words for the selection.

    Raises
    ------
    InputError
        If a sequence has fewer than two stars.
    """
    giants = int(marks["giant"].sum())
    n_high = int(marks["high_alpha"][marks["giant"]].sum())
    if min(n_high, giants - n_high) < 2:
        raise InputError(
            f"the giants split into {n_high} high-alpha and {giants - n_high} low-alpha stars: at least two "
            "of each are needed, so use more stars or loosen cuts: pristine in config.yaml."
        )
    same = np.array_equal(stars["mg_fe"].to_numpy(), stars["alpha_m"].to_numpy(), equal_nan=True)
    return {
        "n_giants": giants,
        "n_high_alpha": n_high,
        "n_low_alpha": giants - n_high,
        "high_alpha_fraction": n_high / giants,
        "sequence_abundance": "alpha_m" if same else "mg_fe",
        "n_enceladus": int(marks["enceladus"].sum()),
        "n_enceladus_candidates": int(marks["enceladus"].notna().sum()),
        "enceladus_kind": "chemical" if selection == "chemical" else "actions",
        "enceladus_selection": ENCELADUS[selection],
    }


def alpha_tracks(
    frame,
    high_alpha,
    *,
    m_h,
    m_h_half_width,
    fixed_m_h,
    fixed_m_h_half_width,
    alpha_m,
    alpha_m_half_width,
    matched,
):
    """Means along both sequences, along a track of fixed [M/H] (paper Fig. 13), and along a matched one.

    Parameters
    ----------
    frame : pandas.DataFrame (n,)
        Giants with ``teff`` [K], ``logg``, ``m_h``, ``alpha_m`` [dex] and latents ``z_k``.
    high_alpha : array (n,) of bool
        `patil_sequence` of them.
    m_h : (float, float, int)
        First and last [M/H] bin centre [dex] of the sequences and number of bins.
    m_h_half_width : float
        [dex]; half the spacing of the centres makes bins that touch and share no star.
    fixed_m_h, fixed_m_h_half_width : float
        [M/H] of the fixed track and its half-width [dex].
    alpha_m : (float, float, int)
        First and last [alpha/M] bin centre [dex] of the fixed track and number of bins.
    alpha_m_half_width : float
        [dex]; as published, so neighbouring bins share stars.
    matched : dict
        ``teff`` [K], ``logg`` and ``m_h`` [dex]: how close a star of another bin has to be to take part in the
        matched track (see `matched_stars`).

    Returns
    -------
    pandas.DataFrame
        One row a bin: track (``"high_alpha"``, ``"low_alpha"``, ``"fixed_m_h"``, ``"matched"``), bin, centre
        ([M/H] of the sequences, [alpha/M] of the other two) and the columns of `bin_means`. The mean [M/H] stands also
        along the fixed track, where it is not exactly ``fixed_m_h``.
    """
    import pandas as pd

    metallicity, alpha = (frame[name].to_numpy(dtype=float) for name in ("m_h", "alpha_m"))
    high_alpha = np.asarray(high_alpha, dtype=bool)
    narrow = np.abs(metallicity - fixed_m_h) < fixed_m_h_half_width
    tracks = {
        "high_alpha": (high_alpha, metallicity, m_h, m_h_half_width),
        "low_alpha": (~high_alpha, metallicity, m_h, m_h_half_width),
        "fixed_m_h": (narrow, alpha, alpha_m, alpha_m_half_width),
    }
    columns = ["teff", "logg", "m_h", "alpha_m", *latent_columns(frame)]
    rows = [
        {"track": track, "bin": number, "centre": centre}
        | bin_means(frame[on_track & (np.abs(coordinate - centre) < half_width)], columns)
        for track, (on_track, coordinate, centres, half_width) in tracks.items()
        for number, centre in enumerate(np.linspace(*centres))
    ]
    centres = np.linspace(*alpha_m)
    bins = [np.flatnonzero(narrow & (np.abs(alpha - centre) < alpha_m_half_width)) for centre in centres]
    scaled = np.column_stack([frame[name].to_numpy(dtype=float) / width for name, width in matched.items()])
    for number, (centre, members) in enumerate(zip(centres, matched_stars(scaled, bins), strict=True)):
        rows.append(
            {"track": "matched", "bin": number, "centre": centre} | bin_means(frame.iloc[members], columns)
        )
    return pd.DataFrame(rows)


def matched_stars(scaled, bins, fewest=100):
    """Stars of each bin that are alike from bin to bin but for what the bins are made of.

    Every star of the fullest bin looks in each other bin of at least ``fewest`` stars for the star nearest to
    it; those that find one within one unit in every bin are kept, with the stars that they found.

    Parameters
    ----------
    scaled : array (n, k)
        What has to be alike, in units of how close it has to be.
    bins : list of array of int
        Rows of each bin.
    fewest : int

    Returns
    -------
    list of array of int
        Rows, equally many in every bin that takes part; none in the others.
    """
    from scipy.spatial import cKDTree

    filled = [number for number, rows in enumerate(bins) if len(rows) >= fewest]
    empty = np.array([], dtype=int)
    if len(filled) < 2:
        return [empty for _ in bins]
    reference = bins[max(filled, key=lambda number: len(bins[number]))]
    kept, found = np.ones(len(reference), dtype=bool), {}
    for number in filled:
        distance, nearest = cKDTree(scaled[bins[number]]).query(scaled[reference], p=np.inf)
        kept &= distance <= 1
        found[number] = bins[number][nearest]
    return [found[number][kept] if number in found else empty for number in range(len(bins))]


def directions(frame, high_alpha, live):
    """Directions among the live latents for [M/H], and for [alpha/M] at fixed [M/H], and what they tell apart.

    The first is that of the linear regression of [M/H] on the latents; the second that of [alpha/M] on the
    latents and a cubic in [M/H]. Both are fitted to giants that trained the model; the areas under the ROC
    curve are those of giants that it never saw.

    Parameters
    ----------
    frame : pandas.DataFrame (n,)
        Giants with ``m_h``, ``alpha_m`` [dex], latents ``z_k``, ``train`` and ``test``.
    high_alpha : array (n,) of bool
    live : sequence of int
        1-based live dimensions.

    Returns
    -------
    dict
        ``m_h`` and ``alpha_m``: weight of each latent by its number (of unit length, in units of the latents'
        standard deviations, so that zero is the mean star), with ``mean`` and ``scale`` of each; ``auc_pair``
        of the best two latents and which (``pair``), ``auc_direction`` and ``auc_live`` (all live latents,
        gradient boosting).
    """
    from itertools import combinations

    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.metrics import roc_auc_score

    high_alpha = np.asarray(high_alpha, dtype=bool)
    train, test = (frame[name].to_numpy(dtype=bool) for name in ("train", "test"))
    latents = frame[[f"z_{number}" for number in live]].to_numpy(dtype=float)
    mean, scale = latents[train].mean(axis=0), latents[train].std(axis=0)
    z = (latents - mean) / scale
    m_h, alpha_m = (frame[name].to_numpy(dtype=float) for name in ("m_h", "alpha_m"))
    rest = {"m_h": np.ones((len(z), 1)), "alpha_m": np.vander(m_h, 4)}
    found = {}
    for name, label in (("m_h", m_h), ("alpha_m", alpha_m)):
        matrix = np.hstack([z, rest[name]])[train]
        weights = np.linalg.lstsq(matrix, label[train], rcond=None)[0][: z.shape[1]]
        found[name] = weights / np.linalg.norm(weights)

    def auc(columns):
        model = HistGradientBoostingClassifier(random_state=0).fit(columns[train], high_alpha[train])
        return float(roc_auc_score(high_alpha[test], model.predict_proba(columns[test])[:, 1]))

    pairs = {pair: auc(z[:, pair]) for pair in combinations(range(len(live)), 2)}
    best = max(pairs, key=pairs.get) if pairs else None
    return {
        name: {str(number): float(weight) for number, weight in zip(live, weights, strict=True)}
        for name, weights in found.items()
    } | {
        "mean": dict(zip(map(str, live), mean.tolist(), strict=True)),
        "scale": dict(zip(map(str, live), scale.tolist(), strict=True)),
        "pair": [int(live[number]) for number in best] if best else None,
        "auc_pair": pairs[best] if best else None,
        "auc_direction": float(roc_auc_score(high_alpha[test], z[test] @ found["alpha_m"])),
        "auc_live": auc(z),
    }


def along(frame, directions, name):
    """Coordinate of stars, or of the bins of a track, along a direction of `directions`: array (n,)."""
    return sum(
        weight
        * (frame[f"z_{number}"].to_numpy(dtype=float) - directions["mean"][number])
        / directions["scale"][number]
        for number, weight in directions[name].items()
    )
