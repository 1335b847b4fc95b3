"""Number of principal components against fits star by star, and against stars of a known number of directions."""

import numpy as np
import pytest
from scipy.linalg import lstsq
from sklearn.decomposition import PCA

from xpsvae.compare.components import NUMBERS, compare_numbers
from xpsvae.compare.models import pca
from xpsvae.compare.residuals import WAVELENGTHS, coefficient_columns
from xpsvae.xp import coefficients_to_flux, dr3_basis, flux_errors

DIRECTIONS = 4


@pytest.fixture(scope="module")
def world():
    """Stars of four directions, their errors, and a model that is off by a third of the error."""
    rng, width = np.random.default_rng(3), dr3_basis().n_coefficients
    truth = rng.normal(size=(600, DIRECTIONS)) @ rng.normal(size=(DIRECTIONS, width))
    errors = np.outer(rng.lognormal(0, 0.3, 600), rng.uniform(0.1, 0.3, width))
    x = truth + errors * rng.normal(size=truth.shape)
    train = np.arange(600) < 500
    sigma = 1 / (1 + np.arange(width) % (width // 2))
    mu = 5 * sigma
    model = (truth + errors / 3 * rng.normal(size=truth.shape))[~train]
    return x, errors, train, ~train, mu, sigma, model


@pytest.fixture(scope="module")
def result(world):
    return compare_numbers(*world)


def test_one_to_twenty_components_are_compared(result):
    assert result["components"] == list(range(1, 21)) == list(NUMBERS)
    for space in ("coefficients", "flux"):
        assert set(result[space]) == {"median", "low", "high"}
        ratio = {name: np.array(values) for name, values in result[space].items()}
        assert all(values.shape == (20,) and np.isfinite(values).all() for values in ratio.values())
        assert (ratio["low"] <= ratio["median"]).all() and (ratio["median"] <= ratio["high"]).all()


@pytest.mark.parametrize("space", ["coefficients", "flux"])
def test_errors_come_down_to_the_models_with_as_many_components_as_there_are_directions(result, space):
    ratio = np.array(result[space]["median"])
    assert np.flatnonzero(ratio <= 1)[0] + 1 == DIRECTIONS
    assert (np.diff(ratio[:DIRECTIONS]) < 0).all() and ratio[DIRECTIONS - 2] > 2
    assert (ratio[DIRECTIONS - 1 :] <= 1).all() and ratio[-1] > 0.8  # noise gains next to nothing


@pytest.mark.parametrize("number", [2, 4, 20])
def test_ratios_are_those_of_a_fit_to_each_star(world, result, number):
    x, errors, train, test, _, sigma, model = world
    unit = np.median(errors[train], axis=0)
    components = PCA(number, svd_solver="full").fit(x[train] / unit)
    mean, directions = components.mean_ * unit, components.components_ * unit
    prior = np.diag(components.explained_variance_**-0.5)
    fits = []
    for star, error in zip(x[test], errors[test], strict=True):
        rows = np.vstack([directions.T / error[:, None], prior])
        steps = lstsq(rows, np.concatenate([(star - mean) / error, np.zeros(number)]))[0]
        fits.append(mean + steps @ directions)
    off = {"pca": np.array(fits) - x[test], "svae": model - x[test]}
    columns = coefficient_columns()
    spaces = {
        "coefficients": {name: (each / errors[test])[:, columns] for name, each in off.items()},
        "flux": {
            name: coefficients_to_flux(each * sigma, WAVELENGTHS)
            / flux_errors(errors[test] * sigma, wavelengths=WAVELENGTHS)
            for name, each in off.items()
        },
    }
    for space, residuals in spaces.items():
        size = {name: np.sqrt(np.mean(each**2, axis=0)) for name, each in residuals.items()}
        expected = np.percentile(size["pca"] / size["svae"], (16, 50, 84))
        found = [result[space][name][number - 1] for name in ("low", "median", "high")]
        np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_the_comparison_model_is_one_of_the_numbers(world, result):
    """The weighted PCA of the text, and the same number of components in the appendix, agree."""
    from xpsvae.compare.registry import Given, Prediction
    from xpsvae.compare.residuals import measure

    x, errors, train, test, mu, sigma, model = world
    predicted = pca.predict(Given(None, train, test, x, errors, mu, sigma, 6))
    known = np.ones(int(test.sum()), dtype=bool)
    *_, summary = measure(
        {"svae": Prediction(known, model), "pca": predicted}, x[test], errors[test], mu, sigma
    )
    ratios = {
        space: np.median(summary[key]["pca"]["ratio"])
        for space, key in (("coefficients", "coefficients"), ("flux", "wavelengths"))
    }
    for space, ratio in ratios.items():
        assert result[space]["median"][5] == pytest.approx(ratio)
