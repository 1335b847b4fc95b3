"""The look of every figure, and the few things that many of them draw.

Sizes are those of a journal column, fonts ship with matplotlib, colours stay apart for colour-blind readers
and in greyscale. Nothing here computes a result; `save` gives the same bytes for the same figure.
"""

from dataclasses import dataclass

import matplotlib
import numpy as np
from matplotlib.colors import BoundaryNorm, ListedColormap, LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.offsetbox import AnchoredText
from matplotlib.patches import FancyBboxPatch
from matplotlib.patheffects import Normal, Stroke

from xpsvae.products import write_atomically
from xpsvae.provenance import current_mark

__all__ = [
    "BRANCHES",
    "DENSITY_MAP",
    "DOUBLE",
    "FEWEST_STARS",
    "LABELS",
    "METALLICITY_MAP",
    "PALEST",
    "PALE_DENSITY",
    "SEQUENCES",
    "SHORT_LABELS",
    "SINGLE",
    "STYLE",
    "TRACES",
    "Look",
    "arrow",
    "binned_mean",
    "box",
    "cloud",
    "density",
    "distinct_dimensions",
    "kiel_axes",
    "latent_label",
    "limits",
    "looks",
    "metallicity_scale",
    "new_diagram",
    "new_figure",
    "note",
    "save",
    "styled",
    "tint",
    "traced_labels",
    "track",
]

SINGLE, DOUBLE = 3.5, 7.1  # widths of one and of two aastex columns [in]
FEWEST_STARS = 5  # in a bin of a track: emptier ones are not drawn
TRACES = 0.5  # least |rank correlation| at which a dimension is said to trace a label
RESOLUTION = 300  # of the PNG and of rasterised clouds within the PDF [dots per inch]

STYLE = {
    "font.family": "STIXGeneral",
    "mathtext.fontset": "stix",
    "font.size": 8,
    "axes.labelsize": 9,
    "axes.titlesize": 9,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "legend.fontsize": 7.5,
    "legend.frameon": True,
    "legend.framealpha": 0.9,
    "legend.edgecolor": "0.7",
    "legend.fancybox": False,
    "legend.handlelength": 1.8,
    "legend.borderpad": 0.4,
    "axes.linewidth": 0.6,
    "axes.axisbelow": False,
    "lines.linewidth": 1.2,
    "lines.markersize": 4,
    "patch.linewidth": 0.6,
    "xtick.direction": "in",
    "ytick.direction": "in",
    "xtick.top": True,
    "ytick.right": True,
    "xtick.minor.visible": True,
    "ytick.minor.visible": True,
    "xtick.major.size": 3.5,
    "ytick.major.size": 3.5,
    "xtick.minor.size": 1.8,
    "ytick.minor.size": 1.8,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.minor.width": 0.4,
    "ytick.minor.width": 0.4,
    "savefig.dpi": RESOLUTION,
    "figure.dpi": RESOLUTION,
    "pdf.fonttype": 42,
    "text.usetex": False,  # importing GaiaXPy turns it on for the whole process
    "axes.unicode_minus": True,
}

styled = matplotlib.rc_context(STYLE)
"""Decorator of every ``draw``: what it makes has the style, and the caller's settings stay."""


@dataclass(frozen=True)
class Look:
    """How one thing looks in every figure: told apart by line and marker where colour is not seen."""

    label: str
    color: str
    linestyle: object = "-"
    marker: str = "o"
    cmap: str = ""  # sequential map of the same hue, light to dark

    def shade(self, fraction):
        """Colour of ``cmap`` at a fraction of its length, 0 to 1."""
        return matplotlib.colormaps[self.cmap](fraction)


BRANCHES = {
    "ms": Look("Main sequence", "#2166AC", "-", "o", "Blues"),
    "gb": Look("Giant branch", "#B2182B", "-", "s", "Reds"),
}
SEQUENCES = {
    "high_alpha": Look("High-α", "#542788", "-", "o", "Purples"),
    "low_alpha": Look("Low-α", "#D9740B", (0, (4, 1.5)), "s", "Oranges"),
    "fixed_m_h": Look("Fixed [M/H]", "#111111", (0, (1, 1)), "D", "Greys"),
    "matched": Look("Matched", "#1B9E5A", "-", "^", "Greens"),
    "enceladus": Look("Gaia-Enceladus", "#087E98", "", "*", "GnBu"),
}
PALEST = 0.3  # part of a sequential map that is too pale for lines and markers
DENSITY_MAP = "Greys"
PALE_DENSITY = ListedColormap(matplotlib.colormaps["Greys"](np.linspace(0.07, 0.45, 256)))  # below tracks
METALLICITY_MAP = "viridis"

