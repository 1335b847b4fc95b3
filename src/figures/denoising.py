"""Figure 18: error of the reconstruction of bright stars made noisy, over that of the noisy spectrum."""

import matplotlib
import numpy as np

from xpsvae.plot.style import SINGLE, new_figure, save, styled

LINES = ("-", (0, (4, 1.5)), (0, (1, 1)), (0, (4, 1, 1, 1)))


@styled
def draw(summary):
    """Draw the ratio against wavelength, a line a magnitude.

    Parameters
    ----------
    summary : dict
        ``denoising/summary.json``.

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure, axes = new_figure(SINGLE, 2.6, squeeze=True)
    entries = summary["magnitudes"]
    shades = matplotlib.colormaps["viridis"](np.linspace(0, 0.85, len(entries)))
    for number, (entry, shade) in enumerate(zip(entries, shades, strict=True)):
        axes.plot(
            summary["wavelength"],
            entry["flux"]["ratio"],
            color=shade,
            ls=LINES[number % len(LINES)],
            label=f"$G={entry['g']:.1f}$",
        )
    axes.axhline(1, color="0.3", lw=0.8, zorder=1)
    axes.set(
        xlabel="Wavelength [nm]",
        ylabel="Error(reconstruction) / error(noisy)",
        xlim=(summary["wavelength"][0], summary["wavelength"][-1]),
        ylim=(0, None),
    )
    axes.legend(loc="lower center", ncols=2)
    return figure


if __name__ == "__main__":
    from xpsvae.workflow import job

    with job(snakemake):
        from xpsvae.products import read_json

        save(draw(read_json(snakemake.input.denoising)), snakemake.output.pdf, snakemake.output.png)
