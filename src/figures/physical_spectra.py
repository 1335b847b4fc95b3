"""Figure 11: spectra along the Kiel tracks as the sVAE reconstructs them, and their residuals."""

import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.patheffects import Normal, Stroke
from matplotlib.ticker import NullFormatter

from xpsvae.plot.style import BRANCHES, DOUBLE, LABELS, PALEST, new_figure, note, save, styled, tint

COORDINATE = {"ms": "teff", "gb": "logg"}  # along which a track is cut into bins
PIVOT = (600.0, 700.0)  # where all spectra are brought to the same mean [nm]
FAINTEST = 0.007  # lower limit of the axis: below 400 nm cool giants have no flux above the noise
TYPICAL = "± median of the absolute residuals"
LINEAR, LARGEST = 5, 200  # residual up to which the axis is linear, and its end [per cent]
LINES = {  # [nm]; the paper's code had 422.7 and 854.2 under Mg, which are lines of Ca
    "Balmer": ((656.3, 486.1, 434.0, 410.2, 397.0, 388.9), {"color": "#1B7837", "ls": (0, (1, 1))}),
    "Paschen": ((1005.0, 954.6, 820.4), {"color": "#4B4BC8", "ls": (0, (5, 1, 1, 1))}),
    "Ca": ((422.7, 430.0, 854.2), {"color": "#D9740B", "ls": (0, (4, 1.5))}),
    "Mg b": ((517.6,), {"color": "#087E98", "ls": (0, (3, 1, 1, 1, 1, 1))}),
    "Fe": ((431.0, 438.0, 527.0), {"color": "#8E4585", "ls": "-"}),
}


@styled
def draw(spectra):
    """Draw the spectra of both branches and their relative residuals.

    Parameters
    ----------
    spectra : pandas.DataFrame
        One star a row: branch, centre, wavelength [nm], flux, flux_reconstructed [W m-2 nm-1], residual.

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure, panels = new_figure(
        DOUBLE, 5.0, nrows=2, ncols=2, sharex=True, sharey="row", height_ratios=(2, 1)
    )
    brightest = 1
    for (branch, look), (top, bottom) in zip(BRANCHES.items(), panels.T, strict=True):
        stars = spectra[spectra.branch == branch].sort_values("centre")
        label = f"{look.label}: {LABELS[COORDINATE[branch]]}"
        if len(stars):
            shades = _draw_stars(stars, top, bottom, tint(look, PALEST, 1))
            figure.colorbar(shades, ax=top, location="top", label=label, aspect=30, pad=0.01)
            brightest = max(brightest, *(line.get_ydata().max() for line in top.lines))
        else:
            note(top, f"{label}\nno star in any bin", "upper center")
        for name, (places, line) in LINES.items():
            for i, place in enumerate(places):
                for axes in (top, bottom):
                    axes.axvline(place, label="_" * bool(i) + name, lw=0.8, alpha=0.7, zorder=0.5, **line)
        bottom.axhline(0, color="black", lw=0.6)
        for end in (-LINEAR, LINEAR):
            bottom.axhline(end, color="0.6", lw=0.5, zorder=0.6)
        bottom.set_xlabel(r"$\lambda$ [nm]")
    panels[0, 0].set(
        yscale="log", ylim=(FAINTEST, 1.3 * brightest), ylabel=r"$\lambda^2 f_\lambda$ / mean at 600–700 nm"
    )
    panels[1, 0].set_yscale("symlog", linthresh=LINEAR, linscale=1.5)
    panels[1, 0].set(ylim=(-LARGEST, LARGEST), ylabel="Residual [%]", xlim=(336, 1020))
    panels[1, 0].set_yticks([-100, -20, -LINEAR, 0, LINEAR, 20, 100])
    panels[1, 0].yaxis.set_major_formatter(lambda value, _: f"{value:g}".replace("-", "−"))
    panels[1, 0].yaxis.set_minor_formatter(NullFormatter())
    panels[0, 1].legend(loc="lower right", ncols=3)
    handles = [line for panel in panels[1] for line in panel.lines if line.get_label() == TYPICAL]
    if handles:
        panels[1, 1].legend(handles[:1], [TYPICAL], loc="lower right")
    return figure


def _draw_stars(stars, top, bottom, shades):
    """Draw a branch's spectra and their residuals; return what its colour bar shows."""
    scale = Normalize(stars.centre.min(), stars.centre.max())
    for star in stars.itertuples():
        wavelength = np.asarray(star.wavelength)
        shape = wavelength**2 * np.asarray(star.flux_reconstructed)
        pivot = (wavelength > PIVOT[0]) & (wavelength < PIVOT[1])
        colour = shades(scale(star.centre))
        top.plot(wavelength, shape / shape[pivot].mean(), color=colour, lw=0.8)
        bottom.plot(wavelength, 100 * np.asarray(star.residual), color=colour, lw=0.4)
    typical = 100 * np.median(np.abs(np.stack(stars.residual)), axis=0)
    for side in (-1, 1):
        rim = [Stroke(linewidth=2.2, foreground="white"), Normal()]
        label = "_" * (side < 0) + TYPICAL
        bottom.plot(wavelength, side * typical, color="black", lw=1, path_effects=rim, label=label)
    return ScalarMappable(scale, shades)


if __name__ == "__main__":
    from xpsvae.workflow import job

    with job(snakemake):
        from xpsvae.products import read_table

        save(draw(read_table(snakemake.input.spectra)), snakemake.output.pdf, snakemake.output.png)