LABELS = {
    "teff": r"$T_\mathrm{eff}$ [K]",
    "logg": r"$\log g$ [dex]",
    "m_h": "[M/H] [dex]",
    "alpha_m": "[α/M] [dex]",
}
SHORT_LABELS = {"teff": r"$T_\mathrm{eff}$", "logg": r"$\log g$", "m_h": "[M/H]", "alpha_m": "[α/M]"}


def looks(comparison):
    """How each compared model looks: dict of model to `Look`, in the order of ``comparison/summary.json``.

    Parameters
    ----------
    comparison : dict
        Its ``models`` say label, colour, line and marker of themselves.
    """
    found = {}
    for card in comparison["models"]:
        look = dict(card["look"])
        if not isinstance(look["linestyle"], str):  # JSON has made lists of the tuples
            look["linestyle"] = (look["linestyle"][0], tuple(look["linestyle"][1]))
        found[card["model"]] = Look(card["label"], **look)
    return found


def latent_label(dimension, dimensions=None):
    r"""Name a latent dimension, ``$z_5$``, and what it traces, ``$z_5$ (traces $\log g$, ρ = 0.83)``.

    Parameters
    ----------
    dimension : int
        Counted from 1, as in the paper.
    dimensions : dict, optional
        Product of the rule choose_dimensions: the dimension of each label and the associations.
    """
    name = f"$z_{{{int(dimension)}}}$"
    labels = traced_labels(dimension, dimensions or {})
    # a line each: an axis has no room for several beside each other
    return f"{name} (traces {labels})".replace("; ", ";\n") if labels else name


def traced_labels(dimension, dimensions, names=SHORT_LABELS):
    """Labels that a latent dimension was chosen for and does trace, with the rank correlation; empty if none.

    Not every label has a dimension that traces it: below `TRACES` the choice is only the best there is. ``names``
    says which labels, and how they are written.
    """
    traced = []
    for label, short in names.items():
        if dimensions.get(label) == dimension:
            rank = dimensions["association"][label][str(dimension)]["spearman"]
            if abs(rank) >= TRACES:
                traced.append(f"{short}, ρ = {rank:.2f}".replace("-", "−"))
    return "; ".join(traced)


def distinct_dimensions(dimensions, labels, available, fewest=2):
    """Dimensions chosen for some labels, each once, in the order of the labels.

    Parameters
    ----------
    dimensions : dict of str to int
        Dimension chosen for each label.
    labels : sequence of str
    available : sequence of int
        All dimensions: they fill up where labels share one and fewer than ``fewest`` are left.
    fewest : int

    Returns
    -------
    list of int
    """
    chosen = list(dict.fromkeys(dimensions[label] for label in labels))
    spare = [dimension for dimension in available if dimension not in chosen]
    return chosen + spare[: max(fewest - len(chosen), 0)]


def tint(look, lightest=0.1, darkest=0.5):
    """Return a pale version of a sequential map, for densities that tracks are drawn upon.

    Parameters
    ----------
    look : Look
    lightest, darkest : float
        Part of ``look.cmap`` to use, within 0 to 1; swapped, the fullest bins are the palest.
    """
    return ListedColormap(matplotlib.colormaps[look.cmap](np.linspace(lightest, darkest, 256)))


def limits(values, outside=0.002, margin=0.04):
    """Axis limits that leave a fraction ``outside`` of the finite values beyond, half on either side.

    Parameters
    ----------
    values : array (n,)
    outside : float
    margin : float
        Added on either side, as a fraction of the width.

    Returns
    -------
    (float, float)
        (-1, 1) without a finite value.
    """
    values = np.asarray(values, dtype=float)
    values = values[np.isfinite(values)]
    if values.size == 0:
        return -1.0, 1.0
    low, high = np.quantile(values, (outside / 2, 1 - outside / 2))
    room = margin * (high - low) or 1.0
    return float(low - room), float(high + room)


