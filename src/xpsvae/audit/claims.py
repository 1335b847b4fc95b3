"""What these data say on each claim of the paper: a number, its interval, a verdict.

The rules are those of `xpsvae.audit.verdicts`. Intervals enclose 95 per cent of bootstrap resamples of the stars,
pairs of classifiers or models on the same resamples.
"""

import numpy as np

from xpsvae.analysis.ablations import by_latents
from xpsvae.analysis.alpha import along
from xpsvae.analysis.classify import METRICS, metrics, whole_and_resamples
from xpsvae.analysis.tracks import plausible
from xpsvae.audit import bootstrap
from xpsvae.audit.verdicts import CLAIMS, FAILS, HOLDS, NOT_TESTABLE, WEAKER, verdict

__all__ = ["judged", "measured", "score_gain"]

SIX = 6  # latents of the paper
LOW_ORDERS = 5  # coefficients of each band
LABEL_DRIVEN = (550.0, 900.0)  # [nm]
RED = (640.0, 900.0)  # [nm]
COOL, LOW_LOGG = 4000.0, 1.0  # [K], [dex]
NEIGHBOURS = 50  # training stars: their distance measures density among the labels
SCALES = {"teff": 200.0, "logg": 0.3, "m_h": 0.2}  # [K], [dex]: unit of distance in each label
A_TIME = "times are no products; see {where}"


def judged(found):
    """Set the verdict beside what was measured.

    Parameters
    ----------
    found : dict of str to dict
        By claim: ``value``, ``interval``, ``why``, and what its rule asks for besides.

    Returns
    -------
    dict
        ``claims``: a list of dicts, in the order of `CLAIMS`, with claim, text, paper, rule, verdict and what was
        measured; ``counts`` of the verdicts.
    """
    claims = []
    for name, claim in CLAIMS.items():
        beside = {"interval": None, "why": None} | found[name]
        said = {
            "claim": name,
            "text": claim.text,
            "paper": claim.paper,
            "rule": claim.rule,
            "unit": claim.unit,
        }
        claims.append(said | beside | {"verdict": verdict(claim, beside), "digits": claim.digits})
    counts = {
        kind: sum(claim["verdict"] == kind for claim in claims)
        for kind in (HOLDS, WEAKER, FAILS, NOT_TESTABLE)
    }
    return {"claims": claims, "counts": counts}


def measured(given, *, fixed_m_h, fixed_m_h_half_width, n_bootstrap, seed):
    """Measure every claim.

    Parameters
    ----------
    given : types.SimpleNamespace
        Products by name: ``headline``, ``controls``, ``predictions``, ``drawn`` (predictions from draws),
        ``dimensions``, ``latent_summary``, ``kiel``, ``metallicity``, ``alpha_tracks``, ``directions``,
        ``alpha_summary``, ``frame`` (giants of pristine labels with latents), ``marks`` (theirs), ``stars`` and
        ``split`` (all), ``n_good``, ``per_star``, ``spectra``, ``flux``, ``leading``, ``comparison``, ``ablations``
        (or None).
    fixed_m_h, fixed_m_h_half_width : float
        Of the track at fixed [M/H] [dex].
    n_bootstrap, seed : int

    Returns
    -------
    dict of str to dict
        As `judged` takes it.
    """
    draws = n_bootstrap, seed
    found = {
        "alpha_beyond_labels": _beyond(given.headline, given.controls),
        "accuracy_over_m_h": score_gain(given.predictions, "latent", "m_h", "accuracy", *draws),
        "accuracy_over_labels": score_gain(given.predictions, "latent", "label", "accuracy", *draws),
        "recall_over_m_h": score_gain(given.predictions, "latent", "m_h", "recall_high", *draws),
        "recall_over_labels": score_gain(given.predictions, "latent", "label", "recall_high", *draws),
        "teff_logg_worsen": score_gain(given.predictions, "label", "m_h", "recall_high", *draws),
        "colours_add_nothing": _colours(given.headline),
        "draws_alike": _draws(given, *draws),
        "one_latent_separates": _separates(given.dimensions["boundary"], given.n_good),
        "tracks_ordered": _ordered(given.kiel, given.latent_summary["live"]),
        "monotone_metallicity": _monotone(given.metallicity, given.latent_summary["live"]),
        "ms_tracks_separate": _separation(given.metallicity, given.latent_summary["live"]),
        "labels_spread": _spread(given.dimensions["association"]),
        "fixed_track_crosses": _crosses(given.alpha_tracks, given.directions, fixed_m_h),
        "enceladus_apart": _enceladus(given, *draws),
        "bimodality_below_5000": _bimodal(given, fixed_m_h, fixed_m_h_half_width, *draws),
        "errors_follow_density": _density(given, *draws),
        "per_cent_redward": _redward(given.spectra, *draws),
        "robust_cool": _robust(given.per_star, *draws),
        **_against_models(given, *draws),
        **_ablated(given.ablations),
    }
    for name, where in (
        ("seconds_to_project", "benchmarks/embed_shard"),
        ("training_six_hours", "benchmarks/train_svae.tsv"),
        ("dr3_gpu_days", "docs/dr3.md"),
    ):
        found[name] = _unknown(A_TIME.format(where=where))
    return found


