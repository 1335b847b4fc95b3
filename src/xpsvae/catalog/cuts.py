"""The paper's cuts, their cut-flow, and the train/test split (PAPER section 1).

A cut whose column is null throughout is "not available": it is reported, neither passed nor failed.
"""

import numpy as np

from xpsvae.errors import InputError

__all__ = ["CUTS", "CUT_NAMES", "LABELS", "compare_with_paper", "cut_masks", "describe", "select", "split"]

LABELS = ("teff", "logg", "m_h", "alpha_m")

CUTS = {
    "good": {
        "teff_snr_min": 20,
        "logg_err_max": 0.4,
        "m_h_err_max": 0.2,
        "bp_rp": [0, 4],
        "g": [6, 17.5],
        "starflag": 0,
    },
    "pristine": {
        "teff_snr_min": 100,
        "logg_err_max": 0.1,
        "m_h_err_max": 0.05,
        "bp_rp": [0, 4],
        "g": [6, 17.5],
        "starflag": 0,
    },
}
CUT_NAMES = ("teff_snr", "logg_err", "m_h_err", "bp_rp", "g", "starflag", "aspcapflag", "labels")

# What the paper counts in its 502,311 stars; the single cuts are counted independently of each other.
_PAPER_STARS = {"full": 502_311, "good": 202_970, "pristine": 123_804, "train": 452_079, "test": 50_232}
_PAPER_REMOVED = {
    "good": {"teff_snr": 16_028, "logg_err": 43_705, "m_h_err": 32_314},
    "pristine": {"teff_snr": 273_466, "logg_err": 286_191, "m_h_err": 33_769},
}

_PUBLISHED_BITS = (2, 3)  # of ASPCAPFLAG, as the authors' code has it
_TEXT_BITS = (19, 23)  # as their text has it
_PRISTINE_BY_TEXT = 126_156  # public code of somebody else who reads the authors' file


def cut_masks(stars, cuts, aspcapflag_bits):
    """Evaluate each cut of one subset on its own.

    Parameters
    ----------
    stars : pandas.DataFrame
        Catalogue with teff, teff_err, logg_err, m_h_err, phot_*_mean_mag, starflag, aspcapflag and labels.
    cuts : dict
        Limits, in the form of ``CUTS["good"]``. Limits are open: a star on a limit fails.
    aspcapflag_bits : sequence of int
        Bits of ASPCAPFLAG that must be unset.

    Returns
    -------
    dict of str to (str, array (n_stars,) of bool or None)
        For each of `CUT_NAMES` what it asks for and who passes; None where the catalogue has no such column.
        A star whose value is NaN fails. The last cut asks for the four labels.
    """
    colour = stars.phot_bp_mean_mag - stars.phot_rp_mean_mag
    unset = sum(1 << bit for bit in aspcapflag_bits)
    (blue, red), (bright, faint) = cuts["bp_rp"], cuts["g"]
    bits = ", ".join(map(str, aspcapflag_bits))
    asked = {
        "teff_snr": (
            f"Teff / error > {cuts['teff_snr_min']:g}",
            stars.teff / stars.teff_err,
            lambda x: x > cuts["teff_snr_min"],
        ),
        "logg_err": (
            f"error of log g < {cuts['logg_err_max']:g} dex",
            stars.logg_err,
            lambda x: x < cuts["logg_err_max"],
        ),
        "m_h_err": (
            f"error of [M/H] < {cuts['m_h_err_max']:g} dex",
            stars.m_h_err,
            lambda x: x < cuts["m_h_err_max"],
        ),
        "bp_rp": (f"{blue:g} < G_BP - G_RP < {red:g}", colour, lambda x: (x > blue) & (x < red)),
        "g": (f"{bright:g} < G < {faint:g}", stars.phot_g_mean_mag, lambda x: (x > bright) & (x < faint)),
        "starflag": (f"STARFLAG = {cuts['starflag']}", stars.starflag, lambda x: x == cuts["starflag"]),
        "aspcapflag": (f"ASPCAPFLAG bits {bits} unset", stars.aspcapflag, lambda x: (x & unset) == 0),
    }
    masks = {
        name: (text, None if values.isna().all() else _passed(values, condition))
        for name, (text, values, condition) in asked.items()
    }
    masks["labels"] = (
        "Teff, log g, [M/H] and [alpha/M] known",
        stars[list(LABELS)].notna().all(axis=1).to_numpy(),
    )
    return masks


