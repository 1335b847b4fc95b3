"""Which latent dimension carries which label, decided from the data (paper Fig. 10-13).

Training permutes and flips the dimensions, so none is named by number anywhere: figures and tracks ask the
product of this module. Dimensions are 1-based, z_1 ... z_K, as in the paper.
"""

import numpy as np

from xpsvae.errors import InputError

__all__ = ["association", "beyond", "boundary", "choose", "dimensions", "mutual_information", "spearman"]

LABELS = ("logg", "teff", "m_h", "alpha_m")
COLOURS = (("j", "h"), ("j", "k"), ("phot_bp_mean_mag", "phot_rp_mean_mag"))


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


def association(latents, label, dims, n_bins=20, n_permutations=10, seed=0):
    """Association of one label with each of some dimensions.

    Parameters
    ----------
    latents : array (n, K)
        One posterior draw per star (see `dimensions`), or what is left of it beyond other labels (`beyond`).
    label : array (n,)
        Label, or what is left of it; stars where it is NaN are left out.
    dims : sequence of int
        1-based dimensions.
    n_bins : int
        For `mutual_information`.
    n_permutations : int
        Permutations of the label whose mean mutual information is the floor: what chance gives.
    seed : int
        Of the permutations.

    Returns
    -------
    dict of int to dict
        Per dimension ``spearman`` (signed), ``mutual_information`` above the floor, and ``floor`` [nats].

    Raises
    ------
    InputError
        If there are fewer than ``n_bins`` stars.
    """
    known = np.isfinite(label) & np.isfinite(latents).all(axis=1)
    latents, label = latents[known], label[known]
    if len(label) < n_bins:
        raise InputError(
            f"a latent dimension is chosen from {len(label)} stars: at least {n_bins} are needed, so use more "
            "stars or loosen cuts (good, pristine) in config.yaml."
        )
    generator = np.random.default_rng(seed)
    shuffled = [generator.permutation(label) for _ in range(n_permutations)]
    found = {}
    for dim in dims:
        values = latents[:, dim - 1]
        floor = float(np.mean([mutual_information(values, other, n_bins) for other in shuffled]))
        found[dim] = {
            "spearman": spearman(values, label),
            "mutual_information": mutual_information(values, label, n_bins) - floor,
            "floor": floor,
        }
    return found


def beyond(values, others, folds=5):
    """Take from some values what other columns tell of them.

    Each column of ``values`` is predicted from ``others`` by gradient boosting, out of fold, and the prediction
    is subtracted.

    Parameters
    ----------
    values : array (n, k)
    others : array (n, m)
        NaN where unknown.
    folds : int

    Returns
    -------
    array (n, k)
    """
    from sklearn.ensemble import HistGradientBoostingRegressor
    from sklearn.model_selection import KFold, cross_val_predict

    split = KFold(folds, shuffle=True, random_state=0)
    columns = [
        column - cross_val_predict(HistGradientBoostingRegressor(random_state=0), others, column, cv=split)
        for column in np.asarray(values, dtype=float).T
    ]
    return np.column_stack(columns)


def choose(table, statistic="mutual_information", least=0.5):
    """Give each label a dimension so that the summed association is largest, distinct where that is true.

    Parameters
    ----------
    table : dict of str to dict of int to dict
        Per label the result of `association`.
    statistic : str
        Entry to maximise, each label's divided by its largest so that a label with weak associations counts as
        much as one with strong ones; below zero counts as zero.
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
    strength = np.array([[max(table[label][dim][statistic], 0) for dim in dims] for label in labels])
    strength /= np.maximum(strength.max(axis=1, keepdims=True), 1e-12)
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
        Stars of good labels with ``teff`` [K], ``logg``, ``m_h``, ``alpha_m`` [dex], magnitudes, latents
        ``z_k``, draws ``draw_k``, and ``train``.
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
        A dimension per label, ``boundary``, ``boundary_all`` (accuracy of a plane through all live latents),
        ``association`` and ``how`` (one sentence).

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
    # [alpha/M] follows the other labels and colours, and dwarfs have little of its range: ask what is left
    # beyond these, among the giants that trained the model.
    giant = placed & ~main & pristine & frame["train"].to_numpy(bool) & np.isfinite(label["alpha_m"])
    if giant.sum() < n_bins:
        raise InputError(
            f"{giant.sum()} giants of pristine labels trained the model: a latent dimension for [alpha/M] needs "
            f"at least {n_bins}, so use more stars or loosen cuts: pristine in config.yaml."
        )
    others = np.column_stack(
        [*(label[name] for name in LABELS[:3]), *(frame[a] - frame[b] for a, b in COLOURS)]
    ).astype(float)
    left = beyond(np.column_stack([label["alpha_m"], draws])[giant], others[giant])
    table["alpha_m"] = association(left[:, 1:], left[:, 0], live, n_bins=n_bins)
    chosen = choose(table)
    return chosen | {
        "boundary": boundary(latents[placed], main[placed], live),
        "boundary_all": _separated_by_all(latents[placed], main[placed], live),
        "association": {
            label: {str(dim): entry for dim, entry in entries.items()} for label, entries in table.items()
        },
        "how": (
            "Live dimensions are assigned to log g, T_eff, [M/H] and [alpha/M] so that the sum of the mutual "
            f"information ({n_bins} x {n_bins} bins of equal count, one posterior draw a star, less its mean over "
            "permutations), relative to each label's largest, is greatest; a label whose own dimension would "
            "have less than half of its largest shares the best; stars of good labels. For [alpha/M] both it "
            "and the latents are taken beyond what T_eff, log g, [M/H] and colours tell of them, among giants "
            "of pristine labels that trained the model."
        ),
    }


def _separated_by_all(latents, main_sequence, dims):
    """Fraction of stars on the right side of a plane through all live latents, out of fold (logistic fit)."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import cross_val_score

    z = latents[:, [dim - 1 for dim in dims]].astype(float)
    return float(
        cross_val_score(LogisticRegression(max_iter=1000), z / z.std(axis=0), main_sequence, cv=5).mean()
    )


def _quantile_bin(values, n_bins):
    edges = np.quantile(values, np.linspace(0, 1, n_bins + 1)[1:-1])
    return np.searchsorted(edges, values, side="right")