def score_gain(predictions, one, other, metric, n_bootstrap, seed):
    """Gain of one classifier of Table 1 over another in a metric, with its paired interval.

    Parameters
    ----------
    predictions : pandas.DataFrame
        Second output of `xpsvae.analysis.classify.classify`.
    one, other : str
        Classifiers.
    metric : str
        Of `METRICS`.
    n_bootstrap, seed : int

    Returns
    -------
    dict
        ``value`` and ``interval``.
    """
    return _difference(_of(predictions, one), _of(predictions, other), metric, n_bootstrap, seed)


def _of(predictions, classifier):
    return predictions[predictions["classifier"] == classifier]


def _difference(one, other, metric, n_bootstrap, seed):
    """Difference of a metric of two classifiers that were scored on the same stars in the same order."""
    assert metric in METRICS
    truth = one["low_alpha"].to_numpy()
    counts = whole_and_resamples(len(truth), n_bootstrap, seed)
    scored = [
        metrics(truth, table["predicted"].to_numpy(), table["probability_high"].to_numpy(), counts)[metric]
        for table in (one, other)
    ]
    difference = scored[0] - scored[1]
    known = difference[1:][np.isfinite(difference[1:])]
    if not np.isfinite(difference[0]) or not len(known):
        return _unknown(f"a class is missing among {len(truth)} test stars")
    return {"value": float(difference[0]), "interval": bootstrap.interval(known)}


def _unknown(why):
    return {"value": None, "interval": None, "why": why}


def _beyond(headline, controls):
    shares = headline["shares"]["latents"]
    if shares["all"]["share"] is None:
        return _unknown(shares["all"]["why"])
    lows = [shares[name]["interval"] for name in ("high_alpha", "low_alpha")]
    strict = [name for name in controls["failed"] if controls["controls"][name]["strict"]]
    return {
        "value": shares["all"]["share"],
        "interval": shares["all"]["interval"],
        "sequences": [bounds[0] if bounds else None for bounds in lows],
        "failed": strict,
        "base": shares["all"]["base"],
    }


def _colours(headline):
    lacking = [name for name in ("j_h", "j_k") if name in headline["sample"]["lacking"]]
    if lacking:
        return _unknown(f"the dataset has no {' and no '.join(lacking)}")
    (gain,) = (
        entry["all"]["roc_auc"] or entry["all"]
        for entry in headline["gains"]
        if (entry["features"], entry["over"]) == ("labels_colours", "labels")
    )
    return _unknown(gain["why"]) if "why" in gain else {"value": gain["gain"], "interval": gain["interval"]}


def _draws(given, n_bootstrap, seed):
    return _difference(
        _of(given.drawn, "latent"), _of(given.predictions, "latent"), "accuracy", n_bootstrap, seed
    )


def _separates(boundary, n):
    half = 1.96 * np.sqrt(boundary["accuracy"] * (1 - boundary["accuracy"]) / n)
    return {
        "value": boundary["accuracy"],
        "interval": [boundary["accuracy"] - half, boundary["accuracy"] + half],
        "majority": boundary["majority"],
    }


def _columns(live):
    return [f"z_{number}" for number in live]


def _ordered(kiel, live, fewest=5):
    """Smaller of the two tracks' largest rank correlations with their coordinate."""
    found = {}
    for branch in ("ms", "gb"):
        bins = kiel[(kiel["branch"] == branch) & (kiel["n"] >= fewest)]
        if len(bins) < 3:
            return _unknown(f"{len(bins)} bins of the {branch} track hold {fewest} stars")
        ranks = bins[_columns(live)].rank().corrwith(bins["centre"].rank()).abs()
        found[branch] = float(ranks.max())
    return {"value": min(found.values()), **found}


