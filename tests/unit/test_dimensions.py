"""Dimensions against scipy, closed forms and a loop over all thresholds."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import rankdata

from xpsvae.analysis.dimensions import (
    association,
    beyond,
    boundary,
    choose,
    dimensions,
    mutual_information,
    spearman,
)
from xpsvae.errors import InputError


def test_spearman_is_the_pearson_correlation_of_ranks():
    generator = np.random.default_rng(0)
    x = generator.integers(0, 20, 300).astype(float)
    y = -(x**3) + generator.normal(0, 500, 300)
    assert spearman(x, y) == pytest.approx(np.corrcoef(rankdata(x), rankdata(y))[0, 1])


def test_mutual_information_of_a_copy_is_the_entropy_of_the_bins():
    x = np.random.default_rng(1).normal(size=4000)
    assert mutual_information(x, x**3, n_bins=20) == pytest.approx(np.log(20), abs=1e-9)


def test_mutual_information_of_a_gaussian_pair_comes_near_its_closed_form():
    x, noise = np.random.default_rng(2).normal(size=(2, 200_000))
    rho = 0.8
    y = rho * x + np.sqrt(1 - rho**2) * noise
    assert mutual_information(x, y, n_bins=30) == pytest.approx(-0.5 * np.log(1 - rho**2), abs=0.03)
    assert mutual_information(x, noise, n_bins=20) == pytest.approx(19**2 / 400_000, rel=0.3)


def test_association_leaves_out_stars_without_the_label():
    generator = np.random.default_rng(3)
    latents, label = generator.normal(size=(500, 3)), generator.normal(size=500)
    label[::5] = np.nan
    latents[1, 1] = np.nan  # of a dimension that is not asked for
    known = np.isfinite(label) & (np.arange(500) != 1)
    result = association(latents, label, [1, 3])
    assert set(result) == {1, 3}
    assert result == association(latents[known], label[known], [1, 3])
    assert result[3]["spearman"] == spearman(latents[known, 2], label[known])
    with pytest.raises(InputError, match="chosen from 4 stars: at least 20 are needed"):
        association(latents[:7], label[:7], [1])


def test_the_floor_is_the_mutual_information_that_permuted_labels_give():
    generator = np.random.default_rng(8)
    label = generator.normal(size=3000)
    latents = np.column_stack([label + generator.normal(size=3000), generator.normal(size=3000), label**2])
    result = association(latents, label, [1, 2, 3], n_bins=15, n_permutations=20)
    for dim, entry in result.items():
        above = entry["mutual_information"] + entry["floor"]
        assert above == pytest.approx(mutual_information(latents[:, dim - 1], label, 15))
        others = [
            mutual_information(latents[:, dim - 1], generator.permutation(label), 15) for _ in range(40)
        ]
        assert entry["floor"] == pytest.approx(np.mean(others), abs=4 * np.std(others) / np.sqrt(20))
        assert entry["floor"] == pytest.approx(14**2 / 6000, rel=0.1)  # the closed form of independence
    assert abs(result[2]["mutual_information"]) < 4 * np.std(others)  # without the floor it would be 0.033
    assert result[1]["mutual_information"] == pytest.approx(0.5 * np.log(2), abs=0.05)  # rho^2 = 1/2
    assert result == association(latents, label, [1, 2, 3], n_bins=15, n_permutations=20)


def out_of_fold(values, others, folds=5):
    """Residuals of each column of some values, one fold after the other."""
    from sklearn.ensemble import HistGradientBoostingRegressor
    from sklearn.model_selection import KFold

    left = np.full(values.shape, np.nan)
    for column in range(values.shape[1]):
        for inside, outside in KFold(folds, shuffle=True, random_state=0).split(values):
            model = HistGradientBoostingRegressor(random_state=0).fit(others[inside], values[inside, column])
            left[outside, column] = values[outside, column] - model.predict(others[outside])
    return left


def test_what_other_columns_tell_is_taken_out_and_what_they_do_not_tell_stays():
    generator = np.random.default_rng(9)
    others, own = generator.uniform(-1, 1, (3000, 3)), generator.normal(size=3000)
    told = 2 * np.sin(4 * others[:, 0]) * others[:, 1] ** 2 + np.abs(others[:, 2])
    known = others.copy()
    known[::50, 2] = np.nan  # unknown in some stars
    told[::50] -= np.abs(others[::50, 2])
    left = beyond(np.column_stack([told, own, told + own]), known)
    assert left.shape == (3000, 3)
    assert np.var(left[:, 0]) < 0.05 * np.var(told)
    assert np.corrcoef(left[:, 1], own)[0, 1] > 0.92  # next to nothing of it was learnt by heart
    assert np.var(left[:, 1]) >= np.var(own)
    assert np.corrcoef(left[:, 2], own)[0, 1] > 0.93
    assert abs(spearman(left[:, 2], told)) < 0.05 < 0.3 < spearman(told + own, told)


def test_what_is_left_is_the_residual_of_stars_outside_each_fold():
    generator = np.random.default_rng(10)
    others = generator.normal(size=(200, 2))
    values = np.column_stack([others[:, 0] ** 2, generator.normal(size=200)])
    np.testing.assert_allclose(beyond(values, others), out_of_fold(values, others))


def test_association_beyond_a_label_is_not_that_by_way_of_it():
    generator = np.random.default_rng(7)
    m_h = generator.normal(size=2000)
    alpha = -m_h + 0.3 * generator.normal(size=2000)
    latents = np.column_stack([m_h + 0.3 * generator.normal(size=2000), alpha - m_h])
    overall = association(latents, alpha, [1, 2])
    assert overall[1]["spearman"] < -0.8 and overall[1]["mutual_information"] > 0.5  # by way of [M/H] alone
    left = beyond(np.column_stack([alpha, latents]), m_h[:, None])
    found = association(left[:, 1:], left[:, 0], [1, 2])
    assert abs(found[1]["spearman"]) < 0.1 and found[1]["mutual_information"] < 0.03
    assert found[2]["spearman"] > 0.95 and found[2]["mutual_information"] > 0.9


def _table(strength):
    return {
        label: {dim: {"mutual_information": value} for dim, value in zip((2, 5, 6), row, strict=True)}
        for label, row in strength.items()
    }


def test_choice_is_the_best_of_all_distinct_assignments():
    strength = {"logg": (1.0, 0.9, 0.0), "teff": (2.0, 0.4, 0.1), "m_h": (0.05, 0.01, 0.1)}
    assert choose(_table(strength)) == {"logg": 5, "teff": 2, "m_h": 6}


def test_a_label_shares_the_best_rather_than_take_what_does_not_follow_it():
    strength = {"logg": (0.40, 0.04, 0.05), "teff": (0.60, 0.04, 0.05), "m_h": (0.03, 0.20, 0.10)}
    assert choose(_table(strength)) == {"logg": 2, "teff": 2, "m_h": 5}
    assert choose(_table(strength), least=0.0) == {"logg": 6, "teff": 2, "m_h": 5}


def test_an_association_below_the_floor_counts_as_none():
    strength = {"logg": (0.4, -0.3, 0.1), "teff": (0.5, 0.3, -5.0), "m_h": (-0.001, -0.002, -0.009)}
    clipped = {label: tuple(max(value, 0) for value in row) for label, row in strength.items()}
    assert choose(_table(strength)) == choose(_table(clipped))
    assert {label: choose(_table(strength))[label] for label in ("logg", "teff")} == {"logg": 2, "teff": 5}
    without = {label: strength[label] for label in ("logg", "teff")}
    assert choose(_table(without)).items() <= choose(_table(strength)).items()


def test_fewer_live_dimensions_than_labels_share():
    strength = {"a": (1.0, 0.2, 0.0), "b": (0.9, 0.1, 0.0), "c": (0.1, 0.0, 0.3), "d": (0.0, 0.5, 0.4)}
    assert choose(_table(strength)) == {"a": 2, "b": 2, "c": 6, "d": 5}


def test_boundary_equals_a_loop_over_thresholds_dimensions_and_sides():
    generator = np.random.default_rng(4)
    latents = np.round(generator.normal(size=(150, 3)), 1)  # with ties
    main = generator.random(150) < 1 / (1 + np.exp(3 * latents[:, 1]))
    best = 0.0
    for dim in range(3):
        values = np.unique(latents[:, dim])
        for value in (values[1:] + values[:-1]) / 2:
            above = latents[:, dim] > value
            best = max(best, np.mean(above == main), np.mean(above != main))
    found = boundary(latents, main, [1, 2, 3])
    side = latents[:, found["dimension"] - 1] > found["value"]
    assert found["accuracy"] == pytest.approx(best)
    assert found["majority"] == pytest.approx(max(main.mean(), 1 - main.mean()))
    assert np.mean((side if found["ms_side"] == "above" else ~side) == main) == pytest.approx(best)
    assert found["dimension"] == 2
    assert found["ms_side"] == "below"


def test_boundary_of_separated_classes_lies_halfway_and_flips_with_the_sign():
    latents = np.array([[-2.0], [-1.0], [1.0], [3.0], [4.0]])
    main = np.array([False, False, False, True, True])
    shared = {"dimension": 1, "accuracy": 1.0, "majority": 0.6}
    assert boundary(latents, main, [1]) == shared | {"value": 2.0, "ms_side": "above"}
    assert boundary(-latents, main, [1]) == shared | {"value": -2.0, "ms_side": "below"}


def test_boundary_needs_two_stars_of_each_class():
    with pytest.raises(InputError, match="1 of 4 stars lie on the main sequence"):
        boundary(np.arange(4.0)[:, None], np.array([True, False, False, False]), [1])


LABELS = ("logg", "teff", "m_h", "alpha_m")


def catalogue(generator, n):
    """Stars with labels and colours that know nothing of each other, and which of them trained the model."""
    labels = {"teff": generator.uniform(3500, 6500, n), "logg": generator.uniform(0, 5, n)}
    labels |= {"m_h": generator.normal(0, 0.4, n), "alpha_m": generator.normal(0.1, 0.1, n)}
    magnitudes = {name: generator.normal(12, 0.5, n) for name in ("j", "h", "k")}
    magnitudes |= {f"phot_{band}_mean_mag": generator.normal(13, 0.5, n) for band in ("bp", "rp")}
    return pd.DataFrame(labels | magnitudes | {"train": generator.random(n) < 0.8})


def with_latents(frame, *columns):
    """Append latents of some means, whose draws are these means."""
    columns = {number: np.asarray(values) for number, values in enumerate(columns, 1)}
    means = {f"z_{number}": values for number, values in columns.items()}
    draws = {f"draw_{number}": values for number, values in columns.items()}
    return frame.assign(**means, **draws)


def giants_of(frame, pristine):
    return (frame["logg"] < 5.9 - 4e-4 * frame["teff"]) & pristine & frame["train"] & frame["alpha_m"].notna()


def test_dimensions_find_what_a_permuted_and_flipped_model_carries():
    generator = np.random.default_rng(5)
    n = 3000
    frame = catalogue(generator, n)
    noise = generator.normal(0, 0.05, (n, 4))
    frame = with_latents(
        frame,
        8 * frame["alpha_m"] + noise[:, 0],
        generator.normal(size=n),
        -frame["m_h"] + noise[:, 1],
        -frame["logg"] + noise[:, 2],
        frame["teff"] / 1e3 + noise[:, 3],
        frame["logg"],
    )
    frame.loc[:10, "alpha_m"] = np.nan
    frame.loc[5:20, "h"] = np.nan
    pristine = generator.random(n) < 0.7
    live = [1, 3, 4, 5]  # 6 would be perfect for log g, but is not live
    result = dimensions(frame, pristine, live)
    assert {label: result[label] for label in LABELS} == {"logg": 4, "teff": 5, "m_h": 3, "alpha_m": 1}
    assert result["boundary"]["dimension"] == 4
    assert result["boundary"]["ms_side"] == "below"
    latents = frame[[f"z_{number}" for number in range(1, 7)]].to_numpy()
    for label in LABELS[:3]:  # of all stars
        expected = association(latents, frame[label].to_numpy(), live)
        assert result["association"][label] == {str(dim): entry for dim, entry in expected.items()}
    giants = giants_of(frame, pristine)
    others = frame.assign(bp_rp=frame["phot_bp_mean_mag"] - frame["phot_rp_mean_mag"])
    others = others.assign(jh=frame["j"] - frame["h"], jk=frame["j"] - frame["k"])
    others = others[["logg", "teff", "m_h", "jh", "jk", "bp_rp"]].to_numpy()
    left = out_of_fold(np.column_stack([frame["alpha_m"], latents[:, [0, 2]]])[giants], others[giants])
    for column, dim in ((1, "1"), (2, "3")):
        entry = result["association"]["alpha_m"][dim]
        assert entry["spearman"] == pytest.approx(spearman(left[:, column], left[:, 0]), abs=1e-3)
        above = entry["mutual_information"] + entry["floor"]
        assert above == pytest.approx(mutual_information(left[:, column], left[:, 0]), abs=1e-3)
    assert result["association"]["alpha_m"]["1"]["spearman"] > 0.95
    assert set(result["association"]["alpha_m"]) == {"1", "3", "4", "5"}
    with pytest.raises(InputError, match="no latent dimension is live"):
        dimensions(frame, pristine, [])


def test_the_dimension_of_alpha_is_chosen_among_giants_of_pristine_labels_that_trained_the_model():
    """One latent follows [alpha/M] in these stars alone, another in all the others, which are more."""
    generator = np.random.default_rng(11)
    frame = catalogue(generator, 3000)
    pristine = generator.random(3000) < 0.6
    asked = giants_of(frame, pristine)
    assert 500 < asked.sum() < 1200
    alpha, noise = 8 * frame["alpha_m"], generator.normal(0, 0.8, (3000, 2))
    frame = with_latents(
        frame,
        np.where(asked, alpha, noise[:, 0]),
        np.where(asked, noise[:, 1], alpha),
        generator.normal(size=3000),
    )
    result = dimensions(frame, pristine, [1, 2, 3])
    assert result["alpha_m"] == 1
    assert result["association"]["alpha_m"]["1"]["spearman"] > 0.95
    assert abs(result["association"]["alpha_m"]["2"]["spearman"]) < 0.2


@pytest.mark.parametrize("by_way_of", ["bp_rp", "jh", "jk", "logg", "teff", "m_h"])
def test_the_dimension_of_alpha_is_not_one_that_follows_it_by_way_of_labels_or_colours(by_way_of):
    generator = np.random.default_rng(12)
    frame = catalogue(generator, 1500)
    colours = {
        "bp_rp": frame["phot_bp_mean_mag"] - frame["phot_rp_mean_mag"],
        "jh": frame["j"] - frame["h"],
        "jk": frame["j"] - frame["k"],
    }
    through = colours[by_way_of] if by_way_of in colours else frame[by_way_of]
    through = (through - through.mean()) / through.std()
    own = generator.normal(size=1500)
    frame["alpha_m"] = 0.1 + 0.1 * through + 0.03 * own
    frame = with_latents(frame, through + 0.1 * generator.normal(size=1500), own)
    assert abs(spearman(frame["z_1"], frame["alpha_m"])) > 0.9 > 0.5 > spearman(own, frame["alpha_m"])
    result = dimensions(frame, np.ones(1500, dtype=bool), [1, 2])
    assert result["alpha_m"] == 2
    assert result["association"]["alpha_m"]["2"]["spearman"] > 0.5
    assert abs(result["association"]["alpha_m"]["1"]["spearman"]) < 0.15


def test_too_few_giants_that_trained_the_model_are_counted():
    frame = catalogue(np.random.default_rng(13), 300)
    frame = with_latents(frame, frame["logg"])
    pristine = np.zeros(300, dtype=bool)
    pristine[np.flatnonzero(giants_of(frame, True))[:7]] = True
    with pytest.raises(InputError, match="7 giants of pristine labels trained the model: .* at least 20"):
        dimensions(frame, pristine, [1])


def test_a_plane_through_all_live_latents_is_a_logistic_fit_out_of_fold():
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    generator = np.random.default_rng(14)
    frame = catalogue(generator, 2000)
    height = frame["logg"] - (5.9 - 4e-4 * frame["teff"])
    side = generator.normal(0, 3, 2000)
    frame = with_latents(
        frame,
        5 + height + side + 0.3 * generator.normal(size=2000),
        generator.normal(size=2000),
        1e3 * (height - side),
        height,  # perfect, but not live
    )
    result = dimensions(frame, np.ones(2000, dtype=bool), [1, 2, 3])
    main = (height >= 0).to_numpy()
    z, right = frame[["z_1", "z_2", "z_3"]].to_numpy(), []
    for inside, outside in StratifiedKFold(5).split(z, main):
        model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
        right.append(np.mean(model.fit(z[inside], main[inside]).predict(z[outside]) == main[outside]))
    assert result["boundary_all"] == pytest.approx(np.mean(right), abs=2e-3)
    assert result["boundary"]["accuracy"] < 0.9 < 0.95 < result["boundary_all"] < 1


def test_a_mean_drowned_by_its_posterior_width_is_not_chosen():
    generator = np.random.default_rng(6)
    n = 3000
    frame = catalogue(generator, n)
    labels = [frame[name] for name in ("teff", "logg", "m_h", "alpha_m")]
    means = [
        1e-2 * frame["logg"],
        *(values / values.std() + generator.normal(size=n) for values in labels),
    ]
    widths = [1.0, 0.1, 0.1, 0.1, 0.1]
    for number, (mean, width) in enumerate(zip(means, widths, strict=True), 1):
        frame[f"z_{number}"] = mean
        frame[f"draw_{number}"] = mean + width * generator.normal(size=n)
    result = dimensions(frame, np.ones(n, dtype=bool), [1, 2, 3, 4, 5])
    assert {label: result[label] for label in ("teff", "logg", "m_h", "alpha_m")} == dict(
        zip(("teff", "logg", "m_h", "alpha_m"), (2, 3, 4, 5), strict=True)
    )
