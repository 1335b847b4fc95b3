"""The restored digits against the shipped ones, against a known matrix, and against the Gaia archive."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import eval_hermite, factorial

from xpsvae.errors import InputError
from xpsvae.xp import coefficients_to_flux, dr3_basis, read_spectra, unrounded

# Flux of two stars as the Gaia archive sampled it (DR3, XP_SAMPLED), every 62 nm from 336 nm [W m-2 nm-1].
ARCHIVE = {
    5853498713190525696: [
        3.3061049e-16, 1.6191298e-16, 6.688502e-16, 1.2070412e-15, 1.2517709e-15, 2.9888834e-15,
        3.519922e-15, 6.806218e-15, 1.7178125e-14, 1.998367e-14, 2.4347993e-14, 2.4990028e-14,
    ],
    5762406957886626816: [
        7.0994596e-16, 4.58457e-16, 3.7575821e-16, 2.390435e-16, 1.5697262e-16, 1.0512296e-16,
        7.890698e-17, 5.685858e-17, 4.192043e-17, 3.1730446e-17, 2.4910609e-17, 1.1813119e-17,
    ],
}  # fmt: skip


def last_digit(values):
    return 10.0 ** (np.floor(np.log10(np.abs(values))) - 5)


def used(index):
    shipped = dr3_basis()
    rows = shipped.merge[index] > 0
    return shipped.wavelengths[rows], shipped.bands[index][rows], dr3_basis("archive").bands[index][rows]


@pytest.mark.parametrize("index", [0, 1])
def test_what_was_restored_is_a_uniform_rounding_error(index):
    _, shipped, restored = used(index)
    error = (restored - shipped) / last_digit(shipped)
    assert np.abs(error).max() < 0.7
    np.testing.assert_allclose(error.std(), 1 / np.sqrt(12), rtol=0.04)


@pytest.mark.parametrize(("index", "band"), [(0, "bp"), (1, "rp")])
def test_a_known_matrix_comes_back_from_its_rounded_self(index, band):
    grid, _, exact = used(index)
    rounded = np.round(exact / last_digit(exact)) * last_digit(exact)
    restored = unrounded.restore_digits(band, grid, rounded)
    largest = np.abs(exact).max(axis=1, keepdims=True)
    assert np.abs(rounded - exact).max() > 0
    assert np.sqrt(np.mean(((restored - exact) / largest) ** 2)) < 0.1 * np.sqrt(
        np.mean(((rounded - exact) / largest) ** 2)
    )


def test_the_archive_used_the_restored_matrices(shared):
    table = pd.read_csv(shared("reference/gaiaxpy/XP_CONTINUOUS_RAW.csv")).set_index("source_id")
    for source_id, expected in ARCHIVE.items():
        text = ",".join(table.loc[source_id, f"{band}_coefficients"].strip("()") for band in ("bp", "rp"))
        coefficients = np.array(text.split(","), dtype=float)
        deviation = {
            origin: np.abs((dr3_basis(origin).design @ coefficients)[::31] / expected - 1).max()
            for origin in ("gaiaxpy", "archive")
        }
        assert deviation["archive"] < 4e-7 < 2e-6 < deviation["gaiaxpy"]


def test_other_matrices_are_refused():
    grid, shipped, _ = used(1)
    with pytest.raises(InputError, match="other design matrices than Gaia DR3's: install gaiaxpy==2.1.5"):
        unrounded.restore_digits("rp", grid, shipped * (1 + 1e-4 * np.arange(shipped.shape[1])))


def test_hermite_functions_and_their_derivatives():
    x, step = np.linspace(-4, 4, 9), 1e-6
    values, slopes = unrounded._hermite(x, 12)
    for n in range(12):
        norm = np.sqrt(2.0**n * factorial(n) * np.sqrt(np.pi))
        np.testing.assert_allclose(values[n], eval_hermite(n, x) * np.exp(-(x**2) / 2) / norm, atol=1e-14)
    above, below = (unrounded._hermite(x + sign * step, 12)[0] for sign in (1, -1))
    np.testing.assert_allclose(slopes, (above - below) / (2 * step), atol=1e-8)


def test_converted_flux_is_the_archives_sampled_flux_to_float32(shared):
    """XP_SAMPLED of a star, and its XP_CONTINUOUS converted, are the same but for the rounding of float32."""
    spectra = read_spectra(shared("reference/gaiaxpy/XP_CONTINUOUS_RAW.csv"))
    flux = coefficients_to_flux(spectra.coefficients, sampled_by="archive")
    for star, source_id in enumerate(spectra.source_id):
        expected = np.array(ARCHIVE[source_id], dtype=np.float32)
        np.testing.assert_allclose(flux[star, ::31], expected, rtol=3 * np.finfo(np.float32).eps)
