"""Standardisation against the definition and scikit-learn."""

import numpy as np
import pytest
from sklearn.preprocessing import StandardScaler

from xpsvae.errors import InputError
from xpsvae.model.standardise import normalisation, standardise


@pytest.fixture()
def stars():
    rng = np.random.default_rng(0)
    flux = rng.lognormal(8, 2, size=200)
    coefficients = (rng.normal(3, 0.5, size=(200, 6)) * flux[:, None]).astype(np.float32)
    return coefficients, (0.01 * coefficients).astype(np.float32), flux


def test_against_scikit_learn(stars):
    coefficients, errors, flux = stars
    scaler = StandardScaler().fit(coefficients.astype(float) / flux[:, None])
    mu, sigma = normalisation(coefficients, flux)
    np.testing.assert_allclose(mu, scaler.mean_, rtol=1e-12)
    np.testing.assert_allclose(sigma, scaler.scale_, rtol=1e-12)
    x, x_err = standardise(coefficients, errors, flux, mu, sigma)
    np.testing.assert_allclose(x, scaler.transform(coefficients / flux[:, None]), rtol=1e-5, atol=1e-5)
    for star in (0, 199):
        for column in (0, 5):
            expected = errors[star, column] / (flux[star] * sigma[column])
            assert x_err[star, column] == pytest.approx(expected, rel=1e-6)
    assert x.dtype == x_err.dtype == np.float32


def test_constant_or_missing_columns_are_refused(stars):
    coefficients, _, flux = stars
    coefficients[:, 4] = flux
    with pytest.raises(InputError, match="coefficient 4 is the same"):
        normalisation(coefficients.astype(float), coefficients[:, 4].astype(float))
    coefficients[3, 2] = np.nan
    with pytest.raises(InputError, match="coefficient 2"):
        normalisation(coefficients, flux)
