"""Residuals against GaiaXPy's own calibration, brute-force loops and closed forms."""

import numpy as np
import pandas as pd
import pytest

from xpsvae.compare import residuals
from xpsvae.compare.registry import Prediction
from xpsvae.errors import InputError
from xpsvae.xp import dr3_basis
from xpsvae.xp.gaiaxpy_module import gaiaxpy_module


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
    calibrate = gaiaxpy_module().calibrate
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
    assert found["label_mlp"]["ratio"] == [3.0]
    assert (found["svae"]["n"], found["label_mlp"]["n"]) == (3, 2)
    assert found["svae"]["rmse"][0] == pytest.approx(np.sqrt(10002 / 3))
    assert "ratio" not in found["svae"]


def test_published_ratio_of_coefficients_is_of_mean_squares(rng):
    values = {model: width * rng.normal(size=(500, 4)) for model, width in (("svae", 1.0), ("pca", 3.0))}
    values["pca"][::3] = np.nan
    found = residuals.compare(values, ratio="mean_square")["pca"]["ratio"]
    known = np.arange(500) % 3 > 0
    expected = np.mean(values["pca"][known] ** 2, axis=0) / np.mean(values["svae"][known] ** 2, axis=0)
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    np.testing.assert_allclose(residuals.compare(values)["pca"]["ratio"], np.sqrt(expected), rtol=1e-12)


def test_published_leading_columns_of_rp_are_those_after_bps_in_the_compared_order():
    """The published code reads column 32 + j of (all BP, all RP) where it means (32 of BP, 32 of RP)."""
    n_bp = dr3_basis().bands[0].shape[1]
    assert residuals.leading_columns().tolist() == [0, 1, 2, 3, 4, *range(n_bp, n_bp + 5)]
    assert residuals.leading_columns("after_bp").tolist() == [0, 1, 2, 3, 4, 32, 33, 34, 35, 36]


