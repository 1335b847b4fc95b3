"""The share of the variance of [alpha/M] that latents explain beyond labels and photometry.

A fixed regressor, histogram gradient boosting, predicts [alpha/M] out of fold, once from the base (labels and
photometry) and once from the base and the latents. The share is 1 - MSE(base + latents) / MSE(base). The same
folds serve every set of features, every control and every seed, so that all are compared star by star.
"""

from concurrent.futures import ThreadPoolExecutor

import numpy as np

from xpsvae.audit import bootstrap
from xpsvae.audit.sets import BASE, matrix
from xpsvae.audit.tolerances import FEWEST_STARS

__all__ = [
    "SETTINGS",
    "base_columns",
    "classified",
    "crossfit",
    "folds",
    "grid",
    "groups",
    "headline",
    "scores",
    "shares",
]

SETTINGS = {  # scikit-learn's own, but for early stopping, whose default depends on the number of stars
    "learning_rate": 0.1,
    "max_iter": 100,
    "max_leaf_nodes": 31,
    "min_samples_leaf": 20,
    "early_stopping": False,
    "random_state": 0,
}


def folds(n, number, seed):
    """Fold of each of n stars: int array (n,)."""
    from sklearn.model_selection import KFold

    fold = np.empty(n, dtype=int)
    parts = KFold(number, shuffle=True, random_state=seed).split(np.arange(n))
    for each, (_, test) in enumerate(parts):
        fold[test] = each
    return fold


def crossfit(features, target, fold, method="boosting", threads=1):
    """Predict a target out of fold.

    Parameters
    ----------
    features : array (n, k)
    target : array (n,)
        Of float: a regression. Of bool: the probability of True.
    fold : int array (n,)
    method : str
        ``"boosting"``, histogram gradient boosting with `SETTINGS`; or ``"forest"``, a random forest.
    threads : int
        Folds at a time; the result does not depend on it.

    Returns
    -------
    float64 array (n,)
        A constant from the other folds where there are no features, or only one class.
    """
    from sklearn.dummy import DummyClassifier, DummyRegressor
    from sklearn.ensemble import (
        HistGradientBoostingClassifier,
        HistGradientBoostingRegressor,
        RandomForestClassifier,
        RandomForestRegressor,
    )
    from threadpoolctl import threadpool_limits

    classes = np.asarray(target).dtype == bool
    predicted = np.empty(len(target))

    def predict(each):
        train, test = fold != each, fold == each
        if not features.shape[1] or (classes and len(np.unique(target[train])) < 2):
            model = DummyClassifier() if classes else DummyRegressor()
        elif method == "forest":
            model = (RandomForestClassifier if classes else RandomForestRegressor)(random_state=0)
        else:
            boosting = HistGradientBoostingClassifier if classes else HistGradientBoostingRegressor
            model = boosting(**SETTINGS)
        shown = features if features.shape[1] else np.zeros((len(target), 1))
        with threadpool_limits(1, "openmp"):  # sums of gradients depend on how many there are
            model.fit(shown[train], target[train])
            if classes:
                one = list(model.classes_).index(True) if True in model.classes_ else None
                predicted[test] = 0.0 if one is None else model.predict_proba(shown[test])[:, one]
            else:
                predicted[test] = model.predict(shown[test])

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(predict, np.unique(fold)))
    return predicted


def groups(frame, teff_edges):
    """Divide the stars into the groups that the share is given for.

    Parameters
    ----------
    frame : pandas.DataFrame (n,)
        Of `xpsvae.audit.sets.giants`.
    teff_edges : sequence of float
        [K].

    Returns
    -------
    dict of str to bool array (n,)
        ``all``, ``high_alpha``, ``low_alpha``, ``unseen``, and ``teff_<from>_<to>``.
    """
    high, teff = frame["high_alpha"].to_numpy(dtype=bool), frame["teff"].to_numpy(dtype=float)
    found = {"all": np.ones(len(frame), dtype=bool), "high_alpha": high, "low_alpha": ~high}
    found["unseen"] = frame["unseen"].to_numpy(dtype=bool)
    for low, above in zip(teff_edges[:-1], teff_edges[1:], strict=True):
        found[f"teff_{low:g}_{above:g}"] = (teff >= low) & (teff < above)
    return found


def shares(error, error_more, members, base, n_bootstrap, seed):
    """Explained share in each group.

    Parameters
    ----------
    error, error_more : array (n,)
        [dex] of the base, and of the base with more.
    members : dict of str to bool array (n,)
        Of `groups`.
    base : list of str
        Columns of the base, which stand in every number.
    n_bootstrap, seed : int

    Returns
    -------
    dict of str to dict
        ``share``, ``interval``, ``n``, ``rmse_base``, ``rmse_more`` [dex], ``base``; where a group is too small,
        ``share`` and ``interval`` are None and ``why`` says so.
    """
    found = {}
    for name, chosen in members.items():
        before, after = error[chosen], error_more[chosen]
        entry = {"n": len(before), "base": base}
        if len(before) < FEWEST_STARS:
            found[name] = entry | {
                "share": None,
                "interval": None,
                "why": f"{len(before)} stars, where an interval needs {FEWEST_STARS}",
            }
            continue
        entry |= {"rmse_base": _rms(before), "rmse_more": _rms(after)}
        found[name] = entry | bootstrap.share(before, after, n_bootstrap, seed)
    return found


