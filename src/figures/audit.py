"""Figure D1: published against corrected, for the numbers that the choices change most."""

import numpy as np
from matplotlib.ticker import FuncFormatter, NullFormatter

from xpsvae.plot.style import DOUBLE, new_figure, save, styled

PUBLISHED, CORRECTED = "#B2182B", "#2166AC"
SCORES = ("ROC area", "accuracy", "P_high")


@styled
def draw(rows):
    """Draw scores on the left, and on the right how many times the corrected value the published one is.

    Parameters
    ----------
    rows : list of dict
        Of ``audit.json``.

    Returns
    -------
    matplotlib.figure.Figure
    """
    scores, ratios = [], []
    for row in rows:
        for each in row["measures"]:
            if row["kind"] != "switch" or each["difference"] is None:
                continue
            if "gain" in each["quantity"]:
                continue
            if any(name in each["quantity"] for name in SCORES) or each["quantity"].startswith("share"):
                scores.append((row["key"], each))
            elif "log10" in each["quantity"]:
                ratios.append((row["key"], each, 10 ** each["difference"]))
            elif each["published"] * each["corrected"] > 0:
                ratios.append((row["key"], each, each["published"] / each["corrected"]))
    figure, (left, right) = new_figure(
        DOUBLE, 0.65 + 0.21 * max(len(scores), len(ratios)), ncols=2, squeeze=True
    )
    _scores(left, scores)
    _ratios(right, ratios)
    return figure


def _scores(axes, scores):
    for place, (_, each) in enumerate(scores):
        axes.plot([each["published"], each["corrected"]], [place, place], color="0.6", lw=0.9, zorder=1)
        if each["interval"]:  # of the difference, put about the published value
            spread = np.array(each["interval"]) - each["difference"]
            axes.errorbar(
                each["published"],
                place,
                xerr=np.abs(spread)[:, None],
                color=PUBLISHED,
                elinewidth=0.8,
                capsize=1.5,
            )
        first = place == 0
        axes.plot(
            each["published"],
            place,
            "s",
            color=PUBLISHED,
            mec="black",
            mew=0.4,
            label="as published" * first or None,
        )
        axes.plot(
            each["corrected"],
            place,
            "o",
            color=CORRECTED,
            mec="black",
            mew=0.4,
            label="corrected" * first or None,
        )
        if each["printed"] is not None:
            axes.plot(each["printed"], place, "x", color="0.2", ms=4, zorder=4)
    axes.plot([], [], "x", color="0.2", ms=4, label="printed in the paper")
    _names(axes, [f"{_symbols(each['quantity'])}\n({key})" for key, each in scores])
    axes.set_xlabel("Score")
    axes.legend(loc="best", fontsize=6.5)


def _ratios(axes, ratios):
    values = [value for _, _, value in ratios]
    for place, value in enumerate(values):
        axes.plot([1, value], [place, place], color="0.6", lw=0.9, zorder=1)
        axes.plot(value, place, "s", color=PUBLISHED, mec="black", mew=0.4)
        axes.plot(1, place, "o", color=CORRECTED, mec="black", mew=0.4)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    _names(
        axes,
        [f"{_symbols(each['quantity'].replace('log10 ', ''))}\n({key})" for key, each, _ in ratios],
    )
    axes.set_xlabel("As published / corrected")


def _names(axes, names):
    axes.set_yticks(range(len(names)), names, size=5.8, linespacing=0.95)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.tick_params(axis="y", which="both", length=0)
    axes.yaxis.minorticks_off()


def _symbols(text):
    """Put what is written plainly into letters."""
    for plain, shown in (("T_eff", r"$T_\mathrm{eff}$"), ("lambda", "λ"), ("alpha", "α")):
        text = text.replace(plain, shown)
    return text


if __name__ == "__main__":
    from xpsvae.workflow import job

    with job(snakemake):
        from xpsvae.products import read_json

        save(draw(read_json(snakemake.input.audit)["rows"]), snakemake.output.pdf, snakemake.output.png)
