"""Figure 10: main sequence and giant branch, and the tracks along them, in Kiel space and in latent space."""

import numpy as np
from matplotlib.colors import LogNorm, Normalize

from xpsvae.analysis.sample import latent_columns, sample
from xpsvae.analysis.tracks import is_main_sequence, used_for
from xpsvae.plot.style import (
    BRANCHES,
    DOUBLE,
    FEWEST_STARS,
    LABELS,
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
SHADES = {"ms": (0.28, 0.65), "gb": (0.06, 0.38)}  # the main sequence is darker, for want of colour
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
    candidates = distinct_dimensions(dimensions, ("teff", "m_h", "alpha_m", "logg"), all_dimensions)
    across = next(dimension for dimension in candidates if dimension != down)
    x, y = f"z_{across}", f"z_{down}"

    figure, (left, right) = new_figure(DOUBLE, 3.5, ncols=2)
    kiel_axes(left, *EXTENT)
    right.set(
        xlim=limits(stars[x]),
        ylim=limits(stars[y]),
        xlabel=latent_label(across, dimensions),
        ylabel=latent_label(down, dimensions),
    )
    if boundary["ms_side"] == "above":
        right.invert_yaxis()  # the main sequence lies below the giants, as in Kiel space
    note(left, "Kiel space", size=9)
    note(right, "Latent space", size=9)

    main = is_main_sequence(stars.teff, stars.logg)
    norm = LogNorm(0.3, 60)
    for branch, on_branch in (("gb", ~main), ("ms", main)):
        look, chosen = BRANCHES[branch], stars[on_branch]
        density(left, chosen.teff, chosen.logg, EXTENT, BINS, tint(look, *SHADES[branch]), norm)
        extent = right.get_xlim(), right.get_ylim()
        density(right, chosen[x], chosen[y], extent, BINS, tint(look, *SHADES[branch]), norm, alpha=0.8)

        labels, latents = (
            bins[bins.branch == branch] for bins in (used_for(kiel, "kiel"), used_for(kiel, "latent"))
        )
        scale = Normalize(labels.centre.min(), labels.centre.max())
        labels, latents = (bins.where(bins.n >= FEWEST_STARS) for bins in (labels, latents))
        coloured = {"cmap": look.cmap, "norm": scale, "line": look.color, "size": 22}
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