def metallicity_scale(centres):
    """Return a map and a norm that give each track of fixed [M/H] its own colour.

    Parameters
    ----------
    centres : array (n_tracks,)
        [dex], evenly spaced.

    Returns
    -------
    dict
        ``cmap`` and ``norm``.
    """
    centres = np.unique(np.asarray(centres, dtype=float))
    half = np.diff(centres).min() / 2 if centres.size > 1 else 0.5
    colours = matplotlib.colormaps[METALLICITY_MAP](np.linspace(0, 0.97, centres.size))
    edges = np.append(centres - half, centres[-1] + half)
    return {"cmap": ListedColormap(colours), "norm": BoundaryNorm(edges, centres.size)}


def new_figure(width, height, **subplots):
    """Return a figure [in] with constrained layout, and its axes if ``subplots`` are asked for.

    Parameters
    ----------
    width, height : float
        [in]; ``width`` is `SINGLE` or `DOUBLE`.
    **subplots
        Passed to ``Figure.subplots`` (``nrows``, ``ncols``, ``sharex``, ...).

    Returns
    -------
    matplotlib.figure.Figure, or (Figure, axes) with ``subplots``
    """
    figure = Figure(figsize=(width, height), layout="constrained")
    figure.get_layout_engine().set(w_pad=0.02, h_pad=0.02, wspace=0.02, hspace=0.02)
    return (figure, figure.subplots(**subplots)) if subplots else figure


def new_diagram(width, height):
    """Return a figure and axes without a frame that span it, in inches: for boxes and arrows.

    Parameters
    ----------
    width, height : float
        [in].

    Returns
    -------
    matplotlib.figure.Figure, matplotlib.axes.Axes
    """
    figure = Figure(figsize=(width, height))
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, width), ylim=(0, height))
    axes.set_axis_off()
    return figure, axes


def box(axes, x, y, width, height, text="", rounding=0.04, text_settings=None, **patch):
    """Draw a box with rounded corners around (x, y), with centred text."""
    settings = {"facecolor": "white", "edgecolor": "black", "linewidth": 1.0} | patch
    shape = f"round,pad=0,rounding_size={rounding}"
    corner = (x - width / 2, y - height / 2)
    axes.add_patch(FancyBboxPatch(corner, width, height, boxstyle=shape, **settings))
    axes.text(x, y, text, **({"ha": "center", "va": "center", "size": 8} | (text_settings or {})))


def arrow(axes, *corners, head=True):
    """Draw a line through points (x, y), with a head at the last one."""
    axes.plot(*zip(*corners, strict=True), color="black", lw=0.9, solid_capstyle="projecting", zorder=1.5)
    if head:
        style = {"arrowstyle": "-|>", "color": "black", "lw": 0.9, "shrinkA": 0, "shrinkB": 0}
        axes.annotate("", corners[-1], corners[-2], arrowprops=style | {"mutation_scale": 8})


def kiel_axes(axes, teff=(7200, 3100), logg=(5.2, -0.3)):
    """Label Kiel axes and turn them: hot stars to the left, giants to the top.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
    teff, logg : (float, float)
        Left and right limit [K], bottom and top limit [dex].
    """
    axes.set(xlim=teff, ylim=logg, xlabel=LABELS["teff"], ylabel=LABELS["logg"])


def density(axes, x, y, extent, bins=100, cmap=DENSITY_MAP, norm=None, **mesh):
    """Show counts per bin on a logarithmic scale, rasterised; bins without a star stay blank.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
    x, y : array (n,)
        Pairs that are not finite are left out.
    extent : ((float, float), (float, float))
        Limits in x and in y, in either order.
    bins : int or (int, int)
    norm : matplotlib.colors.Normalize, optional
        Default: logarithmic from 0.15 (so that single stars are seen) to the fullest bin.

    Returns
    -------
    matplotlib.collections.QuadMesh
    """
    counts, x_edges, y_edges = _histogram(x, y, extent, bins)
    norm = norm or LogNorm(0.15, max(counts.max(), 2))
    return _mesh(axes, x_edges, y_edges, np.ma.masked_less(counts, 1), cmap, norm, mesh)


