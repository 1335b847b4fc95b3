"""Figure 5: residuals of the five leading coefficients of each band, for all models."""

from xpsvae.plot.residual_panels import residual_panels
from xpsvae.plot.style import DOUBLE, looks, save


def draw(residuals, comparison, printed_bias="own"):
    """Draw BP above, RP below.

    Parameters
    ----------
    residuals : dict of array (n_stars, n)
        R(x) by model, half of the columns BP, half RP.
    comparison : dict
        ``models`` and their ``leading``: bias and width per column.
    printed_bias : str
        ``"own"``, or ``"label_independent"``: for models that know labels, that of the first that does not.

    Returns
    -------
    matplotlib.figure.Figure
    """
    per_band = next(iter(residuals.values())).shape[1] // 2
    names = [rf"$\mathrm{{{band}}}_{{{order}}}$" for band in ("BP", "RP") for order in range(per_band)]
    printed = {}
    if printed_bias == "label_independent":
        knows = {card["model"]: card["knows_labels"] for card in comparison["models"]}
        other = next((model for model in knows if model != "svae" and not knows[model]), None)
        printed = {model: other or model for model in knows if knows[model]}
    return residual_panels(
        residuals,
        comparison["leading"],
        looks(comparison),
        range(2 * per_band),
        names,
        DOUBLE,
        3.4,
        printed,
    )


if __name__ == "__main__":
    from xpsvae.workflow import job

    with job(snakemake):
        from xpsvae.products import read_array, read_json

        residuals, comparison = read_array(snakemake.input.leading), read_json(snakemake.input.comparison)
        figure = draw(residuals, comparison, **snakemake.params.choices)
        save(figure, snakemake.output.pdf, snakemake.output.png)
