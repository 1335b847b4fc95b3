"""Gaia magnitudes and mean fluxes, on the DR3 Vega scale (PAPER section 1).

Only what the normalisation c / F_G needs.
"""

from functools import lru_cache

import numpy as np

from xpsvae.arrays import plain
from xpsvae.xp.basis import BANDS
from xpsvae.xp.gaiaxpy_module import gaiaxpy_module

__all__ = ["G_ZERO_POINT", "g_flux_from_magnitude", "g_passband"]

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


@lru_cache(maxsize=1)
def g_passband():
    """Give what each DR3 coefficient adds to the G flux: F_G = coefficients @ g_passband().

    The passband and zero point of GaiaXPy's system Gaia_DR3_Vega, in which synthetic photometry is a sum over
    the coefficients.

    Returns
    -------
    float64 array (n_coefficients,)
        BP then RP; dimensionless, since coefficients and F_G are both in e-/s.
    """
    systems = gaiaxpy_module("gaiaxpy.generator.photometric_system").PhotometricSystem
    system = systems.Gaia_DR3_Vega.value
    band = list(system.bands).index("G")
    sampling, (_, merge) = system.load_xpsampling_from_xml(), system.load_xpmerge_from_xml()
    summed = np.concatenate([np.asarray(sampling[name])[:, band] * merge[name][band] for name in BANDS])
    return summed * g_flux_from_magnitude(system.zero_points[band])
