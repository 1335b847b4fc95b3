"""Random forests that tell the two alpha sequences apart (paper section 4, Eq. 13-15, Table 1).

Class 0 is the high-alpha sequence, class 1 the low-alpha one, as in the paper. Every classifier sees the
same stars; forests are those of scikit-learn with random_state 0, so that equal input gives equal output
whatever the number of threads.
"""

import numpy as np

from xpsvae.analysis.sample import latent_columns
from xpsvae.errors import InputError

__all__ = [
    "CLASSIFIERS",
    "METRICS",
    "VARIANTS",
    "classify",
    "common_sample",
    "features",
    "forest",
    "metrics",
    "resamples",
    "scramble",
]

# What each classifier is shown; latents are filled in by `features`.
CLASSIFIERS = ("m_h", "label", "label_extinction", "latent", "latent_live", "label_latent", "label_permuted")
LABELS = ("m_h", "teff", "logg")
COLOURS = ("j_h", "j_k")  # J - H and J - K: the paper's stand-in for extinction
METRICS = (
    "accuracy",
    "recall_high",
    "recall_low",
    "precision_high",
    "precision_low",
    "balanced_accuracy",
    "roc_auc",
)
VARIANTS = {
    "published": (
        "as the authors' code: label features re-read row by row, so that a row mixes different stars; "
        "random test stars"
    ),
    "corrected": "label features stacked as columns; the same random test stars",
    "leak_free": (
        "label features stacked as columns; trained on stars that trained the sVAE, "
        "tested on stars that it never saw"
    ),
}
PAIRS = (
    ("latent", "label"),
    ("latent", "latent_live"),  # a collapsed dimension's mean still moves, far below its posterior width
    ("label_latent", "label"),
    ("label_latent", "label_permuted"),
)


def scramble(columns):
    """Re-read a (k, n) array of features row by row as (n, k): the published code's feature matrix.

    Parameters
    ----------
    columns : sequence of k arrays (n,)

    Returns
    -------
    array (n, k)
        ``np.array(columns).reshape(-1, k)``, in which a row holds values of different stars.
    """
    return np.array(columns).reshape(-1, len(columns))


def features(name, frame, live=(), scrambled=False, seed=0):
    """Feature matrix of one classifier.

    Parameters
    ----------
    name : str
        One of `CLASSIFIERS`: ``"m_h"``; ``"label"`` ([M/H], T_eff, log g); ``"label_extinction"`` (and J - H,
        J - K); ``"latent"`` (all posterior means); ``"latent_live"`` (live ones only); ``"label_latent"``;
        ``"label_permuted"``, labels and all latents of another star each, the control of ``"label_latent"``.
        The mean of a collapsed dimension is not noise but a noiseless function of the spectrum, whose tiny
        range a forest does not mind: what ``"latent"`` gains over ``"latent_live"`` never reached a decoder.
    frame : pandas.DataFrame (n,)
        Stars with ``m_h``, ``teff``, ``logg``, ``j``, ``h``, ``k`` and latents ``mean_k``.
    live : sequence of int
        1-based live dimensions.
    scrambled : bool
        Build label features with `scramble`, as the published code does; alters no other classifier.
    seed : int
        Of the permutation.

    Returns
    -------
    matrix : array (n, n_features)
    names : list of str

    Raises
    ------
    InputError
        If the classifier is unknown.
    """
    latents = latent_columns(frame)
    means = frame[latents].to_numpy(dtype=np.float32)
    table = {
        "m_h": frame["m_h"],
        "teff": frame["teff"],
        "logg": frame["logg"],
        "j_h": frame["j"] - frame["h"],
        "j_k": frame["j"] - frame["k"],
    } | {column: means[:, number] for number, column in enumerate(latents)}
    if name == "label_permuted":
        other = np.random.default_rng(seed).permutation(len(frame))
        permuted = {f"permuted_{column}": means[other, number] for number, column in enumerate(latents)}
        table |= permuted
    columns = {
        "m_h": ["m_h"],
        "label": [*LABELS],
        "label_extinction": [*LABELS, *COLOURS],
        "latent": latents,
        "latent_live": [f"mean_{dim}" for dim in live],
        "label_latent": [*LABELS, *latents],
        "label_permuted": [*LABELS, *(f"permuted_{column}" for column in latents)],
    }
    if name not in columns:
        raise InputError(f"classifier {name!r} is unknown: use one of {', '.join(columns)}.")
    values = [np.asarray(table[column], dtype=np.float32) for column in columns[name]]
    scrambled = scrambled and name in ("label", "label_extinction")
    return scramble(values) if scrambled else np.column_stack(values), columns[name]


