"""Residuals against GaiaXPy's own calibration, brute-force loops and closed forms."""

import numpy as np
import pandas as pd
import pytest

from xpsvae.analysis import residuals
from xpsvae.errors import InputError
from xpsvae.xp import dr3_basis


@pytest.fixture
def rng():
    return np.random.default_rng(20)


def random_correlations(rng, n_stars, n_band):
    """Strict lower triangles of valid correlation matrices, and the matrices."""
    factors = rng.normal(size=(n_stars, 2, n_band, 2 * n_band))
    covariances = factors @ factors.swapaxes(-1, -2)
    deviations = np.sqrt(np.einsum("...ii->...i", covariances))
    matrices = covariances / deviations[..., :, None] / deviations[..., None, :]
    rows, columns = np.tril_indices(n_band, -1)
    return matrices[..., rows, columns], matrices


def test_columns_are_the_leading_coefficients_of_both_bands():
    n_bp = dr3_basis().bands[0].shape[1]
    expected = [*range(32), *range(n_bp, n_bp + 32)]
    assert residuals.coefficient_columns().tolist() == expected


def test_coefficient_residuals_by_loop(rng):
    width = dr3_basis().n_coefficients
    difference, errors = rng.normal(size=(3, width)), rng.uniform(1, 2, size=(3, width))
    found = residuals.coefficient_residuals(difference, errors)
    n_bp = dr3_basis().bands[0].shape[1]
    for i in range(3):
        for j in range(32):
            assert found[i, j] == difference[i, j] / errors[i, j]
            assert found[i, 32 + j] == difference[i, n_bp + j] / errors[i, n_bp + j]


def test_coefficient_residuals_refuse_bad_input():
    ones = np.ones((2, dr3_basis().n_coefficients))
    with pytest.raises(InputError, match="predictions have shape"):
        residuals.coefficient_residuals(ones[:1], ones)
    with pytest.raises(InputError, match="not positive in 1 test stars"):
        residuals.coefficient_residuals(ones, np.where(np.arange(2)[:, None] == 1, 0.0, ones))


def test_coefficient_rmse_is_equation_7_in_any_unit(rng):
    """Brute force with explicit covariance matrices, in physical and in standardised units."""
    n_band, width = dr3_basis().bands[0].shape[1], dr3_basis().n_coefficients
    difference, errors = rng.normal(size=(3, width)), rng.uniform(0.5, 2, size=(3, width))
    triangles, matrices = random_correlations(rng, 3, n_band)
    found = residuals.coefficient_rmse(residuals.coefficient_residuals(difference, errors), triangles)
    for scale in (np.ones(width), rng.uniform(0.1, 10, size=width)):
        for i in range(3):
            total = 0.0
            for band in range(2):
                inside = slice(band * n_band, band * n_band + 32)
                delta, sigma = (difference / scale)[i, inside], (errors / scale)[i, inside]
                covariance = np.diag(sigma) @ matrices[i, band][:32, :32] @ np.diag(sigma)
                total += delta @ np.linalg.inv(covariance) @ delta
            assert found[i] == pytest.approx(np.sqrt(total / 64), rel=1e-9)


def test_coefficient_rmse_without_correlations(rng):
    values = rng.normal(size=(3, 64))
    n_band = dr3_basis().bands[0].shape[1]
    zeros = np.zeros((3, 2, n_band * (n_band - 1) // 2))
    found = residuals.coefficient_rmse(values)
    np.testing.assert_allclose(found, residuals.coefficient_rmse(values, zeros), rtol=1e-12)
    for i in range(3):
        assert found[i] == pytest.approx((sum(v * v for v in values[i]) / 64) ** 0.5)


def test_flux_residuals_against_gaiaxpy(shared):
    """A model that is off by k times the observed spectrum is off by k f / sigma_f of GaiaXPy's table."""
    from gaiaxpy import calibrate

    path = shared("reference/gaiaxpy/XP_CONTINUOUS_RAW.csv")
    table, grid = calibrate(path, truncation=False, save_file=False)
    archive = pd.read_csv(path).set_index("source_id").loc[table["source_id"]]

    def both_bands(name):
        columns = (archive[f"{band}_{name}"] for band in ("bp", "rp"))
        return np.stack([[np.fromstring(row[1:-1], sep=",") for row in column] for column in columns], axis=1)

    coefficients = both_bands("coefficients").reshape(len(table), -1)
    errors = both_bands("coefficient_errors").reshape(len(table), -1)
    found = residuals.flux_residuals(0.01 * coefficients, errors, both_bands("coefficient_correlations"))
    at = [int(np.flatnonzero(grid == wavelength)[0]) for wavelength in range(392, 993, 10)]
    expected = 0.01 * np.stack(table["flux"])[:, at] / np.stack(table["flux_error"])[:, at]
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_flux_residuals_add_variances_not_errors(rng):
    basis = dr3_basis()
    difference = rng.normal(size=(2, basis.n_coefficients))
    errors = rng.uniform(0.5, 2, size=(2, basis.n_coefficients))
    found = residuals.flux_residuals(difference, errors)
    for i in range(2):
        for k, wavelength in enumerate(range(392, 993, 10)):
            row = basis.design[basis.wavelengths.tolist().index(wavelength)]
            variance = sum((a * s) ** 2 for a, s in zip(row, errors[i], strict=True))
            assert found[i, k] == pytest.approx(row @ difference[i] / variance**0.5, rel=1e-9)
    assert found.shape == (2, 61)


def test_flux_residuals_of_noise_have_width_one(rng):
    errors = np.tile(rng.uniform(0.5, 2, size=dr3_basis().n_coefficients), (4000, 1))
    found = residuals.flux_residuals(errors * rng.normal(size=errors.shape), errors)
    np.testing.assert_allclose(found.std(axis=0), 1, atol=0.05)


def test_flux_rmse_by_loop(rng):
    values = rng.normal(size=(3, 61))
    for i, found in enumerate(residuals.flux_rmse(values)):
        assert found == pytest.approx((sum(v * v for v in values[i]) / 61) ** 0.5)


def test_statistics_of_a_known_distribution(rng):
    values = 2 + 3 * rng.normal(size=(200_000, 2))
    found = residuals.statistics(values)
    np.testing.assert_allclose(found["bias"], 2, atol=0.05)
    np.testing.assert_allclose(found["width"], 3, atol=0.05)
    np.testing.assert_allclose(found["rmse"], np.sqrt(4 + 9), atol=0.05)


def test_statistics_need_a_star():
    with pytest.raises(InputError, match="no test star"):
        residuals.statistics(np.full((3, 2), np.nan))


def test_compare_takes_ratios_over_common_stars():
    svae = np.array([[1.0], [1.0], [100.0]])
    baseline = np.array([[3.0], [-3.0], [np.nan]])
    found = residuals.compare({"svae": svae, "label_mlp": baseline})
    assert found["label_mlp"]["rmse_ratio"] == [3.0]
    assert (found["svae"]["n"], found["label_mlp"]["n"]) == (3, 2)
    assert found["svae"]["rmse"][0] == pytest.approx(np.sqrt(10002 / 3))
    assert "rmse_ratio" not in found["svae"]
