"""Figure 4: the sVAE beside the models it is compared with here, and those the paper compared it with."""

from xpsvae.plot.style import DOUBLE, MODELS, arrow, box, new_diagram, save, styled

HEIGHT = 2.8  # of the figure [in]
COLUMNS = (1.76, 5.34)  # middles of the label-independent and the label-dependent side [in]
ROWS = (2.07, 1.24, 0.41)
WIDTH, PANEL = 3.38, 0.75  # of a panel [in]
LEARNT, LABELLED = "#E5E5E5", "#FBE7B2"  # faces: what a model learns, stellar labels

XP = ("XP\ncoefficients", "white")
RETURNED = ("coefficients", "white")
SCATTERED = ("coefficients\n± scatter", "white")
SPECTRUM = ("XP\nspectrum", "white")
STELLAR = ("stellar labels", LABELLED)


@styled
def draw(n_latents):
    """Draw each model as a chain from what it is given to what it returns.

    Parameters
    ----------
    n_latents : int
        Of the sVAE; the PCA has as many components.

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure, axes = new_diagram(DOUBLE, HEIGHT)
    left, right = COLUMNS
    for x, title in ((left, "Stellar-label independent"), (right, "Stellar-label dependent")):
        axes.text(x, HEIGHT - 0.12, title, ha="center", va="center", size=10, weight="bold")
    axes.plot([DOUBLE / 2] * 2, [0.05, HEIGHT - 0.05], color="0.6", lw=0.8)

    latents, components = (f"{n_latents} latents", LEARNT), (f"{n_latents} components", LEARNT)
    embedding = ("embedding", LEARNT)
    label_mlp = (
        ("$T_\\mathrm{eff}$, $\\log g$, [Fe/H],\nextinction $A_K$", LABELLED),
        ("MLP", LEARNT),
        SPECTRUM,
    )
    zgr23 = (("$T_\\mathrm{eff}$, $\\log g$, [Fe/H],\n$E$, parallax", LABELLED), ("MLP", LEARNT), SPECTRUM)
    _model(axes, left, ROWS[0], MODELS["svae"].label, (XP, latents, SCATTERED), MODELS["svae"].color)
    _model(axes, left, ROWS[1], MODELS["pca"].label, (XP, components, RETURNED), MODELS["pca"].color)
    _model(axes, left, ROWS[2], "Leung & Bovy (2024)", (XP, embedding, RETURNED))
    _model(axes, right, ROWS[0], MODELS["label_mlp"].label, label_mlp, MODELS["label_mlp"].color)
    _model(axes, right, ROWS[1], "Zhang, Green & Rix (2023)", zgr23)
    _model(axes, right, ROWS[2], "Leung & Bovy (2024)", (XP, STELLAR, RETURNED))
    return figure


def _model(axes, x, y, name, chain, colour=None):
    """Draw one panel; without a colour it is a model that was not trained here."""
    corners = {"x": x, "y": y, "width": WIDTH, "height": PANEL, "rounding": 0.08}
    if colour:
        box(axes, **corners, facecolor=colour, alpha=0.13, linewidth=0)
        box(axes, **corners, facecolor="none", edgecolor=colour, linewidth=1.2)
    else:
        box(axes, **corners, facecolor="none", edgecolor="0.5", linestyle=(0, (4, 2)))
    top = y + PANEL / 2 - 0.14
    axes.text(x - WIDTH / 2 + 0.1, top, name, va="center", size=9, weight="bold" if colour else "normal")
    note = "trained here" if colour else "in the paper, not trained here"
    axes.text(x + WIDTH / 2 - 0.1, top, note, ha="right", va="center", size=7.5, style="italic")
    middle, step, width = y - 0.11, 1.13, 0.9
    for i, (text, face) in enumerate(chain):
        centre = x + (i - 1) * step
        box(axes, centre, middle, width, 0.38, text, facecolor=face, text_settings={"size": 7.5})
        if i:
            arrow(axes, (centre - step + width / 2, middle), (centre - width / 2, middle))


if __name__ == "__main__":
    from xpsvae.workflow import job

    with job(snakemake):
        from xpsvae.products import read_json

        n_latents = read_json(snakemake.input.model_config)["model"]["n_latents"]
        save(draw(n_latents), snakemake.output.pdf, snakemake.output.png)
