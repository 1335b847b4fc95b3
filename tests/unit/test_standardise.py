"""Standardisation against the definition and scikit-learn."""

import numpy as np
import pytest
from astropy import units as u
from sklearn.preprocessing import StandardScaler

from xpsvae.errors import InputError
from xpsvae.model import standardise as module
from xpsvae.model.standardise import checked, normalisation, standardise, standardised


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


def test_masks_and_units(stars):
    coefficients, errors, flux = stars
    mu, sigma = normalisation(coefficients, flux)
    rate = u.electron / u.s
    per_hour = (coefficients * 3600 * u.electron / u.h, errors * 3600 * u.electron / u.h, flux * rate)
    for ours, expected in zip(
        standardise(*per_hour, mu, sigma), standardise(coefficients, errors, flux, mu, sigma), strict=True
    ):
        np.testing.assert_allclose(ours, expected, rtol=1e-5, atol=1e-5)
    hidden = np.ma.array(flux, mask=np.arange(len(flux)) == 3)
    x, x_err = standardise(coefficients, errors, hidden, mu, sigma)
    assert np.isnan(x[3]).all() and np.isnan(x_err[3]).all() and np.isfinite(np.delete(x, 3, 0)).all()
    with pytest.raises(InputError, match="flux is in mag, but must be in electron / s"):
        standardise(coefficients, errors, flux * u.mag, mu, sigma)


def test_training_arrays_lose_no_mask(stars):
    x = np.ma.array(stars[0], mask=False)
    x[5, 1] = np.ma.masked
    found, _ = checked(x, stars[1], "training")
    assert np.isnan(found[5, 1]) and np.isnan(found).sum() == 1
    with pytest.raises(InputError, match="training array of errors is in K"):
        checked(stars[0], stars[1] * u.K, "training")


def test_some_stars_at_a_time_are_those_of_one_array_to_the_last_bit(stars, tmp_path, monkeypatch):
    coefficients, errors, flux = stars
    monkeypatch.setattr(module, "CHUNK", 7)
    ratio = coefficients.astype(float) / flux[:, None]
    mu, sigma = normalisation(coefficients, flux)
    assert (mu == ratio.mean(axis=0)).all() and (sigma == ratio.std(axis=0)).all()
    x, x_err = ((ratio - mu) / sigma).astype(np.float32), (errors / flux[:, None] / sigma).astype(np.float32)
    paths = tmp_path / "coefficients.npy", tmp_path / "errors.npy"
    for path, array in zip(paths, (coefficients, errors), strict=True):
        np.save(path, array)
    some = np.arange(200) % 3 == 1
    for rows in (None, some, np.array([150, 3, 3])):
        wanted = slice(None) if rows is None else rows
        found = standardised(*paths, flux, mu, sigma, rows)
        assert (found[0] == x[wanted]).all() and (found[1] == x_err[wanted]).all()


def test_a_flux_of_other_stars_is_refused(stars):
    coefficients, errors, flux = stars
    with pytest.raises(InputError, match="coefficients of 200 stars but a flux of 199"):
        normalisation(coefficients, flux[1:])
