"""Coefficients from flux: against least squares solved star by star, and against real coefficients."""

import csv
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from astropy import units as u
from astropy.table import Column, MaskedColumn

import xpsvae.xp
from xpsvae.errors import InputError
from xpsvae.xp import coefficients_to_flux, dr3_basis, flux_errors, flux_to_coefficients, inversion

N_BAND = 55
BANDS = {"bp": slice(0, N_BAND), "rp": slice(N_BAND, 2 * N_BAND)}


@pytest.fixture(scope="module")
def spectra():
    """Smooth made-up coefficients, their flux and an error."""
    rng = np.random.default_rng(5)
    order = 1 + np.tile(np.arange(N_BAND), 2)
    coefficients = rng.normal(size=(7, 2 * N_BAND)) / order**2
    coefficients[:, [0, N_BAND]] = rng.uniform(3, 6, (7, 2))
    coefficients *= 10.0 ** rng.uniform(2, 5, (7, 1))
    flux = coefficients_to_flux(coefficients)
    return (
        coefficients,
        flux,
        0.01 * np.abs(flux).max(axis=1, keepdims=True) * rng.uniform(0.5, 2, flux.shape),
    )


@pytest.fixture(scope="module")
def real(shared):
    """Two real DR3 stars: coefficients, errors, correlations."""
    table = pd.read_csv(shared("reference/gaiaxpy/XP_CONTINUOUS_RAW.csv"))

    def arrays(name):
        return [
            np.array([[float(x) for x in cell.strip("()").split(",")] for cell in table[f"{band}_{name}"]])
            for band in BANDS
        ]

    return (
        np.hstack(arrays("coefficients")),
        np.hstack(arrays("coefficient_errors")),
        np.stack(arrays("coefficient_correlations"), axis=1),
    )


@pytest.mark.parametrize("sampled_by", ["gaiaxpy", "archive"])
def test_equals_regularised_least_squares_star_by_star(spectra, sampled_by):
    _, flux, _ = spectra
    found, errors = flux_to_coefficients(flux, None, sampled_by, flux_weight=1e-4, prior_scale=0.2)
    assert errors is None
    design = dr3_basis(sampled_by).design
    a0_per_flux = 1 / (design[:, 0].sum() + design[:, N_BAND].sum())
    for star, f in enumerate(flux):
        unit = np.median(np.abs(f))
        prior = 0.2 * f.sum() * a0_per_flux / (1 + np.tile(np.arange(N_BAND), 2))
        rows = np.vstack([design / (1e-4 * unit), np.diag(1 / prior)])
        scaled = rows * prior  # unknowns of order one
        expected = prior * np.linalg.lstsq(scaled, np.append(f / (1e-4 * unit), np.zeros(2 * N_BAND)))[0]
        np.testing.assert_allclose(found[star], expected, rtol=0, atol=1e-8 * np.abs(expected).max())


def test_round_trip_of_made_up_stars(spectra):
    coefficients, flux, _ = spectra
    found, _ = flux_to_coefficients(flux)
    leading = np.r_[0:5, N_BAND : N_BAND + 5]
    np.testing.assert_allclose(
        found[:, leading], coefficients[:, leading], rtol=0, atol=1e-3 * coefficients.max()
    )
    assert (
        np.abs(coefficients_to_flux(found) - flux).max(axis=1) < 1e-7 * np.median(np.abs(flux), axis=1)
    ).all()


def test_real_coefficients_come_back_within_their_errors(real):
    """94 % within 1 sigma from exact flux; of these bright stars 75 % from the archive's float32 flux."""
    coefficients, errors, _ = real
    flux = coefficients_to_flux(coefficients)
    found, _ = flux_to_coefficients(flux)
    assert (np.abs(found - coefficients) < errors).mean() >= 0.94
    assert (
        np.abs(coefficients_to_flux(found) - flux) < 3e-8 * np.median(np.abs(flux), axis=1)[:, None]
    ).all()

    stored = (coefficients @ dr3_basis("archive").design.T).astype(np.float32).astype(float)
    found, _ = flux_to_coefficients(stored, sampled_by="archive", flux_weight=1e-6)
    pull = np.abs(found - coefficients) / errors
    assert (pull < 1).mean() > 0.75 and (pull < 3).mean() > 0.9
    wrong, _ = flux_to_coefficients(stored, sampled_by="gaiaxpy", flux_weight=1e-6)
    assert (np.abs(wrong - coefficients) < errors).mean() < 0.2


def test_brighter_star_same_shape(spectra):
    _, flux, flux_error = spectra
    once = flux_to_coefficients(flux, flux_error)
    twice = flux_to_coefficients(2e3 * flux, 2e3 * flux_error)
    for one, two in zip(once, twice, strict=True):
        np.testing.assert_allclose(two, 2e3 * one, rtol=1e-6)


def test_error_scale_is_exact_where_the_pattern_holds(spectra):
    _, flux, _ = spectra
    pattern = inversion._error_pattern()
    true = np.concatenate([3.0 * pattern[BANDS["bp"]], 0.7 * pattern[BANDS["rp"]]])
    _, errors = flux_to_coefficients(flux, np.tile(flux_errors(true[None]), (len(flux), 1)))
    np.testing.assert_allclose(errors, np.tile(true, (len(flux), 1)), rtol=1e-12)


