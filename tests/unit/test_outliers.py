"""Outliers: distances by brute force, injections by what they do to the flux, words and marks."""

import numpy as np
import pandas as pd
import pytest

from xpsvae.analysis import outliers
from xpsvae.errors import InputError
from xpsvae.xp.basis import coefficients_to_flux, dr3_basis


@pytest.fixture(scope="module")
def coefficients(shared):
    """Real coefficients of GaiaXPy's example."""
    table = pd.read_csv(shared("reference/gaiaxpy/XP_CONTINUOUS_RAW.csv"))
    bands = [
        np.array([np.fromstring(row[1:-1], sep=",") for row in table[f"{band}_coefficients"]])
        for band in ("bp", "rp")
    ]
    return np.hstack(bands)


def test_distance_is_that_to_the_twentieth_neighbour():
    rng = np.random.default_rng(0)
    reference, stars = rng.normal(size=(200, 3)) * [1, 10, 100], rng.normal(size=(5, 3)) * [1, 10, 100]
    scale = reference.std(axis=0)
    for star, found in zip(stars, outliers.distance(stars, reference), strict=True):
        far = sorted(np.sqrt((((star - other) / scale) ** 2).sum()) for other in reference)
        assert found == pytest.approx(far[20])
    with pytest.raises(InputError, match="more than 20 training stars and a latent in use"):
        outliers.distance(stars, reference[:20])


def test_a_blend_adds_the_light_of_the_second_star():
    coefficients, errors = np.array([[10.0, 2.0], [30.0, 6.0]]), np.array([[3.0, 1.0], [8.0, 2.0]])
    total, sigma, flux = outliers.blend(coefficients, errors, np.array([100.0, 300.0]), np.array([1, 0]))
    weight = 0.5 * 100 / 300
    np.testing.assert_allclose(total[0], [10 + weight * 30, 2 + weight * 6])
    np.testing.assert_allclose(sigma[0], [np.hypot(3, weight * 8), np.hypot(1, weight * 2)])
    np.testing.assert_allclose(flux, [150, 450])


def test_a_line_band_is_changed_and_nothing_else(coefficients):
    before, after = (coefficients_to_flux(c) for c in (coefficients, outliers.change_line(coefficients)))
    grid = dr3_basis().wavelengths
    ratio = (after / before)[:, (grid > 340) & (grid < 1000)]
    grid = grid[(grid > 340) & (grid < 1000)]
    inside, outside = (grid > 511) & (grid < 519), (grid < 470) | (grid > 560)
    assert np.median(ratio[:, inside]) == pytest.approx(0.91, abs=0.02)
    assert np.median(np.abs(ratio[:, outside] - 1)) < 0.005


def test_the_red_band_is_shifted_and_the_blue_one_is_not(coefficients):
    basis = dr3_basis()
    before, after = (coefficients_to_flux(c) for c in (coefficients, outliers.shift_band(coefficients)))
    blue, red = basis.wavelengths < 620, (basis.wavelengths > 700) & (basis.wavelengths < 980)
    moved = np.array([np.interp(basis.wavelengths - 2, basis.wavelengths, row) for row in before])
    scale = np.abs(before).mean(axis=1, keepdims=True)
    assert np.abs((after - before) / scale)[:, blue].max() < 0.03
    expected, found = (moved - before)[:, red], (after - before)[:, red]
    assert np.sqrt(((found - expected) ** 2).mean()) < 0.2 * np.sqrt((expected**2).mean())


def test_recovered_counts_stars_above_the_level():
    unaltered = np.arange(1000.0)
    assert outliers.recovered(np.array([0.0, 989.0, 990.0, 2000.0]), unaltered) == 0.5


def test_stars_of_unusual_labels():
    stars = pd.DataFrame(
        {"teff": np.r_[np.full(99, 5000.0), 9000.0], "m_h": np.r_[-2.0, np.zeros(98), np.nan]}
    )
    marks = outliers.unusual(stars)
    assert marks["metal_poor"].sum() == 1 and marks["metal_poor"][0]
    assert marks["hottest"].nonzero()[0].tolist() == [99] and "carbon_rich" not in marks
    stars["c_fe"] = np.r_[np.zeros(50), 0.5, np.full(49, np.nan)]
    assert outliers.unusual(stars)["carbon_rich"].nonzero()[0].tolist() == [50]


def test_the_table_says_why():
    stars = pd.DataFrame({"source_id": [11, 12, 13, 14], "m_h": [0.0, -2.0, 0.0, 0.0]})
    pull = np.zeros((4, 110))
    pull[1, 57], pull[2, 3], pull[3] = -9.0, 1.0, 0.5
    scores = {"chi2": (pull**2).sum(axis=1), "distance": np.array([0.1, 0.2, 5.0, 0.3])}
    marks = {"metal_poor": stars["m_h"].to_numpy() < -1.5}
    table = outliers.table(stars, scores, {"chi2": 50.0, "distance": 1.0}, pull, marks, n=1)
    assert table["source_id"].tolist() == [12, 13]
    assert table["why"].tolist() == [
        "reconstruction off in RP, most in coefficient RP 2 (-9.0)", "few stars near it in latent space",
    ]  # fmt: skip
    assert table["unusual"].tolist() == ["metal-poor", ""]
    assert table["chi2_rank"].tolist() == [1, 3] and table["distance_rank"].tolist() == [3, 1]