def scores(probabilities, high, n_bootstrap, seed):
    """ROC area and accuracy of classifiers on the same stars, and their resamples.

    Parameters
    ----------
    probabilities : dict of str to array (n,)
        Of the high-alpha sequence, out of fold.
    high : bool array (n,)
    n_bootstrap, seed : int

    Returns
    -------
    dict of str to dict
        ``roc_auc`` and ``accuracy``, each a pair: the value, and array (n_bootstrap,) of the resamples; the
        same resamples for every classifier. NaN where a class is absent.
    """
    from xpsvae.analysis.classify import blocks, metrics

    truth = 1 - np.asarray(high, dtype=int)
    n, shown = len(truth), ("roc_auc", "accuracy")
    generator = np.random.default_rng(seed)
    predicted = {name: (values < 0.5).astype(int) for name, values in probabilities.items()}
    resampled = {name: {metric: [] for metric in shown} for name in probabilities}
    for rows in blocks(n_bootstrap, n):
        drawn = range(n_bootstrap)[rows]
        counts = np.stack([np.bincount(generator.integers(n, size=n), minlength=n) for _ in drawn])
        for name, values in probabilities.items():
            score = metrics(truth, predicted[name], values, counts)
            for metric in shown:
                resampled[name][metric].append(score[metric])
    whole = {name: metrics(truth, predicted[name], values) for name, values in probabilities.items()}
    return {
        name: {
            metric: (float(whole[name][metric][0]), np.concatenate(resampled[name][metric]))
            for metric in shown
        }
        for name in probabilities
    }


REGRESSED = ("base", "base_latents", "base_pca_6", "labels", "labels_latents", "latents", "coefficients")
CLASSIFIED = ("labels", "labels_colours", "base", "latents", "labels_latents", "base_latents")
GAINS = (
    ("labels_latents", "labels"),
    ("base_latents", "base"),
    ("labels_colours", "labels"),
    ("latents", "labels"),
)


def headline(frame, arrays, live, *, number_of_folds, teff_edges, n_bootstrap, seed):
    """Measure the headline: what latents explain of [alpha/M] beyond labels and photometry.

    Parameters
    ----------
    frame : pandas.DataFrame (n,)
        Of `xpsvae.audit.sets.giants`.
    arrays : dict of str to array (n, k)
        ``latents``, ``coefficients`` and ``pca_6``.
    live : sequence of int
        1-based live latents.
    number_of_folds : int
    teff_edges : sequence of float
        [K].
    n_bootstrap, seed : int

    Returns
    -------
    report : dict
        ``shares``: by what is added to the base (``latents``, ``latents_live`` where some latents are dead, ``pca_6``)
        and by group, see `shares`. ``rmse``: of [alpha/M] by set of features [dex]. ``classifiers`` and ``gains``:
        ROC area and accuracy by boosting, see `classified`. ``sample``: numbers of stars, and ``base`` and ``lacking``:
        columns that the base holds, and those that the dataset lacks.
    predictions : pandas.DataFrame (n,)
        source_id, teff, alpha_m, high_alpha, unseen, fold, and the out-of-fold [alpha/M] of each set [dex].
    """
    alpha = frame["alpha_m"].to_numpy(dtype=float)
    fold = folds(len(frame), number_of_folds, seed)
    wanted = list(REGRESSED)
    if len(live) < arrays["latents"].shape[1]:
        arrays = arrays | {"latents_live": arrays["latents"][:, [number - 1 for number in live]]}
        wanted.append("base_latents_live")
    predicted = {name: crossfit(matrix(name, frame, arrays), alpha, fold) for name in wanted}
    errors = {name: values - alpha for name, values in predicted.items()}
    members, base = groups(frame, teff_edges), base_columns(frame)
    report = {
        "shares": {
            name.removeprefix("base_"): shares(errors["base"], errors[name], members, base, n_bootstrap, seed)
            for name in wanted
            if name.startswith("base_")
        },
        "rmse": {name: _root(errors[name], frame, n_bootstrap, seed) for name in wanted},
        **classified(frame, arrays, CLASSIFIED, GAINS, fold, n_bootstrap, seed),
        "sample": describe(frame, members),
        "teff_edges": list(teff_edges),
    }
    kept = frame[["source_id", "teff", "alpha_m", "high_alpha", "unseen"]].reset_index(drop=True)
    return report, kept.assign(fold=fold, **predicted)


