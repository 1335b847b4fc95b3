"""Sequences, Gaia-Enceladus and alpha tracks against hand-computed points, boundaries and pandas."""

import numpy as np
import pandas as pd
import pytest

from xpsvae.analysis.alpha import (
    ENCELADUS,
    alpha_tracks,
    chemical_enceladus,
    gaia_enceladus,
    patil_sequence,
    sequences,
    summary,
)
from xpsvae.errors import InputError


@pytest.mark.parametrize(
    ("fe_h", "boundary"),
    [(0.0, 0.1353), (-1.0, 0.1971), (-0.5, 0.2040), (0.4, 0.114309), (1.0, 0.2973)],
)
def test_patil_boundary_at_hand_computed_points(fe_h, boundary):
    exact = 0.1754 * fe_h**3 + 0.1119 * fe_h**2 - 0.1253 * fe_h + 0.1353
    assert exact == pytest.approx(boundary, abs=2e-4)
    assert patil_sequence([fe_h, fe_h], [exact + 1e-6, exact - 1e-6]).tolist() == [True, False]


def test_patil_sequence_of_an_unknown_abundance_is_false():
    assert patil_sequence([np.nan, 0.0], [0.5, np.nan]).tolist() == [False, False]


def _diamond(azimuthal, vertical, total=1000.0):
    """Actions at a point of the action diamond: |x| + |y| <= 1."""
    j_phi = azimuthal * total
    rest = total - abs(j_phi)  # J_R + J_z
    j_z = (rest + vertical * total) / 2
    return rest - j_z, j_phi, j_z


@pytest.mark.parametrize(
    ("azimuthal", "vertical", "lane", "myeong"),
    [
        (0.0, -0.99, True, True),
        (0.0, -0.701, True, True),
        (0.0, -0.699, False, True),  # beyond the ellipse's end, within the box
        (0.0, -0.29, False, False),
        (0.06, -0.9, True, True),  # (0.06 / 0.08)^2 + (0.1 / 0.3)^2 = 0.67
        (-0.06, -0.9, True, True),
        (0.069, -0.85, True, True),  # 0.744 + 0.25 = 0.994
        (0.069, -0.84, False, True),  # 0.744 + 0.284 = 1.028
        (0.071, -0.9, True, False),  # 0.788 + 0.111 = 0.899
        (0.5, -0.4, False, False),
    ],
)
def test_action_selections_at_hand_computed_points(azimuthal, vertical, lane, myeong):
    j_r, l_z, j_z = _diamond(azimuthal, vertical)
    assert j_r > 0
    assert j_z > 0
    assert gaia_enceladus([j_r], [l_z], [j_z], [1.0], [0.05]).tolist() == [lane]
    assert gaia_enceladus([j_r], [l_z], [j_z], [1.0], [0.05], "myeong2019").tolist() == [myeong]


@pytest.mark.parametrize(
    ("parallax", "error"), [(-1.0, 0.05), (1.0, 0.1), (1.0, 0.2), (np.nan, 0.1), (1.0, np.nan)]
)
@pytest.mark.parametrize("selection", ["lane2022", "myeong2019"])
def test_action_selections_need_a_good_parallax(parallax, error, selection):
    assert not gaia_enceladus(*_diamond(0.0, -0.95), parallax, error, selection)
    assert gaia_enceladus(*_diamond(0.0, -0.95), 1.0, 0.0999, selection)


def test_stars_without_actions_are_not_selected():
    assert not gaia_enceladus([np.nan, 0.0], [1.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.01, 0.01]).any()


def test_unknown_selection_is_refused():
    with pytest.raises(InputError, match="'box' is unknown"):
        gaia_enceladus([1.0], [0.0], [0.1], [1.0], [0.01], "box")


@pytest.mark.parametrize(
    ("fe_h", "alpha_m", "inside"),
    [
        (-1.0, 0.15, True),
        (-1.0, 0.199, True),
        (-1.0, 0.201, False),
        (-1.5, 0.249, True),
        (-1.5, 0.251, False),
        (-1.0, 0.05, False),
        (-1.61, 0.15, False),
        (-0.89, 0.15, False),
        (np.nan, 0.15, False),
        (-1.0, np.nan, False),
    ],
)
def test_chemical_selection_at_hand_computed_points(fe_h, alpha_m, inside):
    assert chemical_enceladus(fe_h, alpha_m) == inside


@pytest.fixture
def stars():
    generator = np.random.default_rng(7)
    n = 4000
    alpha = generator.uniform(0, 0.4, n)
    table = pd.DataFrame(
        {
            "source_id": np.arange(n),
            "teff": generator.uniform(3500, 6500, n),
            "logg": generator.uniform(0, 5, n),
        }
        | {"m_h": generator.uniform(-2, 0.5, n), "alpha_m": alpha, "mg_fe": alpha}
        | dict.fromkeys(("j_r", "l_z", "j_z", "parallax", "parallax_error"), np.nan)
    )
    table["fe_h"] = table["m_h"]
    table.loc[::17, "alpha_m"] = np.nan
    return table


