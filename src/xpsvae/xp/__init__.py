"""Gaia XP spectra: coefficients, calibrated flux, their errors, and the way back.

GaiaXPy is imported on first use, since it is slow to import.
"""

from xpsvae.xp.basis import coefficients_to_flux, dr3_basis, flux_errors
from xpsvae.xp.inversion import flux_to_coefficients
from xpsvae.xp.photometry import g_flux_from_magnitude
from xpsvae.xp.read import XPSpectra, iter_bulk, read_spectra

__all__ = [
    "XPSpectra",
    "coefficients_to_flux",
    "dr3_basis",
    "flux_errors",
    "flux_to_coefficients",
    "g_flux_from_magnitude",
    "iter_bulk",
    "read_spectra",
]
