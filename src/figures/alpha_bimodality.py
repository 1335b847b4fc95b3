"""Figure 13: the alpha bimodality among giants, in abundances and in latent space."""

import numpy as np
from matplotlib import colormaps
from matplotlib.colors import ListedColormap, LogNorm, Normalize
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from xpsvae.analysis.alpha import along
from xpsvae.analysis.sample import sample
from xpsvae.plot.style import (
    DOUBLE,
    FEWEST_STARS,
    LABELS,
    SEQUENCES,
    binned_mean,
    cloud,
    density,
    limits,
    new_figure,
    note,
    save,
    styled,
    tint,
    track,
)

BINS = 80
ABUNDANCES = ((-1.7, 0.6), (-0.12, 0.5))  # [M/H], [alpha/M] [dex]
FRACTION_MAP = ListedColormap(colormaps["magma_r"](np.linspace(0.06, 0.85, 256)))  # orange to purple
TRACKS = ("high_alpha", "low_alpha", "fixed_m_h", "matched")


@styled
def draw(stars, marks, alpha_tracks, alpha_summary, directions, fixed_m_h=None):
    """Draw three panels: abundances, and latents with the tracks and with Gaia-Enceladus.

    Parameters
    ----------
    stars : pandas.DataFrame (n,)
        All stars: m_h, alpha_m [dex], latents z_k.
    marks : pandas.DataFrame (n,)
        Of the same stars: giant (bool), high_alpha and enceladus (nullable).
    alpha_tracks : pandas.DataFrame
        track, n, m_h, alpha_m, z_k; null where a bin is empty.
    alpha_summary : dict
        ``enceladus_kind``: ``"actions"`` or ``"chemical"``.
    directions : dict
        For [M/H], and for [alpha/M] at fixed [M/H]: ``alpha/directions.json``.
    fixed_m_h : float, optional
        [M/H] at which the track of fixed [M/H] is drawn; at the mean of each bin if not given.

    Returns
    -------
    matplotlib.figure.Figure
    """
    giants = stars[marks.giant.to_numpy(dtype=bool)]
    high = marks.high_alpha[marks.giant.to_numpy(dtype=bool)].to_numpy(dtype=bool, na_value=False)
    enceladus = stars[marks.enceladus.to_numpy(dtype=bool, na_value=False)]
    x, y = ({"giants": along(giants, directions, name), "enceladus": along(enceladus, directions, name)}
            for name in ("m_h", "alpha_m"))  # fmt: skip
    labels = {"xlabel": "[M/H] direction of the latents", "ylabel": "[α/M] direction, [M/H] fixed"}

    figure, (abundances, sequences, halo) = new_figure(DOUBLE, 2.9, ncols=3)
    norm = LogNorm(0.3, 200)
    for name, members in (("low_alpha", giants[~high]), ("high_alpha", giants[high])):
        density(
            abundances, members.m_h, members.alpha_m, ABUNDANCES, BINS, tint(SEQUENCES[name], 0.15, 0.7), norm
        )
    mark = {"marker": SEQUENCES["enceladus"].marker, "color": SEQUENCES["enceladus"].color, "linewidths": 0}
    cloud(abundances, enceladus.m_h, enceladus.alpha_m, size=4, zorder=2, **mark)
    abundances.set(xlim=ABUNDANCES[0], ylim=ABUNDANCES[1], xlabel=LABELS["m_h"], ylabel=LABELS["alpha_m"])

    both = [np.concatenate([each["giants"], each["enceladus"]]) for each in (x, y)]
    extent = limits(both[0], outside=0.01), limits(both[1], outside=0.01)
    fraction = binned_mean(
        sequences, x["giants"], y["giants"], high, extent, BINS // 2, FRACTION_MAP, Normalize(0, 1), minimum=3
    )
    sequences.set_facecolor("0.88")
    counts = density(halo, x["giants"], y["giants"], extent, BINS, norm=LogNorm(0.2, 3000))
    cloud(halo, x["enceladus"], y["enceladus"], size=6, zorder=2, **mark)
    for axes in (sequences, halo):
        axes.set(xlim=extent[0], ylim=extent[1], **labels)
    for name in TRACKS:
        bins = alpha_tracks[alpha_tracks.track == name]
        bins = bins.where(bins.n >= FEWEST_STARS)
        if name == "fixed_m_h" and fixed_m_h is not None:
            bins = bins.assign(m_h=bins.m_h.where(bins.m_h.isna(), fixed_m_h))
        track(abundances, bins.m_h, bins.alpha_m, SEQUENCES[name], size=14, halo=True)
        places = (along(bins, directions, direction) for direction in ("m_h", "alpha_m"))
        track(sequences, *places, SEQUENCES[name], size=14, halo=True)
    auc = f"ROC area, stars not trained on:\nthis direction {directions['auc_direction']:.2f}"
    if directions["pair"]:
        first, second = directions["pair"]
        auc += f"\nbest pair ($z_{first}$, $z_{second}$) {directions['auc_pair']:.2f}"
    note(sequences, f"{auc}\nall live latents {directions['auc_live']:.2f}", "lower left", size=6.5)
    figure.colorbar(fraction, ax=sequences, label="High-α fraction", location="top", aspect=25, pad=0.01)
    bar = figure.colorbar(counts, ax=halo, label="Giants per bin", location="top", aspect=25, pad=0.01)
    bar.ax.set_xlim(0.5, max(counts.get_array().max(), 2))

    patches = [
        Patch(color=SEQUENCES[name].shade(0.55), label=f"{SEQUENCES[name].label} ({count:,})")
        for name, count in (("high_alpha", high.sum()), ("low_alpha", (~high).sum()))
    ]
    place = {"bbox_to_anchor": (0, 1.01, 1, 0.1), "loc": "lower center", "borderaxespad": 0}
    above = abundances.legend(handles=patches, ncols=2, frameon=False, columnspacing=1, **place)
    above.set_in_layout(False)  # it lies beside the colour bars
    fixed = alpha_tracks[alpha_tracks.track == "fixed_m_h"]
    at = np.average(fixed.m_h.fillna(0), weights=fixed.n) if fixed.n.sum() else np.nan
    at = f"{at:.1f}".replace("-", "−")
    names = {"high_alpha": "High-α track", "low_alpha": "Low-α track", "fixed_m_h": f"[M/H] ≈ {at}"}
    names["matched"] = "matched in $T_\\mathrm{eff}$, $\\log g$, [M/H]"
    handles = [_handle(SEQUENCES[name], names[name]) for name in TRACKS]
    by_chemistry = " candidates, by chemistry" if alpha_summary["enceladus_kind"] == "chemical" else ""
    name = f"{SEQUENCES['enceladus'].label}{by_chemistry} ({len(enceladus):,} stars)"
    handles.append(Line2D([], [], ls="", marker=mark["marker"], color=mark["color"], label=name))
    figure.legend(handles=handles, loc="outside lower center", ncols=5, frameon=False, columnspacing=1)
    return figure


def _handle(look, name):
    marker = {"marker": look.marker, "markeredgecolor": "black", "markeredgewidth": 0.5}
    return Line2D([], [], color=look.color, linestyle=look.linestyle, label=name, **marker)


if __name__ == "__main__":
    from xpsvae.workflow import job

    with job(snakemake):
        from xpsvae.products import read_json, read_table

        stars, subsets, latents, sequences, alpha_tracks = (
            read_table(snakemake.input[name])
            for name in ("stars", "subsets", "latents", "sequences", "alpha_tracks")
        )
        choices, nominal = snakemake.params.choices, snakemake.params.fixed_m_h
        figure = draw(
            sample(stars, subsets, latents, subset="full", latent=choices["latent"]),
            sequences,
            alpha_tracks,
            read_json(snakemake.input.alpha_summary),
            read_json(snakemake.input.directions),
            nominal if choices["fixed_m_h_at"] == "nominal" else None,
        )
        save(figure, snakemake.output.pdf, snakemake.output.png)
