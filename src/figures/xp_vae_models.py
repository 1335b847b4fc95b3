"""Figure 4: the sVAE beside the models it is compared with here, and those the paper compared it with."""

from xpsvae.plot.style import DOUBLE, arrow, box, looks, new_diagram, save, styled

COLUMNS = (1.76, 5.34)  # middles of the label-independent and the label-dependent side [in]
STEP, TITLE = 0.83, 0.31  # from one row to the next, room of the title [in]
WIDTH, PANEL = 3.38, 0.75  # of a panel [in]
FACES = {"data": "white", "learnt": "#E5E5E5", "labels": "#FBE7B2"}  # of boxes, by what is in them
# The paper's own comparisons, shown where this build does not run them: model, knows labels, name, boxes.
ELSEWHERE = (
    ("lb23", False, "Leung & Bovy (2024)",
     (("XP\ncoefficients", "data"), ("embedding", "learnt"), ("coefficients", "data"))),
    ("zgr23", True, "Zhang, Green & Rix (2023)",
     (("$T_\\mathrm{eff}$, $\\log g$, [Fe/H],\n$E$, parallax", "labels"), ("MLP", "learnt"),
      ("XP\nspectrum", "data"))),
    ("lb23_labels", True, "Leung & Bovy (2024)",
     (("XP\ncoefficients", "data"), ("embedding", "learnt"), ("stellar\nlabels", "labels"),
      ("embedding", "learnt"), ("coefficients", "data"))),
)  # fmt: skip


@styled
def draw(comparison):
    """Draw each model as a chain from what it is given to what it returns.

    Parameters
    ----------
    comparison : dict
        ``models``: label, look, ``chain`` and ``knows_labels`` of each.

    Returns
    -------
    matplotlib.figure.Figure
    """
    here = looks(comparison)
    sides = {False: [], True: []}
    for card in comparison["models"]:
        look = here[card["model"]]
        by = "trained by its authors" if card.get("peer") else "trained here"
        sides[card["knows_labels"]].append((look.label, card["chain"], by, look.color))
    for model, knows_labels, name, chain in ELSEWHERE:
        if model not in here:
            sides[knows_labels].append((name, chain, "in the paper, not trained here", None))
    rows = max(map(len, sides.values()))
    height = TITLE + STEP * rows
    figure, axes = new_diagram(DOUBLE, height)
    axes.plot([DOUBLE / 2] * 2, [0.05, height - 0.05], color="0.6", lw=0.8)
    for x, (knows_labels, panels) in zip(COLUMNS, sides.items(), strict=True):
        title = f"Stellar-label {'dependent' if knows_labels else 'independent'}"
        axes.text(x, height - 0.12, title, ha="center", va="center", size=10, weight="bold")
        for row, panel in enumerate(panels):
            _model(axes, x, height - TITLE - STEP * row - 0.42, *panel)
    return figure


def _model(axes, x, y, name, chain, remark, colour=None):
    """Draw one panel; without a colour it is a model that is not compared here."""
    corners = {"x": x, "y": y, "width": WIDTH, "height": PANEL, "rounding": 0.08}
    if colour:
        box(axes, **corners, facecolor=colour, alpha=0.13, linewidth=0)
        box(axes, **corners, facecolor="none", edgecolor=colour, linewidth=1.2)
    else:
        box(axes, **corners, facecolor="none", edgecolor="0.5", linestyle=(0, (4, 2)))
    top = y + PANEL / 2 - 0.14
    axes.text(x - WIDTH / 2 + 0.1, top, name, va="center", size=9, weight="bold" if colour else "normal")
    axes.text(x + WIDTH / 2 - 0.1, top, remark, ha="right", va="center", size=7.5, style="italic")
    middle, links = y - 0.11, len(chain) - 1
    width, size = (0.9, 7.5) if links <= 2 else (0.54, 6.5)
    step = (WIDTH - 0.22 - width) / links
    for i, (text, kind) in enumerate(chain):
        centre = x + (i - links / 2) * step
        box(axes, centre, middle, width, 0.38, text, facecolor=FACES[kind], text_settings={"size": size})
        if i:
            arrow(axes, (centre - step + width / 2, middle), (centre - width / 2, middle))


if __name__ == "__main__":
    from xpsvae.workflow import job

    with job(snakemake):
        from xpsvae.products import read_json

        save(draw(read_json(snakemake.input.comparison)), snakemake.output.pdf, snakemake.output.png)
