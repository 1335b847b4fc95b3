"""Random forests that tell the two alpha sequences apart (paper section 4, Eq. 13-15, Table 1).

Class 0 is the high-alpha sequence, class 1 the low-alpha one, as in the paper. Every classifier sees the
same stars; forests are those of scikit-learn with random_state 0, so that equal input gives equal output
whatever the number of threads.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from xpsvae.analysis.sample import latent_columns
from xpsvae.errors import InputError

__all__ = [
    "CLASSIFIERS",
    "METRICS",
    "blocks",
    "by_teff",
    "classify",
    "common_sample",
    "features",
    "forest",
    "metrics",
    "resamples",
    "scramble",
    "whole_and_resamples",
]

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


@dataclass(frozen=True)
class Classifier:
    """What a classifier is called and shown, whom it is compared with, and what the paper printed for it."""

    name: str  # in Table 1
    labels: tuple = ()  # columns that the published code puts together in the wrong order
    latents: str | None = None  # "all", "live", or "permuted": all latents of another star
    over: tuple = ()  # classifiers over which its gain is measured, on the same stars
    published: tuple | None = None  # accuracy, P_high, P_low of the paper, on 12,381 stars of all types
    in_figure: str | None = None  # its name in Figure 14, where it is shown there


CLASSIFIERS = {
    "m_h": Classifier("[M/H]", ("m_h",), published=(0.68, 0.40, 0.79), in_figure="[M/H]"),
    "label": Classifier("Label", LABELS, published=(0.70, 0.15, 0.91), in_figure="Labels"),
    "label_extinction": Classifier(
        "Label + extinction",
        (*LABELS, *COLOURS),
        over=("label",),
        published=(0.70, 0.15, 0.92),
        in_figure="Labels +\nextinction",
    ),
    # The mean of a collapsed dimension is not noise but a noiseless function of the spectrum, whose tiny
    # range a forest does not mind: what "latent" gains over "latent_live" never reached a decoder.
    "latent": Classifier(
        "Latent",
        latents="all",
        over=("label", "latent_live"),
        published=(0.84, 0.58, 0.93),
        in_figure="Latents",
    ),
    "latent_live": Classifier("Latent (live only)", latents="live"),
    "label_latent": Classifier(
        "Label + latent",
        LABELS,
        "all",
        over=("label", "label_extinction", "label_permuted"),
        in_figure="Labels +\nlatents",
    ),
    "label_permuted": Classifier("Label + permuted latent", LABELS, "permuted"),
}
"""Classifiers of Table 1 by key, in its order: one more is one more entry."""

TREES_AT_ONCE = 24  # of a forest that are held: of 200,000 stars some hundred megabytes
COUNTS_AT_ONCE = 1 << 21  # of stars in resamples that are worked on together

TEFF_SPLIT = 5000.0  # [K] below it the paper sees [alpha/M] without relying on other labels
BY_TEFF = {"label": (), "latent": (), "label_latent": ("label",)}
"""Classifiers that are scored on either side of `TEFF_SPLIT`, and over which their gain is measured."""

SPLITS = {
    "random": "random test stars, most of which trained the sVAE",
    "unseen": "trained on stars that trained the sVAE, tested on stars that it never saw",
}


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


def features(name, frame, live=(), label_features="stacked", seed=0):
    """Feature matrix of one classifier.

    Parameters
    ----------
    name : str
        One of `CLASSIFIERS`.
    frame : pandas.DataFrame (n,)
        Stars with ``m_h``, ``teff``, ``logg``, ``j``, ``h``, ``k`` and latents ``z_k``.
    live : sequence of int
        1-based live dimensions.
    label_features : str
        ``"stacked"``, one star a row, or ``"scrambled"``: where labels are all that a classifier is shown
        they are put together by `scramble`, as the published code does.
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
    if name not in CLASSIFIERS:
        raise InputError(f"classifier {name!r} is unknown: use one of {', '.join(CLASSIFIERS)}.")
    classifier, latents = CLASSIFIERS[name], latent_columns(frame)
    columns = {column: frame[column] for column in classifier.labels if column not in COLOURS}
    columns |= {colour: frame["j"] - frame[colour[-1]] for colour in COLOURS if colour in classifier.labels}
    if classifier.latents == "permuted":
        other = frame.iloc[np.random.default_rng(seed).permutation(len(frame))]
        columns |= {f"permuted_{column}": other[column] for column in latents}
    elif classifier.latents:
        used = latents if classifier.latents == "all" else [f"z_{dimension}" for dimension in live]
        columns |= {column: frame[column] for column in used}
    values = [np.asarray(column, dtype=np.float32) for column in columns.values()]
    scrambled = _is_scrambled(classifier, label_features)
    return scramble(values) if scrambled else np.column_stack(values), list(columns)


def _is_scrambled(classifier, label_features):
    return label_features == "scrambled" and not classifier.latents


