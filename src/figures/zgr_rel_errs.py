"""Figure 7: residuals of the flux at ten wavelengths, for the sVAE and both baselines."""

import numpy as np

from xpsvae.plot.style import DOUBLE, save
from xpsvae.plot.residual_panels import residual_panels

SHOWN = range(442, 893, 50)  # [nm]


def draw(wavelength, residuals, statistics):
    """Draw one panel a wavelength.

    Parameters
    ----------
    wavelength : array (n_wavelengths,)
        [nm].
    residuals : dict of array (n_stars, n_wavelengths)
        R(lambda) by model.
    statistics : dict of dict of list
        Bias and width per wavelength, by model.

    Returns
    -------
    matplotlib.figure.Figure
    """
    columns = np.searchsorted(wavelength, SHOWN)
    names = [f"{value} nm" for value in SHOWN]
    return residual_panels(residuals, statistics, columns, names, DOUBLE, 3.9)


if __name__ == "__main__":
    from xpsvae.workflow import job

    with job(snakemake):
        from xpsvae.products import read_array, read_json

        stored = read_array(snakemake.input.flux_residuals)
        residuals = {model: stored[model] for model in ("svae", "pca", "label_mlp")}
        figure = draw(stored["wavelength"], residuals, read_json(snakemake.input.comparison)["wavelengths"])
        save(figure, snakemake.output.pdf, snakemake.output.png)
