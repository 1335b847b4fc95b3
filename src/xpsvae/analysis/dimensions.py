"""Which latent dimension carries which label, decided from the data (paper Fig. 10-13).

Training permutes and flips the dimensions, so none is named by number anywhere: figures and tracks ask the
product of this module. Dimensions are 1-based, z_1 ... z_K, as in the paper.
"""

import numpy as np

from xpsvae.errors import InputError

__all__ = ["association", "boundary", "choose", "dimensions", "mutual_information", "spearman"]

LABELS = ("logg", "teff", "m_h", "alpha_m")


def spearman(x, y):
    """Spearman's rank correlation of two arrays (n,), ties by average rank."""
    from scipy.stats import spearmanr

    return float(spearmanr(x, y).statistic)


def mutual_information(x, y, n_bins=20):
    """Mutual information of two continuous variables from bins of equal count.

    Parameters
    ----------
    x, y : array (n,)
        Finite values; only their ranks matter.
    n_bins : int
        Bins per variable.

    Returns
    -------
    float
        [nats]; independent variables give (n_bins - 1)^2 / 2n on average, not zero.
    """
    from sklearn.metrics import mutual_info_score

    return float(mutual_info_score(_quantile_bin(x, n_bins), _quantile_bin(y, n_bins)))


def association(latents, label, dims, fixed=None, n_bins=20, n_groups=5):
    """Association of one label with each of some dimensions, optionally conditioned on another label.

    Parameters
    ----------
    latents : array (n, K)
        One posterior draw per star (see `dimensions`).
    label : array (n,)
        Label; stars where it is NaN are left out.
    dims : sequence of int
        1-based dimensions.
    fixed : array (n,), optional
        Other label, cut into ``n_groups`` groups of equal count; the result is the average over them.
    n_bins : int
        For `mutual_information`.
    n_groups : int

    Returns
    -------
    dict of int to dict
        Per dimension ``spearman`` (signed) and ``mutual_information`` [nats].

    Raises
    ------
    InputError
        If a group has fewer than ``n_bins`` stars.
    """
    known = np.isfinite(label) if fixed is None else np.isfinite(label + fixed)
    latents, label = latents[known], label[known]
    group = np.zeros(len(label), dtype=int) if fixed is None else _quantile_bin(fixed[known], n_groups)
    sizes = np.bincount(group, minlength=1)
    if sizes.min() < n_bins:
        raise InputError(
            f"a latent dimension is chosen from groups of stars of which one has only {sizes.min()} stars: "
            f"at least {n_bins} are needed, so use more stars or loosen cuts (good, pristine) in config.yaml."
        )
    groups = [group == number for number in range(len(sizes))]
    return {
        dim: {
            name: float(np.mean([measure(latents[rows, dim - 1], label[rows]) for rows in groups]))
            for name, measure in (
                ("spearman", spearman),
                ("mutual_information", lambda x, y: mutual_information(x, y, n_bins)),
            )
        }
        for dim in dims
    }


def choose(table, statistic="mutual_information", least=0.5):
    """Give each label a dimension so that the summed association is largest, distinct where that is true.

    Parameters
    ----------
    table : dict of str to dict of int to dict
        Per label the result of `association`.
    statistic : str
        Entry to maximise, by absolute value, each label's divided by its largest so that a label with weak
        associations counts as much as one with strong ones.
    least : float
        A label whose dimension has less than this fraction of its largest association takes the dimension
        of the largest instead, and so shares it: a dimension of its own that does not follow the label would
        only mislead.

    Returns
    -------
    dict of str to int
        A dimension per label.
    """
    from scipy.optimize import linear_sum_assignment

    labels, dims = list(table), list(next(iter(table.values())))
    strength = np.array([[abs(table[label][dim][statistic]) for dim in dims] for label in labels])
    strength /= strength.max(axis=1, keepdims=True)
    chosen = strength.argmax(axis=1)
    for row, column in zip(*linear_sum_assignment(strength, maximize=True), strict=True):
        if strength[row, column] >= least:
            chosen[row] = column
    return {label: dims[column] for label, column in zip(labels, chosen, strict=True)}


