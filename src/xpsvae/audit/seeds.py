"""How far the headline moves with the seed of the sVAE, and Table 1 with that of its forests."""

import numpy as np

from xpsvae.analysis.classify import CLASSIFIERS, METRICS, features, forest, metrics
from xpsvae.analysis.latents import divergence, summary
from xpsvae.audit.controls import pairs as order_pairs
from xpsvae.audit.headline import base_columns, classified, crossfit, folds, groups, shares
from xpsvae.audit.sets import matrix

__all__ = ["forests", "join", "measure", "spread"]


def measure(frame, posterior, predicted_base, pairs, *, number_of_folds, teff_edges, n_bootstrap, seed):
    """Measure the headline with one sVAE.

    Parameters
    ----------
    frame : pandas.DataFrame (n,)
        Of `xpsvae.audit.sets.giants`.
    posterior : xpsvae.model.infer.Latents
        Of the giants.
    predicted_base : array (n,)
        Out-of-fold [alpha/M] from the base [dex].
    pairs : int array (n_pairs, 2) or None
        Rows of matched pairs that the model was trained without.
    number_of_folds, teff_edges, n_bootstrap, seed
        As for the headline.

    Returns
    -------
    dict
        ``live``: latents in use, by the giants; ``shares`` by group; ``classifiers`` and ``gains`` by boosting;
        ``pairs``.
    """
    alpha = frame["alpha_m"].to_numpy(dtype=float)
    fold, arrays = folds(len(frame), number_of_folds, seed), {"latents": posterior.mean}
    error = crossfit(matrix("base_latents", frame, arrays), alpha, fold) - alpha
    sets, gained = (
        ("labels", "labels_latents", "latents"),
        (("labels_latents", "labels"), ("latents", "labels")),
    )
    return {
        "live": summary(divergence(posterior.mean, posterior.sigma).mean(axis=0))["live"],
        "shares": shares(
            predicted_base - alpha, error, groups(frame, teff_edges), base_columns(frame), n_bootstrap, seed
        ),
        **classified(frame, arrays, sets, gained, fold, n_bootstrap, seed),
        "pairs": None if pairs is None else order_pairs(frame, arrays, pairs, n_bootstrap, seed)[0],
    }


def forests(frame, classes, live, number, most, seed, threads=1):
    """Score every classifier of Table 1 with forests of other random states.

    What is asked is how far the random state moves the scores, which fewer giants show as well: of more than ``most``
    some are drawn.

    Parameters
    ----------
    frame : pandas.DataFrame (n,)
        Output of `xpsvae.analysis.classify.common_sample`, with ``train`` and ``test``.
    classes : array (n,) of int
    live : sequence of int
        1-based live dimensions.
    number : int
        Forests of each, random_state 0 and on.
    most : int
        Giants that train and test them, at most.
    seed : int
        Of the drawing.
    threads : int

    Returns
    -------
    dict
        ``classifiers``: by classifier and metric the `spread` over the forests; ``giants``: ``used``, and ``of`` how
        many.
    """
    giants = {"used": min(most, len(frame)), "of": len(frame)}
    if giants["used"] < giants["of"]:
        rows = np.random.default_rng(seed).choice(giants["of"], giants["used"], replace=False)
        frame, classes = frame.iloc[np.sort(rows)], classes[np.sort(rows)]
    train, test = (np.flatnonzero(frame[name].to_numpy(dtype=bool)) for name in ("train", "test"))
    truth, found = classes[test], {}
    for name in CLASSIFIERS:
        columns, _ = features(name, frame, live)
        scored = [
            metrics(truth, *forest(columns, classes, train, test, threads, random_state))
            for random_state in range(number)
        ]
        found[name] = {metric: spread([float(score[metric][0]) for score in scored]) for metric in METRICS}
    return {"classifiers": found, "giants": giants}


def spread(values):
    """Mean, standard deviation (of a sample) and extremes of some values; None without any that is known.

    Parameters
    ----------
    values : list of float or None

    Returns
    -------
    dict
        ``values``, ``mean``, ``sd`` (None for fewer than two), ``low``, ``high``.
    """
    known = np.array([value for value in values if value is not None and np.isfinite(value)])
    kept = [None if value is None or not np.isfinite(value) else float(value) for value in values]
    if not len(known):
        return {"values": kept, "mean": None, "sd": None, "low": None, "high": None}
    return {
        "values": kept,
        "mean": float(known.mean()),
        "sd": float(known.std(ddof=1)) if len(known) > 1 else None,
        "low": float(known.min()),
        "high": float(known.max()),
    }


def join(measured, forests, shown):
    """Spread of the headline over sVAEs, and of Table 1 over forests.

    Parameters
    ----------
    measured : list of dict
        Of `measure`, each with its ``seed``; the first is of the model that figures and tables show.
    forests : dict
        Of `forests`.
    shown : dict
        What names the model that figures show: seed, recipe, source.

    Returns
    -------
    dict
        ``shares`` by group, ``roc_auc`` and ``gain_roc_auc`` by set of features, ``pairs`` and ``live``: each a
        `spread` in the order of ``seeds``; ``forests`` and ``forest_giants``: both of `forests`; ``model``.
    """
    first = measured[0]

    def over(pick):
        return spread([pick(each) for each in measured])

    def value(entry, metric, key):
        return None if entry[metric] is None else entry[metric][key]

    names = [f"{gain['features']}_over_{gain['over']}" for gain in first["gains"]]
    return {
        "model": shown,
        "seeds": [each["seed"] for each in measured],
        "shares": {
            name: over(lambda each, name=name: each["shares"][name]["share"]) for name in first["shares"]
        },
        "roc_auc": {
            name: over(lambda each, name=name: value(each["classifiers"][name]["all"], "roc_auc", "value"))
            for name in first["classifiers"]
        },
        "gain_roc_auc": {
            name: over(lambda each, at=at: value(each["gains"][at]["all"], "roc_auc", "gain"))
            for at, name in enumerate(names)
        },
        "pairs": over(
            lambda each: (
                each["pairs"]["right"]["base_latents"]["fraction"]
                if each["pairs"] and each["pairs"]["right"]
                else None
            )
        ),
        "live": [len(each["live"]) for each in measured],
        "forests": forests["classifiers"],
        "forest_giants": forests["giants"],
    }
