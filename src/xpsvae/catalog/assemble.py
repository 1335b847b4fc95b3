"""Catalogue from primary archives: labels joined on source_id with the coefficients that came in parts.

Who falls out is listed with the reason. Two passes over the parts: the second fills the arrays of the
catalogue, so that memory holds them once.
"""

import numpy as np

from xpsvae.catalog.crossmatch import best_rows, star_table
from xpsvae.catalog.cuts import split
from xpsvae.errors import InputError
from xpsvae.products import read_array

__all__ = ["ACTIONS", "NOTES", "action_scatter", "build_catalog"]

ACTIONS = ("j_r", "l_z", "j_z")
NOTES = {
    **dict.fromkeys(("ra", "dec"), "of allStar, ICRS, J2000"),
    "phot_g_mean_flux": "from phot_g_mean_mag with the DR3 Vega zero point",
    **dict.fromkeys(ACTIONS, "Staeckel approximation in MWPotential2014, distance of astroNN"),
}
_NO_SPECTRUM = "no XP spectrum in the archive"


def build_catalog(labels, parts, dropped=None, invalid="drop", test_fraction=0.1, seed=12345):
    """Join labels with coefficients and take the correlations of the test stars along.

    Of several rows with one source_id the one with the highest signal-to-noise ratio is kept (labels: snr;
    spectra: median |coefficient| / error), the first if they tie.

    Parameters
    ----------
    labels : pandas.DataFrame
        Of `xpsvae.data.sdss.read_labels`, with actions.
    parts : list of (path, path)
        ``.npz`` with source_id, coefficients, errors and ``.npy`` with correlations, of the same stars.
    dropped : dict of str to list of int, optional
        Why spectra were left out on the way, and their source_ids.
    invalid : {"drop", "refuse"}
        What to do about matched stars without a G magnitude, which nothing can be divided by.
    test_fraction, seed
        Of the split (`xpsvae.catalog.cuts.split`).

    Returns
    -------
    stars : pandas.DataFrame
        One row a star in order of source_id.
    coefficients, errors : float32 array (n_stars, n_coefficients)
        BP then RP [e-/s].
    correlations : float32 array (n_test, 2, n_pairs)
        Test stars in order of source_id.
    fallen : pandas.DataFrame
        source_id, apogee_id and ``why`` of the stars with labels that are not in the catalogue.
    report : dict

    Raises
    ------
    InputError
        If nothing matches, parts differ in the number of coefficients, or a star is refused.
    """
    ids, quality = [], []
    for path, _ in parts:
        part = read_array(path)
        ids.append(part["source_id"])
        with np.errstate(invalid="ignore"):
            ratios = np.abs(part["coefficients"]) / part["errors"]
        quality.append(np.median(ratios, axis=1) if len(ratios) else np.empty(0))
    part_of = np.repeat(np.arange(len(parts)), [len(part) for part in ids])
    row_of = np.concatenate([np.arange(len(part)) for part in ids])
    ids, quality = np.concatenate(ids), np.concatenate(quality)

    best_labels = best_rows(labels.source_id, labels.snr)
    best_spectra = best_rows(ids, quality)
    label_id = labels.source_id.to_numpy()[best_labels]
    dark = ~np.isfinite(labels.phot_g_mean_mag.to_numpy(dtype=float)[best_labels])
    matches = np.isin(label_id, ids)
    if invalid == "refuse" and (dark & matches).any():
        first = label_id[dark & matches][0]
        raise InputError(
            f"{int((dark & matches).sum())} stars with spectra have no G magnitude, first source_id {first}: "
            "mend the labels, or let such stars be dropped."
        )
    source_id, in_labels, in_spectra = np.intersect1d(
        label_id[~dark], ids[best_spectra], assume_unique=True, return_indices=True
    )
    if not len(source_id):
        raise InputError(
            "labels and spectra have no source_id in common: check that both are Gaia DR3 identifiers."
        )
    stars = star_table(labels.iloc[best_labels[~dark][in_labels]].reset_index(drop=True))
    rows = best_spectra[in_spectra]
    _, test = split(len(source_id), test_fraction, seed)
    arrays = _gather(parts, part_of[rows], row_of[rows], test)

    reasons = {source: why for why, sources in (dropped or {}).items() for source in sources}
    out = best_labels[~np.isin(label_id, source_id)]
    fallen = labels.iloc[out][["source_id", "apogee_id"]].reset_index(drop=True)
    fallen["why"] = [reasons.get(source, _NO_SPECTRUM) for source in fallen.source_id]
    fallen.loc[np.isin(fallen.source_id, ids), "why"] = "no G magnitude"
    report = {
        "labels": {
            "rows": len(labels),
            "duplicates_dropped": len(labels) - len(best_labels),
            "sources": len(best_labels),
            "unmatched": len(best_labels) - len(source_id),
        },
        "spectra": {
            "rows": len(ids),
            "duplicates_dropped": len(ids) - len(best_spectra),
            "sources": len(best_spectra),
            "unmatched": len(best_spectra) - len(source_id),
            "dropped": {why: len(sources) for why, sources in (dropped or {}).items()},
        },
        "matched": len(source_id),
        "fallen": {str(why): int(count) for why, count in fallen.why.value_counts().items()},
        "without_coordinates": int(stars.ra.isna().sum()),
        "duplicate_rule": "highest signal-to-noise ratio (labels: snr; spectra: median |c| / error), "
        "the first if equal",
        "null_columns": [name for name in stars.columns if stars[name].isna().all()],
        "substituted_columns": {},
        "test_stars_with_correlations": int(test.sum()),
    }
    return stars, *arrays, fallen, report


