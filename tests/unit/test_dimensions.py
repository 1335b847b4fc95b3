"""Dimensions against scipy, closed forms and a loop over all thresholds."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import rankdata

from xpsvae.analysis.dimensions import association, boundary, choose, dimensions, mutual_information, spearman
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
    known = np.isfinite(label)
    result = association(latents, label, [1, 3])
    assert set(result) == {1, 3}
    assert result[3]["spearman"] == spearman(latents[known, 2], label[known])
    with pytest.raises(InputError, match="only 4 stars"):
        association(latents[:5], label[:5], [1])


def test_association_at_fixed_values_is_the_average_over_groups():
    generator = np.random.default_rng(7)
    m_h = generator.normal(size=1000)
    alpha = -m_h + 0.3 * generator.normal(size=1000)
    latents = np.column_stack([m_h + 0.3 * generator.normal(size=1000), alpha - m_h])
    overall = association(latents, alpha, [1, 2])
    fixed = association(latents, alpha, [1, 2], fixed=m_h, n_bins=10, n_groups=4)
    assert overall[1]["spearman"] < -0.8  # by way of [M/H] alone
    groups = np.array_split(np.argsort(m_h), 4)
    for dim in (1, 2):
        parts = [spearman(latents[rows, dim - 1], alpha[rows]) for rows in groups]
        assert fixed[dim]["spearman"] == pytest.approx(np.mean(parts))
        parts = [mutual_information(latents[rows, dim - 1], alpha[rows], 10) for rows in groups]
        assert fixed[dim]["mutual_information"] == pytest.approx(np.mean(parts))
    with pytest.raises(InputError, match="only 12 stars"):
        association(latents[:50], alpha[:50], [1], fixed=m_h[:50], n_groups=4)


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


def test_dimensions_find_what_a_permuted_and_flipped_model_carries():
    generator = np.random.default_rng(5)
    n = 4000
    logg, teff = generator.uniform(0, 5, n), generator.uniform(3500, 6500, n)
    m_h, alpha_m = generator.normal(0, 0.4, n), generator.normal(0.1, 0.1, n)
    noise = generator.normal(0, 0.05, (n, 4))
    frame = pd.DataFrame(
        {"teff": teff, "logg": logg, "m_h": m_h, "alpha_m": alpha_m}
        | {
            "z_1": 8 * alpha_m + noise[:, 0],
            "z_2": generator.normal(size=n),
            "z_3": -m_h + noise[:, 1],
        }
        | {"z_4": -logg + noise[:, 2], "z_5": teff / 1e3 + noise[:, 3], "z_6": logg}
    )
    frame.loc[:10, "alpha_m"] = np.nan
    for dim in range(1, 7):
        frame[f"draw_{dim}"] = frame[f"z_{dim}"]
    result = dimensions(frame, [1, 3, 4, 5])  # 6 would be perfect for log g, but is not live
    assert {label: result[label] for label in ("logg", "teff", "m_h", "alpha_m")} == {
        "logg": 4,
        "teff": 5,
        "m_h": 3,
        "alpha_m": 1,
    }
    assert result["boundary"]["dimension"] == 4
    assert result["boundary"]["ms_side"] == "below"
    giants = frame[(logg < 5.9 - 4e-4 * teff) & frame["alpha_m"].notna()]
    groups = [group for _, group in giants.groupby(pd.qcut(giants["m_h"], 5))]
    expected = np.mean([spearman(group["z_3"], group["alpha_m"]) for group in groups])
    assert result["association"]["alpha_m"]["3"]["spearman"] == pytest.approx(expected)
    with pytest.raises(InputError, match="no latent dimension is live"):
        dimensions(frame, [])


def test_a_mean_drowned_by_its_posterior_width_is_not_chosen():
    generator = np.random.default_rng(6)
    n = 3000
    labels = {"teff": generator.uniform(3500, 6500, n), "logg": generator.uniform(0, 5, n)}
    labels |= {"m_h": generator.normal(0, 0.4, n), "alpha_m": generator.normal(0.1, 0.1, n)}
    means = [
        1e-2 * labels["logg"],
        *(values / values.std() + generator.normal(size=n) for values in labels.values()),
    ]
    widths = [1.0, 0.1, 0.1, 0.1, 0.1]
    frame = pd.DataFrame(labels)
    for number, (mean, width) in enumerate(zip(means, widths, strict=True), 1):
        frame[f"z_{number}"] = mean
        frame[f"draw_{number}"] = mean + width * generator.normal(size=n)
    result = dimensions(frame, [1, 2, 3, 4, 5])
    assert {label: result[label] for label in ("teff", "logg", "m_h", "alpha_m")} == dict(
        zip(("teff", "logg", "m_h", "alpha_m"), (2, 3, 4, 5), strict=True)
    )
