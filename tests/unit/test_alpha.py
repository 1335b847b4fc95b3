"""Sequences, Gaia-Enceladus and alpha tracks against hand-computed points, boundaries and pandas."""

import numpy as np
import pandas as pd
import pytest

from xpsvae.analysis.alpha import (
    ENCELADUS,
    along,
    alpha_tracks,
    chemical_enceladus,
    directions,
    gaia_enceladus,
    matched_stars,
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


def test_actions_take_over_where_the_dataset_has_them_and_select_among_all_stars(stars):
    j_r, l_z, j_z = _diamond(0.0, -0.9)
    stars = stars.assign(j_r=j_r, l_z=l_z, j_z=j_z, parallax=1.0, parallax_error=0.01)
    stars.loc[:99, "j_r"] = np.nan
    stars.loc[100:199, "l_z"] = 5000.0
    pristine = np.arange(len(stars)) % 3 > 0
    marks, selection = sequences(stars, pristine, "myeong2019")
    assert selection == "myeong2019"
    assert "Myeong" in ENCELADUS[selection]
    measured = stars.index >= 100  # of whatever labels, known or not
    assert stars["alpha_m"][measured].isna().any() and not pristine[measured].all()
    assert marks["enceladus"].notna().tolist() == measured.tolist()
    assert marks["enceladus"].fillna(False).tolist() == (measured & (stars.index >= 200)).tolist()
    counts = summary(marks, selection, stars)
    assert counts["enceladus_kind"] == "actions"
    assert (counts["n_enceladus"], counts["n_enceladus_candidates"]) == (len(stars) - 200, len(stars) - 100)
    without = sequences(stars.assign(j_r=np.nan), pristine)[0]  # chemistry asks for good labels
    assert marks["giant"].equals(without["giant"])
    assert not without["enceladus"][~pristine].notna().any()


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
    names = ("high_alpha", "low_alpha", "fixed_m_h", "matched")
    assert table["track"].tolist() == [name for name in names for _ in range(8)]
    assert table["bin"].tolist() == 4 * list(range(8))
    for row in table[table["track"] != "matched"].itertuples():
        if row.track == "fixed_m_h":
            inside = (abs(frame["m_h"] + 0.4) < 0.2) & (abs(frame["alpha_m"] - row.centre) < 0.05)
        else:
            inside = (high == (row.track == "high_alpha")) & (abs(frame["m_h"] - row.centre) < 0.085)
        group = frame[inside]
        assert row.n == len(group) > 1
        for column in ("m_h", "alpha_m", "z_1"):
            assert getattr(row, column) == pytest.approx(group[column].mean())
            assert getattr(row, f"{column}_se") == pytest.approx(group[column].sem())
    fixed, matched = (table[table["track"] == name] for name in ("fixed_m_h", "matched"))
    np.testing.assert_allclose(matched["centre"], fixed["centre"])
    assert (matched["n"] == 0).all() and matched["teff"].isna().all()  # no two stars are so alike


def nearest(scaled, bins, fewest):
    """Match stars by brute force: star after star, bin after bin."""
    filled = [number for number, rows in enumerate(bins) if len(rows) >= fewest]
    fullest = filled[0]
    for number in filled:
        if len(bins[number]) > len(bins[fullest]):
            fullest = number
    matched = [[] for _ in bins]
    for star in bins[fullest]:
        partners = []
        for number in filled:
            distance = {row: max(abs(scaled[row] - scaled[star])) for row in bins[number]}
            partner = min(distance, key=distance.get)
            if distance[partner] <= 1:
                partners.append(partner)
        if len(partners) == len(filled):
            for number, partner in zip(filled, partners, strict=True):
                matched[number].append(partner)
    return matched


def test_matched_stars_are_those_of_a_search_star_by_star():
    scaled = np.random.default_rng(9).normal(0, 2, (400, 3))
    members = np.random.default_rng(10).permutation(400)
    bins = [members[:60], members[50:180], members[180:190], members[170:330], members[:0], members[330:]]
    found = matched_stars(scaled, bins, fewest=40)
    assert [list(rows) for rows in found] == nearest(scaled, bins, fewest=40)
    assert [len(rows) > 0 for rows in found] == [True, True, False, True, False, True]
    assert len({len(rows) for rows in found if len(rows)}) == 1
    assert set(found[3]) < set(bins[3]) and len(set(found[3])) == len(found[3])  # itself, once
    for rows in found:
        if len(rows):
            assert np.abs(scaled[rows] - scaled[found[3]]).max() <= 1
            assert np.abs(scaled[rows].mean(axis=0) - scaled[found[3]].mean(axis=0)).max() < 0.4


@pytest.mark.parametrize("filled", [0, 1])
def test_nothing_is_matched_between_fewer_than_two_bins(filled):
    bins = [np.arange(100) for _ in range(filled)] + [np.arange(99), np.arange(0)]
    assert [len(rows) for rows in matched_stars(np.zeros((100, 3)), bins)] == [0] * len(bins)


def test_bins_with_a_hundred_stars_are_matched():
    bins = [np.arange(100), np.arange(100, 200), np.arange(200, 299)]
    assert [len(rows) for rows in matched_stars(np.zeros((300, 3)), bins)] == [100, 100, 0]


def test_matched_track_shows_what_moves_with_alpha_alone(settings):
    """T_eff drifts with [alpha/M]: a latent that follows T_eff moves along one track and not along the other."""
    generator, n = np.random.default_rng(11), 6000
    alpha = generator.uniform(0, 0.4, n)
    frame = pd.DataFrame({"teff": 4300 + 500 * alpha + generator.uniform(-300, 300, n), "alpha_m": alpha})
    frame["logg"] = 2 + generator.uniform(-0.2, 0.2, n)
    frame["m_h"] = -0.4 + generator.uniform(-0.19, 0.19, n)
    frame = frame.assign(z_1=frame["teff"] / 100, z_2=10 * alpha).set_index(np.arange(n) + 7)
    asked = settings["tracks"]["alpha"] | {"alpha_m": [0.05, 0.35, 4]}
    table = alpha_tracks(frame, alpha > 0.2, **asked)
    fixed, matched = (table[table["track"] == name].set_index("bin") for name in ("fixed_m_h", "matched"))
    assert np.ptp(fixed["z_1"]) > 1.3 and (fixed["n"] > 1000).all()
    assert np.ptp(matched["z_1"]) < 0.3 and np.ptp(matched["teff"]) < 30
    assert np.ptp(matched["logg"]) < 0.05 and np.ptp(matched["m_h"]) < 0.03
    np.testing.assert_allclose(matched["z_2"], fixed["z_2"], atol=0.05)
    assert matched["n"].nunique() == 1 and matched["n"].iloc[0] > 800
    bins = [
        np.flatnonzero((abs(frame["m_h"] + 0.4) < 0.2) & (abs(alpha - centre) < 0.05))
        for centre in (0.05, 0.15, 0.25, 0.35)
    ]
    few = [rows[:150] for rows in bins]  # brute force is slow
    scaled = (frame[["teff", "logg", "m_h"]] / [50, 0.1, 0.05]).to_numpy()
    chosen = matched_stars(scaled, few)
    assert [list(rows) for rows in chosen] == nearest(scaled, few, fewest=100)
    every = matched_stars(scaled, bins)
    for number, rows in enumerate(every):
        group = frame.iloc[rows]
        for column in ("teff", "logg", "m_h", "alpha_m", "z_1", "z_2"):
            assert matched[column][number] == pytest.approx(group[column].mean())
            assert matched[f"{column}_se"][number] == pytest.approx(group[column].sem())


@pytest.fixture
def giants():
    """[alpha/M] at fixed [M/H] follows 0.6 z_1 - 0.8 z_4 in units of their scatter; z_2 follows [M/H]."""
    generator, n = np.random.default_rng(12), 3000
    z = generator.normal(size=(n, 3))
    m_h = np.clip(-0.3 + 0.3 * z[:, 1] + 0.1 * z[:, 0] + 0.1 * generator.normal(size=n), -1, 0.5)
    alpha = 0.08 * (0.6 * z[:, 0] - 0.8 * z[:, 2]) + 0.1 - 0.2 * m_h + 0.1 * m_h**2 + 0.05 * m_h**3
    test = generator.random(n) < 0.4
    frame = pd.DataFrame({"m_h": m_h, "alpha_m": alpha, "train": ~test, "test": test})
    frame = frame.assign(z_1=2 * z[:, 0] + 3, z_2=-0.5 * z[:, 1], z_3=1e3 * alpha, z_4=z[:, 2] - 1)
    high = (alpha > 0.16 + 0.05 * generator.normal(size=n)).astype(bool)
    return frame, high


LIVE = [1, 2, 4]


def mann_whitney(high, values):
    """Area under the ROC curve: how often a high-alpha star lies above a low-alpha one."""
    from scipy.stats import mannwhitneyu

    return mannwhitneyu(values[high], values[~high]).statistic / (high.sum() * (~high).sum())


def test_the_direction_of_alpha_at_fixed_metallicity_is_found(giants):
    frame, high = giants
    found = directions(frame, high, LIVE)
    assert (
        set(found["m_h"]) == set(found["alpha_m"]) == {"1", "2", "4"}
    )  # 3 would be perfect, but is not live
    trained = frame[frame["train"]]
    scale = np.array([trained[f"z_{number}"].std(ddof=0) for number in LIVE])
    truth = np.array([0.6 / 2, 0, -0.8]) * scale  # exact: [alpha/M] is this and a cubic in [M/H]
    weights = np.array([found["alpha_m"][str(number)] for number in LIVE])
    np.testing.assert_allclose(weights, truth / np.linalg.norm(truth), atol=1e-9)
    for number, each in zip(LIVE, scale, strict=True):
        assert found["mean"][str(number)] == pytest.approx(trained[f"z_{number}"].mean())
        assert found["scale"][str(number)] == pytest.approx(each)


def test_the_direction_of_metallicity_is_that_of_a_linear_regression(giants):
    from sklearn.linear_model import LinearRegression
    from sklearn.preprocessing import StandardScaler

    frame, high = giants
    trained = frame[frame["train"]]
    z = StandardScaler().fit_transform(trained[["z_1", "z_2", "z_4"]])
    slopes = LinearRegression().fit(z, trained["m_h"]).coef_
    weights = list(directions(frame, high, LIVE)["m_h"].values())
    np.testing.assert_allclose(weights, slopes / np.linalg.norm(slopes), atol=1e-9)


def test_directions_are_fitted_to_stars_that_trained_the_model_alone(giants):
    frame, high = giants
    expected = directions(frame, high, LIVE)
    frame.loc[frame["test"], ["m_h", "alpha_m"]] = 9.0
    found = directions(frame, high, LIVE)
    assert found == expected


def test_areas_are_those_of_stars_that_the_model_never_saw(giants):
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.metrics import roc_auc_score
    from sklearn.preprocessing import StandardScaler

    frame, high = giants
    found = directions(frame, high, LIVE)
    train, test = frame["train"].to_numpy(), frame["test"].to_numpy()
    z = StandardScaler().fit(frame.loc[train, ["z_1", "z_2", "z_4"]]).transform(frame[["z_1", "z_2", "z_4"]])
    steps = z @ np.array(list(found["alpha_m"].values()))
    assert found["auc_direction"] == pytest.approx(roc_auc_score(high[test], steps[test]))
    assert found["auc_direction"] == pytest.approx(mann_whitney(high[test], steps[test]))
    areas = {}
    for columns in ((0, 1), (0, 2), (1, 2), (0, 1, 2)):
        model = HistGradientBoostingClassifier(random_state=0).fit(z[train][:, columns], high[train])
        score = model.predict_proba(z[test][:, columns])[:, 1]
        areas[columns] = mann_whitney(high[test], score)
    assert found["auc_live"] == pytest.approx(areas.pop((0, 1, 2)), abs=1e-3)
    best = max(areas, key=areas.get)
    assert found["auc_pair"] == pytest.approx(areas[best], abs=1e-3)
    assert found["pair"] == [LIVE[number] for number in best] == [2, 4]
    assert 0.6 < found["auc_direction"] and found["auc_pair"] < found["auc_live"]


def test_one_live_dimension_makes_no_pair(giants):
    found = directions(*giants, [4])
    assert found["pair"] is None and found["auc_pair"] is None
    assert found["alpha_m"] == {"4": -1.0}
    assert abs(found["m_h"]["4"]) == 1.0
    assert 0.5 < found["auc_live"] < 1


def test_the_place_along_a_direction_is_counted_from_the_mean_in_units_of_the_scatter():
    known = {"m_h": {"1": 0.6, "4": -0.8}, "mean": {"1": 1.0, "4": -2.0}, "scale": {"1": 2.0, "4": 0.5}}
    frame = pd.DataFrame({"z_1": [1.0, 3.0, np.nan, 1.0], "z_2": 9.0, "z_4": [-2.0, -2.0, 0.0, -1.0]})
    np.testing.assert_allclose(along(frame, known, "m_h"), [0, 0.6, np.nan, -1.6])


def test_training_giants_have_unit_scatter_and_no_mean_along_each_latent(giants):
    frame, high = giants
    found = directions(frame, high, LIVE)
    trained = frame[frame["train"]]
    for number in map(str, LIVE):
        values = along(trained, found | {"one": {number: 1.0}}, "one")
        assert np.mean(values) == pytest.approx(0, abs=1e-9) and np.std(values) == pytest.approx(1)
    shuffled = trained.sample(frac=1, random_state=0)
    moved = along(shuffled, found, "alpha_m")
    np.testing.assert_allclose(
        moved, pd.Series(along(trained, found, "alpha_m"), trained.index)[shuffled.index]
    )


def test_fixed_metallicity_track_shows_the_drift_of_m_h(settings):
    alpha = np.linspace(0, 0.4, 400)
    frame = pd.DataFrame({"teff": 4500.0, "logg": 2.0, "m_h": -0.25 - 0.75 * alpha / 2, "alpha_m": alpha})
    table = alpha_tracks(frame, alpha > 0.2, **settings["tracks"]["alpha"])
    track = table.query("track == 'fixed_m_h'")
    assert track["m_h"].is_monotonic_decreasing
    np.testing.assert_allclose(track["m_h"], -0.25 - 0.375 * track["alpha_m"])