def _monotone(metallicity, live):
    """Largest mean rank correlation of one latent with [M/H] at fixed T_eff, over columns of three bins or more."""
    bins = metallicity[plausible(metallicity)]
    columns = [group for _, group in bins.groupby(["branch", "teff_centre"]) if len(group) >= 3]
    if not columns:
        return _unknown("no column of fixed T_eff has three bins of [M/H]")
    ranks = {
        name: abs(float(np.mean([each[name].rank().corr(each["m_h"].rank()) for each in columns])))
        for name in _columns(live)
    }
    best = max(ranks, key=ranks.get)
    return {"value": ranks[best], "latent": best, "columns": len(columns)}


def _separation(metallicity, live):
    """Distance of neighbouring main-sequence tracks over their scatter: best latent over log g, median of columns."""
    bins = metallicity[plausible(metallicity) & (metallicity["branch"] == "ms")]
    ratios = []
    for _, column in bins.groupby("teff_centre"):
        column = column.sort_values("m_h_centre")
        for (_, one), (_, other) in zip(column[:-1].iterrows(), column[1:].iterrows(), strict=True):
            apart = {name: _apart(one, other, name) for name in ("logg", *_columns(live))}
            ratios.append(max(apart[name] for name in _columns(live)) / apart["logg"])
    ratios = [ratio for ratio in ratios if np.isfinite(ratio)]
    if not ratios:
        return _unknown("no two neighbouring tracks of the main sequence have a bin at the same T_eff")
    return {"value": float(np.median(ratios)), "pairs": len(ratios)}


def _apart(one, other, name):
    scatter = np.hypot(*(row[f"{name}_se"] * np.sqrt(row["n"]) for row in (one, other)))
    return abs(one[name] - other[name]) / scatter


def _spread(association):
    told = [
        entry["mutual_information"] > entry["floor"]
        for label, entries in association.items()
        if label != "alpha_m"
        for entry in entries.values()
    ]
    return {"value": float(np.mean(told)), "pairs": len(told)}


def _crosses(tracks, directions, fixed_m_h, fewest=100):
    """Length of a track along the direction of [alpha/M], in units of the distance of the sequences there."""
    places = tracks.assign(place=along(tracks, directions, "alpha_m"))
    weights = directions["alpha_m"]
    places["error"] = np.sqrt(
        sum((weights[k] * places[f"z_{k}_se"] / directions["scale"][k]) ** 2 for k in weights)
    )
    ends = {}
    for name in ("high_alpha", "low_alpha"):
        bins = places[(places["track"] == name) & (places["n"] >= fewest)]
        if bins.empty:
            return _unknown(f"no bin of the {name} track holds {fewest} stars")
        ends[name] = bins.iloc[(bins["centre"] - fixed_m_h).abs().argmin()]["place"]
    gap, found = ends["high_alpha"] - ends["low_alpha"], {}
    for name in ("fixed_m_h", "matched"):
        bins = places[(places["track"] == name) & (places["n"] >= fewest)].sort_values("centre")
        found[name] = None
        if len(bins) > 1:
            first, last = bins.iloc[0], bins.iloc[-1]
            error = 1.96 * np.hypot(first["error"], last["error"]) / abs(gap)
            found[name] = float((last["place"] - first["place"]) / gap), float(error)
    if found["fixed_m_h"] is None:
        return _unknown(f"fewer than two bins of the track hold {fewest} stars")
    value, error = found["fixed_m_h"]
    matched = found["matched"][0] if found["matched"] else None
    return {"value": value, "interval": [value - error, value + error], "matched": matched}


def _enceladus(given, n_bootstrap, seed):
    if given.alpha_summary["enceladus_kind"] == "chemical":
        return _unknown("without actions Gaia-Enceladus is selected by [alpha/M] itself")
    frame, member = given.frame, given.marks["enceladus"].fillna(False).to_numpy(dtype=bool)
    m_h, giant = frame["m_h"].to_numpy(dtype=float), given.marks["giant"].to_numpy(dtype=bool)
    if member.sum() < 20:
        return _unknown(f"{member.sum()} giants are of Gaia-Enceladus, where 20 are needed")
    low, high = np.percentile(m_h[member], (5, 95))
    kept = (m_h >= low) & (m_h <= high) & (member | giant)
    place = along(frame[kept], given.directions, "alpha_m")
    return _area(place, member[kept], n_bootstrap, seed)


