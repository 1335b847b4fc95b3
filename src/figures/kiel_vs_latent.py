"""Figure 10: main sequence and giant branch, and the tracks along them, in Kiel space and in latent space."""

import numpy as np
import seaborn
from matplotlib.colors import LogNorm, Normalize

from xpsvae.analysis.sample import latent_columns, sample
from xpsvae.analysis.tracks import is_main_sequence, used_for
from xpsvae.plot.style import (
    BRANCHES,
    DOUBLE,
    FEWEST_STARS,
    LABELS,
    PALEST,
    SHORT_LABELS,
    density,
    distinct_dimensions,
    kiel_axes,
    latent_label,
    limits,
    new_figure,
    note,
    save,
    styled,
    tint,
    track,
)

BINS = 130
EXTENT = ((7100, 3100), (5.1, -0.3))  # [K], [dex]
SHADES = {"ms": (0.15, 0.5), "gb": (0.08, 0.38)}  # of densities: paler than the markers of the tracks
LEVELS = (0.1, 0.5)  # shares of a branch that lie outside its contours
SMOOTHING = 1.3  # of contours, in units of Scott's rule
FEWEST_FOR_CONTOURS = 50  # stars
CONTOURS = {"ms": "solid", "gb": "dashed"}
COORDINATE = {"ms": "teff", "gb": "logg"}  # along which a track is cut into bins
BOUNDARY = {"color": "black", "ls": (0, (5, 2)), "lw": 1.2, "zorder": 3}


@styled
def draw(stars, dimensions, kiel):
    """Draw both spaces side by side.

    Parameters
    ----------
    stars : pandas.DataFrame
        Stars of good labels: teff [K], logg [dex], latents z_k.
    dimensions : dict
        Dimension of each label; ``boundary`` between main sequence and giant branch.
    kiel : pandas.DataFrame
        Tracks: branch, centre, n, teff, logg, z_k.

    Returns
    -------
    matplotlib.figure.Figure
    """
    boundary = dimensions["boundary"]
    down = boundary["dimension"]
    all_dimensions = range(1, len(latent_columns(stars)) + 1)
    candidates = distinct_dimensions(dimensions, ("teff", "logg", "m_h", "alpha_m"), all_dimensions)
    across = next(dimension for dimension in candidates if dimension != down)
    x, y = f"z_{across}", f"z_{down}"

    figure, (left, right) = new_figure(DOUBLE, 3.6, ncols=2)
    kiel_axes(left, *EXTENT)
    right.set(
        xlim=limits(stars[x]),
        ylim=limits(stars[y]),
        xlabel=_label(across, dimensions),
        ylabel=_label(down, dimensions),
    )
    if boundary["ms_side"] == "above":
        right.invert_yaxis()  # the main sequence lies below the giants, as in Kiel space
    note(left, "Kiel space", size=9)
    note(right, "Latent space", size=9)

    main = is_main_sequence(stars.teff, stars.logg)
    norm = LogNorm(0.3, 60)
    extent = right.get_xlim(), right.get_ylim()
    _densities(right, stars, main, x, y, extent, norm)
    for branch, on_branch in (("gb", ~main), ("ms", main)):
        look, chosen = BRANCHES[branch], stars[on_branch]
        density(left, chosen.teff, chosen.logg, EXTENT, BINS, tint(look, *SHADES[branch]), norm)
        _contours(right, chosen[x], chosen[y], extent, look, CONTOURS[branch])

        labels, latents = (
            bins[bins.branch == branch] for bins in (used_for(kiel, "kiel"), used_for(kiel, "latent"))
        )
        labels, latents = (bins.where(bins.n >= FEWEST_STARS) for bins in (labels, latents))
        scale = Normalize(labels.centre.min(), labels.centre.max())
        coloured = {
            "cmap": tint(look, PALEST, 1),
            "norm": scale,
            "line": look.color,
            "size": 34,
            "halo": True,
        }
        track(left, labels.teff, labels.logg, look, labels.centre, **coloured)
        points = track(right, latents[x], latents[y], look, latents.centre, **coloured)
        bar = figure.colorbar(points, ax=right, aspect=30, pad=0.01, fraction=0.05)
        bar.set_label(f"{look.label}: {LABELS[COORDINATE[branch]]}")
        if branch == "gb":
            bar.ax.invert_yaxis()

    edge = np.array(EXTENT[0])
    left.plot(edge, 5.9 - 4 * edge / 1e4, **BOUNDARY)  # Eq. 10
    line = r"$\log g=5.9-4\,T_\mathrm{eff}/10^4\,\mathrm{K}$"
    left.annotate(line, (6900, 3.14), (6950, 1.9), size=7.5, arrowprops={"arrowstyle": "-", "lw": 0.6})
    right.axhline(boundary["value"], **BOUNDARY)
    note(
        right,
        f"$z_{{{down}}}={boundary['value']:.2f}$: {100 * boundary['accuracy']:.1f} % correctly separated",
        "lower right",
        size=7.5,
    )
    return figure


