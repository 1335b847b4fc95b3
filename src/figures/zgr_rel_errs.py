"""Figure 7: residuals of the flux at ten wavelengths, for all models."""

import numpy as np

from xpsvae.plot.residual_panels import require_flux, residual_panels
from xpsvae.plot.style import DOUBLE, looks, save

SHOWN = range(442, 893, 50)  # [nm]


def draw(wavelength, residuals, comparison):
    """Draw one panel a wavelength.

    Parameters
    ----------
    wavelength : array (n_wavelengths,)
        [nm].
    residuals : dict of array (n_stars, n_wavelengths)
        R(lambda) by model.
    comparison : dict
        ``models`` and their ``wavelengths``: bias and width.

    Returns
    -------
    matplotlib.figure.Figure
    """
    require_flux(comparison)
    columns = np.searchsorted(wavelength, SHOWN)
    names = [f"{value} nm" for value in SHOWN]
    statistics = comparison["wavelengths"]
    return residual_panels(residuals, statistics, looks(comparison), columns, names, DOUBLE, 3.4)


if __name__ == "__main__":
    from xpsvae.workflow import job

    with job(snakemake):
        from xpsvae.products import read_array, read_json

        stored = read_array(snakemake.input.flux_residuals)
        wavelength = stored.pop("wavelength")
        figure = draw(wavelength, stored, read_json(snakemake.input.comparison))
        save(figure, snakemake.output.pdf, snakemake.output.png)
