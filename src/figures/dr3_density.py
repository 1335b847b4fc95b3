"""The stars of DR3 in latent space, beside the training stars; how well the model fits them by magnitude."""

import numpy as np
from matplotlib.colors import LogNorm
from matplotlib.lines import Line2D
from matplotlib.patches import Ellipse

from xpsvae.own_stars.reference import PERCENTILES
from xpsvae.plot.corner import corner_axes
from xpsvae.plot.style import DENSITY_MAP, DOUBLE, cloud, latent_label, note, save, styled
from xpsvae.xp.photometry import G_ZERO_POINT

TRAINING = {"edgecolor": "#B2182B", "facecolor": "none", "lw": 1.0, "zorder": 4}
WITHIN = (1, 2)  # standard deviations of the ellipses
FAR = {"color": "#2166AC", "size": 2.5, "zorder": 3}
MOST_DISTANT = 100  # stars
OUTSIDE = 5e-4  # share of the stars that lie beyond the axes, on either side
FEWEST = 20  # stars of a magnitude whose percentiles are drawn
SHARES = {0.16: (0, (1, 1)), 0.5: "-", 0.84: (0, (1, 1))}


@styled
def draw(summary, density, outliers, reference):
    """Draw densities of all pairs of latents, and chi-square against magnitude.

    Parameters
    ----------
    summary : dict
        ``dr3/summary.json``.
    density : dict of str to array
        ``dr3/density.npz``.
    outliers : pandas.DataFrame
        ``dr3/outliers.parquet``.
    reference : xpsvae.own_stars.reference.Reference
        The training stars.

    Returns
    -------
    matplotlib.figure.Figure
    """
    edges, single = density["edges"], density["single"]
    n_latents = len(edges)
    extents = [_extent(*pair) for pair in zip(single, edges, strict=True)]
    labels = [latent_label(k + 1) for k in range(n_latents)]
    figure, axes = corner_axes(DOUBLE, extents, labels)
    far = outliers.nlargest(MOST_DISTANT, "distance")
    norm = LogNorm(0.5, max(density["counts"].max(initial=0), 2))
    for (first, second), counts in zip(density["pairs"], density["counts"], strict=True):
        x, y = int(first) - 1, int(second) - 1
        panel = axes[y, x]
        shown = np.ma.masked_less(counts.T, 1)
        mesh = panel.pcolormesh(
            edges[x], edges[y], shown, cmap=DENSITY_MAP, norm=norm, rasterized=True, lw=0, zorder=1
        )
        cloud(panel, far[f"mean_{first}"], far[f"mean_{second}"], **FAR)
        for reach in WITHIN:
            panel.add_patch(_ellipse(reference, [x, y], reach))
    for k in range(n_latents):
        _alone(axes[k, k], single[k], edges[k], reference, k)
    axes[0, 0].set_ylabel("Stars")
    if n_latents > 2:  # there is room above the diagonal
        grid, rows = axes[0, 0].get_gridspec(), max(n_latents // 3, 1)
        _by_magnitude(figure.add_subplot(grid[:rows, rows + 1 :]), density, reference, summary, norm)
        _key(figure, figure.add_subplot(grid[rows, rows + 1 :]), mesh, len(far))
    return figure


def _extent(counts, edges):
    """Limits that leave few stars outside; those of the bins where there are no stars."""
    shares = np.cumsum(counts) / max(counts.sum(), 1)
    if not shares[-1]:
        return edges[0], edges[-1]
    low, high = np.searchsorted(shares, (OUTSIDE, 1 - OUTSIDE))
    room = 0.1 * (edges[high + 1] - edges[low])
    return max(edges[low] - room, edges[0]), min(edges[high + 1] + room, edges[-1])


def _ellipse(reference, chosen, reach):
    """Where training stars lie within some standard deviations."""
    values, vectors = np.linalg.eigh(reference.latent_covariance[np.ix_(chosen, chosen)])
    width, height = 2 * reach * np.sqrt(values)
    angle = np.degrees(np.arctan2(vectors[1, 0], vectors[0, 0]))
    return Ellipse(reference.latent_mean[chosen], width, height, angle=angle, **TRAINING)


def _alone(panel, counts, edges, reference, k):
    """One latent: counts, and the normal distribution of the training stars with as many."""
    panel.stairs(counts / max(counts.max(), 1), edges, fill=True, color="0.8", zorder=1)
    middle, sigma = reference.latent_mean[k], np.sqrt(reference.latent_covariance[k, k])
    x = np.linspace(*panel.get_xlim(), 200)
    normal = np.exp(-(((x - middle) / sigma) ** 2) / 2) / (sigma * np.sqrt(2 * np.pi))
    panel.plot(
        x, normal * counts.sum() * np.diff(edges)[0] / max(counts.max(), 1), color=TRAINING["edgecolor"], lw=1
    )
    panel.set(ylim=(0, 1.25), yticks=[])
    panel.tick_params(axis="y", which="both", left=False, right=False)


def _by_magnitude(axes, density, reference, summary, norm):
    """Show chi-square against G, with its percentiles, and where the training stars are."""
    magnitudes, log_chi2, counts = (
        density[name] for name in ("magnitude_edges", "log_chi2_edges", "quality")
    )
    shown = np.ma.masked_less(counts.T, 1)
    axes.pcolormesh(
        magnitudes, 10**log_chi2, shown, cmap=DENSITY_MAP, norm=norm, rasterized=True, lw=0, zorder=1
    )
    middles = (magnitudes[1:] + magnitudes[:-1]) / 2
    enough = counts.sum(axis=1) >= FEWEST
    shares = np.cumsum(counts, axis=1) / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    for share, line in SHARES.items():
        place = (shares >= share).argmax(axis=1)
        axes.plot(
            middles, np.where(enough, 10 ** log_chi2[place + 1], np.nan), color="#D9740B", ls=line, lw=1
        )
    trained = G_ZERO_POINT - 2.5 * np.log10(reference.g_flux_range)
    for edge in trained:
        axes.axvline(edge, color=TRAINING["edgecolor"], lw=0.8, ls=(0, (4, 2)))
    poor = np.interp(99.9, PERCENTILES, reference.chi2)
    axes.axhline(poor, color=TRAINING["edgecolor"], lw=0.8, ls=(0, (4, 2)))
    filled = [np.flatnonzero(counts.sum(axis=axis)) for axis in (1, 0)]
    axes.set(yscale="log", xlabel="$G$ of the spectrum [mag]", ylabel=r"$\chi^2$ a coefficient")
    if filled[0].size:
        axes.set_xlim(magnitudes[filled[0][0]] - 0.3, magnitudes[filled[0][-1] + 1] + 0.3)
        axes.set_ylim(10 ** log_chi2[filled[1][0]] / 1.3, 10 ** log_chi2[filled[1][-1] + 1] * 1.3)
    share = summary["like_training_stars"] / max(summary["described"], 1)
    words = f"{summary['described']:,} stars, {100 * share:.1f} % of them like the training stars"
    note(axes, words, "upper left", size=7.5)


def _key(figure, axes, mesh, n_far):
    """Say what is what, below the panel of magnitudes."""
    axes.set_axis_off()
    trained, dashed = {"color": TRAINING["edgecolor"]}, {"ls": (0, (4, 2)), "lw": 0.8}
    handles = [
        Line2D([], [], lw=1, label=r"training stars: 1 and 2$\,\sigma$, normal", **trained),
        Line2D([], [], label=r"their range of $G$; 99.9 % of their $\chi^2$", **trained, **dashed),
        Line2D([], [], color="#D9740B", lw=1, label="median, 16 and 84 %"),
        Line2D([], [], color=FAR["color"], marker="o", ms=2, ls="", label=f"the {n_far} most distant stars"),
    ]
    axes.legend(handles=handles, loc="lower left", frameon=False, borderpad=0)
    bar = figure.colorbar(mesh, cax=axes.inset_axes((0.62, 0.3, 0.36, 0.07)), orientation="horizontal")
    bar.set_label("Stars a bin", size=8, labelpad=1)


if __name__ == "__main__":
    from xpsvae.workflow import job

    with job(snakemake):
        from pathlib import Path

        from xpsvae.own_stars.pretrained import load
        from xpsvae.products import read_array, read_json, read_table

        given = snakemake.input
        folder = (
            Path(given.weights).parent if "weights" in given.keys() else None
        )  # None: the model that ships
        figure = draw(
            read_json(given.summary),
            read_array(given.density),
            read_table(given.outliers),
            load(folder).reference,
        )
        save(figure, snakemake.output.pdf, snakemake.output.png)