def _label(dimension, dimensions):
    """Name a dimension and what it traces or, where it traces nothing, what it was chosen for."""
    words = latent_label(dimension, dimensions)
    chosen = [label for label in ("teff", "logg") if dimensions[label] == dimension]
    if "traces" in words or not chosen:
        return words
    ranks = (dimensions["association"][label][str(dimension)]["spearman"] for label in chosen)
    named = (
        f"{SHORT_LABELS[label]}, ρ = {rank:.2f}".replace("-", "−")
        for label, rank in zip(chosen, ranks, strict=True)
    )
    return f"{words} (nearest to {'; '.join(named)})"


def _densities(axes, stars, main, x, y, extent, norm):
    """Show counts in the colour of the branch that has more stars of a bin."""
    limits = [sorted(side) for side in extent]
    edges = [np.linspace(*side, BINS + 1) for side in limits]
    counts = {
        branch: np.histogram2d(stars[x][chosen], stars[y][chosen], edges)[0].T
        for branch, chosen in (("gb", ~main), ("ms", main))
    }
    for branch, other in (("gb", "ms"), ("ms", "gb")):
        more = counts[branch] > counts[other] if branch == "ms" else counts[branch] >= counts[other]
        shown = np.ma.masked_where(~more | (counts[branch] < 1), counts[branch])
        shades = tint(BRANCHES[branch], *SHADES[branch])
        axes.pcolormesh(*edges, shown, cmap=shades, norm=norm, rasterized=True, lw=0, zorder=1)


def _contours(axes, x, y, extent, look, line):
    """Enclose the middle and nearly all of the stars of a branch."""
    (low_x, high_x), (low_y, high_y) = (sorted(side) for side in extent)
    inside = (x > low_x) & (x < high_x) & (y > low_y) & (y < high_y)
    if np.count_nonzero(inside) < FEWEST_FOR_CONTOURS:
        return
    seaborn.kdeplot(
        x=x[inside].to_numpy(float),
        y=y[inside].to_numpy(float),
        ax=axes,
        levels=LEVELS,
        bw_adjust=SMOOTHING,
        gridsize=80,
        clip=((low_x, high_x), (low_y, high_y)),
        color=look.color,
        linewidths=(0.8, 1.2),
        linestyles=line,
        zorder=2,
    )


if __name__ == "__main__":
    from xpsvae.workflow import job

    with job(snakemake):
        from xpsvae.products import read_json, read_table

        stars, subsets, latents, kiel = (
            read_table(snakemake.input[name]) for name in ("stars", "subsets", "latents", "kiel")
        )
        figure = draw(
            sample(stars, subsets, latents, subset="good", **snakemake.params.choices),
            read_json(snakemake.input.dimensions),
            kiel,
        )
        save(figure, snakemake.output.pdf, snakemake.output.png)
