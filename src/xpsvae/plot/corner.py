"""Corner plots of latent dimensions: the lower triangle of pairs, and one dimension each on the diagonal.

The axes of a column share x, those of a row share y, except on the diagonal. Nothing here computes a result.
"""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from xpsvae.analysis.sample import latent_columns
from xpsvae.analysis.tracks import plausible
from xpsvae.plot.style import (
    BRANCHES,
    PALE_DENSITY,
    SINGLE,
    density,
    distinct_dimensions,
    latent_label,
    limits,
    metallicity_scale,
    styled,
    traced_labels,
    track,
)

__all__ = ["corner_axes", "metallicity_corner"]

LEFT, BOTTOM, RIM = 0.5, 0.4, 0.04  # margins [in]
TICKS = MaxNLocator(4, steps=[1, 2, 5, 10])
GAP = 0.06  # between panels, in units of their width
FEWEST_FOR_A_CURVE = 30  # stars in a cumulative distribution


def corner_axes(width, extents, labels):
    """Return a square figure with the lower triangle of axes, limits and labels set.

    Parameters
    ----------
    width : float
        [in].
    extents : sequence of (float, float)
        Limits of each dimension.
    labels : sequence of str

    Returns
    -------
    matplotlib.figure.Figure, array (n, n) of Axes
        None above the diagonal.
    """
    n = len(extents)
    figure = Figure(figsize=(width, width))
    sides = {"left": LEFT / width, "bottom": BOTTOM / width, "right": 1 - RIM / width, "top": 1 - RIM / width}
    grid = figure.add_gridspec(n, n, wspace=GAP, hspace=GAP, **sides)
    axes = np.full((n, n), None)
    for row, column in zip(*np.tril_indices(n), strict=True):
        panel = axes[row, column] = figure.add_subplot(grid[row, column])
        panel.set_xlim(extents[column])
        panel.set_xticks(_ticks(*extents[column]))
        if row > column:
            panel.set_ylim(extents[row])
            panel.set_yticks(_ticks(*extents[row]))
        if row == n - 1:
            panel.set_xlabel(labels[column])
        if column == 0 and row > 0:
            panel.set_ylabel(labels[row])
        panel.tick_params(labelbottom=row == n - 1, labelleft=column == 0 and row > 0)
    figure.align_labels()
    return figure, axes


@styled
def metallicity_corner(stars, tracks, dimensions, branch, m_h_half_width, bins=90):
    """Draw tracks of fixed [M/H] in the dimensions chosen for [M/H], [alpha/M] and T_eff (paper Fig. 12).

    Parameters
    ----------
    stars : pandas.DataFrame
        Stars of good labels of one branch: m_h [dex], latents z_k.
    tracks : pandas.DataFrame
        branch, m_h_centre, n, logg_se, z_k; null where a bin is empty.
    dimensions : dict
        Dimension of each label.
    branch : str
        ``"ms"`` or ``"gb"``.
    m_h_half_width : float
        Of a track [dex]: whose stars a cumulative distribution holds.
    bins : int
        Of densities and distributions.

    Returns
    -------
    matplotlib.figure.Figure
    """
    all_dimensions = range(1, len(latent_columns(stars)) + 1)
    shown = sorted(distinct_dimensions(dimensions, ("m_h", "alpha_m", "teff"), all_dimensions))
    columns = [f"z_{dimension}" for dimension in shown]
    scale = metallicity_scale(tracks.m_h_centre)
    tracks = tracks[tracks.branch == branch]
    drawn = plausible(tracks)
    extents = [_extent(stars[column], tracks.loc[drawn, column]) for column in columns]
    figure, axes = corner_axes(SINGLE, extents, [latent_label(dimension) for dimension in shown])

    for row, column in zip(*np.tril_indices(len(shown)), strict=True):
        panel, x, y = axes[row, column], columns[column], columns[row]
        if row == column:
            edges = np.linspace(*extents[column], bins + 1)
            counts, _ = np.histogram(stars[x], edges)
            panel.stairs(0.45 * counts / max(counts.max(), 1), edges, fill=True, color="0.85")
            panel.set(ylim=(0, 1.05), yticks=(0, 0.5, 1))
        else:
            density(panel, stars[x], stars[y], (extents[column], extents[row]), bins, PALE_DENSITY)
        for m_h, track_bins in tracks.groupby("m_h_centre"):
            colour = scale["cmap"](scale["norm"](m_h))
            if row == column:
                values = stars[x][(stars.m_h - m_h).abs() < m_h_half_width]
                if len(values) >= FEWEST_FOR_A_CURVE:
                    counts, _ = np.histogram(values, np.concatenate(([-np.inf], edges)))
                    panel.plot(edges, np.cumsum(counts) / len(values), color=colour, lw=1.1)
            else:
                drawn = track_bins.where(plausible(track_bins))
                points = track(
                    panel,
                    drawn[x],
                    drawn[y],
                    BRANCHES[branch],
                    drawn.m_h_centre,
                    line=colour,
                    size=8,
                    halo=True,
                    edge="0.2",
                    **scale,
                )
    axes[0, 0].tick_params(labelleft=True)
    axes[0, 0].set_ylabel("Cumulative fraction", size=8)

    key = figure.add_subplot(axes[0, 0].get_gridspec()[0, 1:])
    key.set_axis_off()
    key.text(0.55, 1, BRANCHES[branch].label, ha="center", va="top", size=11)
    chosen = (f"{latent_label(d)}: {traced_labels(d, dimensions) or 'traces no label'}" for d in shown)
    words = "\n".join(chosen).replace("; ", ";\n")  # the key is narrow
    key.text(0.55, 0.85, words, ha="center", va="top", size=6.5 if words.count("\n") < 5 else 4.5)
    bar = figure.colorbar(points, cax=key.inset_axes((0.1, 0.26, 0.9, 0.08)), orientation="horizontal")
    bar.set_label("[M/H] [dex]", size=8, labelpad=1)
    bar.set_ticks(tracks.m_h_centre.unique()[::2])
    bar.minorticks_off()
    bar.ax.xaxis.set_major_formatter("{x:.2f}")
    return figure


def _ticks(low, high):
    """Round numbers that keep clear of the ends, where the next panel's stand."""
    rim = 0.07 * (high - low)
    return [tick for tick in TICKS.tick_values(low, high) if low + rim < tick < high - rim]


def _extent(values, centres):
    """Limits that hold most stars and all bins drawn: closer than all stars, so that tracks are seen."""
    low, high = limits(values, outside=0.06, margin=0.05)
    centres = centres.dropna()
    if not centres.empty:
        room = 0.08 * (high - low)
        low, high = min(low, centres.min() - room), max(high, centres.max() + room)
    return low, high
