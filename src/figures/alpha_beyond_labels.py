"""Figure 16: what spectra add to labels on [alpha/M], against T_eff."""

import numpy as np
from matplotlib.ticker import MultipleLocator, PercentFormatter

from xpsvae.plot.style import SINGLE, new_figure, save, styled

ADDED = {  # what is added to labels and photometry: name, colour, line, marker, shift of its points [K]
    "latents": ("sVAE latents", "#B2182B", "-", "o", 0),
    "pca_6": ("PCA, 6 components", "#0072B2", (0, (4, 1.5)), "s", 12),
    "swapped": ("latents, residuals\nswapped (control)", "0.45", (0, (1, 1)), "D", -12),
}
ORDERED = {  # what orders the matched pairs
    "base": ("labels,\nphot.", "0.25", "v"),
    "base_pca_6": ("with\nPCA", "#0072B2", "s"),
    "base_latents": ("with\nlatents", "#B2182B", "o"),
}


@styled
def draw(shares, pairs, even, edges):
    """Draw the explained share in bins of T_eff, and how often matched pairs are put in the right order.

    Parameters
    ----------
    shares : dict of str to dict
        By what is added (``latents``, ``pca_6``, ``swapped``): explained share in each group of giants
        (`xpsvae.audit.headline.shares`).
    pairs, even : dict
        Controls ``pairs`` and ``pairs_even`` of ``controls.json``.
    edges : sequence of float
        Of the bins [K].

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure, axes = new_figure(SINGLE, 3.5, squeeze=True)
    lowest, highest = 0.0, 0.0
    low, high = np.asarray(edges[:-1], dtype=float), np.asarray(edges[1:], dtype=float)
    for name, (label, colour, line, marker, shift) in ADDED.items():
        bins = [shares[name][f"teff_{start:g}_{end:g}"] for start, end in zip(low, high, strict=True)]
        known = np.array([entry["share"] is not None for entry in bins])
        if not known.any():
            continue
        values = np.array([entry["share"] for entry in bins if entry["share"] is not None])
        bounds = np.array([entry["interval"] for entry in bins if entry["share"] is not None]).T
        lowest, highest = min(lowest, bounds.min()), max(highest, bounds.max())
        centre = ((low + high) / 2)[known] + shift
        axes.errorbar(
            centre,
            values,
            np.abs(bounds - values),
            (high - low)[known] / 2 if name == "latents" else None,
            color=colour,
            ls=line,
            marker=marker,
            ms=3.6,
            mec="black",
            mew=0.4,
            elinewidth=0.8,
            capsize=1.5,
            label=label,
            zorder=3,
        )
    axes.axhline(0, color="0.3", lw=0.8, zorder=1)
    axes.set(xlabel=r"$T_\mathrm{eff}$ [K]", ylabel="[α/M] variance explained\nbeyond labels and photometry")
    axes.set_xlim(low[0] - 40, high[-1] + 40)
    axes.set_ylim(lowest - 0.02, highest + 0.95 * (highest - lowest))  # room for legend and inset
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.yaxis.set_major_locator(MultipleLocator(0.2))
    axes.legend(loc="upper left", fontsize=6.8)
    if pairs["right"]:
        _inset(axes, pairs, even)
    return figure


def _inset(axes, pairs, even):
    """Fraction of pairs whose high-alpha star is given the larger [alpha/M]: all matched ones, and the even ones."""
    inset = axes.inset_axes((0.64, 0.685, 0.345, 0.295))
    shown = [name for name in ORDERED if name in pairs["right"]]
    for control, shift, filled in ((pairs, -0.13, True), (even, 0.13, False)):
        for place, name in enumerate(shown if control["right"] else ()):
            _, colour, marker = ORDERED[name]
            entry = control["right"][name]
            inset.errorbar(
                place + shift,
                entry["fraction"],
                np.abs(np.array(entry["interval"])[:, None] - entry["fraction"]),
                color=colour,
                marker=marker,
                ms=3.4,
                mfc=colour if filled else "white",
                mec="black" if filled else colour,
                mew=0.4 if filled else 0.8,
                elinewidth=0.8,
                capsize=1.2,
            )
    inset.axhline(0.5, color="0.3", lw=0.8, ls=(0, (1, 1)), zorder=1)
    inset.set_xlim(-0.6, len(shown) - 0.4)
    inset.set_xticks(range(len(shown)), [ORDERED[name][0] for name in shown], size=5.6)
    inset.tick_params(axis="x", which="both", length=0, pad=2)
    inset.tick_params(axis="y", labelsize=6)
    inset.set_ylim(0.42, 1.06)
    inset.yaxis.set_major_locator(MultipleLocator(0.2))
    inset.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    inset.text(0.04, 0.95, "pairs in the right order", size=6.2, transform=inset.transAxes, va="top")
    inset.minorticks_off()


if __name__ == "__main__":
    from xpsvae.workflow import job

    with job(snakemake):
        from xpsvae.products import read_json

        headline = read_json(snakemake.input.headline)
        controls = read_json(snakemake.input.controls)["controls"]
        shares = headline["shares"] | {"swapped": controls["swapped"]["groups"]}
        figure = draw(shares, controls["pairs"], controls["pairs_even"], headline["teff_edges"])
        save(figure, snakemake.output.pdf, snakemake.output.png)
