"""Noise of faint stars on bright ones, and what is nearer to the truth."""

import numpy as np
import pytest

from xpsvae.analysis import denoising
from xpsvae.errors import InputError


def test_noise_of_a_fainter_star_has_its_error(monkeypatch):
    rng = np.random.default_rng(0)
    magnitude = rng.uniform(11, 15, 2000)
    colour = rng.uniform(0.3, 2.5, 2000) + 0.3 * magnitude - 4  # fainter stars are redder
    law = np.array([[0.2, 0.3], [0.4, -0.1], [0.05, 0.0], [-5.0, -6.0]])
    errors = 10 ** (np.column_stack([magnitude, colour, colour**2, np.ones(2000)]) @ law)
    monkeypatch.setattr(denoising, "_COLUMNS", 1)  # of two
    flux = 10 ** (0.4 * (25 - magnitude))
    growth = denoising.noise_model(magnitude, colour, errors * flux[:, None], flux)
    np.testing.assert_allclose(growth, law, rtol=1e-8, atol=1e-10)
    scale = np.array([0.5, 2.0])
    x, x_err = np.zeros((20_000, 2), np.float32), np.full((20_000, 2), 0.001, np.float32)
    noisy, total = denoising.noisy(x, x_err, scale, growth, 17.0, np.ones(20_000), 1)
    expected = 10 ** np.array([0.2 * 17 + 0.4 + 0.05 - 5, 0.3 * 17 - 0.1 - 6]) / scale
    np.testing.assert_allclose(total[0], expected, rtol=1e-6)
    np.testing.assert_allclose(noisy.std(axis=0), np.sqrt(expected**2 - 0.001**2), rtol=0.02)
    again, _ = denoising.noisy(x, x_err, scale, growth, 17.0, np.ones(20_000), 1)
    assert np.array_equal(noisy, again)


def test_a_star_that_is_noisier_already_stays_as_it_is():
    x, x_err = np.ones((3, 1), np.float32), np.full((3, 1), 5.0, np.float32)
    growth = np.array([[0.2], [0.0], [0.0], [-5.0]])
    noisy, total = denoising.noisy(x, x_err, np.ones(1), growth, 17.0, np.ones(3), 1)
    assert np.array_equal(noisy, x) and np.array_equal(total, x_err)


def test_nearer_by_wavelength_and_by_star():
    truth = np.zeros((2, 2))
    ours, theirs = np.array([[1.0, -2.0], [1.0, 2.0]]), np.array([[2.0, 1.0], [-2.0, 4.0]])
    found = denoising.nearer(ours, theirs, truth)
    assert found["ratio"] == pytest.approx([0.5, 2 / 2.5])
    assert found["median"] == pytest.approx(np.median(found["ratio"])) and found["share"] == 0.5


def test_too_few_faint_stars_are_refused():
    with pytest.raises(InputError, match=r"100 stars of G >= 12.5, and there are 3"):
        denoising.noise_model(np.array([13.0, 14, 15, 10]), np.ones(4), np.ones((4, 2)), np.ones(4))