def _area(place, member, n_bootstrap, seed):
    """ROC area of members along a coordinate, whichever end they are at."""
    if min(member.sum(), (~member).sum()) < 20:
        return _unknown(f"{member.sum()} and {(~member).sum()} stars are too few to be told apart")
    truth = 1 - member.astype(int)
    counts = whole_and_resamples(len(truth), min(n_bootstrap, 300), seed)
    area = metrics(truth, truth, place, counts)["roc_auc"]
    area = area if area[0] >= 0.5 else 1 - area
    return {"value": float(area[0]), "interval": bootstrap.interval(area[1:])}


def _bimodal(given, fixed_m_h, half_width, n_bootstrap, seed):
    """Ashman's D of giants below 5000 K near the fixed [M/H], sqrt(2) |m1 - m2| / sqrt(s1^2 + s2^2)."""
    frame, giant = given.frame, given.marks["giant"].to_numpy(dtype=bool)
    kept = giant & (frame["teff"] < 5000).to_numpy() & (abs(frame["m_h"] - fixed_m_h) < half_width).to_numpy()
    if kept.sum() < 100:
        return _unknown(
            f"{kept.sum()} giants below 5000 K lie near [M/H] = {fixed_m_h:g}, where 100 are needed"
        )
    place = along(frame[kept], given.directions, "alpha_m")
    high = given.marks["high_alpha"][kept].to_numpy(dtype=bool)
    generator = np.random.default_rng(seed)
    whole = _ashman(place)
    draws = [_ashman(place[generator.integers(len(place), size=len(place))]) for _ in range(100)]
    area = _area(place, high, n_bootstrap, seed)["value"]
    return {
        "value": whole,
        "interval": bootstrap.interval(draws),
        "roc_auc": area or 0.0,
        "n": int(kept.sum()),
    }


def _ashman(values):
    from sklearn.mixture import GaussianMixture

    start = np.percentile(values, (20, 80))[:, None]
    fitted = GaussianMixture(2, means_init=start, random_state=0).fit(values[:, None])
    return float(np.sqrt(2) * abs(np.diff(fitted.means_[:, 0])[0]) / np.sqrt(fitted.covariances_.sum()))


def _density(given, n_bootstrap, seed):
    """Rank correlation of RMSE(j) of test stars with density among the labels, less the strongest of a label."""
    from scipy.spatial import cKDTree
    from scipy.stats import spearmanr

    places = np.column_stack(
        [given.stars[name].to_numpy(dtype=float) / scale for name, scale in SCALES.items()]
    )
    train = given.split["train"].to_numpy(dtype=bool) & np.isfinite(places).all(axis=1)
    tests = given.per_star
    at = np.column_stack([tests[name].to_numpy(dtype=float) / scale for name, scale in SCALES.items()])
    error = tests["rmse_coefficient_svae"].to_numpy(dtype=float)
    known = np.isfinite(at).all(axis=1) & np.isfinite(error)
    if known.sum() < 50 or train.sum() < NEIGHBOURS:
        return _unknown(f"{known.sum()} test stars have all labels, where 50 are needed")
    distance = cKDTree(places[train]).query(at[known], k=NEIGHBOURS)[0][:, -1]
    columns = np.column_stack([distance, at[known], error[known]])

    def correlations(rows):
        rank = spearmanr(columns[rows]).statistic[-1, :-1]
        return float(rank[0]), float(np.abs(rank[1:]).max())

    generator, n = np.random.default_rng(seed), len(columns)
    density, label = correlations(np.arange(n))
    draws = [np.subtract(*correlations(generator.integers(n, size=n))) for _ in range(min(n_bootstrap, 200))]
    interval = bootstrap.interval(draws)
    return {"value": density - label, "interval": interval, "density": density, "label": label}


def _redward(spectra, n_bootstrap, seed):
    """Median absolute residual of the tracks' stars in the red [per cent], the larger of both branches."""
    found = {}
    for branch, rows in spectra.groupby("branch"):
        wavelength = np.stack(rows["wavelength"].to_numpy())[0]
        window = (wavelength >= RED[0]) & (wavelength <= RED[1])
        size = 100 * np.abs(np.stack(rows["residual"].to_numpy())[:, window])
        generator = np.random.default_rng(seed)
        draws = [
            np.median(size[generator.integers(len(size), size=len(size))])
            for _ in range(min(n_bootstrap, 500))
        ]
        found[branch] = float(np.median(size)), bootstrap.interval(draws)
    worst = max(found, key=lambda branch: found[branch][0])
    return {"value": found[worst][0], "interval": found[worst][1], "branch": worst}


