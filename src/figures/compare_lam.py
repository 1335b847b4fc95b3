"""Figure 6: RMSE of each other model in units of the sVAE's, coefficient by coefficient."""

import numpy as np
from matplotlib.ticker import LogLocator, NullFormatter

from xpsvae.plot.style import SINGLE, looks, new_figure, note, save, styled


@styled
def draw(comparison):
    """Draw a panel a band.

    Parameters
    ----------
    comparison : dict
        ``models``, and ``coefficients`` with their ``ratio``, half of it BP, half RP.

    Returns
    -------
    matplotlib.figure.Figure
    """
    models, statistics = looks(comparison), comparison["coefficients"]
    others = [model for model in models if model != "svae" and model in statistics]
    figure, panels = new_figure(SINGLE, 4.0, nrows=2, sharex=True, sharey=True)
    for axes, band, half in zip(panels, ("BP", "RP"), (0, 1), strict=True):
        for model in others:
            look = models[model]
            ratio = np.split(np.array(statistics[model]["ratio"]), 2)[half]
            line = {"color": look.color, "ls": look.linestyle, "marker": look.marker}
            axes.plot(ratio, mec="black", mew=0.4, label=look.label, **line)
        axes.axhline(1, color="0.3", lw=0.9, zorder=1)
        axes.set(yscale="log", xlim=(-0.8, len(ratio) - 0.2), ylabel="RMSE / RMSE(sVAE)")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter("{x:g}")
        axes.yaxis.set_minor_formatter(NullFormatter())
        note(axes, band, "upper center")
    highest = max(max(statistics[model]["ratio"]) for model in others)
    lowest = min(min(statistics[model]["ratio"]) for model in others)
    axes.set_ylim(0.75 * min(lowest, 1), 1.5 * highest)
    axes.set_xlabel("Coefficient number")
    if len(others) <= 2:
        panels[0].legend(loc="upper right")
    else:  # would hide points
        figure.legend(
            *panels[0].get_legend_handles_labels(),
            loc="outside upper center",
            ncols=2,
            columnspacing=1,
            frameon=False,
        )
    arrow = {"arrowstyle": "-|>", "color": "black", "lw": 0.9}
    where = {"xy": (0.72, 0.9), "xytext": (0.72, 0.55), "xycoords": "axes fraction", "ha": "center"}
    panels[1].annotate("sVAE closer to the data", arrowprops=arrow, **where)
    return figure


if __name__ == "__main__":
    from xpsvae.workflow import job

    with job(snakemake):
        from xpsvae.products import read_json

        figure = draw(read_json(snakemake.input.comparison))
        save(figure, snakemake.output.pdf, snakemake.output.png)
