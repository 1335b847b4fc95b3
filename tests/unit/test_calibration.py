"""Recalibration against residuals whose widths are known."""

import numpy as np
import pytest

from xpsvae.analysis import calibration
from xpsvae.errors import InputError


@pytest.fixture(scope="module")
def stars():
    """Draw normal residuals of three coefficients: right, twice too wide, and wrong where much is predicted."""
    rng = np.random.default_rng(1)
    predicted = rng.uniform(0.5, 2.0, size=(20_000, 3))
    true = predicted * np.array([1.0, 4.0, 1.0])
    true[:, 2] = np.where(predicted[:, 2] > 1, 3 * predicted[:, 2], predicted[:, 2])
    return rng.normal(size=true.shape) * np.sqrt(true), predicted, true


def test_variances_add():
    found = calibration.variance(np.float32([[3.0, 1.0]]), np.float32([[4.0, 0.0]]))
    assert found.tolist() == [[25.0, 1.0]] and found.dtype == np.float64


def test_a_factor_is_the_root_mean_square_of_the_pulls(stars):
    difference, predicted, _ = stars
    fitted = calibration.fit(difference, predicted)
    for column in range(3):
        pulls = [d / v**0.5 for d, v in zip(difference[:, column], predicted[:, column], strict=True)]
        assert fitted.factor[column] == pytest.approx((sum(p * p for p in pulls) / len(pulls)) ** 0.5)
    np.testing.assert_allclose(fitted.factor[:2], [1, 2], rtol=0.03)
    mended = calibration.corrected(fitted, predicted, "factor")
    assert calibration.chi2(difference, mended).mean() == pytest.approx(3)


def test_some_columns_at_a_time_are_those_of_one_array():
    rng = np.random.default_rng(4)
    own, difference = rng.gamma(2, size=(900, 23)), rng.normal(size=(900, 23)).astype(np.float32)
    fitted, squares = calibration.fit(difference, own), difference.astype(float) ** 2
    order = np.argsort(own, axis=0, kind="stable")
    bins = np.array_split(np.take_along_axis(own, order, axis=0), fitted.predicted.shape[1])
    np.testing.assert_allclose(fitted.predicted, np.array([part.mean(axis=0) for part in bins]).T, rtol=1e-14)
    np.testing.assert_allclose(fitted.factor, np.sqrt((squares / own).mean(axis=0)), rtol=1e-14)
    assert fitted.found.shape == fitted.predicted.shape


def test_a_curve_finds_what_a_factor_cannot(stars):
    """Fitted to half of the stars, judged on the others by their likelihood and by the true variance."""
    difference, predicted, true = stars
    half = slice(None, 10_000), slice(10_000, None)
    fitted = calibration.fit(difference[half[0]], predicted[half[0]])
    assert (np.diff(fitted.found, axis=1) >= 0).all()
    by = {name: calibration.corrected(fitted, predicted[half[1]], name) for name in calibration.CORRECTIONS}
    assert by["none"] is not fitted and np.array_equal(by["none"], predicted[half[1]])
    loss = {name: calibration.scores(difference[half[1]], values)["loss"] for name, values in by.items()}
    assert loss["isotonic"] < loss["factor"] - 0.02 < loss["none"] - 0.3
    ratio = by["isotonic"][:, 2] / true[half[1]][:, 2]
    low, middle, high = np.percentile(ratio, (5, 50, 95))
    assert 0.75 < low < middle < high < 1.35 and middle == pytest.approx(1, abs=0.1)


def test_beyond_its_ends_a_curve_keeps_the_ratio(stars):
    difference, predicted, _ = stars
    fitted = calibration.fit(difference, predicted)
    far = np.full((1, 3), 100.0)
    expected = 100 * fitted.found[:, -1] / fitted.predicted[:, -1]
    np.testing.assert_allclose(calibration.corrected(fitted, far, "isotonic")[0], expected)


def test_scores_of_normal_pulls(stars):
    difference, _, true = stars
    found = calibration.scores(difference, true)
    assert found["rms"] == pytest.approx(1, abs=0.01) and found["width"] == pytest.approx(1, abs=0.01)
    assert found["within_1"] == pytest.approx(0.6827, abs=0.005)
    assert found["within_2"] == pytest.approx(0.9545, abs=0.003)
    one = 0.5 * (difference[:, 0] ** 2 / true[:, 0] + np.log(true[:, 0]))
    assert calibration.scores(difference[:, :1], true[:, :1])["loss"] == pytest.approx(one.mean())


def test_bins_of_a_label_hold_equally_many_stars_that_have_it():
    label = np.array([3.0, np.nan, 1.0, 2.0, 4.0])
    pull = np.array([[3.0], [9.0], [1.0], [-1.0], [-3.0]])
    low, high = calibration.against(pull, label, 2)
    assert (low["from"], low["to"], low["n"], low["rms"]) == (1.0, 2.0, 2, 1.0)
    assert (high["from"], high["to"], high["n"], high["rms"]) == (3.0, 4.0, 2, 3.0)
    assert calibration.against(pull, np.full(5, np.nan)) == []


def test_too_few_stars_are_refused():
    with pytest.raises(InputError, match=r"on 100 training stars and needs 320"):
        calibration.fit(np.ones((100, 2)), np.ones((100, 2)))
