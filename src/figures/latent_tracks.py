"""Figure 15: all latent dimensions, pair by pair, with the Kiel tracks; collapsed dimensions are marked."""

import numpy as np
from matplotlib.colors import Normalize

from xpsvae.analysis.sample import latent_columns, sample
from xpsvae.analysis.tracks import used_for
from xpsvae.plot.corner import corner_axes
from xpsvae.plot.style import (
    BRANCHES,
    DOUBLE,
    FEWEST_STARS,
    LABELS,
    PALE_DENSITY,
    PALEST,
    density,
    latent_label,
    limits,
    save,
    styled,
    tint,
    traced_labels,
    track,
)

BINS = 101
COORDINATE = {"ms": "teff", "gb": "logg"}  # along which a track is cut into bins
DEAD = "#F3E3C3"  # face of the panels of a collapsed dimension


@styled
def draw(stars, dimensions, latent_summary, kiel):
    """Draw the corner plot.

    Parameters
    ----------
    stars : pandas.DataFrame
        Stars of good labels: latents z_k.
    dimensions : dict
        Dimension of each label.
    latent_summary : dict
        ``kl`` of each dimension [nats]; the 1-based ``dead`` ones.
    kiel : pandas.DataFrame
        Tracks: branch, centre, n, z_k.

    Returns
    -------
    matplotlib.figure.Figure
    """
    columns = latent_columns(stars)
    dead = {dimension - 1 for dimension in latent_summary["dead"]}
    extents = [
        # A collapsed dimension is shown on the scale of its prior, where its posterior means are one line.
        (-2.4, 2.4) if k in dead else limits(stars[column], outside=0.03)
        for k, column in enumerate(columns)
    ]
    figure, axes = corner_axes(DOUBLE, extents, [latent_label(k + 1) for k in range(len(columns))])
    kiel = used_for(kiel, "corner")
    tracks = {branch: kiel[kiel.branch == branch] for branch in BRANCHES}
    filled = {branch: bins.centre[bins.n >= FEWEST_STARS] for branch, bins in tracks.items()}
    scales = {branch: Normalize(centres.min(), centres.max()) for branch, centres in filled.items()}
    bars = {}
    for row, column in zip(*np.tril_indices(len(columns)), strict=True):
        panel, x, y = axes[row, column], columns[column], columns[row]
        if {row, column} & dead:
            panel.set_facecolor(DEAD)
        if row == column:
            _distribution(panel, stars[x], extents[column])
            words = ["dead"] if column in dead else []
            words += [f"KL {latent_summary['kl'][column]:.2f} nats"]
            traced = traced_labels(column + 1, dimensions)
            words += [f"traces {traced}".replace(", ρ", "\nρ")] if traced else []
            panel.text(
                0.5, 0.96, "\n".join(words), ha="center", va="top", size=6.8, transform=panel.transAxes
            )
        else:
            density(panel, stars[x], stars[y], (extents[column], extents[row]), BINS, PALE_DENSITY)
        for branch, bins in tracks.items():
            look, shades = BRANCHES[branch], tint(BRANCHES[branch], PALEST, 1)
            drawn = bins[bins.n >= FEWEST_STARS]
            if row == column:
                colours = [shades(scales[branch](centre)) for centre in drawn.centre]
                panel.vlines(drawn[x], 0, 0.55, colors=colours, linewidths=1.1)
            else:
                drawn = bins.where(bins.n >= FEWEST_STARS)
                bars[branch] = track(
                    panel,
                    drawn[x],
                    drawn[y],
                    look,
                    drawn.centre,
                    cmap=shades,
                    norm=scales[branch],
                    line=look.color,
                    size=15,
                    lw=1,
                    halo=True,
                    edge="white",
                )
    _key(figure, axes, bars, bool(dead))
    return figure


def _distribution(panel, values, extent):
    edges = np.linspace(*extent, BINS + 1)
    counts, _ = np.histogram(values, edges)
    panel.stairs(0.5 * counts / max(counts.max(), 1), edges, fill=True, color="0.8")
    panel.set(ylim=(0, 1), yticks=[])


def _key(figure, axes, bars, any_dead):
    n = len(axes)
    key = figure.add_subplot(axes[0, 0].get_gridspec()[0 : n // 2, n // 2 :])
    key.set_axis_off()
    for height, (branch, points) in zip((0.78, 0.4), bars.items(), strict=False):
        bar = figure.colorbar(points, cax=key.inset_axes((0.25, height, 0.7, 0.05)), orientation="horizontal")
        bar.set_label(f"{BRANCHES[branch].label}: {LABELS[COORDINATE[branch]]}")
    if any_dead:
        key.text(0.6, 0.12, "Shaded: dead dimension", ha="center", bbox={"facecolor": DEAD, "lw": 0.5})


if __name__ == "__main__":
    from xpsvae.workflow import job

    with job(snakemake):
        from xpsvae.products import read_json, read_table

        stars, subsets, latents, kiel = (
            read_table(snakemake.input[name]) for name in ("stars", "subsets", "latents", "kiel")
        )
        dimensions, latent_summary = (
            read_json(snakemake.input[name]) for name in ("dimensions", "latent_summary")
        )
        figure = draw(
            sample(stars, subsets, latents, subset="good", **snakemake.params.choices),
            dimensions,
            latent_summary,
            kiel,
        )
        save(figure, snakemake.output.pdf, snakemake.output.png)
