"""Comparison models against singular vectors by hand, closed-form spectra and exact linear algebra."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from xpsvae.compare.models import label_mlp, lb23, lb23_labels, pca
from xpsvae.compare.perceptron import fit_label_mlp
from xpsvae.compare.registry import Given
from xpsvae.errors import InputError
from xpsvae.xp import coefficients_to_flux, dr3_basis, flux_to_coefficients

TRAINING = {
    "hidden": (32, 32),
    "epochs": 40,
    "batch_size": 128,
    "learning_rate": 5e-3,
    "error_floor": 0.01,
    "huber_width": 3.0,
    "seed": 3,
}


def synthetic_stars(rng, n_stars=2000, n_wavelengths=40):
    """Labels and a spectrum in closed form: smooth in the labels, extinction curve R = 1 / lambda^1.5 - 1."""
    labels = np.column_stack(
        [
            rng.uniform(4000, 6500, n_stars),
            rng.uniform(1, 5, n_stars),
            rng.uniform(-1, 0.4, n_stars),
            rng.exponential(0.15, n_stars),
        ]
    )
    wavelength = np.linspace(0.4, 1.0, n_wavelengths)
    curve = wavelength**-1.5 - 1
    temperature = labels[:, :1] / 5000
    ln_flux = -50 - 1.2 / wavelength / temperature + 0.1 * labels[:, 2:3] * np.cos(8 * wavelength)
    ln_flux = ln_flux + 0.02 * labels[:, 1:2] * wavelength - labels[:, 3:] * curve
    return labels, np.exp(ln_flux), curve


def given(x, train, n_latents=6, x_err=None):
    nothing = np.zeros(x.shape[1])
    errors = np.ones_like(x) if x_err is None else x_err
    return Given(None, train, ~train, x, errors, nothing, nothing + 1, n_latents)


def singular_vectors(x):
    """Mean, singular values and right singular vectors of some stars: components by hand."""
    mean = x.mean(axis=0)
    _, singular, right = np.linalg.svd(x - mean, full_matrices=False)
    return mean, singular, right


@pytest.mark.parametrize("alike", [True, False])
def test_pca_of_small_errors_is_the_truncated_svd_in_units_of_the_errors(alike):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 20)) @ rng.normal(size=(20, 20))
    errors = 1e-6 * (np.ones(20) if alike else rng.uniform(0.2, 5, 20))
    train = np.arange(300) < 250
    prediction = pca.predict(given(x, train, x_err=np.tile(errors, (300, 1))), components=6)
    found, explained = prediction.coefficients, prediction.summary["explained_variance"]
    mean, singular, right = singular_vectors(x[train] / errors)
    expected = (mean + (x[~train] / errors - mean) @ right[:6].T @ right[:6]) * errors
    np.testing.assert_allclose(found, expected, atol=1e-9)
    np.testing.assert_allclose(explained, (singular**2 / (singular**2).sum())[:6], rtol=1e-9)
    assert prediction.summary["variance"] == pytest.approx(100 * sum(explained))
    assert prediction.known.all()


def test_components_of_a_star_are_drawn_to_the_mean_as_far_as_its_errors_allow():
    """Equal errors s leave the projection and shrink each component by v / (v + s^2)."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 20)) @ rng.normal(size=(20, 20))
    train = np.arange(300) < 250
    errors = np.ones_like(x)
    errors[~train] *= np.geomspace(0.1, 100, 50)[:, None]  # in units of those of the training stars
    found = pca.predict(given(x, train, x_err=errors), components=6).coefficients
    mean, singular, right = singular_vectors(x[train])
    variance = singular[:6] ** 2 / (train.sum() - 1)
    steps = (x[~train] - mean) @ right[:6].T * variance / (variance + errors[~train, :1] ** 2)
    np.testing.assert_allclose(found, mean + steps @ right[:6], atol=1e-9)


def faint_and_noisy(rng, n_stars=400, n_coefficients=20):
    """Stars of five directions with errors of their own, by coefficient and by star."""
    x = rng.normal(size=(n_stars, 5)) @ rng.normal(size=(5, n_coefficients))
    errors = np.outer(rng.lognormal(0, 0.7, n_stars), rng.uniform(0.05, 2, n_coefficients))
    errors = errors * rng.lognormal(0, 0.2, errors.shape)
    return x + errors * rng.normal(size=x.shape), errors


