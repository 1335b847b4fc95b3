r"""The numbers and sentences of the paper: products in, LaTeX macros out.

Each function takes the content of a few products and returns macros by name; what a product does not know
reads "not available". Words that depend on a number (better, worse) are chosen here, so that the text stays
true when the numbers change.
"""

import re

import numpy as np

from xpsvae.analysis.alpha import along
from xpsvae.analysis.classify import CLASSIFIERS
from xpsvae.analysis.tracks import FEWEST_PLAUSIBLE, is_main_sequence, plausible
from xpsvae.compare.registry import filled
from xpsvae.model.recipe import RECIPES
from xpsvae.paper import peers
from xpsvae.paper.latex import NOT_AVAILABLE, count, decimal, interval, listing, prose, signed, significant

__all__ = [
    "alpha_macros",
    "alpha_track_macros",
    "catalog_macros",
    "comparison_macros",
    "cutflow_table",
    "discussion_macros",
    "label_macros",
    "latent_macros",
    "model_macros",
    "n_parameters",
    "paper_macros",
    "pull_macros",
    "spectra_macros",
    "switch_macros",
    "switches",
    "track_macros",
]

FEWEST = 5  # stars in a bin of a track that is drawn (`xpsvae.plot.style.FEWEST_STARS`) and counted
WELL_FILLED = 100  # stars in a bin of the fixed-[M/H] track whose mean is quoted
LABEL_SYMBOLS = {
    "logg": r"$\log g$",
    "teff": r"$T_\mathrm{eff}$",
    "m_h": r"$[\mathrm{M}/\mathrm{H}]$",
    "alpha_m": r"$[\alpha/\mathrm{M}]$",
}


def paper_macros():
    """Return what the original paper reports, in its text and training log, to stand beside our numbers."""
    return {
        "PaperXpSources": "220",
        "PaperFull": count(502_311),
        "PaperTrain": count(452_079),
        "PaperEpochs": count(5000),
        "PaperLearningRate": significant(1e-4, 1),
        "PaperLoss": decimal(-94.867),
        "PaperLossReconstruction": decimal(-106.157),
        "PaperLossKl": decimal(11.291),
        "PaperAccLabel": decimal(0.70),
        "PaperAccLabelExtinction": decimal(0.70),
        "PaperAccLatent": decimal(0.84),
        "PaperMajority": decimal(0.722, 3),
        "HattoriRmse": "0.0436",  # of [alpha/M] [dex]
        "HattoriSodium": "589",  # [nm]
        "HattoriMagnesium": "516",
        "FallowsFormal": "0.029",  # median formal uncertainty of [alpha/M] [dex]
    }


def switches(crossmatch, config, latent_summary):
    r"""Facts that the text branches on, as ``\IfName{...}{...}``.

    Parameters
    ----------
    crossmatch : dict
        ``crossmatch.json``; its ``null_columns`` are what the dataset lacks.
    config : dict
        ``model/config.json``.
    latent_summary : dict
        ``latents/summary.json``.
    """
    null, recipe = set(crossmatch["null_columns"]), config["training"]
    return {
        "HasFlags": not {"starflag", "aspcapflag"} & null,
        "HasActions": not {"j_r", "l_z", "j_z"} & null,
        "HasAk": "a_k" not in null,
        "AspcapLabels": crossmatch.get("files", {}).get("teff_and_logg") == "aspcap",
        "StoredCorrelations": "correlations" in crossmatch,
        "FetchedCorrelations": crossmatch.get("correlations", {}).get("from") == "datalink",
        "PublishedModel": recipe.get("source") == "published",
        "PublishedRecipe": recipe.items() >= RECIPES["published"].items(),
        "KlWarmUp": recipe.get("kl_warm_up", 0) > 0,
        "KlPower": recipe.get("kl_power", 1) != 1,
        "FirstSigma": recipe.get("first_sigma", 1) != 1,
        "FreeBits": recipe.get("free_bits", 0) > 0,
        "OneCycle": recipe.get("schedule") == "one-cycle",
        "DeadLatents": bool(latent_summary["dead"]),
    }


