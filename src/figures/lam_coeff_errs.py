"""Figure 5: residuals of the five leading coefficients of each band, for the sVAE and both baselines."""

from xpsvae.plot.style import DOUBLE, save
from xpsvae.plot.residual_panels import residual_panels

SHOWN = 5  # leading coefficients of each band


def draw(residuals, statistics):
    """Draw BP above, RP below.

    Parameters
    ----------
    residuals : dict of array (n_stars, 64)
        R(x) by model, half of the columns BP, half RP.
    statistics : dict of dict of list
        Bias and width per column, by model.

    Returns
    -------
    matplotlib.figure.Figure
    """
    first_rp = residuals["svae"].shape[1] // 2
    columns = [start + order for start in (0, first_rp) for order in range(SHOWN)]
    names = [rf"$\mathrm{{{band}}}_{{{order}}}$" for band in ("BP", "RP") for order in range(SHOWN)]
    return residual_panels(residuals, statistics, columns, names, DOUBLE, 3.9)


if __name__ == "__main__":
    from xpsvae.workflow import job

    with job(snakemake):
        from xpsvae.products import read_array, read_json

        stored = read_array(snakemake.input.coefficient_residuals)
        residuals = {model: stored[model] for model in ("svae", "pca", "label_mlp")}
        figure = draw(residuals, read_json(snakemake.input.comparison)["coefficients"])
        save(figure, snakemake.output.pdf, snakemake.output.png)