def binned_mean(axes, x, y, values, extent, bins=100, cmap=METALLICITY_MAP, norm=None, minimum=1, **mesh):
    """Show the mean of ``values`` per bin, rasterised; bins with fewer than ``minimum`` stars stay blank.

    Parameters are those of `density`; ``norm`` defaults to the 2nd to 98th percentile of ``values``.

    Returns
    -------
    matplotlib.collections.QuadMesh
    """
    x, y, values = (np.asarray(column, dtype=float) for column in (x, y, values))
    known = np.isfinite(values)
    counts, x_edges, y_edges = _histogram(x[known], y[known], extent, bins)
    sums, _, _ = _histogram(x[known], y[known], extent, bins, values[known])
    means = np.ma.masked_array(sums / np.maximum(counts, 1), counts < minimum)
    if norm is None:
        norm = Normalize(*np.percentile(values[known], (2, 98))) if known.any() else Normalize(0, 1)
    return _mesh(axes, x_edges, y_edges, means, cmap, norm, mesh)


def cloud(axes, x, y, size=0.6, **scatter):
    """Scatter many stars as rasterised dots."""
    settings = {"s": size, "linewidths": 0, "rasterized": True} | scatter
    return axes.scatter(np.asarray(x, dtype=float), np.asarray(y, dtype=float), **settings)


def track(
    axes,
    x,
    y,
    look=None,
    values=None,
    cmap=None,
    norm=None,
    size=16,
    line="0.15",
    halo=False,
    edge="black",
    **line_settings,
):
    """Draw the bins of a track as marked points joined by a line that breaks at empty bins.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
    x, y : array (n_bins,)
        Null where a bin is empty.
    look : Look, optional
        Colour, line and marker.
    values : array (n_bins,), optional
        Colours the markers by ``cmap`` and ``norm`` instead of ``look.color``.
    size : float
        Marker area [pt^2].
    line : colour
        Of the line when ``values`` colour the markers.
    halo : bool
        Draw a white rim around the line, so that it stands out from a dark density.
    edge : colour
        Rim of the markers.

    Returns
    -------
    matplotlib.collections.PathCollection
    """
    x, y = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    look = look or Look("", "0.15")
    settings = {"linestyle": look.linestyle, "lw": 1.1, "zorder": 4}
    settings |= {"color": look.color if values is None else line} | line_settings
    if halo:
        settings["path_effects"] = [Stroke(linewidth=settings["lw"] + 1.6, foreground="white"), Normal()]
    axes.plot(x, y, **settings)
    shown = np.isfinite(x) & np.isfinite(y)
    colours = {"color": look.color}
    if values is not None:
        colours = {"c": np.asarray(values, dtype=float)[shown], "cmap": cmap, "norm": norm}
    return axes.scatter(
        x[shown],
        y[shown],
        s=size,
        marker=look.marker,
        edgecolors=edge,
        linewidths=0.5,
        zorder=settings["zorder"] + 1,
        **colours,
    )


def note(axes, text, where="upper left", **text_settings):
    """Write a short boxed text into a corner of the axes (``where`` as for a legend)."""
    box = AnchoredText(text, loc=where, prop={"size": 8} | text_settings, pad=0.25, borderpad=0.4)
    box.patch.set(edgecolor="0.7", linewidth=0.6, alpha=0.9)
    box.set_zorder(10)
    axes.add_artist(box)
    return box


def save(figure, pdf, png):
    """Write a figure as PDF and PNG: atomically, without dates, the same bytes each time.

    Their metadata say where it comes from: ``Subject`` of the PDF, ``Source`` of the PNG.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
    pdf, png : path-like
    """
    with matplotlib.rc_context(STYLE):
        figure.draw_without_rendering()
        figure.set_layout_engine("none")  # the layout would move by a hair each time it is done again
        mark = current_mark()
        for path, origin, dated in (
            (pdf, "Subject", ("CreationDate", "ModDate")),
            (png, "Source", ("Creation Time",)),
        ):
            with write_atomically(path) as temporary:
                metadata = dict.fromkeys(dated) | ({origin: mark} if mark else {})
                figure.savefig(temporary, metadata=metadata)


def _histogram(x, y, extent, bins, weights=None):
    x, y = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    limits = [sorted(side) for side in extent]
    inside = np.isfinite(x) & np.isfinite(y)
    weights = None if weights is None else weights[inside]
    counts, x_edges, y_edges = np.histogram2d(x[inside], y[inside], bins=bins, range=limits, weights=weights)
    return counts.T, x_edges, y_edges


def _mesh(axes, x_edges, y_edges, content, cmap, norm, settings):
    settings = {"rasterized": True, "zorder": 1, "linewidth": 0} | settings
    return axes.pcolormesh(x_edges, y_edges, content, cmap=cmap, norm=norm, **settings)
