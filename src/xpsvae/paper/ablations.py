r"""The ablations as LaTeX: macros and the rows of a table, in one file that the paper reads if it is there.

It stands apart from the other numbers, since `snakemake all` does not make it.
"""

from xpsvae.analysis.ablations import MEASURES, TITLES, by_latents
from xpsvae.paper.latex import count, decimal, listing
from xpsvae.tex import escape

__all__ = ["ablation_macros", "rows", "to_tex"]

_SHOWN = ("loss", "kl", "live", "rmse", "flux_rmse", "pull", "accuracy", "recall_high", "roc_auc")


def ablation_macros(summary):
    """Give the numbers that the section on ablations quotes.

    Parameters
    ----------
    summary : dict
        ``ablations/ablations.json`` (`xpsvae.analysis.ablations.summarise`).

    Returns
    -------
    dict of str to str
    """
    entries = summary["ablations"]
    known = [entry for entry in by_latents(summary) if entry["loss"]["median"] is not None]
    best = min(known, key=lambda entry: entry["loss"]["median"], default=None)
    seeds = max((len(entry["seeds"]) for entry in entries.values()), default=0)
    return {
        "AblationRecipe": escape(summary["recipe"]),
        "AblationEpochs": count(summary["epochs"]),
        "AblationSeeds": count(seeds),
        "AblationFailed": _failures(summary["failed"]),
        "AblationLatents": count(best and best["n_latents"]),
        "AblationLatentsLive": decimal(best and best["live"]["median"], 0),
        "AblationLatentsEqual": listing(
            count(entry["n_latents"])
            for entry in known
            if entry is not best and entry["loss"]["lowest"] <= best["loss"]["highest"]
        ),
        "AblationMostLive": decimal(
            max(
                (entry["live"]["median"] for entry in known if entry["live"]["median"] is not None),
                default=None,
            ),
            0,
        ),
        **_contrast("Plain", entries.get("no-scatter"), entries.get("full")),
        **_contrast("Constant", entries.get("constant-scatter"), entries.get("full")),
        **_contrast("Auto", entries.get("autoencoder"), entries.get("full")),
        **_contrast("Cold", entries.get("no-kl-warm-up"), entries.get("full")),
    }


def _contrast(prefix, entry, full):
    """Medians of one variation, and whether the ranges over the seeds lie apart from the full model's."""
    entry, full = entry or {}, full or {}
    macros = {
        f"Ablation{prefix}{name}": decimal(entry.get(measure, {}).get("median"), MEASURES[measure][2])
        for name, measure in (("Flux", "flux_rmse"), ("Auc", "roc_auc"))
    }
    return macros | {
        f"Ablation{prefix}FluxVerdict": _verdict(
            entry.get("flux_rmse"), full.get("flux_rmse"), "closer", "farther"
        ),
        f"Ablation{prefix}AucVerdict": _verdict(entry.get("roc_auc"), full.get("roc_auc"), "lower", "higher"),
    }


def _verdict(less, more, word, opposite):
    """Choose ``word`` if the first measure is the smaller one, unless their ranges over the seeds overlap."""
    if not less or not more or None in (less["median"], more["median"]):
        return "not known"
    if less["highest"] < more["lowest"]:
        return word
    return opposite if more["highest"] < less["lowest"] else "the same within the seeds"


def _failures(failed):
    if not failed:
        return "Every run counts."
    named = listing(f"{_title(entry['ablation'])} (seed {entry['seed']})" for entry in failed)
    return f"Left out, since the loss exploded or no latent stayed in use: {named}."


def _title(name):
    return TITLES.get(name) or f"{name.removeprefix('latents-')} latents"


def rows(summary):
    """Give the lines of the table: a variation each, the median over its seeds with the range below.

    Parameters
    ----------
    summary : dict
        As for `ablation_macros`.

    Returns
    -------
    list of str
    """
    lines = []
    for name, entry in summary["ablations"].items():
        middle = [_title(name), count(len(entry["seeds"]))]
        bounds = ["", ""]
        for measure in _SHOWN:
            values, digits = entry[measure], MEASURES[measure][2]
            if values["median"] is None:
                middle.append(r"\nodata")
                bounds.append("")
                continue
            middle.append(decimal(values["median"], digits))
            bounds.append("--".join(decimal(values[key], digits) for key in ("lowest", "highest")))
        lines.append(" & ".join(middle) + r" \\")
        lines.append(r"\scriptsize " + " & \\scriptsize ".join(bounds) + r" \\")
    return lines


def to_tex(summary):
    r"""Give the file that ``paper/sections/ablations.tex`` reads.

    Parameters
    ----------
    summary : dict
        As for `ablation_macros`.

    Returns
    -------
    str
        A definition of each macro, and of ``\AblationRows`` and ``\AblationHeads``.
    """
    lines = ["% Written by the rule summarise_ablations: do not edit."]
    lines += [rf"\newcommand{{\{name}}}{{{text}}}" for name, text in ablation_macros(summary).items()]
    heads = " & ".join(["Variation", "Seeds", *(MEASURES[measure][0] for measure in _SHOWN)])
    lines.append(rf"\newcommand{{\AblationHeads}}{{{heads} \\}}")
    lines.append(r"\newcommand{\AblationRows}{" + "\n".join(rows(summary)) + "}")
    return "\n".join(lines) + "\n"
