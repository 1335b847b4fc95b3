"""Figure 2: Kiel diagrams of the three catalogues, by density and by metallicity."""

from matplotlib.colors import LogNorm, Normalize

from xpsvae.plot.style import (
    DOUBLE,
    METALLICITY_MAP,
    binned_mean,
    density,
    kiel_axes,
    new_figure,
    note,
    save,
    styled,
)

BINS = 151
METALLICITIES = (-1.5, 0.4)  # ends of the colour scale [dex]
EXTENT = ((7600, 3000), (5.3, -0.6))  # [K], [dex]
CATALOGUES = {"full": "Full", "good": "Good labels", "pristine": "Pristine labels"}


@styled
def draw(stars, subsets):
    """Draw one column of two panels a catalogue.

    Parameters
    ----------
    stars : pandas.DataFrame
        teff, logg, m_h.
    subsets : pandas.DataFrame
        full, good, pristine; rows as in ``stars``.

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure, panels = new_figure(DOUBLE, 4.7, nrows=2, ncols=3, sharex=True, sharey=True)
    by_count, by_metallicity = LogNorm(0.15, 60), Normalize(*METALLICITIES)
    for column, (name, title) in enumerate(CATALOGUES.items()):
        chosen = stars[subsets[name].to_numpy(dtype=bool)]
        top, bottom = panels[:, column]
        counts = density(top, chosen.teff, chosen.logg, EXTENT, BINS, norm=by_count)
        means = binned_mean(
            bottom, chosen.teff, chosen.logg, chosen.m_h, EXTENT, BINS, METALLICITY_MAP, by_metallicity
        )
        for axes in (top, bottom):
            kiel_axes(axes, *EXTENT)
            axes.label_outer()
        inside = chosen.teff.between(*sorted(EXTENT[0])) & chosen.logg.between(*sorted(EXTENT[1]))
        note(top, f"{title}\n{len(chosen):,} stars")
        if not inside.all():
            note(top, f"{(~inside).sum():,} outside", "lower left", size=7)
    figure.colorbar(counts, ax=panels[0], label="Stars per bin", aspect=25, pad=0.01, extend="max")
    figure.colorbar(means, ax=panels[1], label="Mean [M/H] [dex]", aspect=25, pad=0.01, extend="both")
    return figure


if __name__ == "__main__":
    from xpsvae.workflow import job

    with job(snakemake):
        from xpsvae.products import read_table

        stars = read_table(snakemake.input.stars, ["teff", "logg", "m_h"])
        subsets = read_table(snakemake.input.subsets, ["full", "good", "pristine"])
        save(draw(stars, subsets), snakemake.output.pdf, snakemake.output.png)
