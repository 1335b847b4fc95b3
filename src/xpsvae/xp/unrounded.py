"""Design matrices of Gaia DR3 at full precision, as the Gaia archive used them for its sampled spectra.

GaiaXPy ships the matrices with six significant digits, but the inverse bases behind them with ten. At each
wavelength a column is those bases at one point times one factor: fitting the two restores the digits.
"""

import csv
from pathlib import Path

import numpy as np

from xpsvae.errors import InputError
from xpsvae.xp.gaiaxpy_module import gaiaxpy_module

__all__ = ["restore_digits"]

_FILES = {"bp": "bpC03_v375wi", "rp": "rpC03_v142r"}
_DIGITS = 6  # significant digits of the shipped matrices
_STEPS = 6  # of Gauss-Newton; four are enough


def restore_digits(band, wavelengths, rounded):
    """Undo the rounding of a design matrix.

    Parameters
    ----------
    band : {"bp", "rp"}
    wavelengths : array (n_wavelengths,)
        Where the band has flux [nm].
    rounded : array (n_wavelengths, n_band)
        The matrix that GaiaXPy ships, on these wavelengths.

    Returns
    -------
    array (n_wavelengths, n_band)
        The same matrix before rounding.

    Raises
    ------
    InputError
        If the two differ by more than rounding: the installed GaiaXPy holds other matrices.

    Notes
    -----
    D_j(wavelength) = a sum_k T_jk h_k(x) with Hermite functions h_k: the unknown a and x of a wavelength are
    found from all its entries by Gauss-Newton, each weighted by the size of its last digit. With them the
    archive's sampled spectra follow from the coefficients to 6e-8, the precision of their float32 numbers;
    with the rounded matrix to some 1e-6, which `flux_to_coefficients` would turn into errors of several
    sigma on most coefficients.
    """
    from scipy.interpolate import CubicSpline

    stem = Path(gaiaxpy_module("gaiaxpy.config.paths").config_path) / _FILES[band]
    bases = _read_bases(f"{stem}_bases.csv")
    nodes, pseudo = np.genfromtxt(f"{stem}_dispersion.csv", delimiter=",")
    x = np.interp(CubicSpline(nodes, pseudo)(wavelengths), bases["pseudo_range"], bases["norm_range"])
    transformation = bases["transformation"]
    last_digit = 10.0 ** (np.floor(np.log10(np.abs(rounded.T))) - _DIGITS + 1)
    target = rounded.T / last_digit
    factor = None
    for _ in range(_STEPS):
        value, slope = (transformation @ part / last_digit for part in _hermite(x, transformation.shape[1]))
        if factor is None:
            factor = _dot(value, target) / _dot(value, value)
        residual, slope = target - factor * value, factor * slope
        vv, vs, ss = _dot(value, value), _dot(value, slope), _dot(slope, slope)
        x_step = (vv * _dot(slope, residual) - vs * _dot(value, residual)) / (vv * ss - vs**2)
        factor = factor + (_dot(value, residual) - vs * x_step) / vv
        x = x + x_step
    restored = factor * (transformation @ _hermite(x, transformation.shape[1])[0])
    if not (np.abs(restored - rounded.T) < last_digit).all():
        raise InputError(
            "the installed gaiaxpy holds other design matrices than Gaia DR3's: install gaiaxpy==2.1.5."
        )
    return restored.T


def _dot(left, right):
    return (left * right).sum(axis=0)


def _read_bases(path):
    csv.field_size_limit(2**24)
    with open(path, newline="", encoding="utf-8") as file:
        row = next(csv.DictReader(file))
    n_bases = int(row["nBases"])
    inverse, rotation = (
        np.array([float(number) for number in row[name].strip("()").split(",")]).reshape(n_bases, -1)
        for name in ("inverseBasesCoefficients", "transformationMatrix")
    )
    return {
        "pseudo_range": [float(row["pwlRangeMin"]), float(row["pwlRangeMax"])],
        "norm_range": [float(row["normRangeMin"]), float(row["normRangeMax"])],
        "transformation": rotation @ inverse,
    }


def _hermite(x, count):
    """Hermite functions h_0 ... h_(count-1) at x, and their derivatives: two arrays (count, n)."""
    values = np.empty((count + 1, len(x)))
    values[0] = np.pi**-0.25 * np.exp(-(x**2) / 2)
    values[1] = np.sqrt(2) * x * values[0]
    for k in range(2, count + 1):
        values[k] = np.sqrt(2 / k) * x * values[k - 1] - np.sqrt((k - 1) / k) * values[k - 2]
    order = np.arange(count)[:, None]
    below = np.vstack([np.zeros_like(x), values[: count - 1]])
    return values[:count], np.sqrt(order / 2) * below - np.sqrt((order + 1) / 2) * values[1:]