@pytest.fixture
def compared(rng):
    """Sixty stars, and two models of whose second ten stars are not known."""
    n, width = 60, dr3_basis().n_coefficients
    scale = 1 / (1 + np.arange(width) % (width // 2))
    mu, sigma = 0.5 * scale, rng.uniform(0.5, 2, width) * scale
    x, x_err = rng.normal(size=(n, width)), rng.uniform(0.5, 2, (n, width))
    known = np.arange(n) % 6 > 0
    predictions = {
        "svae": Prediction(np.ones(n, dtype=bool), x + rng.normal(size=x.shape)),
        "labels": Prediction(known, np.where(known[:, None], x + 3 * rng.normal(size=x.shape), -mu / sigma)),
    }
    return predictions, x, x_err, mu, sigma


def test_models_are_measured_in_the_units_of_the_errors(compared):
    predictions, x, x_err, mu, sigma = compared
    leading, flux, per_star, summary = residuals.measure(*compared)
    assert [*leading] == [*flux] == ["svae", "labels"]
    columns = residuals.coefficient_columns()
    design = dr3_basis().design[np.isin(dr3_basis().wavelengths, np.arange(392, 993, 10))]
    for model, prediction in predictions.items():
        for i in range(len(x)):
            if not prediction.known[i]:
                assert np.isnan(leading[model][i]).all() and np.isnan(flux[model][i]).all()
                assert np.isnan(per_star[f"rmse_flux_{model}"][i])
                continue
            off = prediction.coefficients[i] - x[i]
            parts = (off / x_err[i])[columns]
            np.testing.assert_allclose(leading[model][i], [*parts[:5], *parts[32:37]])
            assert per_star[f"rmse_coefficient_{model}"][i] == pytest.approx(np.sqrt(np.mean(parts**2)))
            spread = np.sqrt(design**2 @ (x_err[i] * sigma) ** 2)
            np.testing.assert_allclose(flux[model][i], design @ (off * sigma) / spread, rtol=1e-7)
    assert summary["coefficients"]["labels"]["n"] == summary["wavelengths"]["labels"]["n"] == 50
    assert len(summary["coefficients"]["svae"]["rmse"]) == 64
    assert summary["wavelength"] == list(range(392, 993, 10))


def test_what_is_measured_without_a_choice_is_corrected(compared):
    corrected = {"rmse_units": "standardised", "flux_error": "covariance", "svae_rp": "rp"}
    corrected |= {"coefficient_ratio": "rmse", "unmatched": "masked"}
    for one, other in zip(
        residuals.measure(*compared), residuals.measure(*compared, **corrected), strict=True
    ):
        for name, values in one.items():
            if isinstance(values, np.ndarray):
                np.testing.assert_array_equal(values, other[name])
            else:
                assert values == other[name]


def test_mixed_units_multiply_the_published_rmse_by_the_normalisation(compared, rng):
    """Differences in c / F_G against covariances of standardised coefficients, star by star."""
    predictions, x, x_err, mu, sigma = compared
    n_band = dr3_basis().bands[0].shape[1]
    triangles, matrices = random_correlations(rng, len(x), n_band)
    made = residuals.measure(*compared, triangles, rmse_units="mixed")
    right = residuals.measure(*compared, triangles)
    for model, prediction in predictions.items():
        for i in np.flatnonzero(prediction.known):
            total = 0.0
            for band in range(2):
                inside = slice(band * n_band, band * n_band + 32)
                off = (sigma * prediction.coefficients[i] + mu - (sigma * x[i] + mu))[inside]  # c / F_G
                covariance = (
                    np.diag(x_err[i, inside]) @ matrices[i, band][:32, :32] @ np.diag(x_err[i, inside])
                )
                total += off @ np.linalg.inv(covariance) @ off
            assert made[2][f"rmse_coefficient_{model}"][i] == pytest.approx(np.sqrt(total / 64), rel=1e-9)
        np.testing.assert_array_equal(made[2][f"rmse_flux_{model}"], right[2][f"rmse_flux_{model}"])
    assert made[3] == right[3]


def test_linear_flux_errors_add_coefficient_errors_with_the_sign_of_their_basis_function(compared, rng):
    predictions, x, x_err, _, sigma = compared
    made, right = residuals.measure(*compared, flux_error="linear"), residuals.measure(*compared)
    basis = dr3_basis()
    off = (predictions["svae"].coefficients - x) * sigma
    for k, wavelength in enumerate(range(392, 993, 10)):
        row = basis.design[basis.wavelengths.tolist().index(wavelength)]
        for i in range(5):
            error = abs(sum(a * s for a, s in zip(row, x_err[i] * sigma, strict=True)))
            assert made[1]["svae"][i, k] == pytest.approx(row @ off[i] / error, rel=1e-6)
    assert made[3]["leading"] == right[3]["leading"]
    assert made[3]["coefficients"] == right[3]["coefficients"]
    triangles, _ = random_correlations(rng, len(x), basis.bands[0].shape[1])
    again = residuals.measure(*compared, triangles, flux_error="linear")
    np.testing.assert_array_equal(again[1]["svae"], made[1]["svae"])  # knows no correlations


def test_published_rp_panels_show_bp_of_the_svae_alone(compared):
    predictions, x, x_err, _, _ = compared
    leading = residuals.measure(*compared, svae_rp="after_bp")[0]
    right = residuals.measure(*compared)[0]
    residual = (predictions["svae"].coefficients - x) / x_err
    np.testing.assert_allclose(leading["svae"][:, 5:], residual[:, 32:37])
    np.testing.assert_array_equal(leading["svae"][:, :5], right["svae"][:, :5])
    np.testing.assert_array_equal(leading["labels"], right["labels"])


def test_ratio_of_mean_squares_is_of_the_coefficients_alone(compared):
    made, right = (residuals.measure(*compared, coefficient_ratio=r)[3] for r in ("mean_square", "rmse"))
    ratio = np.array(right["coefficients"]["labels"]["ratio"])
    np.testing.assert_allclose(made["coefficients"]["labels"]["ratio"], ratio**2, rtol=1e-12)
    assert made["wavelengths"] == right["wavelengths"] and made["leading"] == right["leading"]


def test_stars_without_labels_are_kept_as_published(compared):
    predictions, x, x_err, mu, sigma = compared
    leading, flux, per_star, summary = residuals.measure(*compared, unmatched="kept")
    right = residuals.measure(*compared)
    unknown = ~predictions["labels"].known
    columns = residuals.leading_columns()
    expected = ((-mu / sigma - x) / x_err)[unknown][:, columns]  # their coefficients are zeros
    np.testing.assert_allclose(leading["labels"][unknown], expected)
    np.testing.assert_array_equal(leading["labels"][~unknown], right[0]["labels"][~unknown])
    assert np.isfinite(per_star["rmse_flux_labels"]).all()
    assert summary["coefficients"]["labels"]["n"] == summary["wavelengths"]["labels"]["n"] == 60
    assert summary["coefficients"]["svae"] == right[3]["coefficients"]["svae"]


def test_a_model_of_flux_is_compared_in_flux_alone(compared):
    predictions, x, x_err, mu, sigma = compared
    design = dr3_basis().design[np.isin(dr3_basis().wavelengths, np.arange(392, 993, 10))]
    known = predictions["labels"].known
    same = (predictions["labels"].coefficients * sigma + mu) @ design.T
    everyone = predictions | {"flux": Prediction(known, flux=same)}
    leading, flux, per_star, summary = residuals.measure(everyone, *compared[1:])
    assert [*leading] == ["svae", "labels"] and [*flux] == ["svae", "labels", "flux"]
    assert "rmse_coefficient_flux" not in per_star and "flux" not in summary["coefficients"]
    np.testing.assert_allclose(
        flux["flux"], flux["labels"], rtol=1e-6, atol=1e-9
    )  # the same model, said otherwise
    np.testing.assert_allclose(per_star["rmse_flux_flux"], per_star["rmse_flux_labels"], rtol=1e-7)
    np.testing.assert_allclose(
        summary["wavelengths"]["flux"]["ratio"], summary["wavelengths"]["labels"]["ratio"], rtol=1e-7
    )
    kept = residuals.measure(everyone, *compared[1:], unmatched="kept")[1]["flux"]
    assert np.isfinite(kept).all()


def test_a_model_of_leading_coefficients_alone_is_not_compared_in_flux(compared):
    predictions, x, *rest = compared
    few = np.full(x.shape, np.nan)
    columns = residuals.coefficient_columns()
    few[:, columns] = predictions["svae"].coefficients[:, columns]
    everyone = predictions | {"lb23": Prediction(np.ones(len(x), dtype=bool), few)}
    leading, flux, per_star, summary = residuals.measure(everyone, x, *rest)
    np.testing.assert_array_equal(leading["lb23"], leading["svae"])
    assert "lb23" not in flux and "rmse_flux_lb23" not in per_star
    np.testing.assert_array_equal(per_star["rmse_coefficient_lb23"], per_star["rmse_coefficient_svae"])
    assert summary["coefficients"]["lb23"]["ratio"] == [1.0] * 64


@pytest.mark.parametrize("unmatched", ["masked", "kept"])
def test_a_model_that_knows_no_star_is_not_compared(compared, unmatched):
    predictions, x, *rest = compared
    nobody, nothing = np.zeros(len(x), dtype=bool), np.full(x.shape, np.nan)
    everyone = predictions | {
        "lb23": Prediction(nobody, nothing),
        "zgr": Prediction(nobody, flux=nothing[:, :61]),
    }
    found, expected = (residuals.measure(p, x, *rest, unmatched=unmatched) for p in (everyone, predictions))
    for part, truth in zip(found, expected, strict=True):
        assert part.keys() == truth.keys()
    for space in ("leading", "coefficients", "wavelengths"):
        assert found[3][space].keys() == {"svae", "labels"}


def test_bins_of_a_label_by_loop(rng):
    values = np.array([3.0, 3.5, 4.0, 4.9, 5.0, np.nan, 2.9, 3.1])
    found = rng.normal(1, 2, size=(8, 6))
    found[7] = np.nan  # no prediction
    bins = residuals.by_label(found, values, np.array([3.0, 4.0, 5.0, 6.0, 7.0]))
    for part, rows in zip(bins, ([0, 1], [2, 3], [4], []), strict=True):
        pooled = sorted(found[rows].ravel())
        assert part["n"] == len(rows)
        if rows:
            assert part["bias"] == pytest.approx(np.median(pooled), rel=1e-12)
            assert part["rmse"] == pytest.approx((sum(r * r for r in pooled) / len(pooled)) ** 0.5, rel=1e-12)
            low, high = np.quantile(pooled, [0.16, 0.84])
            assert part["width"] == pytest.approx((high - low) / 2, rel=1e-12)
        else:
            assert part == {"from": 6.0, "to": 7.0, "n": 0, "bias": None, "width": None, "rmse": None}


def test_two_models_meet_on_the_stars_that_both_predict(rng):
    ours, theirs = rng.normal(size=(2, 9, 4))
    ours[0], theirs[[1, 2]] = np.nan, np.nan
    (duel,) = residuals.duels({"a": ours, "b": theirs}, [("a", "b"), ("a", "c")])
    assert (duel["ours"], duel["theirs"], duel["n"]) == ("a", "b", 6)
    for side, values in (("ours", ours), ("theirs", theirs)):
        expected = [sum(values[i, j] ** 2 for i in range(3, 9)) / 6 for j in range(4)]
        np.testing.assert_allclose(np.square(duel[f"rmse_{side}"]), expected, rtol=1e-12)
    theirs[:] = np.nan
    assert residuals.duels({"a": ours, "b": theirs}, [("a", "b")]) == []