def common_sample(frame, marks):
    """Keep the giants for which every classifier has all its features.

    Parameters
    ----------
    frame : pandas.DataFrame
        Output of `xpsvae.analysis.sample.sample`, indexed by catalogue row.
    marks : pandas.DataFrame
        Table of `xpsvae.analysis.alpha.sequences`, for the whole catalogue.

    Returns
    -------
    frame : pandas.DataFrame (n,)
    low_alpha : array (n,) of int
        Class: 0 high alpha, 1 low alpha.
    """
    needed = [*LABELS, "j", "h", "k", *latent_columns(frame)]
    giant = marks["giant"].to_numpy(dtype=bool)[frame.index]
    known = np.isfinite(frame[needed].to_numpy(dtype=float)).all(axis=1)
    frame = frame[giant & known]
    return frame, 1 - marks["high_alpha"][frame.index].to_numpy(dtype=int)


def forest(matrix, classes, train, test, threads=1):
    """Train a random forest and apply it.

    Parameters
    ----------
    matrix : array (n, n_features)
    classes : array (n,) of int
    train, test : array of int
        Rows.
    threads : int
        Threads that train; the result does not depend on it.

    Returns
    -------
    predicted : array (n_test,) of int
    probability_high : array (n_test,)
        Of class 0.
    """
    from sklearn.ensemble import RandomForestClassifier

    model = RandomForestClassifier(random_state=0, n_jobs=threads).fit(matrix[train], classes[train])
    model.n_jobs = 1  # threads would add the trees' votes in an order that changes from run to run
    votes = model.predict_proba(matrix[test])
    return model.classes_[votes.argmax(axis=1)], votes[:, 0]


def resamples(n, n_resamples, seed):
    """How often each of n stars is drawn in each bootstrap resample: array (n_resamples, n) of int."""
    return np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), size=n_resamples)


def metrics(truth, predicted, probability_high, counts=None):
    """Scores of a classifier, for the stars as they are or for bootstrap resamples of them.

    Recalls are the paper's P_high and P_low (Eq. 14, 15); accuracy is its Eq. 13.

    Parameters
    ----------
    truth, predicted : array (n,) of int
        Classes: 0 high alpha, 1 low alpha.
    probability_high : array (n,)
        Score of class 0, for the area under the ROC curve.
    counts : array (n_resamples, n), optional
        How often each star counts; once each if not given.

    Returns
    -------
    dict of str to array (n_resamples,)
        The `METRICS`; NaN where a class is absent or never predicted.
    """
    weights = np.ones((1, len(truth))) if counts is None else counts.astype(float)
    cell = {
        (row, column): weights @ ((truth == row) & (predicted == column)).astype(float)
        for row in (0, 1)
        for column in (0, 1)
    }
    n_high, n_low = cell[0, 0] + cell[0, 1], cell[1, 0] + cell[1, 1]
    order = np.argsort(probability_high, kind="stable")
    starts = np.flatnonzero(np.diff(probability_high[order], prepend=-np.inf))
    high = np.add.reduceat(weights[:, order] * (truth[order] == 0), starts, axis=1)
    low = np.add.reduceat(weights[:, order] * (truth[order] == 1), starts, axis=1)
    below = np.cumsum(low, axis=1) - low  # low-alpha stars ranked below each group of equal score
    with np.errstate(invalid="ignore"):
        recall_high, recall_low = cell[0, 0] / n_high, cell[1, 1] / n_low
        return {
            "accuracy": (cell[0, 0] + cell[1, 1]) / (n_high + n_low),
            "recall_high": recall_high,
            "recall_low": recall_low,
            "precision_high": cell[0, 0] / (cell[0, 0] + cell[1, 0]),
            "precision_low": cell[1, 1] / (cell[1, 1] + cell[0, 1]),
            "balanced_accuracy": (recall_high + recall_low) / 2,
            "roc_auc": (high * (below + low / 2)).sum(axis=1) / (n_high * n_low),
        }