def action_scatter(labels):
    """Compare our actions with those that the astroNN catalogue gives for the same stars.

    Parameters
    ----------
    labels : pandas.DataFrame
        ``j_r``, ``l_z``, ``j_z`` and ``vac_j_r``, ``vac_l_z``, ``vac_j_z`` [kpc km/s].

    Returns
    -------
    dict
        For each action: stars with both, median difference (ours - theirs), scatter (1.4826 median absolute
        deviation) and the largest difference [kpc km/s], None without such stars; stars that only one of the
        two has.
    """
    comparison = {}
    for name in ACTIONS:
        ours, theirs = labels[name].to_numpy(dtype=float), labels[f"vac_{name}"].to_numpy(dtype=float)
        difference = (ours - theirs)[np.isfinite(ours) & np.isfinite(theirs)]
        middle = np.median(difference) if len(difference) else None
        comparison[name] = {
            "stars": len(difference),
            "median": None if middle is None else float(middle),
            "scatter": None if middle is None else float(1.4826 * np.median(np.abs(difference - middle))),
            "largest": None if middle is None else float(np.abs(difference).max()),
            "only_ours": int((np.isfinite(ours) & ~np.isfinite(theirs)).sum()),
            "only_theirs": int((~np.isfinite(ours) & np.isfinite(theirs)).sum()),
        }
    return comparison


def _gather(parts, part_of, row_of, test):
    """Coefficients and errors of the chosen rows, and correlations of the test stars among them."""
    coefficients = errors = correlations = None
    test_rank = np.cumsum(test) - 1
    for number, (spectra_path, correlations_path) in enumerate(parts):
        mine = np.flatnonzero(part_of == number)
        if not len(mine):
            continue
        part = read_array(spectra_path)
        triangles = read_array(correlations_path, memory_map=True)
        if coefficients is None:
            shape = len(part_of), part["coefficients"].shape[1]
            coefficients, errors = np.empty(shape, np.float32), np.empty(shape, np.float32)
            correlations = np.empty((int(test.sum()), *triangles.shape[1:]), np.float32)
        if part["coefficients"].shape[1] != shape[1] or triangles.shape[1:] != correlations.shape[1:]:
            raise InputError(
                f"{spectra_path} has {part['coefficients'].shape[1]} coefficients a star, others {shape[1]}: "
                "take all spectra from one Gaia release."
            )
        coefficients[mine], errors[mine] = part["coefficients"][row_of[mine]], part["errors"][row_of[mine]]
        tested = mine[test[mine]]
        correlations[test_rank[tested]] = triangles[row_of[tested]]
    return coefficients, errors, correlations