def catalog_macros(crossmatch, cutflow, stars, flux_weight, zero_point):
    r"""Numbers of stars, of rows and of magnitudes.

    Parameters
    ----------
    crossmatch, cutflow : dict
        ``crossmatch.json``, ``cutflow.json``.
    stars : pandas.DataFrame
        ``phot_g_mean_mag``, ``logg`` and ``teff`` of the catalogue.
    flux_weight : float
        Relative flux error that the inversion assumes.
    zero_point : float
        Of the G band [mag].
    """
    counts, labels, published = cutflow["stars"], crossmatch["labels"], cutflow["paper_stars"]
    g = stars["phot_g_mean_mag"]
    return {
        **{f"N{name.capitalize()}": count(number) for name, number in counts.items()},
        "PristineShare": decimal(100 * counts["pristine"] / counts["good"] if counts["good"] else None, 1),
        "PaperPristineShare": decimal(100 * published["pristine"] / published["good"], 1),
        "NRows": count(labels["rows"]),
        "NDuplicateRows": count(labels["duplicates_dropped"]),
        "UnmatchedSources": (
            f"{count(labels['unmatched'])} labelled sources lack a spectrum"
            if labels["unmatched"]
            else "every labelled source has a spectrum"
        ),
        "GMin": decimal(g.min(), 1),
        "GMax": decimal(g.max(), 1),
        "GMedian": decimal(g.median(), 1),
        "NHot": count((stars["teff"] > 8000).sum()),
        "LoggSpread": decimal(_spread(stars["logg"]), 1),
        "FluxWeight": significant(flux_weight, 1),
        "ZeroPoint": decimal(zero_point, 4),
    }


def label_macros(stars, subsets):
    """How precise T_eff is, and how many stars of pristine labels are dwarfs.

    Parameters
    ----------
    stars, subsets : pandas.DataFrame
        ``teff``, ``teff_err`` [K] and ``logg`` of the catalogue; ``good`` and ``pristine`` of each star.
    """
    good, pristine = (stars[subsets[name].to_numpy(dtype=bool)] for name in ("good", "pristine"))
    dwarfs = is_main_sequence(pristine["teff"], pristine["logg"])
    return {
        "TeffError": decimal(good["teff_err"].median(), 0),
        "PristineDwarfs": decimal(100 * dwarfs.mean() if len(pristine) else None, 1),
    }


_WEIGHTS = {
    -1: ", so that training gives these too little weight",
    0: "",
    1: ", so that training gives these too much weight",
}


def pull_macros(pulls):
    """How wide residuals are in units of the errors that the loss gives them.

    Parameters
    ----------
    pulls : dict
        ``pulls`` of ``comparison/summary.json`` (`xpsvae.compare.residuals.pulls`).
    """
    widths, alone = (pulls["coefficients"][name] for name in ("width", "width_error"))
    half, median = len(widths) // 2, _median(widths)
    narrow = [number for number, width in enumerate(alone) if width < 1]
    widest = max(range(len(alone)), key=alone.__getitem__)
    low, high = (sorted(widths)[round(part * (len(widths) - 1))] for part in (0.05, 0.95))
    return {
        "PullWidth": decimal(median),
        "PullRange": f"{decimal(low)} to {decimal(high)}",
        "PullChi": decimal(pulls["chi2"]),
        "PullNarrow": count(len(narrow)),
        "PullVerdict": "too large" if median < 0.95 else "too small" if median > 1.05 else "about right",
        "PullWeight": _WEIGHTS[(median > 1.05) - (median < 0.95)],
        "PullsByMagnitude": listing(
            f"{decimal(part['width'])} for $G$ of {decimal(part['g'][0], 1)} to {decimal(part['g'][1], 1)}"
            for part in pulls["magnitudes"]
        ),
        "PullNarrowFrom": count(min((number % half for number in narrow), default=None)),
        "PullWidest": f"{decimal(alone[widest], 1)} for {_coefficient(widest, half)}",
        "PullLast": listing(
            f"{decimal(alone[number], 1)} for {_coefficient(number, half)}"
            for number in (half - 1, 2 * half - 1)
        ),
    }


def _coefficient(number, n_band):
    return f"{'BP' if number < n_band else 'RP'}\\,{number % n_band}"


def _spread(logg):
    """Most over least populated of the half-dex bins of log g between 0.5 and 3.5."""
    numbers = [((logg >= 0.5 * k) & (logg < 0.5 * k + 0.5)).sum() for k in range(1, 7)]
    return max(numbers) / min(numbers) if min(numbers) else None


