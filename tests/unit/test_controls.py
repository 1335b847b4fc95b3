"""Controls on stars whose spectra are known: what passes, what fails; pairs and neighbours by brute force."""

import json

import numpy as np
import pytest
from sklearn.kernel_approximation import Nystroem
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from test_headline import catalogue, settings

from xpsvae.audit import blind, controls, headline, sets
from xpsvae.audit.tolerances import BASE_PAIRS, LIMIT, NULL, RULES


def greedy(places, first, second):
    """Pair by brute force: the closest pair within one unit, then the next among the rest."""
    made, left, right = [], set(np.flatnonzero(first)), set(np.flatnonzero(second))
    while left and right:
        distance, one, other = min((np.abs(places[i] - places[j]).max(), i, j) for i in left for j in right)
        if distance > 1:
            break
        made.append((one, other))
        left.remove(one)
        right.remove(other)
    return made


def test_pairs_are_those_of_a_plain_loop():
    rng = np.random.default_rng(0)
    places, first = rng.uniform(0, 12, size=(90, 2)), rng.random(90) < 0.4
    made = blind.matched_pairs(places, first, ~first)
    assert [tuple(pair) for pair in made.tolist()] == greedy(places, first, ~first)
    assert len(made) > 5 and len(np.unique(made)) == 2 * len(made)


@pytest.mark.parametrize("first", [np.zeros(5, bool), np.ones(5, bool)])
def test_no_stars_of_a_kind_make_no_pairs(first):
    assert blind.matched_pairs(np.zeros((5, 1)), first, ~first).shape == (0, 2)


def test_stars_too_far_apart_make_no_pairs():
    assert blind.matched_pairs(
        np.array([[0.0], [1.5]]), np.array([True, False]), np.array([False, True])
    ).shape == (0, 2)


def test_nearest_is_that_of_a_plain_loop_and_never_the_star_itself():
    places = np.random.default_rng(1).normal(size=(60, 3))
    places[7] = places[8]  # twins
    found = blind.nearest(places)
    distance = np.abs(places[:, None] - places).max(axis=2)
    np.fill_diagonal(distance, np.inf)
    assert found.tolist() == distance.argmin(axis=1).tolist()


def test_expected_spectra_follow_the_labels_out_of_fold():
    rng = np.random.default_rng(2)
    labels = rng.uniform(-1, 1, size=(1200, 2))
    mean = np.column_stack([np.sin(2 * labels[:, 0]), labels[:, 0] * labels[:, 1]])
    x = mean + 0.1 * rng.normal(size=mean.shape)
    found = blind.expected(labels, x, headline.folds(1200, 5, 0))
    assert np.sqrt(np.mean((found - mean) ** 2)) < 0.05  # well below the noise that one star has
    residual = x - found
    assert abs(np.corrcoef(residual[:, 0], (x - mean)[:, 0])[0, 1] - 1) < 0.1


def test_expected_spectra_are_scikit_learns_ridge_whatever_the_threads(monkeypatch):
    rng = np.random.default_rng(3)
    labels = rng.normal(size=(900, 3))
    x = (np.sin(labels @ rng.normal(size=(3, 5))) + 0.1 * rng.normal(size=(900, 5))).astype(np.float32)
    fold = headline.folds(900, 5, 0)
    monkeypatch.setattr(blind, "CHUNK", 100)
    found = blind.expected(labels, x, fold)
    for each in range(5):
        kernel = Nystroem(gamma=0.5 / 3, n_components=blind.COMPONENTS, random_state=0)
        union = make_union(FunctionTransformer(), kernel)
        model = make_pipeline(StandardScaler(), union, Ridge(alpha=blind.RIDGE, solver="cholesky"))
        model.fit(labels[fold != each], x[fold != each])
        np.testing.assert_allclose(found[fold == each], model.predict(labels[fold == each]), atol=1e-7)
    assert (blind.expected(labels, x, fold, threads=3) == found).all()


def test_noise_has_the_stars_own_errors():
    errors = np.array([[0.1, 2.0]]) * np.ones((4000, 1))
    spread = np.std(blind.noisy(np.zeros((4000, 2)), errors, [0, 1]), axis=0)
    assert spread == pytest.approx([0.1, 2.0], rel=0.05)


@pytest.fixture(scope="module")
def report():
    """Spectra of three numbers: [M/H], what tells [alpha/M] beyond it, and nothing; the encoder is a rotation."""
    stars, marks, split, latent = catalogue(1500, seed=4)
    frame = sets.giants(stars, marks, split)
    rng = np.random.default_rng(5)
    turn, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    x_err = np.full((len(frame), 3), 0.05)
    x = np.column_stack([frame["m_h"], latent[:, 0], rng.normal(size=len(frame))])
    x = x + x_err * rng.normal(size=x.shape)
    latents = x @ turn
    alpha = frame["alpha_m"].to_numpy()
    fold = headline.folds(len(frame), 5, 3)
    errors = {
        name: headline.crossfit(sets.matrix(name, frame, {"latents": latents}), alpha, fold) - alpha
        for name in ("base", "base_latents")
    }
    high = frame["high_alpha"].to_numpy()
    wide = {"teff": 2000, "logg": 4, "m_h": 0.02}
    places = np.column_stack([frame[name] / width for name, width in wide.items()])
    alike = blind.matched_pairs(places, high, ~high)
    held_out = {"latents": latents, "pca_6": np.zeros((len(frame), 6))}, alike
    return controls.measure(
        frame,
        x,
        x_err,
        latents,
        lambda spectra: spectra @ turn,
        errors,
        alike,
        held_out,
        **settings(n_bootstrap=100),
    )


