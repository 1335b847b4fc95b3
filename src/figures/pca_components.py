"""Figure A1: error of weighted PCA against the number of components, in units of the sVAE's."""

from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

from xpsvae.plot.style import SINGLE, new_figure, save, styled

SPACES = {  # colour, line and marker of each
    "coefficients": ("Coefficients", "#004488", "-", "o"),
    "flux": ("Flux", "#DDAA33", (0, (4, 1.5)), "s"),
}


@styled
def draw(components, n_latents):
    """Draw the median ratio over coefficients and over wavelengths, and what 68 per cent of them span.

    Parameters
    ----------
    components : dict
        ``comparison/components.json``.
    n_latents : int
        Of the sVAE: where both have as many numbers a star.

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure, axes = new_figure(SINGLE, 2.7, squeeze=True)
    numbers = components["components"]
    for space, (label, colour, line, marker) in SPACES.items():
        ratio = components[space]
        axes.fill_between(numbers, ratio["low"], ratio["high"], color=colour, alpha=0.2, lw=0)
        axes.plot(
            numbers,
            ratio["median"],
            color=colour,
            ls=line,
            marker=marker,
            mec="black",
            mew=0.4,
            ms=3,
            label=label,
        )
    axes.axhline(1, color="0.3", lw=0.9, zorder=1)
    axes.axvline(n_latents, color="0.3", lw=0.9, ls=(0, (1, 1)), zorder=1)
    axes.annotate(
        f"as many as\nthe sVAE's latents ({n_latents})",
        (n_latents, 0.97),
        (4, -2),
        xycoords=("data", "axes fraction"),
        textcoords="offset points",
        va="top",
        size=7,
    )
    axes.set(
        yscale="log", xlabel="Principal components", ylabel="RMSE / RMSE(sVAE)", xlim=(0.5, numbers[-1] + 0.5)
    )
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.legend(loc="lower left")
    return figure


if __name__ == "__main__":
    from xpsvae.workflow import job

    with job(snakemake):
        from xpsvae.products import read_json

        n_latents = read_json(snakemake.input.model_config)["model"]["n_latents"]
        figure = draw(read_json(snakemake.input.components), n_latents)
        save(figure, snakemake.output.pdf, snakemake.output.png)