_CUT_SYMBOLS = {
    "teff_snr": r"$T_\mathrm{eff}/\sigma(T_\mathrm{eff})$",
    "logg_err": r"$\sigma(\log g)$ [dex]",
    "m_h_err": r"$\sigma([\mathrm{M}/\mathrm{H}])$ [dex]",
    "bp_rp": r"$G_\mathrm{BP}-G_\mathrm{RP}$",
    "g": r"$G$",
    "starflag": r"STARFLAG",
    "aspcapflag": r"ASPCAPFLAG",
    "labels": r"four labels known",
}
_ROMAN = "i", "ii", "iii", "iv", "v", "vi", "vii", "viii", "ix"


def cutflow_table(cutflow):
    """LaTeX table of the cuts of both subsets, beside the counts of the original paper.

    Parameters
    ----------
    cutflow : dict
        ``cutflow.json``.

    Returns
    -------
    str
        A ``deluxetable*``; a cut that the dataset has no column for reads "not available".
    """
    stars, published = cutflow["stars"], cutflow["paper_stars"]
    good, pristine = cutflow["cuts"]["good"], cutflow["cuts"]["pristine"]
    rows = [
        ["all stars", "", "", count(stars["full"]), count(published["full"])]
        + ["", "", count(stars["full"]), count(published["full"])]
    ]
    for number, steps in zip(_ROMAN, zip(good, pristine, strict=True), strict=False):
        cells = [f"({number}) {_CUT_SYMBOLS[steps[0]['cut']]}"]
        for step in steps:
            paper = step["paper_removed_alone"]
            cells += [
                _limit(step["asks"]),
                count(step["removed_alone"]) if step["available"] else "not available",
                count(step["remaining"]) if step["available"] else r"\nodata",
                r"\nodata" if paper is None else f"removes {count(paper)}",
            ]
        rows.append(cells)
    rows.append(
        ["remaining", "", "", count(stars["good"]), count(published["good"])]
        + ["", "", count(stars["pristine"]), count(published["pristine"])]
    )
    body = " \\\\\n".join(" & ".join(row) for row in rows)
    return rf"""\begin{{deluxetable*}}{{lcrrrcrrr}}
\tablecaption{{Cut-flow of the good and the pristine subset\label{{tab:cutflow}}}}
\tabletypesize{{\footnotesize}}
\tablehead{{& \multicolumn{{4}}{{c}}{{Good}} & \multicolumn{{4}}{{c}}{{Pristine}} \\
\colhead{{Cut}} & \colhead{{Limit}} & \colhead{{Removes}} & \colhead{{Remain}} & \colhead{{Published}} &
\colhead{{Limit}} & \colhead{{Removes}} & \colhead{{Remain}} & \colhead{{Published}}}}
\startdata
{body}
\enddata
\tablecomments{{``Removes'' counts the stars that fail a cut taken alone, among them those without the value
that is cut on; ``Remain'' those that pass it and all cuts above it. ``Published'' is the original paper's
count, given there for few single cuts. Cut (viii) asks for the labels that the analysis needs
($T_\mathrm{{eff}}$, $\log g$, $[\mathrm{{M}}/\mathrm{{H}}]$, $[\alpha/\mathrm{{M}}]$); the original paper has
no such cut.}}
\end{{deluxetable*}}
"""


def _limit(asks):
    """Turn what a cut asks for (``error of log g < 0.1 dex``) into its limit (``$<0.1$``)."""
    bits = re.search(r"bits (.+) unset", asks)
    if bits:
        return f"bits {bits.group(1)}"
    between = re.match(r"([\d.]+) < .+ < ([\d.]+)$", asks)
    if between:
        return f"{between.group(1)}--{between.group(2)}"
    bound = re.search(r"([<>=]) ([\d.]+)", asks)
    return f"${bound.group(1)}{bound.group(2)}$" if bound else ""


