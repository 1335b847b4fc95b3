"""G magnitudes and fluxes against the definition of a magnitude."""

import math

import numpy as np
import pytest
from astropy import units as u

from xpsvae.errors import InputError
from xpsvae.xp import g_flux_from_magnitude


def test_zero_point_and_five_magnitudes():
    np.testing.assert_allclose(g_flux_from_magnitude(25.6873668671), 1.0, rtol=1e-12)
    np.testing.assert_allclose(g_flux_from_magnitude(10.0) / g_flux_from_magnitude(15.0), 100.0, rtol=1e-12)


def test_inverts_to_the_magnitude_and_keeps_nan():
    magnitudes = np.array([5.7, 12.25, 17.5], dtype=np.float32)
    for magnitude, flux in zip(magnitudes, g_flux_from_magnitude(magnitudes), strict=True):
        assert math.isclose(25.6873668671 - 2.5 * math.log10(flux), magnitude, abs_tol=1e-12)
    assert np.isnan(g_flux_from_magnitude([np.nan])).all()


def test_masked_magnitudes_are_nan_and_other_scales_refused():
    found = g_flux_from_magnitude(np.ma.array([10.0, 0.0], mask=[False, True]) * 1)
    assert found[0] == g_flux_from_magnitude(10.0) and np.isnan(found[1])
    assert g_flux_from_magnitude([10000] * u.mmag)[0] == g_flux_from_magnitude(10.0)
    with pytest.raises(InputError, match="magnitude is in .*AB.*, but must be in mag"):
        g_flux_from_magnitude([10.0] * u.ABmag)
