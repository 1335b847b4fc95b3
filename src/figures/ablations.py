"""Figure 19: what each part of the sVAE is worth, and how many latents."""

from matplotlib.ticker import MaxNLocator

from xpsvae.analysis.ablations import TITLES, by_latents
from xpsvae.plot.style import DOUBLE, new_figure, save, styled

SHOWN = {  # measure: label of its axis
    "loss": "Loss on the test stars",
    "flux_rmse": "Flux RMSE [per cent]",
    "live": "Latents in use",
    "roc_auc": "ROC area",
}
BELOW = {"loss": ("rmse", "RMSE of coefficients")}  # losses with and without a scatter cannot be compared
COLOUR, FULL = "#004488", "#BB5566"


@styled
def draw(summary):
    """Draw medians over the seeds with their range: above against the number of latents, below by variation.

    Parameters
    ----------
    summary : dict
        ``ablations/ablations.json``.

    Returns
    -------
    matplotlib.figure.Figure
    """
    entries = summary["ablations"]
    numbers = by_latents(summary)
    parts = {TITLES[name]: entry for name, entry in entries.items() if name in TITLES}
    height = 2.1 + 0.22 * len(parts) + 0.75
    figure, panels = new_figure(
        DOUBLE, height, nrows=2, ncols=len(SHOWN), height_ratios=(2.1, 0.22 * len(parts) + 0.3)
    )
    for column, (measure, label) in enumerate(SHOWN.items()):
        above, below = panels[0, column], panels[1, column]
        _points(above, [(entry["n_latents"], entry[measure]) for entry in numbers], vertical=True)
        above.set(xlabel="Number of latents", ylabel=label)
        above.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        above.xaxis.set_minor_locator(MaxNLocator(10, integer=True))
        if measure == "live":
            above.plot(*[[entry["n_latents"] for entry in numbers]] * 2, color="0.5", lw=0.8, ls=(0, (1, 1)))
            above.yaxis.set_major_locator(MaxNLocator(5, integer=True))
        places = range(len(parts) - 1, -1, -1)
        measure, label = BELOW.get(measure, (measure, label))
        _points(below, list(zip(places, (entry[measure] for entry in parts.values()), strict=True)))
        full = next(iter(parts.values()))[measure]
        if full["median"] is not None:
            below.axvspan(full["lowest"], full["highest"], color=FULL, alpha=0.15, lw=0)
        below.set(xlabel=label, ylim=(-0.6, len(parts) - 0.4), yticks=list(places))
        below.set_yticklabels(list(parts) if column == 0 else [])
        below.xaxis.set_major_locator(MaxNLocator(3, integer=measure == "live"))
        if measure == "live":
            below.set_xlim(-0.3, max(entry["n_latents"] for entry in parts.values()) + 0.3)
        below.tick_params(axis="y", which="both", left=False, right=False)
        below.yaxis.set_minor_locator(MaxNLocator(1))
    return figure


def _points(axes, points, vertical=False):
    known = [(place, value) for place, value in points if value["median"] is not None]
    if not known:
        return
    places = [place for place, _ in known]
    middle = [value["median"] for _, value in known]
    reach = [
        [value["median"] - value["lowest"] for _, value in known],
        [value["highest"] - value["median"] for _, value in known],
    ]
    look = {"color": COLOUR, "marker": "o", "ms": 3.5, "lw": 1, "elinewidth": 1, "capsize": 2}
    if vertical:
        axes.errorbar(places, middle, yerr=reach, **look)
    else:
        axes.errorbar(middle, places, xerr=reach, **look | {"ls": ""})


if __name__ == "__main__":
    from xpsvae.workflow import job

    with job(snakemake):
        from xpsvae.products import read_json

        save(draw(read_json(snakemake.input.summary)), snakemake.output.pdf, snakemake.output.png)