def model_macros(config, history):
    r"""Size of the sVAE, its recipe and where its loss ended.

    Parameters
    ----------
    config : dict
        ``model/config.json``: sizes under ``model``, the recipe under ``training``; what a recipe does not say
        is not available.
    history : pandas.DataFrame
        ``model/history.csv``; its last row is where training ended.
    """
    recipe, last = config["training"], history.iloc[-1]
    return {
        "NCoefficientsAll": count(config["model"]["n_inputs"]),
        "NParameters": count(n_parameters(**config["model"])),
        "NEpochs": count(recipe.get("epochs")),
        "BatchSize": count(recipe.get("batch_size")),
        "LearningRate": significant(recipe.get("learning_rate"), 1),
        "WarmUp": _percent(recipe.get("warm_up")),
        "FreeBits": decimal(recipe.get("free_bits"), 2),
        "KlWarmUp": _percent(recipe.get("kl_warm_up")),
        "KlPower": decimal(recipe.get("kl_power"), 0),
        "FirstSigma": decimal(recipe.get("first_sigma")),
        "RestartEvery": count(recipe.get("restart_every")),
        "WeightDecay": decimal(recipe.get("weight_decay"), 2),
        "LossTrain": decimal(last["loss"], 1),
        "LossTest": decimal(last["val_loss"], 1),
        "LossTestReconstruction": decimal(last["val_reconstruction"], 1),
        "LossTestKl": decimal(last["val_kl"], 1),
    }


def _percent(fraction):
    return count(None if fraction is None else round(100 * fraction))


def n_parameters(n_inputs, hidden, n_latents):
    """Count the weights of the sVAE.

    Linear layers have a bias. All hidden layers are batch-normalised (two weights a unit), but for the first
    of the decoder and of the scatter estimator.

    Parameters
    ----------
    n_inputs : int
    hidden : sequence of int
        Widths of the encoder's hidden layers; decoder and scatter estimator run backwards.
    n_latents : int
    """
    narrowing = _linear(n_inputs, *hidden) + 2 * sum(hidden)
    widening = _linear(n_latents, *reversed(hidden), n_inputs) + 2 * sum(hidden[:-1])
    return narrowing + 2 * _linear(hidden[-1], n_latents) + 2 * widening


def _linear(*widths):
    return sum((narrow + 1) * wide for narrow, wide in zip(widths[:-1], widths[1:], strict=True))


def latent_macros(summary, dimensions):
    """Which latents are in use, and what the chosen ones follow.

    Parameters
    ----------
    summary, dimensions : dict
        ``latents/summary.json``, ``latents/dimensions.json``.
    """
    chosen = [
        f"{_latent(dimensions[label])} for {symbol} ({_rank(dimensions, label)})"
        for label, symbol in LABEL_SYMBOLS.items()
        if label != "alpha_m"
    ]
    alpha = dimensions["association"]["alpha_m"][str(dimensions["alpha_m"])]
    edge = dimensions["boundary"]
    return {
        "NLatents": count(summary["n_latents"]),
        "NLive": count(len(summary["live"])),
        "LiveLatents": listing(_latent(dimension) for dimension in summary["live"]),
        "DeadLatents": listing(_latent(dimension) for dimension in summary["dead"]),
        "LiveThreshold": decimal(summary["live_threshold"], 2),
        "WeakestKl": decimal(min(summary["kl"]), 2),
        "KlList": listing(decimal(value, 2) for value in summary["kl"]),
        "ChosenLatents": listing(chosen),
        "AlphaLatent": _latent(dimensions["alpha_m"]),
        "AlphaLatentRank": decimal(alpha["spearman"], 2),
        "AlphaLatentInformation": decimal(alpha["mutual_information"], 3),
        "AlphaLatentFloor": decimal(alpha["floor"], 3),
        "MhLatent": _latent(dimensions["m_h"]),
        "BoundaryLatent": _latent(edge["dimension"]),
        "BoundaryValue": decimal(edge["value"], 2),
        "BoundarySide": edge["ms_side"],
        "BoundaryAccuracy": decimal(100 * edge["accuracy"], 1),
        "BoundaryMajority": decimal(100 * edge["majority"], 1),
        "BoundaryAll": decimal(100 * dimensions["boundary_all"], 1),
        "BoundaryVerdict": _separates(edge["accuracy"], dimensions["boundary_all"]),
    }


CLEAN = 0.95  # of the stars on their side: branches that a boundary separates