def common_sample(frame, marks):
    """Keep the stars to be classified for which every classifier has all its features.

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
    wanted = marks["classified"].to_numpy(dtype=bool)[frame.index]
    known = np.isfinite(frame[needed].to_numpy(dtype=float)).all(axis=1)
    frame = frame[wanted & known]
    return frame, 1 - marks["high_alpha"][frame.index].to_numpy(dtype=int)


def forest(matrix, classes, train, test, threads=1, random_state=0):
    """Train a random forest and apply it.

    Parameters
    ----------
    matrix : array (n, n_features)
    classes : array (n,) of int
    train, test : array of int
        Rows.
    threads : int
        Threads that train and predict; the result does not depend on it.
    random_state : int
        Of the forest; that of Table 1 is 0.

    Returns
    -------
    predicted : array (n_test,) of int
    probability_high : array (n_test,)
        Of class 0.
    """
    from sklearn.ensemble import RandomForestClassifier

    model = RandomForestClassifier(random_state=random_state, n_jobs=threads, warm_start=True)
    shown, known, asked = matrix[train], classes[train], matrix[test]
    votes, n_trees = 0.0, model.n_estimators
    with ThreadPoolExecutor(threads) as pool:
        for first in range(0, n_trees, TREES_AT_ONCE):
            model.set_params(n_estimators=min(first + TREES_AT_ONCE, n_trees)).fit(shown, known)
            grown = model.estimators_[first:]
            # added in the order of the trees, which scikit-learn's own threads do not keep
            for vote in pool.map(lambda tree: tree.predict_proba(asked), grown):
                votes += vote
            model.estimators_[first:] = [None] * len(grown)  # the next ones ask only how many there are
    votes /= n_trees
    return model.classes_[votes.argmax(axis=1)], votes[:, 0]


def resamples(n, n_resamples, seed):
    """How often each of n stars is drawn in each bootstrap resample: array (n_resamples, n) of int."""
    generator, chances = np.random.default_rng(seed), np.full(n, 1 / n)
    counts = np.empty((n_resamples, n), dtype=np.int16)
    for rows in blocks(n_resamples, n):
        counts[rows] = generator.multinomial(n, chances, size=len(counts[rows]))
    return counts


def whole_and_resamples(n, n_resamples, seed):
    """Each of n stars once, and then `resamples`: array (1 + n_resamples, n) of int."""
    return np.concatenate([np.ones((1, n), dtype=np.int16), resamples(n, n_resamples, seed)])


def blocks(n_resamples, n):
    """Slices of resamples of n stars, few enough to be worked on together: it saves memory and changes nothing."""
    step = max(1, COUNTS_AT_ONCE // max(n, 1))
    return (slice(start, start + step) for start in range(0, n_resamples, step))


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
    if counts is None:
        return _metrics(truth, predicted, probability_high, np.ones((1, len(truth))))
    parts = [
        _metrics(truth, predicted, probability_high, counts[rows].astype(float))
        for rows in blocks(*counts.shape)
    ]
    return {metric: np.concatenate([part[metric] for part in parts]) for metric in METRICS}


def _metrics(truth, predicted, probability_high, weights):
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


def classify(
    frame,
    classes,
    live,
    *,
    test_fraction,
    n_bootstrap,
    seed,
    label_features="stacked",
    test_stars="unseen",
    threads=1,
):
    """Train and score all classifiers.

    Parameters
    ----------
    frame : pandas.DataFrame (n,)
        Output of `common_sample`, with ``train`` and ``test`` of the sVAE's split.
    classes : array (n,) of int
        0 high alpha, 1 low alpha.
    live : sequence of int
        1-based live dimensions.
    test_fraction : float
        Of the random test stars, split with random_state 0.
    n_bootstrap : int
        Resamples of the test stars behind the intervals.
    seed : int
        Of the bootstrap and of the permuted control.
    label_features : str
        See `features`.
    test_stars : str
        ``"unseen"``: forests train on stars that trained the sVAE and are tested on stars that it never saw;
        ``"random"``: a random split, as published.
    threads : int
        Threads that train forests.

    Returns
    -------
    report : dict
        ``classifiers`` (a list: classifier, features, counts, confusion (divided by n_test), the `METRICS`,
        intervals), ``gains`` (paired differences of two classifiers), ``by_teff`` (see `by_teff`), ``sample``
        (how, stars and majority class); ``None`` where a metric is not defined.
    predictions : pandas.DataFrame
        classifier, source_id, low_alpha (truth), predicted, probability_high: a row per test star.

    Raises
    ------
    InputError
        If a training or test set has fewer than two stars of a class.
    """
    import pandas as pd

    _require_both(classes, "the sample")
    train, test = _split(frame, test_stars, test_fraction)
    _require_both(classes[train], "the training stars")
    _require_both(classes[test], "the test stars")
    truth = classes[test]
    counts = whole_and_resamples(len(test), n_bootstrap, seed)
    entries, scores, tables = [], {}, []
    for name in CLASSIFIERS:
        matrix, names = features(name, frame, live, label_features, seed)
        predicted, probability = forest(matrix, classes, train, test, threads)
        scores[name] = metrics(truth, predicted, probability, counts)
        entries.append(
            {"classifier": name, "features": names}
            | _confusion(truth, predicted)
            | {metric: _number(scores[name][metric][0]) for metric in METRICS}
            | {"intervals": {metric: _interval(scores[name][metric][1:]) for metric in METRICS}}
        )
        tables.append(
            pd.DataFrame(
                {"classifier": name, "source_id": frame["source_id"].to_numpy()[test]}
                | {"low_alpha": truth, "predicted": predicted, "probability_high": probability}
            )
        )
    predictions = pd.concat(tables, ignore_index=True)
    teff = frame["teff"].to_numpy(dtype=float)[test]
    report = {
        "classifiers": entries,
        "gains": _gains(scores),
        "by_teff": by_teff(predictions, teff, n_bootstrap, seed),
        "sample": {"how": SPLITS[test_stars], "label_features": label_features}
        | _describe(truth, len(train)),
        "interval": "2.5 to 97.5 % of bootstrap resamples of the test stars; gains are paired",
    }
    return report, predictions


def by_teff(predictions, teff, n_bootstrap, seed):
    """Score the forests, as trained, on the test stars below and above `TEFF_SPLIT`.

    Parameters
    ----------
    predictions : pandas.DataFrame
        Second output of `classify`: the test stars in one order for every classifier.
    teff : array (n_test,)
        [K], in that order.
    n_bootstrap, seed : int
        See `classify`; a side is resampled by itself.

    Returns
    -------
    dict of str to dict
        ``split`` [K]; ``below`` and ``above``: n_test, n_test_high, majority, and accuracy and roc_auc with their
        intervals of the classifiers in `BY_TEFF`, whose gains stand beside them. A side without two stars of each
        class has no classifiers.
    """
    sides = {"below": teff < TEFF_SPLIT, "above": teff >= TEFF_SPLIT}
    return {"split": TEFF_SPLIT} | {
        name: _side(predictions, side, n_bootstrap, seed) for name, side in sides.items()
    }


def _side(predictions, side, n_bootstrap, seed):
    shown, scores = ("accuracy", "roc_auc"), {}
    tables = {name: predictions[predictions["classifier"] == name][side] for name in BY_TEFF}
    truth = next(iter(tables.values()))["low_alpha"].to_numpy()
    n_low = int(truth.sum())
    counted = {"n_test": len(truth), "n_test_high": len(truth) - n_low}
    if min(n_low, len(truth) - n_low) < 2:
        return counted | {"majority": None, "classifiers": [], "gains": []}
    counts = whole_and_resamples(len(truth), n_bootstrap, seed)
    for name, table in tables.items():
        scores[name] = metrics(
            truth, table["predicted"].to_numpy(), table["probability_high"].to_numpy(), counts
        )
    entries = [
        {"classifier": name}
        | {metric: _number(score[metric][0]) for metric in shown}
        | {"intervals": {metric: _interval(score[metric][1:]) for metric in shown}}
        for name, score in scores.items()
    ]
    gains = [
        {"classifier": first, "over": second}
        | {metric: _gain(scores[first][metric] - scores[second][metric]) for metric in shown}
        for first, others in BY_TEFF.items()
        for second in others
    ]
    majority = {"majority": max(n_low, len(truth) - n_low) / len(truth)}
    return counted | majority | {"classifiers": entries, "gains": gains}


def _split(frame, test_stars, test_fraction):
    from sklearn.model_selection import train_test_split

    rows = np.arange(len(frame))
    if test_stars == "random":
        return train_test_split(rows, random_state=0, test_size=test_fraction)
    return [rows[frame[name].to_numpy(dtype=bool)] for name in ("train", "test")]


def _require_both(classes, what):
    n_low = int(np.sum(classes))
    if min(n_low, len(classes) - n_low) < 2:
        raise InputError(
            f"{what} of the alpha classifiers hold {len(classes) - n_low} high-alpha and {n_low} low-alpha "
            "stars: at least two of each are needed, so use more stars (library: limit in config.yaml)."
        )


def _describe(truth, n_train):
    n_low = int(truth.sum())
    return {
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


def _gains(scores):
    return [
        {"classifier": first, "over": second}
        | {metric: _gain(scores[first][metric] - scores[second][metric]) for metric in METRICS}
        for first in CLASSIFIERS
        for second in CLASSIFIERS[first].over
    ]


def _gain(difference):
    return {"gain": _number(difference[0]), "interval": _interval(difference[1:])}
