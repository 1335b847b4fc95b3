"""Flux and its errors against GaiaXPy's calibrate, its published output, and brute-force loops."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from astropy import units as u
from astropy.table import MaskedColumn

from xpsvae.errors import InputError
from xpsvae.xp import basis, coefficients_to_flux, dr3_basis, flux_errors
from xpsvae.xp.gaiaxpy_module import gaiaxpy_module

N_BAND = 55
RNG = np.random.default_rng(20240410)


def array(cell):
    return np.array([float(number) for number in cell.strip("()").split(",")])


def random_correlations(n_stars):
    """Positive definite correlation matrices (n_stars, 2, N_BAND, N_BAND)."""
    root = RNG.normal(size=(n_stars, 2, N_BAND, 2 * N_BAND))
    covariance = root @ root.swapaxes(-1, -2)
    sigma = np.sqrt(np.einsum("...jj->...j", covariance))
    return covariance / sigma[..., :, None] / sigma[..., None, :]


@pytest.fixture(scope="module")
def stars():
    """Coefficients made here and what GaiaXPy's calibrate makes of them."""
    calibrate = gaiaxpy_module().calibrate
    n_stars = 6
    order = 1 + np.tile(np.arange(N_BAND), 2)
    coefficients = 1e4 * RNG.normal(size=(n_stars, 2 * N_BAND)) / order
    coefficients[:, [0, N_BAND]] = RNG.uniform(2e4, 5e4, (n_stars, 2))
    errors = RNG.uniform(5, 50, (n_stars, 2 * N_BAND))
    correlations = random_correlations(n_stars)
    deviations = RNG.uniform(0.9, 1.5, (n_stars, 2))
    columns = {"source_id": np.arange(1, n_stars + 1)}
    for index, band in enumerate(("bp", "rp")):
        part = slice(index * N_BAND, (index + 1) * N_BAND)
        columns |= {
            f"{band}_n_parameters": N_BAND,
            f"{band}_standard_deviation": deviations[:, index],
            f"{band}_coefficients": list(coefficients[:, part]),
            f"{band}_coefficient_errors": list(errors[:, part]),
            f"{band}_coefficient_correlations": list(correlations[:, index]),
        }
    table, positions = calibrate(pd.DataFrame(columns), save_file=False)
    return {
        "coefficients": coefficients,
        "errors": errors,
        "correlations": correlations[:, :, *np.tril_indices(N_BAND, -1)],
        "deviations": deviations,
        "wavelengths": positions,
        "flux": np.stack(table.flux),
        "flux_error": np.stack(table.flux_error),
    }


