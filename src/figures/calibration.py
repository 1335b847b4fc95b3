"""Figure 17: pulls by coefficient, wavelength, magnitude and temperature, before and after recalibration."""

from xpsvae.plot.style import DOUBLE, new_figure, save, styled

LOOKS = {  # correction: name, colour, line, marker
    "none": ("as estimated", "#BB5566", "-", "o"),
    "factor": ("a factor each", "#004488", (0, (4, 1.5)), "s"),
    "isotonic": ("isotonic", "#DDAA33", (0, (1, 1)), "^"),
}


@styled
def draw(summary):
    """Draw the root mean square of the pulls in four panels.

    Parameters
    ----------
    summary : dict
        ``latents/calibration.json``.

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure, panels = new_figure(DOUBLE, 4.2, nrows=2, ncols=2)
    half = summary["n_coefficients"] // 2
    for correction, (name, colour, line, marker) in LOOKS.items():
        shown = summary["corrections"][correction]
        rms = shown["coefficients"]["rms"]
        look = {"color": colour, "ls": line, "lw": 1.1}
        panels[0, 0].plot(range(half), rms[:half], label=name, **look)
        panels[0, 0].plot(range(half, 2 * half), rms[half:], **look)
        panels[0, 1].plot(summary["wavelength"], shown["wavelengths"]["rms"], **look)
        for axes, label in ((panels[1, 0], "phot_g_mean_mag"), (panels[1, 1], "teff")):
            bins = shown[label]
            axes.plot(
                [entry["median"] for entry in bins],
                [entry["rms"] for entry in bins],
                marker=marker,
                ms=3.5,
                **look,
            )
    panels[0, 0].axvline(half - 0.5, color="0.3", lw=0.7)
    panels[0, 0].set(
        xlabel="Coefficient", xticks=[0, 20, 40, half, half + 20, half + 40], xlim=(-1, 2 * half)
    )
    panels[0, 0].set_xticklabels(["BP 0", "20", "40", "RP 0", "20", "40"])
    panels[0, 0].minorticks_off()
    panels[0, 1].set_xlabel("Wavelength [nm]")
    panels[1, 0].set_xlabel("$G$ [mag]")
    panels[1, 1].set_xlabel(r"$T_\mathrm{eff}$ [K]")
    for axes in panels.flat:
        axes.axhline(1, color="0.3", lw=0.8, zorder=1)
        axes.set_ylim(bottom=0)
    for axes in panels[:, 0]:
        axes.set_ylabel("RMS of the pulls")
    panels[0, 0].legend(loc="lower right")
    return figure


if __name__ == "__main__":
    from xpsvae.workflow import job

    with job(snakemake):
        from xpsvae.products import read_json

        save(draw(read_json(snakemake.input.calibration)), snakemake.output.pdf, snakemake.output.png)