def boundary(latents, main_sequence, dims):
    """Best single threshold on a single dimension between main sequence and giant branch.

    Parameters
    ----------
    latents : array (n, K)
    main_sequence : array (n,) of bool
        Eq. 10 of the paper.
    dims : sequence of int
        1-based dimensions to try; the first wins a tie.

    Returns
    -------
    dict
        ``dimension``, ``value`` (halfway between two stars), ``ms_side`` (``"above"`` or ``"below"``),
        ``accuracy``, the fraction of stars on their side, and ``majority``, that of the larger branch.

    Raises
    ------
    InputError
        If one of the two classes has fewer than two stars.
    """
    n_main, n = int(np.sum(main_sequence)), len(main_sequence)
    if min(n_main, n - n_main) < 2:
        raise InputError(
            f"{n_main} of {n} stars lie on the main sequence (Eq. 10): a boundary needs two stars on each "
            "side, so use more stars or loosen cuts (good, pristine) in config.yaml."
        )
    best = None
    for dim in dims:
        order = np.argsort(latents[:, dim - 1], kind="stable")
        values = latents[order, dim - 1].astype(float)
        cut = np.flatnonzero(np.diff(values) > 0)  # between star cut and star cut + 1
        if cut.size == 0:
            continue
        main_below = np.cumsum(main_sequence[order])[cut]
        above = (n_main - main_below) + (cut + 1 - main_below)  # right, if the main sequence is above
        for side, correct in (("above", above), ("below", n - above)):
            at = int(correct.argmax())
            if best is None or correct[at] / n > best["accuracy"]:
                best = {
                    "dimension": int(dim),
                    "value": float((values[cut[at]] + values[cut[at] + 1]) / 2),
                    "ms_side": side,
                    "accuracy": float(correct[at] / n),
                }
    if best is None:
        raise InputError("every latent dimension is constant: train the model again.")
    return best | {"majority": max(n_main, n - n_main) / n}


def dimensions(frame, pristine, live, n_bins=20):
    """Choose the dimensions of all labels and the boundary of the main sequence.

    Parameters
    ----------
    frame : pandas.DataFrame
        Stars of good labels with ``teff`` [K], ``logg``, ``m_h``, ``alpha_m`` [dex], latents ``z_k`` and
        draws ``draw_k``.
        The boundary is one in ``z_k``. Associations are those of the draw: in an almost collapsed dimension
        the mean still follows the labels, but far below the posterior's width, so that neither decoder nor
        reader could use it.
    pristine : array (n,) of bool
        Stars on which the dimension of [alpha/M] is chosen, as the figure shows these; all others use all.
    live : sequence of int
        1-based live dimensions; the collapsed ones are never chosen.
    n_bins : int
        For `mutual_information`.

    Returns
    -------
    dict
        A dimension per label, ``boundary``, ``association`` and ``how`` (one sentence).

    Raises
    ------
    InputError
        If no dimension is live, or too few stars have a label.
    """
    from xpsvae.analysis.sample import latent_columns
    from xpsvae.analysis.tracks import is_main_sequence

    if not live:
        raise InputError("no latent dimension is live: train the model longer (training in config.yaml).")
    draws = frame[latent_columns(frame, "draw")].to_numpy()
    latents = frame[latent_columns(frame)].to_numpy()
    teff, logg = frame["teff"].to_numpy(dtype=float), frame["logg"].to_numpy(dtype=float)
    placed = np.isfinite(teff + logg)
    main = is_main_sequence(teff, logg)
    label = {name: frame[name].to_numpy(dtype=float) for name in LABELS}
    table = {
        name: association(draws[placed], label[name][placed], live, n_bins=n_bins) for name in LABELS[:3]
    }
    # [alpha/M] follows [M/H], and dwarfs have little of its range: ask at fixed [M/H], among giants.
    giant = placed & ~main & pristine
    table["alpha_m"] = association(
        draws[giant], label["alpha_m"][giant], live, fixed=label["m_h"][giant], n_bins=n_bins
    )
    chosen = choose(table)
    return chosen | {
        "boundary": boundary(latents[placed], main[placed], live),
        "association": {
            label: {str(dim): entry for dim, entry in entries.items()} for label, entries in table.items()
        },
        "how": (
            "Live dimensions are assigned to log g, T_eff, [M/H] and [alpha/M] so that the sum of the mutual "
            f"information ({n_bins} x {n_bins} bins of equal count, one posterior draw a star), relative to "
            "each label's largest, is greatest; a label whose own dimension would have less than half of its "
            "largest shares the best; stars of good labels, for [alpha/M] those of pristine labels on the "
            "giant-branch side of Eq. 10 in five groups of [M/H]."
        ),
    }


def _quantile_bin(values, n_bins):
    edges = np.quantile(values, np.linspace(0, 1, n_bins + 1)[1:-1])
    return np.searchsorted(edges, values, side="right")
