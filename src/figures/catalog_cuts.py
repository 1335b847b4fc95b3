"""Figure 1: label quality in the full, the good and the pristine catalogue, and where the cuts lie."""

import numpy as np

from xpsvae.plot.style import DOUBLE, new_figure, save, styled

BINS = 120  # so that each limit is an edge
CATALOGUES = {  # line and grey level differ as well as colour
    "full": ("Full catalogue", {"facecolor": "0.88", "edgecolor": "0.6", "fill": True, "lw": 0.8}),
    "good": ("Good labels", {"edgecolor": "#DDAA33", "lw": 1.3}),
    "pristine": ("Pristine labels", {"edgecolor": "#004488", "lw": 1.1}),
}
LIMIT = {"ls": (0, (4, 2)), "lw": 0.8, "zorder": 0.5}
PANELS = (  # name of the limit, what is shown, from, to, axis label; the best labels lie to the left
    ("teff_snr_min", lambda s: s.teff / s.teff_err, 1200, 0, r"$T_\mathrm{eff}\,/\,\sigma(T_\mathrm{eff})$"),
    ("logg_err_max", lambda s: s.logg_err, 0, 0.6, r"$\sigma(\log g)$ [dex]"),
    ("m_h_err_max", lambda s: s.m_h_err, 0, 0.1, r"$\sigma$([M/H]) [dex]"),
)


@styled
def draw(stars, subsets, cuts):
    """Draw three histograms a catalogue.

    Parameters
    ----------
    stars : pandas.DataFrame
        teff, teff_err, logg_err, m_h_err.
    subsets : pandas.DataFrame
        full, good, pristine; rows as in ``stars``.
    cuts : dict
        Limits of ``good`` and of ``pristine``, by the names of the configuration.

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure, panels = new_figure(DOUBLE, 2.5, ncols=3, sharey=True)
    figure.get_layout_engine().set(wspace=0.05)
    tallest = 1
    for axes, (limit, quantity, left, right, label) in zip(panels, PANELS, strict=True):
        edges = np.linspace(*sorted((left, right)), BINS + 1)
        values = quantity(stars).to_numpy(dtype=float)
        for name, (legend, line) in CATALOGUES.items():
            counts, _ = np.histogram(values[subsets[name].to_numpy(dtype=bool)], edges)
            tallest = max(tallest, counts.max())
            axes.stairs(counts, edges, label=legend, **line)
            if name in cuts:
                _limit(axes, cuts[name][limit], max(left, right), name, line["edgecolor"])
        axes.set(xlim=(left, right), xlabel=label, yscale="log")
    panels[0].set(ylabel="Number of XP spectra", ylim=(0.7, 1.6 * tallest))
    panels[-1].plot([], [], color="0.3", **LIMIT, label="Limit of the cut")
    handles, labels = panels[-1].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=len(labels), frameon=False)
    return figure


def _limit(axes, value, end, name, colour):
    """Mark a limit by a line; one beyond the axis by an arrow that points to it, with its value."""
    if value < end:
        axes.axvline(value, color=colour, **LIMIT)
        return
    arrow = {"arrowstyle": "-|>", "color": colour, "lw": 0.8, "ls": LIMIT["ls"]}
    place = {"xy": (1, 0.9), "xytext": (0.87, 0.9), "xycoords": "axes fraction"}
    words = f"limit of {name}\nlabels: {value:g}"
    axes.annotate(words, **place, ha="right", va="center", size=7, arrowprops=arrow)


if __name__ == "__main__":
    from xpsvae.workflow import job

    with job(snakemake):
        from xpsvae.products import read_table

        stars = read_table(snakemake.input.stars, ["teff", "teff_err", "logg_err", "m_h_err"])
        subsets = read_table(snakemake.input.subsets, ["full", "good", "pristine"])
        figure = draw(stars, subsets, snakemake.params.cuts)
        save(figure, snakemake.output.pdf, snakemake.output.png)