def test_controls_of_stars_that_do_know_more_see_it_and_make_up_little(report):
    entries = report["controls"]
    assert set(entries) == set(RULES)
    assert report["failed"] == [name for name, entry in entries.items() if entry["passed"] is False]
    assert all(entry["passed"] is controls.judge(name, entry) for name, entry in entries.items())
    for name in ("blind_labels", "blind_photometry", "swapped", "label_shuffle", "other_star"):
        assert abs(entries[name]["share"]) < 0.05, name  # so few stars have wide intervals
    assert entries["noise"]["headline"]["interval"][0] > 0.3
    assert entries["noise"]["passed"] is entries["pairs"]["passed"] is True
    assert entries["swapped"]["groups"]["all"]["share"] == entries["swapped"]["share"]
    json.dumps(report, allow_nan=False)


def test_an_injected_difference_is_found_more_the_larger_it_is(report):
    steps = report["controls"]["injection"]["steps"]
    shares = [step["share"] for step in steps]
    assert steps[0]["scale"] == 0 and shares[0] < NULL and shares[-1] == max(shares) > 0.1
    assert report["controls"]["injection"]["limit"] < 1


def test_pairs_are_put_in_order_by_latents_alone(report):
    pairs = report["controls"]["pairs"]
    assert pairs["right"]["base_latents"]["fraction"] > 0.7 > BASE_PAIRS > pairs["right"]["base"]["fraction"]
    assert pairs["gain"]["interval"][0] > 0
    assert pairs["difference"]["alpha_m"] > pairs["predicted_difference"]["base_latents"] > 0
    even = report["controls"]["pairs_even"]
    assert 0 < even["n_pairs"] < pairs["n_pairs"]
    assert abs(even["predicted_difference"]["base"]) < abs(pairs["predicted_difference"]["base"]) + 1e-12


def test_a_control_fails_where_the_spectra_leak(report):
    """With an encoder that has [alpha/M] by heart blind spectra seem to know it."""
    stars, marks, split, _ = catalogue(600, seed=6)
    frame = sets.giants(stars, marks, split)
    alpha = frame["alpha_m"].to_numpy()
    x, x_err = np.random.default_rng(0).normal(size=(600, 3)), np.full((600, 3), 0.1)
    fold = headline.folds(600, 5, 3)
    base = headline.crossfit(sets.matrix("base", frame, {}), alpha, fold) - alpha
    found = controls.measure(
        frame, x, x_err, alpha[:, None], lambda spectra: alpha[:, None], {"base": base, "base_latents": base},
        np.empty((0, 2), int), ({"latents": alpha[:, None]}, np.empty((0, 2), int)), **settings(n_bootstrap=100),
    )  # fmt: skip
    assert {"blind_labels", "blind_photometry", "swapped", "noise"} <= set(found["failed"])
    assert found["controls"]["pairs"]["passed"] is None and "0 pairs" in found["controls"]["pairs"]["why"]
    assert found["controls"]["injection"]["passed"] is None


def steps(*pairs):
    return [{"scale": scale, "interval": [low, low + 0.01]} for scale, low in pairs]


def faked(*tops):
    return {
        "headline": {"interval": [0.2, 0.3]},
        "steps": [{"faked": {"interval": [0.0, top]}} for top in tops],
    }


def ordered(base, low):
    return {"right": {"base": {"fraction": base}}, "gain": {"interval": [low, 0.5]}}


@pytest.mark.parametrize(
    ("name", "entry", "passed"),
    [
        *((name, {"interval": [-0.01, NULL - 1e-6]}, True) for name in ("blind_labels", "blind_photometry", "swapped")),
        *((name, {"interval": [-0.01, NULL + 1e-6]}, False) for name in ("blind_labels", "swapped", "label_shuffle")),
        ("other_star", {"interval": None}, None),
        ("noise", faked(0.1, 0.15, 0.199), True),
        ("noise", faked(0.1, 0.15, 0.201), False),
        ("injection", {"steps": steps((0, 0.0), (1.0, 0.031)), "limit": LIMIT}, True),
        ("injection", {"steps": steps((0, 0.0), (1.0, 0.029)), "limit": LIMIT}, False),
        ("injection", {"steps": steps((0, 0.0), (1.0, 0.1)), "limit": LIMIT + 0.1}, False),
        ("injection", {"steps": [], "limit": None}, None),
        ("pairs", ordered(BASE_PAIRS, 0.01), True),
        ("pairs", ordered(BASE_PAIRS, -0.01), False),
        ("pairs", ordered(BASE_PAIRS + 0.01, 0.01), False),
        ("pairs", {"right": None}, None),
        ("pairs_even", ordered(0.5, 0.01), True),
        ("pairs_even", ordered(0.5, 0.0), False),
    ],
)  # fmt: skip
def test_a_control_is_judged_by_its_tolerance(name, entry, passed):
    assert controls.judge(name, entry) is passed


def test_the_limit_is_the_smallest_scale_from_which_on_all_are_found():
    assert controls._limit(steps((0, 0.0), (0.1, 0.005), (0.2, 0.02), (0.5, 0.1), (1.0, 0.3))) == 0.2
    assert controls._limit(steps((0, 0.0), (0.1, 0.05), (0.2, 0.005), (0.5, 0.1))) == 0.5
    assert controls._limit(steps((0, 0.0), (0.5, 0.0))) is None
    assert controls._limit([]) is None