def classified(frame, arrays, names, pairs, fold, n_bootstrap, seed, method="boosting"):
    """Tell the sequences apart from each set of features, out of fold.

    Parameters
    ----------
    frame : pandas.DataFrame (n,)
    arrays : dict of str to array (n, k)
    names : sequence of str
        Of `xpsvae.audit.sets.SETS`.
    pairs : sequence of (str, str)
        Sets of which the first's gain over the second is given.
    fold : int array (n,)
    n_bootstrap, seed : int
    method : str
        See `crossfit`.

    Returns
    -------
    dict
        ``classifiers``: by set, ``roc_auc`` and ``accuracy`` with their intervals, over all giants and over those
        that the sVAE never saw (``unseen``). ``gains``: a list of ``features``, ``over`` and paired differences.
        ``majority``: accuracy of always naming the larger class. None where a class has fewer than
        `FEWEST_STARS` stars, and ``why``.
    """
    high, unseen = (frame[name].to_numpy(dtype=bool) for name in ("high_alpha", "unseen"))
    probabilities = {name: crossfit(matrix(name, frame, arrays), high, fold, method) for name in names}
    found = {"majority": float(max(high.mean(), 1 - high.mean()))}
    entries, gains = {name: {} for name in names}, [{"features": one, "over": other} for one, other in pairs]
    for part, chosen in (("all", np.ones(len(high), dtype=bool)), ("unseen", unseen)):
        fewest = int(min(high[chosen].sum(), (~high[chosen]).sum()))
        if fewest < FEWEST_STARS:
            why = {"why": f"{fewest} stars of one class, where an interval needs {FEWEST_STARS}"}
            for entry in (*entries.values(), *gains):
                entry[part] = {"roc_auc": None, "accuracy": None} | why
            continue
        of = {name: values[chosen] for name, values in probabilities.items()}
        scored = scores(of, high[chosen], n_bootstrap, seed)
        for name, entry in entries.items():
            entry[part] = {
                metric: {"value": value, "interval": bootstrap.interval(resampled)}
                for metric, (value, resampled) in scored[name].items()
            }
        for entry in gains:
            one, other = scored[entry["features"]], scored[entry["over"]]
            entry[part] = {
                metric: {
                    "gain": one[metric][0] - other[metric][0],
                    "interval": bootstrap.interval(one[metric][1] - other[metric][1]),
                }
                for metric in one
            }
    return found | {"classifiers": entries, "gains": gains}


GRID = ("labels", "labels_colours", "base", "latents", "labels_latents", "base_latents", "coefficients",
        "labels_coefficients", "pca_6", "pca_20")  # fmt: skip
GRID_SHARES = ("base_latents", "base_pca_6", "base_pca_20", "base_coefficients")


def grid(frame, arrays, *, number_of_folds, teff_edges, n_bootstrap, seed):
    """Score every set of features, by boosting and by random forests.

    Parameters
    ----------
    frame, arrays, number_of_folds, teff_edges, n_bootstrap, seed
        As for `headline`; ``pca_20`` among the arrays.

    Returns
    -------
    dict
        ``boosting`` and ``forest``, each as `classified` gives them; ``shares`` beyond the base and ``rmse`` [dex] by
        boosting.
    """
    alpha = frame["alpha_m"].to_numpy(dtype=float)
    fold = folds(len(frame), number_of_folds, seed)
    pairs = [(name, "labels") for name in GRID if name != "labels"]
    names = dict.fromkeys((*GRID, *GRID_SHARES))
    errors = {name: crossfit(matrix(name, frame, arrays), alpha, fold) - alpha for name in names}
    members, base = groups(frame, teff_edges), base_columns(frame)
    return {
        method: classified(frame, arrays, GRID, pairs, fold, n_bootstrap, seed, method)
        for method in ("boosting", "forest")
    } | {
        "shares": {
            name.removeprefix("base_"): shares(errors["base"], errors[name], members, base, n_bootstrap, seed)
            for name in GRID_SHARES
        },
        "rmse": {name: _root(errors[name], frame, n_bootstrap, seed) for name in names},
        "sample": describe(frame, members),
    }


def describe(frame, members):
    """Numbers of stars in each group, and which columns the base holds and lacks."""
    base = base_columns(frame)
    return {
        "n": {name: int(chosen.sum()) for name, chosen in members.items()},
        "base": base,
        "lacking": [name for name in BASE if name not in base],
    }


def _root(error, frame, n_bootstrap, seed):
    """RMSE over all giants and over those that the sVAE never saw [dex]."""
    found = {}
    unseen = frame["unseen"].to_numpy(dtype=bool)
    for part, chosen in (("all", np.ones(len(error), dtype=bool)), ("unseen", unseen)):
        squares = np.square(error[chosen])
        if len(squares) < FEWEST_STARS:
            found[part] = {"rmse": None, "interval": None}
            continue
        resampled = np.sqrt(bootstrap.resampled_means(squares, n_bootstrap, seed))
        found[part] = {"rmse": float(np.sqrt(squares.mean())), "interval": bootstrap.interval(resampled)}
    return found


def base_columns(frame):
    """Columns of the base that the giants have: list of str."""
    return [name for name in BASE if name in frame]


def _rms(values):
    return float(np.sqrt(np.mean(np.square(values))))