def test_sequences_equal_a_pandas_query(stars):
    pristine = np.arange(len(stars)) % 3 > 0
    marks, selection = sequences(stars, pristine)
    evolved = stars.assign(pristine=pristine).query(
        "pristine and alpha_m.notna() and logg < 3.8 and teff < 5500"
    )
    giants = evolved.query("fe_h > -1")
    high = giants.query("mg_fe > 0.1754 * fe_h**3 + 0.1119 * fe_h**2 - 0.1253 * fe_h + 0.1353")
    assert marks["source_id"].tolist() == stars["source_id"].tolist()
    assert np.flatnonzero(marks["giant"]).tolist() == giants.index.tolist()
    assert marks.index[marks["high_alpha"].notna()].tolist() == giants.index.tolist()
    assert marks.index[marks["high_alpha"].fillna(False)].tolist() == high.index.tolist()
    assert marks["classified"].tolist() == marks["giant"].tolist()
    assert selection == "chemical"
    assert marks.index[marks["enceladus"].notna()].tolist() == evolved.index.tolist()
    chosen = evolved.query("-1.6 < fe_h < -0.9 and 0.06 < alpha_m < 0.2 - 0.1 * (fe_h + 1)")
    assert marks.index[marks["enceladus"].fillna(False)].tolist() == chosen.index.tolist()

    counts = summary(marks, selection, stars.assign(mg_fe=stars["alpha_m"]))
    assert (counts["n_giants"], counts["n_high_alpha"]) == (len(giants), len(high))
    assert counts["n_high_alpha"] + counts["n_low_alpha"] == counts["n_giants"]
    assert (counts["n_enceladus"], counts["n_enceladus_candidates"]) == (len(chosen), len(evolved))
    assert counts["enceladus_selection"].startswith("chemical (no actions")
    assert counts["sequence_abundance"] == "alpha_m"
    assert summary(marks, selection, stars)["sequence_abundance"] == "mg_fe"


def test_all_pristine_stars_are_classified_as_published(stars):
    pristine = np.arange(len(stars)) % 3 > 0
    marks, _ = sequences(stars, pristine, classified="pristine")
    giants_only, _ = sequences(stars, pristine)
    complete = stars.assign(pristine=pristine).query("pristine and alpha_m.notna()")
    high = complete.query("mg_fe > 0.1754 * fe_h**3 + 0.1119 * fe_h**2 - 0.1253 * fe_h + 0.1353")
    assert marks.index[marks["classified"]].tolist() == complete.index.tolist()
    assert marks.index[marks["high_alpha"].notna()].tolist() == complete.index.tolist()
    assert marks.index[marks["high_alpha"].fillna(False)].tolist() == high.index.tolist()
    assert marks["giant"].equals(giants_only["giant"])  # what the figures and counts are of
    assert marks["enceladus"].equals(giants_only["enceladus"])
    assert summary(marks, "chemical", stars) == summary(giants_only, "chemical", stars)


def test_an_unknown_sample_of_the_classifiers_is_refused(stars):
    with pytest.raises(InputError, match="classified is 'dwarfs': use 'giants' or 'pristine'"):
        sequences(stars, np.ones(len(stars), dtype=bool), classified="dwarfs")


def test_actions_take_over_where_the_dataset_has_them(stars):
    j_r, l_z, j_z = _diamond(0.0, -0.9)
    stars = stars.assign(j_r=j_r, l_z=l_z, j_z=j_z, parallax=1.0, parallax_error=0.01)
    stars.loc[:99, "j_r"] = np.nan
    stars.loc[100:199, "l_z"] = 5000.0
    marks, selection = sequences(stars, np.ones(len(stars), dtype=bool), "myeong2019")
    assert selection == "myeong2019"
    assert "Myeong" in ENCELADUS[selection]
    measured = (stars.index >= 100) & stars["alpha_m"].notna()
    assert marks["enceladus"].notna().tolist() == measured.tolist()
    assert marks["enceladus"].fillna(False).tolist() == (measured & (stars.index >= 200)).tolist()
    assert summary(marks, selection, stars)["enceladus_kind"] == "actions"


def test_one_star_in_a_sequence_is_too_few(stars):
    low = stars.assign(mg_fe=0.0, alpha_m=0.0)
    low.loc[low.query("logg < 3.8 and teff < 5500 and fe_h > -1").index[0], "mg_fe"] = 0.4
    marks, selection = sequences(low, np.ones(len(low), dtype=bool))
    with pytest.raises(InputError, match="split into 1 high-alpha"):
        summary(marks, selection, low)


def test_alpha_tracks_equal_pandas_groups(stars, settings):
    generator = np.random.default_rng(8)
    frame = stars.dropna(subset="alpha_m").assign(z_1=generator.normal(size=3764))
    high = patil_sequence(frame["fe_h"], frame["mg_fe"])
    table = alpha_tracks(frame, high, **settings["tracks"]["alpha"])
    assert table["track"].tolist() == ["high_alpha"] * 8 + ["low_alpha"] * 8 + ["fixed_m_h"] * 8
    for row in table.itertuples():
        if row.track == "fixed_m_h":
            inside = (abs(frame["m_h"] + 0.4) < 0.2) & (abs(frame["alpha_m"] - row.centre) < 0.05)
        else:
            inside = (high == (row.track == "high_alpha")) & (abs(frame["m_h"] - row.centre) < 0.085)
        group = frame[inside]
        assert row.n == len(group) > 1
        for column in ("m_h", "alpha_m", "z_1"):
            assert getattr(row, column) == pytest.approx(group[column].mean())
            assert getattr(row, f"{column}_se") == pytest.approx(group[column].sem())


def test_fixed_metallicity_track_shows_the_drift_of_m_h(settings):
    alpha = np.linspace(0, 0.4, 400)
    frame = pd.DataFrame({"teff": 4500.0, "logg": 2.0, "m_h": -0.25 - 0.75 * alpha / 2, "alpha_m": alpha})
    table = alpha_tracks(frame, alpha > 0.2, **settings["tracks"]["alpha"])
    track = table.query("track == 'fixed_m_h'")
    assert track["m_h"].is_monotonic_decreasing
    np.testing.assert_allclose(track["m_h"], -0.25 - 0.375 * track["alpha_m"])