def _separates(one, every):
    """Verdict on the branches, by the fraction of stars that one latent and all of them put on their side."""
    if one >= CLEAN:
        return r"One latent separates the branches, as in \original{}."
    several = "several do so better" if every - one > 0.02 else "several do so no better"
    return rf"In \original{{}} one latent separates the branches cleanly; here none does, and {several}."


def _latent(dimension):
    return f"$z_{{{dimension}}}$"


def _rank(dimensions, label):
    spearman = dimensions["association"][label][str(dimensions[label])]["spearman"]
    return f"rank correlation {decimal(spearman, 2)}"


def track_macros(kiel, metallicity, live):
    """How well the bins of the tracks are filled; those that figures leave out count as empty.

    Parameters
    ----------
    kiel, metallicity : pandas.DataFrame
        ``tracks/kiel.parquet``, ``tracks/metallicity.parquet``.
    live : sequence of int
        1-based live dimensions: only those are said to follow a branch.
    """
    macros = {"NTrackMh": count(metallicity["m_h_centre"].nunique()), "FewestStars": _word(FEWEST)}
    macros["FewestWindow"] = count(FEWEST_PLAUSIBLE)
    for branch, suffix in (("ms", "Ms"), ("gb", "Gb")):
        bins = kiel[kiel["branch"] == branch]
        filled = bins[bins["n"] >= FEWEST]
        windows = metallicity[metallicity["branch"] == branch]
        macros |= {
            f"N{suffix}Bins": count(len(bins)),
            f"N{suffix}Filled": count(len(filled)),
            f"{suffix}BinMedian": count(filled["n"].median()),
            f"N{suffix}Windows": count(len(windows)),
            f"N{suffix}Empty": count((~plausible(windows)).sum()),
        }
        followed, rank = _follows(filled, live)
        macros |= {f"{suffix}TrackLatent": followed, f"{suffix}TrackRank": decimal(rank)}
    return macros


def _follows(track, live):
    """Live latent whose bin means are ordered most like the bins, and the rank correlation of the two."""
    means = track[[f"z_{dimension}" for dimension in live]]
    ranks = means.rank().corrwith(track["centre"].rank()).dropna()
    if ranks.empty:
        return NOT_AVAILABLE, None
    best = ranks.abs().idxmax()
    return _latent(best.removeprefix("z_")), ranks[best]