def _robust(per_star, n_bootstrap, seed):
    """Median RMSE(j) of cool stars and of those of low log g over that of all: the larger ratio."""
    error = per_star["rmse_coefficient_svae"].to_numpy(dtype=float)
    kinds = {
        f"T_eff < {COOL:g} K": (per_star["teff"] < COOL).to_numpy(),
        f"log g < {LOW_LOGG:g}": (per_star["logg"] < LOW_LOGG).to_numpy(),
    }
    kinds = {name: chosen for name, chosen in kinds.items() if chosen.sum() >= 20}
    if not kinds:
        return _unknown("fewer than 20 test stars are cool or of low log g")
    ratios = {name: float(np.median(error[chosen]) / np.median(error)) for name, chosen in kinds.items()}
    worst = max(ratios, key=ratios.get)
    generator, n, draws = np.random.default_rng(seed), len(error), []
    for _ in range(min(n_bootstrap, 500)):
        rows = generator.integers(n, size=n)
        chosen = kinds[worst][rows]
        if chosen.any():
            draws.append(np.median(error[rows][chosen]) / np.median(error[rows]))
    return {"value": ratios[worst], "interval": bootstrap.interval(draws), "stars": worst}


def _against_models(given, n_bootstrap, seed):
    """How the sVAE compares with a model that knows labels, and with LB23, which does not."""
    cards = {card["model"]: card for card in given.comparison["models"]}
    driven = next((name for name, card in cards.items() if card["knows_labels"]), None)
    found = {}
    wavelength = given.flux["wavelength"]
    window = (wavelength >= LABEL_DRIVEN[0]) & (wavelength <= LABEL_DRIVEN[1])
    none = _unknown("no model that is driven by labels is compared")
    found["better_at_550_900"] = (
        _ratio(given.flux["svae"][:, window], given.flux[driven][:, window], n_bootstrap, seed)
        | {"model": driven}
        if driven in given.flux
        else none
    )
    found["orders_better_low"] = (
        _ratio(given.leading["svae"], given.leading[driven], n_bootstrap, seed) | {"model": driven}
        if driven in given.leading
        else none
    )
    found["worse_than_lb23"] = (
        _ratio(given.leading["svae"], given.leading["lb23"], n_bootstrap, seed)
        if "lb23" in given.leading
        else _unknown("this dataset has no predictions of LB23")
    )
    return found


def _ratio(own, other, n_bootstrap, seed):
    """Median over columns of the ratio of RMSE, the other's over the own, over stars that both predict."""
    known = np.isfinite(own).all(axis=1) & np.isfinite(other).all(axis=1)
    if known.sum() < 20:
        return _unknown(f"{known.sum()} stars are predicted by both models, where 20 are needed")
    squares = np.square(np.hstack([own[known], other[known]]).astype(float))
    k = own.shape[1]
    resampled = bootstrap.resampled_means(squares, min(n_bootstrap, 300), seed)
    ratio = np.sqrt(squares[:, k:].mean(axis=0) / squares[:, :k].mean(axis=0))
    draws = np.median(np.sqrt(resampled[:, k:] / resampled[:, :k]), axis=1)
    return {
        "value": float(np.median(ratio)),
        "interval": bootstrap.interval(draws),
        "range": [float(ratio.min()), float(ratio.max())],
    }


def _ablated(ablations):
    """Claims on the model's make, from runs with other latents or without the scatter estimator."""
    if ablations is None:
        not_run = _unknown("not run here: snakemake ablations")
        return {"six_dimensions": not_run, "scatter_helps": not_run}
    loss = {entry["n_latents"]: entry["loss"]["median"] for entry in by_latents(ablations)}
    others = [value for number, value in loss.items() if number != SIX and value is not None]
    found = {
        "six_dimensions": {"value": float(max(0.0, loss[SIX] - min(others)))}
        if others and loss.get(SIX) is not None
        else _unknown("no run with six latents, or none with another number, among the ablations")
    }
    whole, without = (
        ablations["ablations"].get(name, {}).get("flux_rmse", {}) for name in ("full", "no-scatter")
    )
    if whole.get("median") is None or without.get("median") is None:
        found["scatter_helps"] = _unknown("no run without the scatter estimator among the ablations")
        return found
    return found | {
        "scatter_helps": {
            "value": without["median"] / whole["median"],
            "interval": [without["lowest"] / whole["highest"], without["highest"] / whole["lowest"]],
        }
    }