@pytest.fixture(scope="module")
def published(shared):
    """GaiaXPy's own test stars, the second without BP, and its published output."""
    spectra = pd.read_csv(shared("reference/gaiaxpy/XP_CONTINUOUS_RAW_with_missing_BP.csv"))
    solution = pd.read_csv(shared("reference/gaiaxpy/with_missing_calibrator_solution.csv"))

    def both(name, width):
        return np.stack(
            [
                spectra[f"{band}_{name}"]
                .map(lambda c: np.full(width, np.nan) if pd.isna(c) else array(c))
                .tolist()
                for band in ("bp", "rp")
            ],
            axis=1,
        )

    return {
        "coefficients": both("coefficients", N_BAND).reshape(len(spectra), -1),
        "errors": both("coefficient_errors", N_BAND).reshape(len(spectra), -1),
        "correlations": both("coefficient_correlations", N_BAND * (N_BAND - 1) // 2),
        "deviations": spectra[["bp_standard_deviation", "rp_standard_deviation"]].to_numpy(),
        "flux": np.stack(solution.flux.map(array)),
        "flux_error": np.stack(solution.flux_error.map(array)),
    }


def test_flux_equals_calibrate(stars):
    flux = coefficients_to_flux(stars["coefficients"])
    np.testing.assert_array_equal(dr3_basis().wavelengths, stars["wavelengths"])
    np.testing.assert_allclose(flux, stars["flux"], rtol=0, atol=1e-12 * np.abs(stars["flux"]).max())


def test_errors_with_correlations_equal_calibrate(stars):
    errors = flux_errors(stars["errors"], stars["correlations"], stars["deviations"])
    np.testing.assert_allclose(errors, stars["flux_error"], rtol=1e-12)
    np.testing.assert_allclose(flux_errors(stars["errors"], stars["correlations"]), errors, rtol=1e-14)


def test_flux_and_errors_equal_the_published_output_missing_band_included(published):
    assert np.isnan(published["flux"]).any(axis=1).tolist() == [False, True, False]
    np.testing.assert_allclose(coefficients_to_flux(published["coefficients"]), published["flux"], rtol=1e-10)
    errors = flux_errors(published["errors"], published["correlations"], published["deviations"])
    np.testing.assert_allclose(errors, published["flux_error"], rtol=1e-10)


def test_missing_rp_keeps_bp_alone_below_643_nm(stars):
    coefficients = stars["coefficients"].copy()
    coefficients[0, N_BAND:] = np.nan
    coefficients[1] = np.nan
    grid = dr3_basis().wavelengths
    flux = coefficients_to_flux(coefficients)
    alone = coefficients[0, :N_BAND] @ dr3_basis().bands[0].T
    np.testing.assert_allclose(flux[0, grid < 643], alone[grid < 643], rtol=1e-12)
    assert np.isnan(flux[0, grid >= 643]).all()
    assert np.isnan(flux[1]).all()
    np.testing.assert_allclose(flux[2:], stars["flux"][2:], rtol=0, atol=1e-12 * np.abs(stars["flux"]).max())


def test_a_band_without_standard_deviation_counts_as_missing(stars):
    deviations = stars["deviations"].copy()
    deviations[0, 0] = np.nan
    errors = stars["errors"].copy()
    with_nan = flux_errors(errors, standard_deviations=deviations)
    errors[0, :N_BAND] = np.nan
    np.testing.assert_array_equal(with_nan, flux_errors(errors))
    assert np.isnan(with_nan[0]).any() and not np.isnan(with_nan[1:]).any()


def test_errors_equal_a_loop_over_pairs(stars):
    """sigma_f^2 = sum_jk A_j sigma_j r_jk sigma_k A_k, term by term, at three wavelengths."""
    wavelengths = [450.0, 640.0, 900.0]
    design = dr3_basis().at(wavelengths).design
    computed = flux_errors(stars["errors"][:2], stars["correlations"][:2], wavelengths=wavelengths)
    for star in range(2):
        for row in range(3):
            variance = 0.0
            for band in range(2):
                sigma = stars["errors"][star, band * N_BAND : (band + 1) * N_BAND]
                a = design[row, band * N_BAND : (band + 1) * N_BAND]
                pair = 0
                for j in range(N_BAND):
                    variance += (a[j] * sigma[j]) ** 2
                    for k in range(j):
                        r = stars["correlations"][star, band, pair]
                        variance += 2 * a[j] * sigma[j] * r * a[k] * sigma[k]
                        pair += 1
            np.testing.assert_allclose(computed[star, row], np.sqrt(variance), rtol=1e-11)


def test_errors_without_correlations_add_in_quadrature(stars):
    zero = np.zeros_like(stars["correlations"])
    expected = np.sqrt(
        sum((dr3_basis().design[:, j, None] * stars["errors"][:, j]) ** 2 for j in range(2 * N_BAND))
    )
    np.testing.assert_allclose(flux_errors(stars["errors"]), expected.T, rtol=1e-12)
    np.testing.assert_allclose(flux_errors(stars["errors"], zero), expected.T, rtol=1e-12)


def test_chunks_do_not_change_the_result(stars, monkeypatch):
    whole = flux_errors(stars["errors"], stars["correlations"]), coefficients_to_flux(stars["coefficients"])
    monkeypatch.setattr(basis, "_CHUNK", 4)
    np.testing.assert_allclose(flux_errors(stars["errors"], stars["correlations"]), whole[0], rtol=1e-12)
    np.testing.assert_allclose(
        coefficients_to_flux(stars["coefficients"]), whole[1], rtol=0, atol=1e-13 * whole[1].max()
    )


def test_float32_and_memory_mapped_input_is_computed_in_float64(stars, tmp_path):
    single = stars["coefficients"].astype(np.float32)
    np.save(tmp_path / "c.npy", single)
    mapped = np.load(tmp_path / "c.npy", mmap_mode="r")
    flux = coefficients_to_flux(mapped)
    assert flux.dtype == np.float64
    np.testing.assert_array_equal(flux, coefficients_to_flux(single.astype(float)))


def test_wavelengths_pick_columns_in_the_order_asked(stars):
    wavelengths = np.arange(392, 993, 10)
    rows = np.flatnonzero(np.isin(stars["wavelengths"], wavelengths))
    picked = coefficients_to_flux(stars["coefficients"], wavelengths[::-1])
    np.testing.assert_allclose(
        picked[:, ::-1], stars["flux"][:, rows], rtol=0, atol=1e-12 * np.abs(stars["flux"]).max()
    )
    assert flux_errors(stars["errors"], wavelengths=[500]).shape == (len(stars["errors"]), 1)


@pytest.mark.parametrize("wavelength", [335.0, 393.0, 1022.0, np.nan])
def test_a_wavelength_off_the_grid_is_refused(stars, wavelength):
    with pytest.raises(InputError, match=rf"{wavelength:g} nm.*336 to 1020 nm in steps of 2 nm"):
        coefficients_to_flux(stars["coefficients"], [400.0, wavelength])


def test_wrong_shapes_are_refused(stars):
    with pytest.raises(InputError, match=r"coefficients has shape \(6, 64\) where \(n_stars, 110\)"):
        coefficients_to_flux(stars["coefficients"][:, :64])
    with pytest.raises(InputError, match=r"coefficient_errors has shape \(110,\)"):
        flux_errors(stars["errors"][0])
    with pytest.raises(InputError, match=r"correlations has shape \(5, 2, 1485\) where \(6, 2, 1485\)"):
        flux_errors(stars["errors"], stars["correlations"][:5])
    with pytest.raises(InputError, match=r"standard_deviations has shape \(6,\) where \(6, 2\)"):
        flux_errors(stars["errors"], standard_deviations=stars["deviations"][:, 0])


def test_an_unknown_origin_is_refused():
    with pytest.raises(InputError, match="sampled_by is 'gaia': give 'gaiaxpy' or 'archive'"):
        dr3_basis("gaia")


def test_masked_coefficients_count_as_nan(stars):
    coefficients = np.ma.array(stars["coefficients"], mask=False)
    coefficients[0, :N_BAND] = np.ma.masked  # BP is missing
    coefficients[1, 60] = np.ma.masked
    with_nan = np.ma.filled(coefficients, np.nan)
    assert not np.isnan(coefficients.data).any()
    expected = coefficients_to_flux(with_nan)
    assert np.isnan(expected[0, 0]) and np.isfinite(expected[0, -1]) and np.isnan(expected[1]).all()
    for holder in (coefficients, MaskedColumn(coefficients), list(coefficients), pd.DataFrame(with_nan)):
        np.testing.assert_array_equal(coefficients_to_flux(holder), expected)
    errors = np.ma.array(stars["errors"], mask=coefficients.mask)
    np.testing.assert_array_equal(flux_errors(errors), flux_errors(np.ma.filled(errors, np.nan)))
    correlations = np.ma.array(stars["correlations"], mask=False)
    correlations[2, 1, 7] = np.ma.masked
    deviations = np.ma.array(stars["deviations"], mask=False)
    deviations[3, 0] = np.ma.masked
    found = flux_errors(stars["errors"], correlations, deviations)
    assert np.isnan(found[2]).any() and np.isnan(found[3, 0]) and np.isfinite(found[[0, 1, 4, 5]]).all()


def test_units_are_converted(stars):
    rate = u.electron / u.s
    flux = coefficients_to_flux(stars["coefficients"])
    np.testing.assert_allclose(
        coefficients_to_flux(stars["coefficients"] * 60 * u.electron / u.min), flux, rtol=1e-12, atol=0
    )
    np.testing.assert_array_equal(
        flux_errors(stars["errors"] * rate, stars["correlations"] * u.one),
        flux_errors(stars["errors"], stars["correlations"]),
    )
    grid = dr3_basis().wavelengths
    for wavelengths in (grid * 10 * u.AA, grid / 1000 * u.um, MaskedColumn(grid, unit="nm")):
        np.testing.assert_allclose(
            coefficients_to_flux(stars["coefficients"], wavelengths),
            flux,
            rtol=1e-12,
            atol=1e-12 * flux.max(),
        )


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (np.ones((1, 110)) * u.W, "coefficients is in W, but must be in electron / s"),
        (np.ones((1, 110)) * u.one, "must be in electron / s"),
        (np.ones((1, 110)) * 1j, "coefficients holds complex numbers"),
        (np.ones((1, 110), dtype=bool), "coefficients holds truth values"),
        (np.full((1, 110), "1.0"), "coefficients holds text"),
        ([[1.0] * 110, [1.0] * 109], "coefficients has rows of different lengths"),
    ],
)
def test_other_kinds_and_units_are_refused(given, says):
    with pytest.raises(InputError, match=says):
        coefficients_to_flux(given)
    with pytest.raises(InputError, match=says.replace("coefficients", "coefficient_errors")):
        flux_errors(given)
    with pytest.raises(InputError, match="wavelengths is in s"):
        coefficients_to_flux(np.ones((1, 110)), [400] * u.s)


def test_the_import_of_gaiaxpy_leaves_matplotlib_as_it_was():
    """In a process of its own: here GaiaXPy may have been imported long ago."""
    lines = (
        "import matplotlib",
        "before = dict(matplotlib.rcParams)",
        "from xpsvae.xp import dr3_basis",
        "dr3_basis('archive')",
        "import sys",
        "assert 'gaiaxpy' in sys.modules",
        "changed = [key for key, value in before.items() if matplotlib.rcParams[key] != value]",
        "assert not [key for key in changed if key != 'backend'], changed",
    )
    subprocess.run([sys.executable, "-c", "\n".join(lines)], check=True)
