"""Figure 8: RMSE of the flux against wavelength, and of each other model in units of the sVAE's."""

from matplotlib.ticker import LogLocator, NullFormatter

from xpsvae.plot.residual_panels import require_flux
from xpsvae.plot.style import SINGLE, looks, new_figure, save, styled


@styled
def draw(comparison):
    """Draw the RMSE above, the ratios below.

    Parameters
    ----------
    comparison : dict
        ``models``, ``wavelength`` [nm], and ``wavelengths`` with their ``rmse`` and ``ratio``.

    Returns
    -------
    matplotlib.figure.Figure
    """
    require_flux(comparison)
    wavelength, statistics = comparison["wavelength"], comparison["wavelengths"]
    models = {model: look for model, look in looks(comparison).items() if model in statistics}
    figure, panels = new_figure(SINGLE, 4.2, nrows=2, sharex=True)
    for model, look in models.items():
        line = {"color": look.color, "ls": look.linestyle, "marker": look.marker}
        line |= {"ms": 3, "mec": "black", "mew": 0.3}
        panels[0].plot(wavelength, statistics[model]["rmse"], label=look.label, **line)
        if model != "svae":
            panels[1].plot(wavelength, statistics[model]["ratio"], **line)
    for axes, label in zip(panels, (r"RMSE of $\mathcal{R}(\lambda)$", "RMSE / RMSE(sVAE)"), strict=True):
        axes.axhline(1, color="0.3", lw=0.9, zorder=1)
        axes.set(yscale="log", ylabel=label)
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter("{x:g}")
        axes.yaxis.set_minor_formatter(NullFormatter())
    panels[1].set(xlabel=r"$\lambda$ [nm]", xlim=(wavelength[0] - 12, wavelength[-1] + 12))
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(
        handles,
        labels,
        loc="outside upper center",
        ncols=3 if len(labels) <= 3 else 2,  # four in a row would leave the page
        handlelength=2.4,
        columnspacing=1,
        frameon=False,
    )
    return figure


if __name__ == "__main__":
    from xpsvae.workflow import job

    with job(snakemake):
        from xpsvae.products import read_json

        figure = draw(read_json(snakemake.input.comparison))
        save(figure, snakemake.output.pdf, snakemake.output.png)