def comparison_macros(summary, per_star, components):
    """How the sVAE compares with every other model, in coefficients and in flux.

    Parameters
    ----------
    summary : dict
        ``comparison/summary.json``: ``models`` are what each says of itself (`xpsvae.compare.registry.card`).
    per_star : pandas.DataFrame
        ``comparison/per_star.parquet``; medians are over the stars for which every model has a prediction.
    components : dict
        ``comparison/components.json``.
    """
    equal = _fewest(components, "coefficients"), _fewest(components, "flux")
    cards = {card["model"]: card for card in summary["models"]}
    others = [card for name, card in cards.items() if name != "svae"]
    coefficients, flux = summary["coefficients"], summary["wavelengths"]
    ratios, flux_ratios = (
        {
            card["prose"]: _median(space[name]["ratio"])
            for name, card in cards.items()
            if "ratio" in space.get(name, {})
        }
        for space in (coefficients, flux)
    )
    return {
        "NCoefficients": count(len(coefficients["svae"]["rmse"])),
        "HalfCoefficients": count(len(coefficients["svae"]["rmse"]) // 2),
        "NWavelengths": count(len(flux["svae"]["rmse"])),
        "NModelsCompared": _word(len(others)),
        "ModelTexts": "\n\n".join(filled(card["text"], card["summary"], _number) for card in others),
        "ModelRatios": _times(ratios),
        "FluxModelRatios": _times(flux_ratios),
        "CoefficientRatios": " ".join(_ratios(cards, coefficients, "coefficients")),
        "FluxRatios": " ".join(_ratios(cards, flux, "wavelengths")),
        "NKnownCoefficients": count(len(_known(cards, per_star, "coefficient"))),
        "NKnownFlux": count(len(_known(cards, per_star, "flux"))),
        "CoefficientErrors": listing(_errors(cards, per_star, "coefficient")),
        "FluxErrors": listing(_errors(cards, per_star, "flux")),
        "ComponentsCoefficients": equal[0],
        "ComponentsFlux": equal[1],
        "SvaeVersus": _all_versus(ratios),
        "SvaeVersusFlux": _all_versus(flux_ratios),
        **peers.peer_macros(summary),
    }


def _times(ratios):
    return listing(f"that of {prose} is {decimal(ratio)} times as large" for prose, ratio in ratios.items())


def _all_versus(ratios):
    return listing(f"{_versus(ratio)} {prose}" for prose, ratio in ratios.items())


def _fewest(components, space):
    """Fewest principal components whose median error is not above the sVAE's."""
    ratios = components[space]["median"]
    enough = [number for number, ratio in zip(components["components"], ratios, strict=True) if ratio <= 1]
    return count(enough[0]) if enough else f"more than {count(components['components'][-1])}"


def _ratios(cards, space, what):
    for name in cards:
        if "ratio" in space.get(name, {}):
            ratio = sorted(space[name]["ratio"])
            yield (
                f"Relative to {cards[name]['prose']} the ratio has a median of {decimal(_median(ratio))} and "
                f"runs from {decimal(ratio[0])} to {decimal(ratio[-1])}; it exceeds one for "
                f"{count(sum(value > 1 for value in ratio))} of {count(len(ratio))} {what}."
            )


def _rmse_columns(cards, per_star, kind):
    return {name: f"rmse_{kind}_{name}" for name in cards if f"rmse_{kind}_{name}" in per_star}


def _known(cards, per_star, kind):
    """Stars for which every model has a prediction."""
    return per_star.dropna(subset=list(_rmse_columns(cards, per_star, kind).values()))


def _errors(cards, per_star, kind):
    known = _known(cards, per_star, kind)
    for name, column in _rmse_columns(cards, per_star, kind).items():
        yield f"{decimal(known[column].median(), 1)} with {cards[name]['prose']}"


def _number(value):
    if isinstance(value, str):
        return value
    return count(value) if isinstance(value, int) else decimal(value, 1)


def _word(number):
    words = "no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"
    return words[number] if number < len(words) else count(number)


def _median(values):
    values, middle = sorted(values), len(values) // 2
    return values[middle] if len(values) % 2 else (values[middle - 1] + values[middle]) / 2


def _versus(ratio):
    """Word for the sVAE against a baseline whose error is ``ratio`` times its own; par within 5 per cent."""
    if abs(ratio - 1) <= 0.05:
        return "on a par with"
    return "better than" if ratio > 1 else "worse than"


def alpha_macros(summary, report):
    """Scores of the classifiers, and whether latents add to labels.

    Parameters
    ----------
    summary, report : dict
        ``alpha/summary.json``, ``alpha/classifiers.json``.
    """
    macros = _sample_macros(summary, report["sample"]) | _score_macros(report) | _gain_macros(report)
    scores, gains = _by_classifier(report), _by_pair(report)
    informed = scores["latent"]["intervals"]["roc_auc"][0] > 0.5
    return macros | {
        "LatentVerdict": (
            r"hold information on $[\alpha/\mathrm{M}]$"
            if informed
            else r"give no evidence of information on $[\alpha/\mathrm{M}]$"
        ),
        "LatentVersusLabel": _beyond(gains["latent", "label"]["roc_auc"]["interval"]),
        "GainVerdict": _gain(gains["label_latent", "label"]["accuracy"]["interval"]),
    }


def _by_classifier(report):
    return {entry["classifier"]: entry for entry in report["classifiers"]}


def _by_pair(report):
    return {(entry["classifier"], entry["over"]): entry for entry in report["gains"]}


def _sample_macros(summary, sample):
    return {
        "NGiants": count(summary["n_giants"]),
        "NHighAlpha": count(summary["n_high_alpha"]),
        "HighFraction": decimal(100 * summary["high_alpha_fraction"], 1),
        "NEnceladus": count(summary["n_enceladus"]),
        "EnceladusSelection": prose(summary["enceladus_selection"]),
        "EnceladusKind": {"chemical": "abundances", "actions": "actions"}[summary["enceladus_kind"]],
        "NClassifierTrain": count(sample["n_train"]),
        "NClassifierTest": count(sample["n_test"]),
        "AccMajority": decimal(sample["majority"], 3),
    }


def _score_macros(report):
    names = {
        "Label": "label",
        "Latent": "latent",
        "LatentLive": "latent_live",
        "LabelLatent": "label_latent",
        "LabelPermuted": "label_permuted",
    }
    macros, scores = {}, _by_classifier(report)
    for suffix, classifier in names.items():
        macros[f"Acc{suffix}"] = decimal(scores[classifier]["accuracy"], 3)
        macros[f"Auc{suffix}"] = decimal(scores[classifier]["roc_auc"], 3)
    for suffix in ("Label", "Latent"):
        bounds = scores[names[suffix]]["intervals"]
        macros[f"Acc{suffix}Interval"] = interval(bounds["accuracy"])
        macros[f"Auc{suffix}Interval"] = interval(bounds["roc_auc"])
    return macros


def _gain_macros(report, pairs=None):
    pairs = pairs or {
        "": ("label_latent", "label"),
        "Permuted": ("label_latent", "label_permuted"),
        "Live": ("latent", "latent_live"),
    }
    macros, gains = {}, _by_pair(report)
    for suffix, pair in pairs.items():
        for metric in ("accuracy", "roc_auc"):
            gain, prefix = gains[pair][metric], {"accuracy": "Accuracy", "roc_auc": "Auc"}[metric]
            macros[f"Gain{prefix}{suffix}"] = signed(gain["gain"])
            macros[f"Gain{prefix}{suffix}Interval"] = interval(gain["interval"])
    return macros


def switch_macros(label_features, leakage):
    """Say what two choices of the published code do to the classifiers, each alone.

    Parameters
    ----------
    label_features, leakage : dict
        ``alpha/classifiers.json`` of the variants ``only-label_features`` and ``only-leakage``.
    """
    scores, majority = _by_classifier(label_features), label_features["sample"]["majority"]
    published = [scores[name]["accuracy"] for name, entry in CLASSIFIERS.items() if entry.published]
    return {
        "AccLabelScrambled": decimal(scores["label"]["accuracy"], 3),
        "AucLabelScrambled": decimal(scores["label"]["roc_auc"], 3),
        "NPublishedClassifiers": count(len(published)),
        "NBelowMajority": count(sum(accuracy < majority for accuracy in published)),
        **_gain_macros(leakage, {"Random": ("label_latent", "label")}),
    }


VARIANTS = {
    "label_features": "Labels in the published order",
    "leakage": "Test stars drawn at random",
}
"""What the table of variants calls the choices that it shows."""

RED, BLUE = (640.0, 900.0), 400.0  # [nm] where residuals of flux are quoted: a window, and what lies below


def spectra_macros(spectra):
    """How far the reconstructed spectra along the tracks lie from the observed ones.

    Parameters
    ----------
    spectra : pandas.DataFrame
        ``tracks/spectra.parquet``.
    """
    macros = {"RedWindow": f"{RED[0]:.0f} to {RED[1]:.0f}", "BlueEdge": f"{BLUE:.0f}"}
    for branch, suffix in (("ms", "Ms"), ("gb", "Gb")):
        shown = spectra[spectra["branch"] == branch]
        red, blue = [], []
        for wavelength, residual in zip(shown["wavelength"], shown["residual"], strict=True):
            size = 100 * np.abs(np.asarray(residual))
            red.append(size[(np.asarray(wavelength) >= RED[0]) & (np.asarray(wavelength) <= RED[1])])
            blue.append(size[np.asarray(wavelength) < BLUE])
        for name, parts in (("Red", red), ("Blue", blue)):
            values = np.concatenate(parts) if parts else np.array([])
            macros[f"Residual{suffix}{name}"] = (
                f"{decimal(np.median(values), 1)} per cent"
                if values.size
                else "unknown, as no bin holds a star"
            )
    return macros


def discussion_macros(report):
    """Say what colours explain, and what the classifiers score on either side of a temperature.

    Parameters
    ----------
    report : dict
        ``alpha/classifiers.json``.
    """
    scores, sides, gains = _by_classifier(report), report["by_teff"], _by_pair(report)
    colours = gains["label_extinction", "label"]["roc_auc"]
    beyond = gains["label_latent", "label_extinction"]["roc_auc"]
    adds = {name: _adds(sides[name]) for name in ("below", "above")}
    return {
        "AucColours": decimal(scores["label_extinction"]["roc_auc"], 3),
        "GainAucColours": signed(colours["gain"]),
        "GainAucColoursInterval": interval(colours["interval"]),
        "ColoursVerdict": _gain(colours["interval"]),
        "GainAucBeyondColours": signed(beyond["gain"]),
        "GainAucBeyondColoursInterval": interval(beyond["interval"]),
        "BeyondColoursVerdict": _gain(beyond["interval"]),
        "ColoursExplain": "do not account" if beyond["interval"][0] > 0 else "may account",
        "TeffSplit": count(sides["split"]),
        "TeffBelow": _side(sides["below"]),
        "TeffAbove": _side(sides["above"]),
        "TeffVerdict": _TEFF_VERDICTS[adds["below"], adds["above"]],
    }


_TEFF_VERDICTS = {
    (True, True): "the latents add to the labels on both sides",
    (True, False): "the latents add to the labels on the cool side only",
    (False, True): "the latents add to the labels on the warm side only",
    (False, False): "on neither side is a gain of the latents over the labels beyond doubt",
}


def _adds(side):
    return any(gain["roc_auc"]["interval"][0] > 0 for gain in side["gains"])


def _side(side):
    """Clause on the scores of one side."""
    if not side["classifiers"]:
        return (
            f"with {count(side['n_test_high'])} high-$\\alpha$ stars among {count(side['n_test'])} there is nothing "
            "to score"
        )
    scores = {entry["classifier"]: entry for entry in side["classifiers"]}
    auc = {
        name: f"{decimal(entry['roc_auc'], 3)} ({interval(entry['intervals']['roc_auc'])})"
        for name, entry in scores.items()
    }
    (gain,) = (gain["roc_auc"] for gain in side["gains"] if gain["over"] == "label")
    return (
        f"labels reach a ROC area of {auc['label']}, latents {auc['latent']} and both together "
        f"{auc['label_latent']}, {signed(gain['gain'])} ({interval(gain['interval'])}) over labels, on "
        f"{count(side['n_test'])} test stars of which {count(side['n_test_high'])} are of high $\\alpha$"
    )


def alpha_track_macros(tracks, directions):
    """How far labels and latents move along the track of fixed [M/H] and along the matched one.

    Parameters
    ----------
    tracks : pandas.DataFrame
        ``alpha/tracks.parquet``. Only bins with at least `WELL_FILLED` stars count.
    directions : dict
        ``alpha/directions.json``: the move is that along the direction for [alpha/M] at fixed [M/H], in units
        in which the giants' latents have unit standard deviations.
    """
    macros = {"WellFilled": count(WELL_FILLED)}
    for track, prefix in (("fixed_m_h", "AlphaTrack"), ("matched", "Matched")):
        bins = tracks[(tracks["track"] == track) & (tracks["n"] >= WELL_FILLED)].sort_values("centre")
        known = len(bins) > 1
        moves = along(bins, directions, "alpha_m") if known else None
        macros |= {
            f"{prefix}From": decimal(bins["alpha_m"].iloc[0] if known else None),
            f"{prefix}To": decimal(bins["alpha_m"].iloc[-1] if known else None),
            f"{prefix}Move": signed(moves[-1] - moves[0] if known else None, 2),
            f"{prefix}Teff": count(round(_range(bins["teff"]) if known else 0)),
            f"{prefix}Logg": decimal(_range(bins["logg"]) if known else None),
            f"{prefix}Mh": decimal(_range(bins["m_h"]) if known else None),
        }
    matched = tracks[(tracks["track"] == "matched") & (tracks["n"] >= WELL_FILLED)]
    return macros | {
        "NMatched": count(matched["n"].max() if len(matched) else 0),
        "AucDirection": decimal(directions["auc_direction"]),
        "AucPair": decimal(directions["auc_pair"]),
        "AucPairLatents": listing(map(_latent, directions["pair"] or ())),
        "AucLive": decimal(directions["auc_live"]),
    }


def _range(values):
    return values.max() - values.min()


def _beyond(bounds):
    """Word for a paired difference of scores with an interval."""
    if bounds[0] > 0:
        return "above"
    return "below" if bounds[1] < 0 else "not told apart from"


def _gain(bounds):
    if bounds[0] > 0:
        return "a gain whose 95 per cent interval lies above zero"
    return "a loss" if bounds[1] < 0 else "a change whose 95 per cent interval holds zero"
