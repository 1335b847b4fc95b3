"""Figure 12 (a): tracks of fixed metallicity in the Kiel diagram."""

from matplotlib.colors import LogNorm

from xpsvae.analysis.sample import sample
from xpsvae.analysis.tracks import plausible
from xpsvae.plot.style import (
    BRANCHES,
    PALE_DENSITY,
    SINGLE,
    density,
    kiel_axes,
    metallicity_scale,
    new_figure,
    save,
    styled,
    track,
)

BINS = 150
EXTENT = ((7000, 3000), (5.0, -0.5))  # [K], [dex]


@styled
def draw(stars, metallicity):
    """Draw the tracks over the density of stars.

    Parameters
    ----------
    stars : pandas.DataFrame
        Stars of good labels: teff [K], logg [dex].
    metallicity : pandas.DataFrame
        Tracks: branch, m_h_centre, n, teff, logg, logg_se; null where a bin is empty.

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure, axes = new_figure(SINGLE, 3.4, squeeze=True)
    kiel_axes(axes, *EXTENT)
    density(axes, stars.teff, stars.logg, EXTENT, BINS, PALE_DENSITY, LogNorm(0.5, 200))
    scale = metallicity_scale(metallicity.m_h_centre)
    for (branch, m_h), bins in metallicity.groupby(["branch", "m_h_centre"]):
        line = scale["cmap"](scale["norm"](m_h))
        bins = bins.where(plausible(bins))
        settings = {"line": line, "size": 13, "halo": True} | scale
        points = track(axes, bins.teff, bins.logg, BRANCHES[branch], bins.m_h_centre, **settings)
    bar = figure.colorbar(points, ax=axes, label="[M/H] [dex]", aspect=25, pad=0.01)
    bar.set_ticks(sorted(metallicity.m_h_centre.unique()), minor=False)
    bar.minorticks_off()
    bar.ax.yaxis.set_major_formatter("{x:.2f}")
    return figure


if __name__ == "__main__":
    from xpsvae.workflow import job

    with job(snakemake):
        from xpsvae.products import read_table

        stars, subsets, latents, metallicity = (
            read_table(snakemake.input[name]) for name in ("stars", "subsets", "latents", "metallicity")
        )
        figure = draw(sample(stars, subsets, latents, subset="good"), metallicity)
        save(figure, snakemake.output.pdf, snakemake.output.png)