def select(stars, cuts, aspcapflag_bits):
    """Subsets of the catalogue and how they came about.

    Parameters
    ----------
    stars : pandas.DataFrame
        The catalogue.
    cuts : dict
        Limits of the good and the pristine subset, in the form of `CUTS`.
    aspcapflag_bits : sequence of int
        See `cut_masks`.

    Returns
    -------
    subsets : pandas.DataFrame
        source_id, full, good, pristine (bool) and a nullable boolean column for each cut, null where the cut
        is not available.
    cutflow : dict
        For each subset and cut: how many it removes by itself, how many remain after it and those before it,
        and the paper's count.

    Raises
    ------
    InputError
        If a subset is empty.
    """
    import pandas as pd

    columns = {"source_id": stars.source_id, "full": np.ones(len(stars), dtype=bool)}
    single, flow = {}, {}
    for subset, limits in cuts.items():
        kept = columns["full"]
        steps = []
        for name, (text, passed) in cut_masks(stars, limits, aspcapflag_bits).items():
            if passed is None:
                values = pd.array([None] * len(stars), dtype="boolean")
            else:
                values = pd.array(passed, dtype="boolean")
                kept = kept & passed
            single[f"{subset}_{name}"] = values
            steps.append(
                {
                    "cut": name,
                    "asks": text,
                    "available": passed is not None,
                    "removed_alone": None if passed is None else int((~passed).sum()),
                    "remaining": int(kept.sum()),
                    "paper_removed_alone": _PAPER_REMOVED.get(subset, {}).get(name),
                }
            )
        columns[subset] = kept
        flow[subset] = steps
    counts = {name: int(mask.sum()) for name, mask in columns.items() if name != "source_id"}
    empty = [name for name, count in counts.items() if not count]
    if empty:
        raise InputError(
            f"none of {len(stars)} stars is left in {', '.join(empty)}: widen cuts, or use more stars."
        )
    cutflow = {
        "stars": counts,
        "paper_stars": _PAPER_STARS,
        "cuts": flow,
        "not_available": sorted(
            {step["cut"] for steps in flow.values() for step in steps if not step["available"]}
        ),
    }
    return pd.DataFrame({**columns, **single}), cutflow


def compare_with_paper(stars, paper_stars=None, paper_removed=None):
    """Compare the authors' own catalogue with the counts of their paper, cut as their code cuts it.

    That is with bits 2 and 3 of ASPCAPFLAG, in single precision, and without asking for all labels.

    Parameters
    ----------
    stars : pandas.DataFrame
        The catalogue.
    paper_stars, paper_removed : dict, optional
        Expected numbers of full, good and pristine stars, and of stars that single cuts remove, by subset;
        those of the paper by default.

    Returns
    -------
    list of dict
        ``count`` (what is counted), how many ``here``, how many were ``counted``, and ``by`` whom. The last is
        of pristine stars by the bits of the text, which somebody else has counted; it is stated only.

    Raises
    ------
    InputError
        If a number differs, with both columns.
    """
    paper_stars = paper_stars or _PAPER_STARS
    paper_removed = paper_removed or _PAPER_REMOVED
    numbers = stars.select_dtypes("float64").columns
    single = stars.astype(dict.fromkeys(numbers, "float32"))
    here, paper = {"full": len(stars)}, {"full": paper_stars["full"]}
    for subset, limits in CUTS.items():
        masks = cut_masks(single, limits, _PUBLISHED_BITS)
        here[subset], paper[subset] = _passing(masks), paper_stars[subset]
        for name, expected in paper_removed[subset].items():
            _, mask = masks[name]
            here[f"removed by {subset} {name}"] = len(stars) if mask is None else int((~mask).sum())
            paper[f"removed by {subset} {name}"] = expected
    if here != paper:
        counts = "; ".join(f"{name} {here[name]:,} / {paper[name]:,}" for name in here)
        raise InputError(
            f"the catalogue's cut-flow is not the paper's (here / paper: {counts}): check that the file is "
            "the authors', or set zenodo.check_cutflow to false in config.yaml."
        )
    rows = [
        {"count": name, "here": here[name], "counted": paper[name], "by": "in the paper"} for name in here
    ]
    by_text = {
        "count": f"pristine by ASPCAPFLAG bits {' and '.join(map(str, _TEXT_BITS))}",
        "here": _passing(cut_masks(single, CUTS["pristine"], _TEXT_BITS)),
        "counted": _PRISTINE_BY_TEXT,
        "by": "by another reader of the authors' file",
    }
    return [*rows, by_text]


def _passing(masks):
    """How many stars pass all cuts that there are, but for that on labels."""
    passed = [mask for name, (_, mask) in masks.items() if name != "labels" and mask is not None]
    return int(np.logical_and.reduce(passed).sum())


def describe(cutflow):
    """Lines that set a cut-flow beside the paper's.

    Parameters
    ----------
    cutflow : dict
        Of `select`.

    Returns
    -------
    list of str
        One a subset and cut: how many it removes alone, here and in the paper, and how many are left.
    """
    lines = []
    for subset, steps in cutflow["cuts"].items():
        for step in steps:
            removed, paper = step["removed_alone"], step["paper_removed_alone"]
            lines.append(
                f"{subset}: {step['asks']} "
                + ("is not available" if removed is None else f"removes {removed:,}")
                + ("" if paper is None else f" (the paper: {paper:,})")
                + f", {step['remaining']:,} remain"
            )
        stars, paper = cutflow["stars"][subset], cutflow["paper_stars"][subset]
        lines.append(
            f"{subset}: {stars:,} of {cutflow['stars']['full']:,} (the paper: {paper:,} of "
            f"{cutflow['paper_stars']['full']:,})"
        )
    return lines


def split(n_stars, test_fraction, seed):
    """Divide the stars as the authors' code does: scikit-learn's ``train_test_split`` of ``arange(n_stars)``.

    Returns
    -------
    train, test : bool array (n_stars,)
    """
    from sklearn.model_selection import train_test_split

    train = np.zeros(n_stars, dtype=bool)
    try:
        rows, _ = train_test_split(np.arange(n_stars), test_size=test_fraction, random_state=seed)
    except ValueError as error:
        raise InputError(
            f"{n_stars} stars cannot be split with test_fraction {test_fraction}: "
            "use more stars or another fraction."
        ) from error
    train[rows] = True
    return train, ~train


def _passed(values, condition):
    known = values.notna().to_numpy()
    passed = np.zeros(len(values), dtype=bool)
    passed[known] = condition(values[known].to_numpy())
    return passed