def classify(frame, classes, live, test_fraction=0.1, n_bootstrap=1000, seed=0, threads=1):
    """Train and score all classifiers in all variants.

    Parameters
    ----------
    frame : pandas.DataFrame (n,)
        Output of `common_sample`, with ``train`` and ``test`` of the sVAE's split.
    classes : array (n,) of int
        0 high alpha, 1 low alpha.
    live : sequence of int
        1-based live dimensions.
    test_fraction : float
        Of the random test stars (variants ``published`` and ``corrected``), split with random_state 0.
    n_bootstrap : int
        Resamples of the test stars behind the intervals.
    seed : int
        Of the bootstrap and of the permuted control.
    threads : int
        Threads that train forests.

    Returns
    -------
    report : dict
        ``classifiers`` (a list: classifier, variant, features, n_train, n_test, counts, confusion (divided by
        n_test), the `METRICS`, intervals), ``gains`` (paired differences of two classifiers), ``variants``
        (how, stars and majority class of each); ``None`` where a metric is not defined.
    predictions : pandas.DataFrame
        variant, classifier, source_id, low_alpha (truth), predicted, probability_high: a row per test star.

    Raises
    ------
    InputError
        If a training or test set has fewer than two stars of a class.
    """
    import pandas as pd
    from sklearn.model_selection import train_test_split

    rows = np.arange(len(frame))
    _require_both(classes, "the sample")
    random = train_test_split(rows, random_state=0, test_size=test_fraction)
    unseen = [rows[frame[name].to_numpy(dtype=bool)] for name in ("train", "test")]
    splits = {"published": random, "corrected": random, "leak_free": unseen}
    chosen = {"published": CLASSIFIERS[:4], "corrected": CLASSIFIERS, "leak_free": CLASSIFIERS}

    report = {"classifiers": [], "gains": [], "variants": {}}
    tables, done = [], {}
    for variant, (train, test) in splits.items():
        _require_both(classes[train], f"the training stars ({variant})")
        _require_both(classes[test], f"the test stars ({variant})")
        truth = classes[test]
        counts = np.vstack([np.ones((1, len(test))), resamples(len(test), n_bootstrap, seed)])
        report["variants"][variant] = _describe(variant, truth, len(train))
        scores = {}
        for name in chosen[variant]:
            scrambled = variant == "published"
            matrix, names = features(name, frame, live, scrambled, seed)
            # The same features of the same stars make the same forest, whatever variant asks for it.
            task = (*names, scrambled and name.startswith("label"), variant == "leak_free")
            if task not in done:
                done[task] = forest(matrix, classes, train, test, threads)
            predicted, probability = done[task]
            scores[name] = metrics(truth, predicted, probability, counts)
            report["classifiers"].append(
                {"classifier": name, "variant": variant, "features": names}
                | {"n_train": len(train), "n_test": len(test)}
                | _confusion(truth, predicted)
                | {metric: _number(scores[name][metric][0]) for metric in METRICS}
                | {"intervals": {metric: _interval(scores[name][metric][1:]) for metric in METRICS}}
            )
            tables.append(
                pd.DataFrame(
                    {"variant": variant, "classifier": name, "source_id": frame["source_id"].to_numpy()[test]}
                    | {"low_alpha": truth, "predicted": predicted, "probability_high": probability}
                )
            )
        report["gains"] += _gains(scores, variant)
    report["interval"] = "2.5 to 97.5 % of bootstrap resamples of the test stars; gains are paired"
    return report, pd.concat(tables, ignore_index=True)


def _require_both(classes, what):
    n_low = int(np.sum(classes))
    if min(n_low, len(classes) - n_low) < 2:
        raise InputError(
            f"{what} of the alpha classifiers hold {len(classes) - n_low} high-alpha and {n_low} low-alpha "
            "stars: at least two of each are needed, so use more stars (library: limit in config.yaml)."
        )


def _describe(variant, truth, n_train):
    n_low = int(truth.sum())
    return {
        "how": VARIANTS[variant],
        "n_train": n_train,
        "n_test": len(truth),
        "n_test_high": len(truth) - n_low,
        "majority": max(n_low, len(truth) - n_low) / len(truth),
    }


def _confusion(truth, predicted):
    counts = [[int(np.sum((truth == row) & (predicted == column))) for column in (0, 1)] for row in (0, 1)]
    return {"counts": counts, "confusion": [[value / len(truth) for value in row] for row in counts]}


def _number(value):
    return None if np.isnan(value) else float(value)  # JSON knows no NaN


def _interval(values):
    values = values[np.isfinite(values)]
    return [float(bound) for bound in np.percentile(values, (2.5, 97.5))] if values.size else [None, None]


def _gains(scores, variant):
    return [
        {"classifier": first, "over": second, "variant": variant}
        | {
            metric: {"gain": _number(difference[0]), "interval": _interval(difference[1:])}
            for metric in METRICS
            for difference in [scores[first][metric] - scores[second][metric]]
        }
        for first, second in PAIRS
        if first in scores and second in scores
    ]
