"""Covariances that are none: found, repaired, dropped; many stars against a plain loop."""

import time

import numpy as np
import pytest

from xpsvae.compare import covariances, residuals
from xpsvae.errors import InputError
from xpsvae.xp import dr3_basis

SIZE = 55
ROWS, COLUMNS = np.tril_indices(SIZE, -1)


def triangles(n_stars, rng):
    """Correlations of random positive definite matrices, as a catalogue stores them."""
    factors = rng.normal(size=(n_stars, 2, SIZE, 2 * SIZE))
    matrices = factors @ factors.swapaxes(-1, -2)
    deviations = np.sqrt(np.einsum("...ii->...i", matrices))
    return (matrices / deviations[..., :, None] / deviations[..., None, :])[..., ROWS, COLUMNS]


@pytest.fixture
def spoiled():
    """Ten stars; the fourth has a matrix with an eigenvalue below zero, the seventh a NaN."""
    good = triangles(10, np.random.default_rng(3))
    good[3, 1] = 0.9  # with the next two: a and b alike, b and c alike, a and c opposite
    good[3, 1, np.flatnonzero((ROWS == 2) & (COLUMNS == 0))] = -0.9
    good[6, 0, 5] = np.nan
    return good


def test_the_definite_are_those_with_positive_eigenvalues(spoiled):
    for star, found in enumerate(covariances.definite(spoiled)):
        smallest = []
        for band in range(2):
            matrix = np.eye(SIZE)
            for row, column, value in zip(ROWS, COLUMNS, spoiled[star, band], strict=True):
                matrix[row, column] = matrix[column, row] = value
            smallest.append(np.linalg.eigvalsh(matrix)[0] if np.isfinite(matrix).all() else -1)
        assert found == (min(smallest) > 0)
    assert covariances.definite(spoiled).sum() == 8


def test_a_repaired_matrix_is_a_correlation_matrix_near_the_old_one(spoiled, capsys):
    found, counts = covariances.sound(spoiled, "repair")
    assert counts == {"not_definite": 2, "repaired": 1, "dropped": 1}
    assert "2 test stars have a covariance that is not positive definite" in capsys.readouterr().err
    assert np.isnan(found[6]).all()
    matrix = covariances.unpacked(found[3, 1][None], SIZE)[0]
    before = covariances.unpacked(spoiled[3, 1][None], SIZE)[0]
    values, vectors = np.linalg.eigh(before)
    nearest = vectors @ np.diag(np.clip(values, 1e-6, None)) @ vectors.T
    nearest /= np.sqrt(np.outer(np.diag(nearest), np.diag(nearest)))
    np.testing.assert_allclose(matrix, nearest, atol=1e-12)
    assert np.linalg.eigvalsh(matrix)[0] > 0
    others = np.delete(np.arange(10), (3, 6))
    assert np.array_equal(found[others], spoiled[others])


def test_drop_and_refuse(spoiled):
    found, counts = covariances.sound(spoiled, "drop")
    assert counts["dropped"] == 2 and np.isnan(found[[3, 6]]).all()
    with pytest.raises(InputError, match=r"of 2 test stars, row 3 the first"):
        covariances.sound(spoiled, "refuse")
    good = np.delete(spoiled, (3, 6), axis=0)
    assert covariances.sound(good, "refuse")[0] is good


def test_fifty_thousand_stars_in_ten_seconds_as_by_a_plain_loop():
    """CPU time of Eq. 7 and Eq. 8 together; a hundred of the stars by a loop, to 1e-8."""
    rng, n_stars = np.random.default_rng(0), 50_000
    some = triangles(200, rng).astype(np.float32)
    correlations = some[np.arange(n_stars) % 200]
    basis = dr3_basis()
    errors = rng.uniform(0.5, 2, size=(n_stars, basis.n_coefficients))
    difference = errors * rng.normal(size=errors.shape)
    began = time.process_time()
    per_star = residuals.coefficient_rmse(residuals.coefficient_residuals(difference, errors), correlations)
    flux = residuals.flux_residuals(difference, errors, correlations)
    taken = time.process_time() - began
    design = basis.at(residuals.WAVELENGTHS).design
    for star in rng.choice(n_stars, 100, replace=False):
        total, variance = 0.0, np.zeros(len(design))
        for band, where in enumerate(basis.slices):
            matrix = np.eye(SIZE)
            matrix[ROWS, COLUMNS] = matrix[COLUMNS, ROWS] = correlations[star, band]
            covariance = np.outer(errors[star, where], errors[star, where]) * matrix
            delta = difference[star, where][:32]
            total += delta @ np.linalg.inv(covariance[:32, :32]) @ delta
            variance += np.array([row @ covariance @ row for row in design[:, where]])
        assert per_star[star] == pytest.approx((total / 64) ** 0.5, rel=1e-8)
        np.testing.assert_allclose(flux[star], design @ difference[star] / variance**0.5, rtol=1e-8)
    assert taken < 10, f"{taken:.1f} s"
