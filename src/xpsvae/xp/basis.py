"""Gaia DR3 XP basis: coefficients <-> calibrated flux on the default grid (PAPER section 3).

The design matrices and merge weights are those GaiaXPy ships, read from its installed files, never from
a network; the flux equals ``gaiaxpy.calibrate`` (untruncated) to 1e-10. Sizes come from the matrices.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np

from xpsvae.arrays import plain
from xpsvae.errors import InputError
from xpsvae.xp.gaiaxpy_module import gaiaxpy_module
from xpsvae.xp.unrounded import restore_digits

__all__ = [
    "BANDS",
    "BAND_SIZES",
    "COEFFICIENT_UNIT",
    "FLUX_UNIT",
    "Basis",
    "band_slices",
    "coefficients_to_flux",
    "dr3_basis",
    "flux_errors",
]

BANDS = ("bp", "rp")
# Coefficients of both bands together -> of BP and of RP: Gaia DR3; Gaia DR4, whose design matrices are not out.
BAND_SIZES = {110: (55, 55), 106: (51, 55)}
COEFFICIENT_UNIT, FLUX_UNIT, WAVELENGTH_UNIT = "electron / s", "W m-2 nm-1", "nm"
# Where a band alone says nothing: GaiaXPy leaves these wavelengths undefined if the other band is missing.
_BP_END, _RP_START = 643.0, 635.0  # [nm]
_CHUNK = 2048  # stars at a time: bounds the float64 copies to some 100 MB


@dataclass(frozen=True)
class Basis:
    """Design matrices of the two bands on one wavelength grid.

    Attributes
    ----------
    wavelengths : array (n_wavelengths,)
        Grid [nm].
    bands : tuple of two arrays (n_wavelengths, n_band)
        Flux per unit coefficient of BP and of RP, before merging [W m-2 nm-1 (e-/s)-1].
    merge : tuple of two arrays (n_wavelengths,)
        Weight of BP and of RP in the merged spectrum.
    design : array (n_wavelengths, n_coefficients)
        Both bands, merged: ``flux = design @ coefficients``.
    slices : tuple of two slices
        Where BP and RP stand in a coefficient vector.
    """

    wavelengths: np.ndarray
    bands: tuple
    merge: tuple
    design: np.ndarray
    slices: tuple

    @property
    def n_coefficients(self):
        """Number of coefficients of both bands."""
        return self.design.shape[1]

    def at(self, wavelengths):
        """Restrict the basis to wavelengths of its grid (``None``: the whole grid).

        Raises
        ------
        InputError
            If a wavelength is not on the grid: between its points GaiaXPy uses another instrument model.
        """
        if wavelengths is None:
            return self
        wanted = np.atleast_1d(np.asarray(plain("wavelengths", wavelengths, WAVELENGTH_UNIT), dtype=float))
        wanted = np.round(wanted, 9)  # 0.5 um is 499.99999999999994 nm
        rows = np.searchsorted(self.wavelengths, wanted).clip(max=len(self.wavelengths) - 1)
        off = wanted[self.wavelengths[rows] != wanted]
        if off.size:
            first, second, last = self.wavelengths[[0, 1, -1]]
            raise InputError(
                f"wavelengths holds {off[0]:g} nm, which is not on the XP grid: "
                f"take values from {first:g} to {last:g} nm in steps of {second - first:g} nm."
            )
        return Basis(
            self.wavelengths[rows],
            tuple(band[rows] for band in self.bands),
            tuple(weight[rows] for weight in self.merge),
            self.design[rows],
            self.slices,
        )


@cache  # two bases, by two names each
def dr3_basis(sampled_by="gaiaxpy"):
    """Basis of Gaia DR3 on the default grid, 336 ... 1020 nm in steps of 2 nm.

    Parameters
    ----------
    sampled_by : {"gaiaxpy", "archive"}
        The matrices as GaiaXPy ships them, rounded to six digits, or as the Gaia archive used them for its
        own sampled spectra (see `xpsvae.xp.unrounded`). They differ by some 1e-6.

    Returns
    -------
    Basis

    Raises
    ------
    InputError
        If ``sampled_by`` is neither, or GaiaXPy ships other matrices.
    """
    if sampled_by not in ("gaiaxpy", "archive"):
        raise InputError(f"sampled_by is {sampled_by!r}: give 'gaiaxpy' or 'archive'.")
    shipped = gaiaxpy_module("gaiaxpy.core.config")
    grid, merge = shipped.load_xpmerge_from_xml()
    sampling = shipped.load_xpsampling_from_xml()
    grid = np.asarray(grid, dtype=float)
    merge = tuple(np.asarray(merge[band], dtype=float) for band in BANDS)
    bands = tuple(np.array(sampling[band], dtype=float).T for band in BANDS)
    if sampled_by == "archive":
        for name, band, weight in zip(BANDS, bands, merge, strict=True):
            used = weight > 0
            band[used] = restore_digits(name, grid[used], band[used])
    n_bp = bands[0].shape[1]
    design = np.hstack([band * weight[:, None] for band, weight in zip(bands, merge, strict=True)])
    return Basis(grid, bands, merge, design, (slice(0, n_bp), slice(n_bp, design.shape[1])))


def band_slices(n_coefficients):
    """Where BP and RP stand in a vector of coefficients.

    Parameters
    ----------
    n_coefficients : int
        Of both bands together, by which the data release is known (`BAND_SIZES`).

    Returns
    -------
    tuple of two slices

    Raises
    ------
    InputError
        If no data release has so many.
    """
    if n_coefficients not in BAND_SIZES:
        known = " or ".join(f"{total} ({bp} + {rp})" for total, (bp, rp) in BAND_SIZES.items())
        raise InputError(f"there are {n_coefficients} coefficients where XP spectra have {known}.")
    n_bp = BAND_SIZES[n_coefficients][0]
    return slice(0, n_bp), slice(n_bp, n_coefficients)


def coefficients_to_flux(coefficients, wavelengths=None, sampled_by="gaiaxpy"):
    """Externally calibrated XP flux from continuous-representation coefficients.

    f = (c_BP . D_BP) m_BP + (c_RP . D_RP) m_RP. A star whose BP (RP) coefficients are all NaN gets the flux
    of the other band alone, NaN up to 635 nm (from 643 nm) as in GaiaXPy.

    Parameters
    ----------
    coefficients : array (n_stars, n_coefficients)
        BP then RP coefficients [e-/s]; a masked one counts as NaN, and units are converted.
    wavelengths : array (n_wavelengths,), optional
        Points of the default grid, 336 ... 1020 nm in steps of 2 nm; the whole grid if not given.
    sampled_by : {"gaiaxpy", "archive"}
        Whose flux is wanted: that of GaiaXPy, or that of the Gaia archive's sampled spectra (XP_SAMPLED);
        they differ by some 1e-6 (see `dr3_basis`).

    Returns
    -------
    array (n_stars, n_wavelengths)
        Flux density [W m-2 nm-1], equal to ``gaiaxpy.calibrate`` (untruncated) to 1e-10, or to the archive's
        to the precision of its float32 numbers; NaN where a coefficient is.

    Raises
    ------
    InputError
        If there is a wrong number of coefficients, they are no real numbers or in a unit of another
        dimension, or a wavelength is not on the grid.
    """
    basis = dr3_basis(sampled_by).at(wavelengths)
    coefficients = plain("coefficients", coefficients, COEFFICIENT_UNIT)
    _check_width("coefficients", coefficients, basis.n_coefficients)
    flux = np.empty((len(coefficients), len(basis.wavelengths)))
    for rows, chunk in _chunks(coefficients):
        np.matmul(chunk, basis.design.T, out=flux[rows])
        for stars, band, design in _single_bands(chunk, basis):
            flux[rows][stars] = chunk[stars, basis.slices[band]] @ design.T
    return flux


def flux_errors(coefficient_errors, correlations=None, standard_deviations=None, wavelengths=None):
    """Flux errors propagated from the coefficient errors (PAPER section 3).

    sigma_f^2 = sum over bands of m^2 diag(D^T C D), C = corr o (sigma sigma^T) with the catalogue's errors.

    Parameters
    ----------
    coefficient_errors : array (n_stars, n_coefficients)
        Errors of BP then RP coefficients [e-/s]; a masked one counts as NaN, and units are converted.
    correlations : array (n_stars, 2, n_pairs), optional
        Strict lower triangle of the correlation matrix of BP and of RP, row by row. None: uncorrelated.
    standard_deviations : array (n_stars, 2), optional
        ``bp_standard_deviation``, ``rp_standard_deviation``. GaiaXPy divides the errors by them and
        multiplies the result by them, so their values cancel; NaN marks a band that is missing.
    wavelengths : array (n_wavelengths,), optional
        Points of the default grid [nm]; the whole grid if not given.

    Returns
    -------
    array (n_stars, n_wavelengths)
        Error of the flux density [W m-2 nm-1]; NaN where a missing band leaves no flux or an input is NaN.

    Raises
    ------
    InputError
        If an array has a wrong shape, holds no real numbers or has a unit of another dimension, or a
        wavelength is not on the grid.
    """
    basis = dr3_basis().at(wavelengths)
    coefficient_errors = plain("coefficient_errors", coefficient_errors, COEFFICIENT_UNIT)
    if correlations is not None:
        correlations = plain("correlations", correlations)
    if standard_deviations is not None:
        standard_deviations = plain("standard_deviations", standard_deviations)
    _check_width("coefficient_errors", coefficient_errors, basis.n_coefficients)
    n_stars = len(coefficient_errors)
    n_pairs = basis.bands[0].shape[1] * (basis.bands[0].shape[1] - 1) // 2
    for name, given, shape in (
        ("correlations", correlations, (n_stars, len(BANDS), n_pairs)),
        ("standard_deviations", standard_deviations, (n_stars, len(BANDS))),
    ):
        if given is not None and np.shape(given) != shape:
            raise InputError(
                f"{name} has shape {np.shape(given)} where {shape} is needed: give one row a star."
            )
    errors = np.empty((n_stars, len(basis.wavelengths)))
    for rows, chunk in _chunks(coefficient_errors):
        if standard_deviations is not None:
            for columns, deviation in zip(basis.slices, np.transpose(standard_deviations[rows]), strict=True):
                chunk[np.isnan(deviation), columns] = np.nan
        pairs = None if correlations is None else np.asarray(correlations[rows], dtype=float)

        def variance(stars, band, design, chunk=chunk, pairs=pairs):
            correlated = None if pairs is None else pairs[stars, band]
            return _band_variance(chunk[stars, basis.slices[band]], correlated, design)

        everyone = slice(None)
        total = sum(
            variance(everyone, band, basis.design[:, basis.slices[band]]) for band in range(len(BANDS))
        )
        for stars, band, design in _single_bands(chunk, basis):
            total[stars] = variance(stars, band, design)
        errors[rows] = np.sqrt(total)
    return errors


def _band_variance(sigma, correlations, design):
    """Variance (n_stars, n_wavelengths) that one band adds."""
    variance = sigma**2 @ (design**2).T
    if correlations is not None:
        # The pairs of the lower triangle make the quadratic form one matrix product for all stars; half
        # of the wavelengths lie outside the band.
        j, k = np.tril_indices(sigma.shape[1], -1)
        inside = design.any(axis=1)
        products = design[inside][:, j] * design[inside][:, k]
        variance[:, inside] += 2 * (correlations * sigma[:, j] * sigma[:, k]) @ products.T
    return variance


def _check_width(name, array, width):
    if np.ndim(array) == 2 and np.shape(array)[1] != width and np.shape(array)[1] in BAND_SIZES:
        raise InputError(
            f"{name} has shape {np.shape(array)}, but the design matrices of spectra of {np.shape(array)[1]} "
            f"coefficients are not out, only those of Gaia DR3 with {width}: stay with coefficients."
        )
    if np.ndim(array) != 2 or np.shape(array)[1] != width:
        raise InputError(
            f"{name} has shape {np.shape(array)} where (n_stars, {width}) is needed: "
            "give BP then RP coefficients."
        )


def _chunks(array):
    for start in range(0, len(array), _CHUNK):
        rows = slice(start, start + _CHUNK)
        yield rows, np.array(array[rows], dtype=float)


def _single_bands(chunk, basis):
    """Stars of a chunk that have one band only: which, the band, its design (NaN where it says nothing)."""
    lacks = [np.isnan(chunk[:, columns]).all(axis=1) for columns in basis.slices]
    says = (basis.wavelengths < _BP_END, basis.wavelengths > _RP_START)
    for band, other in ((0, 1), (1, 0)):
        stars = lacks[other] & ~lacks[band]
        if stars.any():
            yield stars, band, np.where(says[band][:, None], basis.bands[band], np.nan)
