"""What stands for "not known" is null in every column, and values are not."""

import numpy as np
import pytest

from xpsvae.data.unknown import unknown

ANYWHERE = [-9999.0, -9999.99, -9990.0, -999_999.0, -999.0, np.nan, np.inf, -np.inf]
COLUMNS = ("teff", "m_h_err", "parallax", "radial_velocity", "phot_g_mean_mag", "j", "sfd_ebv", "l_z", "snr")


@pytest.mark.parametrize("column", COLUMNS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_sentinels_stand_for_nothing_in_any_column(column, dtype):
    assert unknown(np.array(ANYWHERE, dtype), column).all()
    values = [-9989.9, -1000.0, -998.9, -2.5, 0.0, 17.5]
    assert not unknown(np.array(values, dtype), column).any()


@pytest.mark.parametrize(
    ("columns", "value"),
    [
        (("j", "h", "k", "a_k", "sfd_ebv", "phot_bp_mean_mag"), 99.999),
        (("j_r", "l_z", "vac_j_z"), 9999.99),
    ],
)
def test_some_stand_for_nothing_in_their_columns_alone(columns, value):
    for dtype in (np.float32, np.float64):
        for column in columns:
            assert unknown(np.array([value], dtype), column)
        assert not unknown(np.array([value], dtype), "teff")
    assert not unknown(np.array([12_000.0]), columns[0]) or columns[0] == "j"


def test_integers_and_flags():
    values = np.array([-9999, -999, -1, 0, 1 << 23])
    assert unknown(values, "telescope").tolist() == [True, True, False, False, False]
    assert unknown(values, "aspcapflag").tolist() == [True, True, True, False, False]
