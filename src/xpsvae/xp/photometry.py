"""Gaia magnitudes and mean fluxes, on the DR3 Vega scale (PAPER section 1).

Only what the normalisation c / F_G needs.
"""

import numpy as np

from xpsvae.arrays import plain

__all__ = ["G_ZERO_POINT", "g_flux_from_magnitude"]

G_ZERO_POINT = 25.6873668671  # [mag] Gaia DR3, Vega


def g_flux_from_magnitude(magnitude):
    """Mean flux F_G = 10^(0.4 (zero point - G)) (PAPER section 1).

    Parameters
    ----------
    magnitude : array
        ``phot_g_mean_mag`` [mag].

    Returns
    -------
    array
        ``phot_g_mean_flux`` [e-/s]; NaN where the magnitude is NaN or masked.

    Raises
    ------
    InputError
        If there are no numbers, or a unit that is not mag.
    """
    magnitude = np.asarray(plain("magnitude", magnitude, "mag"), dtype=float)
    return 10.0 ** (0.4 * (G_ZERO_POINT - magnitude))
