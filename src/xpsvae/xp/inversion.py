"""XP coefficients and their errors back from a sampled spectrum (PAPER section 7).

The sampled flux fixes some 85-90 of the coefficients; a ridge prior that falls with the order closes the
rest. One singular value decomposition serves all stars, exactly.
"""

import csv
from functools import lru_cache
from importlib.resources import files

import numpy as np

from xpsvae.arrays import plain
from xpsvae.errors import InputError
from xpsvae.xp.basis import BANDS, FLUX_UNIT, dr3_basis

__all__ = ["flux_to_coefficients"]

# Where the merged spectrum holds one band alone and the catalogue errors are well behaved [nm].
_ERROR_RANGES = {"bp": (400.0, 630.0), "rp": (645.0, 980.0)}
_CHUNK = 4096
# Error given to the flux: GaiaXPy computes with doubles, the archive stores float32.
_FLUX_WEIGHTS = {"gaiaxpy": 3e-7, "archive": 1e-6}


def flux_to_coefficients(flux, flux_error=None, sampled_by="gaiaxpy", flux_weight=None, prior_scale=0.1):
    r"""Coefficients and their errors from spectra on the default grid.

    Minimises, for each star, |f - A c|^2 / (w median|f|)^2 + sum_j (c_j / p_j)^2 with the prior standard
    deviation p_j = q a0 / (1 + j) on coefficient j of each band, and a0 = sum(f) / (sum of the two leading
    columns of A). With B = A diag(p_j / sum(f)) = U S V^T, the minimum is

        c = sum(f) diag(p_j / sum(f)) V [S / (S^2 + (w / rho)^2)] U^T f / sum(f),   rho = sum(f) / median|f|,

    so one decomposition serves every star, without forming normal equations and exactly.

    The errors follow the mean DR3 pattern, one scale per star and band: the least-squares match of the
    propagated diagonal error to ``flux_error`` over 400-630 nm (BP) and 645-980 nm (RP).

    Parameters
    ----------
    flux : array (n_stars, n_wavelengths)
        Flux density on the default grid [W m-2 nm-1]; other units that a Quantity brings are converted.
    flux_error : array (n_stars, n_wavelengths), optional
        Its error [W m-2 nm-1], likewise.
    sampled_by : {"gaiaxpy", "archive"}
        Who made the flux: GaiaXPy's ``calibrate`` (or `coefficients_to_flux`), whose matrices are rounded to
        six digits, or the Gaia archive, whose matrices are not. The wrong one of the two shifts most
        coefficients by several sigma.
    flux_weight : float, optional
        w, the error given to the flux, in units of median|f|; by default 1e-6 for the archive, which stores
        float32, and 3e-7 for GaiaXPy.
    prior_scale : float
        q, prior standard deviation of the leading coefficients in units of a0.

    Returns
    -------
    coefficients : array (n_stars, n_coefficients)
        BP then RP [e-/s].
    errors : array (n_stars, n_coefficients) or None
        Their errors [e-/s]; None without ``flux_error``.

    Raises
    ------
    InputError
        If the spectra are not on the default grid, a flux is masked, not finite or zero throughout, an error
        is masked or not positive and finite, or a unit is not that of a flux per wavelength.
    """
    basis = dr3_basis(sampled_by)
    flux_weight = _FLUX_WEIGHTS[sampled_by] if flux_weight is None else flux_weight
    flux = plain("flux", flux, FLUX_UNIT)
    n_stars = flux.shape[0] if flux.ndim else 0
    _check_spectra("flux", flux, (n_stars, len(basis.wavelengths)))
    coefficients = np.empty((n_stars, basis.n_coefficients))
    errors = None
    if flux_error is not None:
        flux_error = plain("flux_error", flux_error, FLUX_UNIT)
        _check_spectra("flux_error", flux_error, (n_stars, len(basis.wavelengths)))
        errors = np.empty_like(coefficients)
    left, singular, right = _decomposition(sampled_by, prior_scale)
    for start in range(0, n_stars, _CHUNK):
        rows = slice(start, start + _CHUNK)
        spectra = np.asarray(flux[rows], dtype=float)
        median = np.median(np.abs(spectra), axis=1, keepdims=True)
        _refuse("flux", ~np.isfinite(spectra).all(axis=1), start, "is not finite")
        _refuse("flux", median[:, 0] == 0, start, "is zero")
        # (w / rho)^2 with rho^2 in the numerator: sum(f) may vanish, the answer is then c = 0.
        rho_squared = (spectra.sum(axis=1, keepdims=True) / median) ** 2
        filtered = rho_squared * singular / (rho_squared * singular**2 + flux_weight**2)
        coefficients[rows] = ((spectra @ left) * filtered) @ right
        if errors is not None:
            sigma = np.asarray(flux_error[rows], dtype=float)
            _refuse("flux_error", ~(np.isfinite(sigma) & (sigma > 0)).all(axis=1), start, "is not positive")
            errors[rows] = _scaled_pattern(sigma, basis)
    return coefficients, errors


@lru_cache(maxsize=4)
def _decomposition(sampled_by, prior_scale):
    """U, S and V^T diag(p) of A diag(p), p = q / ((1 + j) sum of the two leading columns of A)."""
    basis = dr3_basis(sampled_by)
    order = np.concatenate([np.arange(band.shape[1]) for band in basis.bands])
    leading = sum(basis.design[:, band.start].sum() for band in basis.slices)
    prior = prior_scale / leading / (1 + order)
    left, singular, right = np.linalg.svd(basis.design * prior, full_matrices=False)
    return left, singular, right * prior


@lru_cache(maxsize=1)
def _error_pattern():
    """Relative coefficient errors, BP then RP (median over DR3 sources brighter than G of about 15)."""
    text = files("xpsvae.xp").joinpath("coefficient_error_pattern.csv").read_text(encoding="utf-8")
    rows = list(csv.DictReader(text.splitlines()))
    pattern = np.array(
        [float(row["relative_error"]) for band in BANDS for row in rows if row["band"] == band]
    )
    return pattern


def _scaled_pattern(flux_error, basis):
    """Error pattern times one scale per star and band."""
    pattern = _error_pattern()
    errors = np.empty((len(flux_error), basis.n_coefficients))
    for band, columns in zip(BANDS, basis.slices, strict=True):
        low, high = _ERROR_RANGES[band]
        rows = (basis.wavelengths >= low) & (basis.wavelengths <= high)
        unit = np.sqrt(basis.design[rows, columns] ** 2 @ pattern[columns] ** 2)
        scale = flux_error[:, rows] @ unit / (unit @ unit)
        errors[:, columns] = scale[:, None] * pattern[columns]
    return errors


def _check_spectra(name, array, shape):
    if np.shape(array) != shape:
        raise InputError(
            f"{name} has shape {np.shape(array)} where {shape} is needed: "
            "give spectra on GaiaXPy's default grid."
        )


def _refuse(name, bad, start, what):
    if bad.any():
        raise InputError(
            f"{name} {what} in {bad.sum()} spectra, first in row {start + bad.argmax()}: drop them."
        )