def test_error_scale_is_the_least_squares_one(spectra):
    _, flux, flux_error = spectra
    _, errors = flux_to_coefficients(flux, flux_error)
    grid, design, pattern = dr3_basis().wavelengths, dr3_basis().design, inversion._error_pattern()
    for band, (low, high) in {"bp": (400, 630), "rp": (645, 980)}.items():
        rows = (grid >= low) & (grid <= high)
        unit = np.sqrt(sum((design[rows, j] * pattern[j]) ** 2 for j in range(2 * N_BAND)[BANDS[band]]))
        for star in range(len(flux)):
            scale = np.linalg.lstsq(unit[:, None] / unit.max(), flux_error[star, rows] / unit.max())[0][0]
            np.testing.assert_allclose(errors[star, BANDS[band]], scale * pattern[BANDS[band]], rtol=1e-10)


def test_real_errors_come_back_to_a_third(real):
    """Catalogue flux errors, correlations included, give the true coefficient errors back in the median."""
    coefficients, errors, correlations = real
    _, found = flux_to_coefficients(coefficients_to_flux(coefficients), flux_errors(errors, correlations))
    for columns in BANDS.values():
        np.testing.assert_allclose(np.median(found[:, columns] / errors[:, columns], axis=1), 1, atol=0.33)


def test_error_pattern_is_the_reference_one(shared):
    with open(shared("reference/xp_error_pattern.csv")) as file:
        expected = [
            (r["band"], int(r["coefficient"]), float(r["relative_error"])) for r in csv.DictReader(file)
        ]
    assert expected == [
        (band, j, value)
        for band, columns in BANDS.items()
        for j, value in enumerate(inversion._error_pattern()[columns])
    ]
    assert (Path(xpsvae.xp.__file__).parent / "coefficient_error_pattern.csv").is_file()


def test_chunks_do_not_change_the_result(spectra, monkeypatch):
    _, flux, flux_error = spectra
    whole = flux_to_coefficients(flux, flux_error)
    monkeypatch.setattr(inversion, "_CHUNK", 3)
    for one, two in zip(whole, flux_to_coefficients(flux, flux_error), strict=True):
        np.testing.assert_allclose(two, one, rtol=0, atol=1e-9 * np.abs(one).max())


def test_bad_spectra_are_refused(spectra):
    _, flux, flux_error = spectra

    def spoilt(array, value):
        array = array.copy()
        array[4, 100] = value
        return array

    for value in (np.nan, np.inf):
        with pytest.raises(InputError, match="flux is not finite in 1 spectra, first in row 4: drop them"):
            flux_to_coefficients(spoilt(flux, value))
    for value in (0.0, -1e-20, np.nan, np.inf):
        with pytest.raises(InputError, match="flux_error is not positive in 1 spectra, first in row 4"):
            flux_to_coefficients(flux, spoilt(flux_error, value))
    with pytest.raises(InputError, match="flux is zero in 7 spectra, first in row 0"):
        flux_to_coefficients(0 * flux)
    with pytest.raises(InputError, match=r"flux has shape \(7, 61\) where \(7, 343\) is needed"):
        flux_to_coefficients(flux[:, :61])
    with pytest.raises(InputError, match=r"flux_error has shape \(6, 343\) where \(7, 343\) is needed"):
        flux_to_coefficients(flux, flux_error[:6])


def test_units_are_converted_and_masked_samples_refused(spectra):
    _, flux, flux_error = spectra
    expected = flux_to_coefficients(flux, flux_error)
    cgs = u.Unit("erg s-1 cm-2 AA-1")
    for given in (
        (100 * flux * cgs, 100 * flux_error * cgs),
        (Column(1e18 * flux, unit="1e-18 W m-2 nm-1"), MaskedColumn(flux_error, unit="W.m**-2.nm**-1")),
    ):
        for ours, theirs in zip(flux_to_coefficients(*given), expected, strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-9 * np.abs(theirs).max())
    hidden = np.ma.array(flux, mask=False)
    hidden[4, 100] = np.ma.masked
    with pytest.raises(InputError, match="flux is not finite in 1 spectra, first in row 4: drop them"):
        flux_to_coefficients(hidden)
    hidden = np.ma.array(flux_error, mask=hidden.mask)
    with pytest.raises(InputError, match="flux_error is not positive in 1 spectra, first in row 4"):
        flux_to_coefficients(flux, hidden)
    for unit in (u.Jy, u.W / u.m**2, u.photon / u.s / u.cm**2 / u.AA, u.one):
        with pytest.raises(InputError, match="flux is in .*, but must be in W m-2 nm-1"):
            flux_to_coefficients(flux * unit)
    for wrong, says in ((flux * 1j, "complex"), (flux > 0, "truth values"), (flux.astype(str), "text")):
        with pytest.raises(InputError, match=f"flux holds {says}"):
            flux_to_coefficients(wrong)
    with pytest.raises(InputError, match=r"flux has shape \(\)"):
        flux_to_coefficients(1.0)