def test_components_are_those_of_coefficients_in_units_of_their_median_error():
    from sklearn.decomposition import PCA

    x, errors = faint_and_noisy(np.random.default_rng(8))
    fitted = pca.fit(x, errors, 4)
    unit = np.array([sorted(column)[len(column) // 2 - 1 :][:2] for column in errors.T]).mean(axis=1)
    expected = PCA(4, svd_solver="full").fit(x / unit)
    np.testing.assert_allclose(fitted["mean"], x.mean(axis=0), atol=1e-12)
    np.testing.assert_allclose(fitted["variance"], expected.explained_variance_, rtol=1e-9)
    np.testing.assert_allclose(fitted["explained"], expected.explained_variance_ratio_, rtol=1e-9)
    turned = np.sign(np.sum(fitted["directions"] / unit * expected.components_, axis=1, keepdims=True))
    np.testing.assert_allclose(turned * fitted["directions"], expected.components_ * unit, atol=1e-8)


@pytest.mark.parametrize("components", [1, 3, 4])
def test_each_star_is_a_least_squares_fit_of_its_own_with_the_prior_as_further_rows(components, monkeypatch):
    from scipy.linalg import lstsq

    monkeypatch.setattr(pca, "CHUNK", 7)  # 50 stars: seven full chunks and one star
    x, errors = faint_and_noisy(np.random.default_rng(9))
    fitted = pca.fit(x[:350], errors[:350], 4)
    found = pca.reconstruct(x[350:], errors[350:], fitted, components)
    directions, variance = fitted["directions"][:components], fitted["variance"][:components]
    for star, error, answer in zip(x[350:], errors[350:], found, strict=True):
        rows = np.vstack([directions.T / error[:, None], np.diag(variance**-0.5)])
        target = np.concatenate([(star - fitted["mean"]) / error, np.zeros(components)])
        steps = lstsq(rows, target)[0]
        np.testing.assert_allclose(answer, fitted["mean"] + steps @ directions, rtol=1e-8, atol=1e-9)


def test_a_coefficient_that_a_star_does_not_tell_is_told_by_its_others():
    x, errors = faint_and_noisy(np.random.default_rng(10))
    fitted = pca.fit(x, errors, 5)
    before = pca.reconstruct(x[:3], errors[:3], fitted, 5)
    x[:3, 4], errors[:3, 4] = 1e3, 1e9
    without = pca.reconstruct(x[:3], errors[:3], fitted, 5)
    others = np.delete(np.arange(20), 4)
    held = {"mean": fitted["mean"][others], "directions": fitted["directions"][:, others]}
    expected = pca.reconstruct(x[:3][:, others], errors[:3][:, others], fitted | held, 5)
    np.testing.assert_allclose(without[:, others], expected, atol=1e-6)
    assert not np.allclose(without, before, atol=1e-3)


def test_noise_takes_no_component():
    """Three directions, one of them weak, beside ten coefficients that hold noise of a larger spread."""
    rng = np.random.default_rng(11)
    directions = np.linalg.qr(rng.normal(size=(10, 3)))[0].T
    signal = rng.normal(size=(3000, 3)) * (4, 2, 0.4) @ directions
    truth = np.hstack([signal, np.zeros((3000, 10))])
    errors = np.tile(np.repeat([0.05, 1.0], 10), (3000, 1))
    x = truth + errors * rng.normal(size=truth.shape)
    train = np.arange(3000) < 2500
    _, _, unweighted = singular_vectors(x[train])
    assert np.sum(unweighted[2, 10:] ** 2) > 0.9  # errors ignored, the third component is noise
    scaled = pca.fit(x[train], errors[train], 3)["directions"] / errors[0]
    assert np.sum(scaled[:, 10:] ** 2, axis=1).max() < 0.01
    np.testing.assert_allclose(np.sum(scaled**2, axis=1), 1)
    found = pca.predict(given(x, train, x_err=errors), components=3).coefficients
    off = np.sqrt(np.mean((found - truth[~train])[:, :10] ** 2))
    ordinary = x[~train] @ unweighted[:3].T @ unweighted[:3]
    assert off < 0.05 < 0.1 < np.sqrt(np.mean((ordinary - truth[~train])[:, :10] ** 2))


def test_pca_needs_more_stars_than_components():
    train = np.arange(10) < 6
    with pytest.raises(InputError, match="comparison.pca.components is 6 but there are 6 training stars"):
        pca.predict(given(np.ones((10, 20)), train), components=6)


def test_pca_has_as_many_components_as_the_svae_has_latents():
    x, train = np.random.default_rng(0).normal(size=(50, 20)), np.arange(50) < 40
    assert pca.predict(given(x, train, n_latents=3)).summary["components"] == 3


def fit(labels, flux, error, **settings):
    return fit_label_mlp(labels, lambda rows: (flux[rows], error[rows]), flux.mean(axis=0), **settings)


def test_label_mlp_learns_a_closed_form_spectrum_and_its_extinction_curve():
    rng = np.random.default_rng(1)
    labels, flux, curve = synthetic_stars(rng)
    error = 0.005 * flux
    model, losses = fit(labels, flux + error * rng.normal(size=flux.shape), error, **TRAINING)
    fresh, truth, _ = synthetic_stars(np.random.default_rng(2), 500)
    assert np.median(np.abs(model.predict(fresh) / truth - 1)) < 0.005
    np.testing.assert_allclose(model.extinction_curve.detach().numpy(), curve, atol=0.02)
    assert losses[-1] < 0.2 * losses[0]


def test_label_mlp_is_the_stated_form():
    """The logarithm of the flux falls with A_K by the extinction curve, the same for every star."""
    labels, flux, _ = synthetic_stars(np.random.default_rng(1), 300)
    model, _ = fit(labels, flux, 0.01 * flux, **TRAINING | {"epochs": 2})
    reddened = labels + [0, 0, 0, 0.5]
    step = np.log(model.predict(reddened) / model.predict(labels))
    expected = np.tile(-0.5 * model.extinction_curve.detach().numpy(), (300, 1))
    np.testing.assert_allclose(step, expected, atol=1e-4)


def test_label_mlp_survives_outliers_and_negative_flux():
    rng = np.random.default_rng(1)
    labels, flux, curve = synthetic_stars(rng)
    noisy = flux * (1 + 0.005 * rng.normal(size=flux.shape))
    noisy[:40] = 5 * noisy[:40]
    noisy[:, 0] -= 1.5 * flux[:, 0].mean() * rng.random(len(flux)) * (rng.random(len(flux)) < 0.2)
    model, losses = fit(labels, noisy, 0.005 * flux, **TRAINING)
    assert np.isfinite(losses).all()
    np.testing.assert_allclose(model.extinction_curve.detach().numpy()[1:], curve[1:], atol=0.05)


def test_label_mlp_training_is_repeatable_and_leaves_the_global_generator_alone():
    labels, flux, _ = synthetic_stars(np.random.default_rng(1), 300)
    few = TRAINING | {"epochs": 2}
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    first, losses = fit(labels, flux, 0.01 * flux, **few)
    assert torch.rand(1) == expected
    second, again = fit(labels, flux, 0.01 * flux, **few)
    assert losses == again
    assert (first.predict(labels) == second.predict(labels)).all()
    other, _ = fit(labels, flux, 0.01 * flux, **few | {"seed": 4})
    assert (first.predict(labels) != other.predict(labels)).any()


def smooth_population(rng, n_stars):
    """Coefficients of stars that scatter in five directions, and their mean and covariance."""
    width = dr3_basis().n_coefficients
    mean = np.exp(-np.arange(width) % 55 / 5.0)
    coefficients = mean + rng.normal(size=(n_stars, 5)) @ rng.normal(size=(5, width)) * 0.02 * mean
    return coefficients, coefficients.mean(axis=0), np.cov(coefficients, rowvar=False)


def test_coefficients_from_smooth_flux_return_members_of_the_population():
    coefficients, mean, covariance = smooth_population(np.random.default_rng(5), 200)
    flux = coefficients_to_flux(coefficients)
    found = label_mlp.coefficients_from_smooth_flux(flux, mean, covariance, 1e-6 * np.median(flux))
    np.testing.assert_allclose(found, coefficients, atol=1e-6)


def test_coefficients_from_smooth_flux_minimise_the_posterior():
    """The closed form against a solution of the normal equations in a whitened basis of the prior."""
    rng = np.random.default_rng(6)
    coefficients, mean, covariance = smooth_population(rng, 200)
    flux = coefficients_to_flux(coefficients[:3])
    flux = flux * (1 + 0.01 * rng.normal(size=flux.shape))
    error = 0.01 * np.median(flux)
    found = label_mlp.coefficients_from_smooth_flux(flux, mean, covariance, error)
    values, vectors = np.linalg.eigh(covariance)
    root = vectors[:, -5:] * np.sqrt(values[-5:])  # the population has five directions
    design = dr3_basis().design @ root / error
    for spectrum, answer in zip(flux, found, strict=True):
        target = (spectrum - dr3_basis().design @ mean) / error
        rows = np.vstack([design, np.eye(5)])
        steps, *_ = np.linalg.lstsq(rows, np.concatenate([target, np.zeros(5)]), rcond=None)
        np.testing.assert_allclose(answer, mean + root @ steps, atol=1e-8)


@pytest.fixture
def population():
    """Give what a model is given: stars whose coefficients follow their labels, some without one."""
    rng = np.random.default_rng(7)
    wavelength = dr3_basis().wavelengths / 1000
    continuum = np.exp(-1.2 / wavelength) / wavelength**3
    waves = 0.05 * np.cos(np.outer((4, 7, 9), wavelength))
    shapes = continuum * np.vstack([np.ones_like(wavelength), waves])
    mean, *directions = flux_to_coefficients(shapes, flux_weight=1e-2)[0]
    labels = np.column_stack(
        [rng.uniform(4000, 6500, 600), rng.uniform(1, 5, 600), rng.uniform(-1, 0.4, 600), np.full(600, 0.1)]
    )
    steps = (labels[:, :3] - labels[:, :3].mean(axis=0)) / labels[:, :3].std(axis=0)
    relative = mean + steps @ np.array(directions)
    labels[[0, 590], 2] = np.nan
    labels[591, 3] = np.nan
    labels[592, 3] = -85.8
    train = np.arange(600) < 500
    mu, sigma = relative[train].mean(axis=0), relative[train].std(axis=0)
    stars = pd.DataFrame(labels, columns=label_mlp.MLP_LABELS).assign(sfd_ebv=np.nan)
    x, x_err = (relative - mu) / sigma, 1e-3 * mean[0] / np.tile(sigma, (600, 1))
    return Given(stars, train, ~train, x, x_err, mu, sigma, n_latents=6)


SETTINGS = {"a_k_range": (-0.2, 1.0), "flux_error": 0.01, **TRAINING}


def test_predictions_follow_the_labels(population):
    found = label_mlp.predict(population, **SETTINGS)
    truth = population.x[population.test]
    known = found.known
    assert np.sqrt(np.mean((found.coefficients - truth)[known] ** 2)) < 0.2  # of a population of unit scatter
    assert len(found.summary["extinction_curve"]) == len(found.summary["wavelength"])


def test_stars_without_labels_are_not_known_and_counted(population):
    found = label_mlp.predict(population, **SETTINGS)
    assert np.flatnonzero(~found.known).tolist() == [90, 91, 92]
    # as in the published code they are read as zeros: all the same, and nothing like a star
    # (to rounding, which in a product of matrices may depend on the row)
    assert np.ptp(found.coefficients[~found.known], axis=0).max() < 1e-12
    assert found.summary["n_train"] == 499
    assert found.summary["n_predicted"] == 97
    assert found.summary["n_missing_label"] == 2
    assert found.summary["n_a_k_outside"] == 1


def test_the_flux_of_all_stars_is_never_held(population, monkeypatch):
    """Nor does what is held at a time change the prediction."""
    settings = SETTINGS | {"epochs": 1}
    whole = label_mlp.predict(population, **settings)
    monkeypatch.setattr(label_mlp, "CHUNK", 64)
    sizes = []

    def watched(coefficients):
        sizes.append(len(coefficients))
        return coefficients_to_flux(coefficients)

    monkeypatch.setattr(label_mlp, "coefficients_to_flux", watched)
    found = label_mlp.predict(population, **settings)
    assert max(sizes) == max(64, SETTINGS["batch_size"]) < 499 and sum(sizes) > 2 * 499
    np.testing.assert_allclose(found.coefficients, whole.coefficients, atol=1e-9)


def test_moments_and_median_of_chunks_are_those_of_the_whole():
    rng = np.random.default_rng(3)
    for number in (1000, 1001):
        values = np.exp(4 * rng.normal(size=(number, 3)))
        chunks = [values[:7], values[7:900], values[900:]]
        mean, covariance = label_mlp.moments(lambda chunks=chunks: iter(chunks))
        np.testing.assert_allclose(mean, values.mean(axis=0), rtol=1e-13)
        np.testing.assert_allclose(covariance, np.cov(values, rowvar=False), rtol=1e-12)
        assert label_mlp.median(lambda chunks=chunks: iter(chunks)) == np.median(values)
    for few in ([2.0], [1.0, 3.0], [0.0, 0.0, 5.0]):
        assert label_mlp.median(lambda few=few: iter([np.array(few)])) == np.median(few)


def test_too_few_labels_are_refused(population):
    population.stars.iloc[:450] = np.nan
    with pytest.raises(InputError, match="only 50 training stars have finite teff, logg, fe_h, a_k"):
        label_mlp.predict(population, **SETTINGS)


def test_flux_errors_enter_the_training():
    """A wavelength without information is left at the typical flux by a model that heeds the errors."""
    labels, flux, curve = synthetic_stars(np.random.default_rng(1), 1000)
    error = 0.005 * flux
    error[:, 20] = 1e6 * flux[:, 20]
    garbage = flux.copy()
    garbage[:, 20] *= np.exp(3 * labels[:, 3])
    model, _ = fit(labels, garbage, error, **TRAINING)
    recovered = model.extinction_curve.detach().numpy()
    assert abs(recovered[20] - (curve[20] - 3)) > 1
    np.testing.assert_allclose(np.delete(recovered, 20), np.delete(curve, 20), atol=0.05)


def test_extinction_is_the_datasets_own_or_that_of_the_map():
    own, of_map = np.array([0.1, np.nan, -0.05]), np.array([1.0, 2.0, np.nan])
    np.testing.assert_array_equal(label_mlp.extinction(own, of_map), own)
    np.testing.assert_allclose(label_mlp.extinction([None] * 3, of_map), [0.310, 0.620, np.nan])


@pytest.mark.parametrize("model", [lb23, lb23_labels])
def test_lb23_is_known_where_the_record_has_all_of_a_star(model, tmp_path):
    rng = np.random.default_rng(0)
    width, train = dr3_basis().n_coefficients, np.arange(20) % 4 > 0
    stored = rng.normal(size=(5, 64)).astype(np.float32)
    stored[3, 7] = np.nan
    mu, sigma = rng.normal(size=width), rng.uniform(0.5, 2, width)
    known = [True, True, True, False, True]
    np.save(tmp_path / "lb23.npy", stored)
    context = replace(given(np.ones((20, width)), train), mu=mu, sigma=sigma)
    context.extras[model.NEEDS[0]] = tmp_path / "lb23.npy"
    prediction = model.predict(context)
    assert prediction.known.tolist() == known and prediction.summary["n_predicted"] == sum(known)
    assert prediction.coefficients.shape == (5, width)
    for row in np.flatnonzero(known):
        for place, column in ((0, 0), (31, 31), (32, 55), (63, 86)):
            expected = (stored[row, place] - mu[column]) / sigma[column]
            assert prediction.coefficients[row, column] == pytest.approx(expected, rel=1e-6)
        assert np.isnan(prediction.coefficients[row, 32:55]).all()
    np.save(tmp_path / "lb23.npy", stored[:0])
    with pytest.raises(InputError, match="the authors' record has no predictions"):
        model.predict(context)
