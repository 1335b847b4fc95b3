"""Every claim's rule on either side of each verdict; what is measured against plain numbers."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from xpsvae.analysis.classify import metrics
from xpsvae.audit import claims
from xpsvae.audit.verdicts import CLAIMS, FAILS, HOLDS, NOT_TESTABLE, WEAKER, verdict


def gain(low, high):
    return {"value": (low + high) / 2, "interval": [low, high]}


def number(value):
    return {"value": value, "interval": None}


def thesis(low, sequences=(0.1, 0.1), failed=()):
    return {"value": low + 0.1, "interval": [low, low + 0.2], "sequences": sequences, "failed": failed}


# Claim: what holds, what is weaker, what fails (None: the rule knows no such verdict).
SIDES = {
    "alpha_beyond_labels": (thesis(0.01), thesis(0.01, failed=["swapped"]), thesis(-0.01)),
    "accuracy_over_m_h": (gain(0.01, 0.16), gain(0.01, 0.15), gain(-0.01, 0.2)),
    "accuracy_over_labels": (gain(0.10, 0.15), gain(0.01, 0.13), gain(-0.03, -0.01)),
    "recall_over_m_h": (gain(0.1, 0.3), gain(0.1, 0.17), gain(0.0, 0.3)),
    "recall_over_labels": (gain(0.4, 0.5), gain(0.3, 0.42), gain(-0.2, 0.1)),
    "teff_logg_worsen": (gain(-0.3, -0.1), gain(-0.2, -0.1), gain(0.3, 0.4)),
    "colours_add_nothing": (gain(-0.001, 0.001), gain(0.001, 0.004), gain(0.001, 0.006)),
    "bimodality_below_5000": (
        gain(2.01, 2.5) | {"roc_auc": 0.5},
        gain(1.5, 2.5) | {"roc_auc": 0.81},
        gain(1.5, 2.5) | {"roc_auc": 0.79},
    ),
    "fixed_track_crosses": (
        number(0.5) | {"matched": 0.5},
        number(0.5) | {"matched": 0.49},
        number(0.49) | {"matched": 0.9},
    ),
    "enceladus_apart": (number(0.8), number(0.6), number(0.59)),
    "one_latent_separates": (number(0.95), number(0.90), number(0.89)),
    "tracks_ordered": (number(0.95), number(0.8), number(0.79)),
    "monotone_metallicity": (number(0.95), number(0.8), number(0.79)),
    "ms_tracks_separate": (number(1.2), number(1.0), number(0.99)),
    "labels_spread": (number(1.0), number(0.75), number(0.74)),
    "six_dimensions": (number(1.0), number(3.0), number(3.1)),
    "scatter_helps": (gain(1.01, 1.2), gain(0.95, 1.2), gain(0.7, 0.9)),
    "draws_alike": (gain(-0.02, 0.01), gain(-0.05, 0.0), gain(-0.06, 0.0)),
    "errors_follow_density": (
        gain(0.01, 0.1) | {"density": 0.3},
        gain(-0.1, 0.1) | {"density": 0.11},
        gain(-0.1, 0.1) | {"density": 0.09},
    ),
    "per_cent_redward": (number(1.0), number(2.0), number(2.1)),
    "better_at_550_900": (gain(1.01, 1.5), gain(0.9, 1.5), gain(0.5, 0.9)),
    "orders_better_low": (number(10.0), number(1.0), number(0.9)),
    "worse_than_lb23": (number(1.0), None, number(1.01)),
    "robust_cool": (number(1.5), number(2.5), number(2.6)),
    "seconds_to_project": (number(10.0), number(60.0), number(61.0)),
    "training_six_hours": (number(7.0), number(14.0), number(15.0)),
    "dr3_gpu_days": (number(120.0), number(240.0), number(241.0)),
}


def test_there_are_as_many_claims_as_are_asked_for():
    assert len(CLAIMS) >= 22 and set(SIDES) == set(CLAIMS)
    for claim in CLAIMS.values():
        assert claim.text and claim.rule and claim.paper


@pytest.mark.parametrize("name", CLAIMS)
def test_a_rule_flips(name):
    for found, expected in zip(SIDES[name], (HOLDS, WEAKER, FAILS), strict=True):
        if found is not None:
            assert verdict(CLAIMS[name], found) == expected
    assert verdict(CLAIMS[name], {"value": None, "why": "no stars"}) == NOT_TESTABLE


def test_the_thesis_needs_both_sequences_and_every_strict_control():
    claim = CLAIMS["alpha_beyond_labels"]
    assert verdict(claim, thesis(0.01, sequences=(0.1, None))) == WEAKER
    assert verdict(claim, thesis(0.01, sequences=(0.1, -0.1))) == WEAKER


def test_verdicts_are_counted():
    found = {name: sides[0] for name, sides in SIDES.items()}
    found["enceladus_apart"] = {"value": None, "interval": None, "why": "selected by [alpha/M]"}
    found["robust_cool"] = number(2.0)
    report = claims.judged(found)
    assert report["counts"] == {HOLDS: len(CLAIMS) - 2, WEAKER: 1, FAILS: 0, NOT_TESTABLE: 1}
    (entry,) = (claim for claim in report["claims"] if claim["claim"] == "enceladus_apart")
    assert entry["verdict"] == NOT_TESTABLE and entry["why"] == "selected by [alpha/M]"


def table(classifier, truth, predicted, probability):
    return pd.DataFrame(
        {
            "classifier": classifier,
            "low_alpha": truth,
            "predicted": predicted,
            "probability_high": probability,
        }
    )


def test_gain_is_the_difference_of_both_scores():
    rng = np.random.default_rng(0)
    truth = (rng.random(400) < 0.7).astype(int)
    good, bad = (np.where(rng.random(400) < share, truth, 1 - truth) for share in (0.9, 0.7))
    predictions = pd.concat([table("good", truth, good, 1.0 - good), table("bad", truth, bad, 1.0 - bad)])
    for metric in ("accuracy", "recall_high"):
        found = claims.score_gain(predictions, "good", "bad", metric, 200, 0)
        both = [float(metrics(truth, each, 1.0 - each)[metric][0]) for each in (good, bad)]
        assert found["value"] == pytest.approx(both[0] - both[1])
        assert found["interval"][0] < found["value"] < found["interval"][1]
    assert np.mean(good == truth) - np.mean(bad == truth) == pytest.approx(
        claims.score_gain(predictions, "good", "bad", "accuracy", 100, 0)["value"]
    )


def test_ashmans_d_is_that_of_two_normals():
    rng = np.random.default_rng(1)
    values = np.concatenate([rng.normal(0, 1, 4000), rng.normal(5, 1, 4000)])
    assert claims._ashman(values) == pytest.approx(5.0, rel=0.03)
    assert claims._ashman(rng.normal(size=4000)) < 2.5


def bins(rows):
    return pd.DataFrame(
        rows, columns=["branch", "teff_centre", "m_h_centre", "m_h", "logg", "z_1", "z_2"]
    ).assign(n=100, logg_se=0.01, z_1_se=0.02, z_2_se=0.02)


def test_a_latent_is_monotone_at_fixed_temperature_only():
    tracks = bins(
        [("ms", teff, m_h, m_h, 4.4 + 0.05 * m_h, 3 * m_h - teff, (-1) ** k)
         for teff in (5000, 5500) for k, m_h in enumerate((-1.0, -0.5, 0.0, 0.5))]
    )  # fmt: skip
    found = claims._monotone(tracks, [1, 2])
    assert found["value"] == pytest.approx(1.0) and found["latent"] == "z_1" and found["columns"] == 2
    # neighbours are 0.025 dex apart in log g with a scatter of 0.1, and 1.5 in z_1 with one of 0.2
    assert claims._separation(tracks, [1])["value"] == pytest.approx((1.5 / 0.2) / (0.025 / 0.1))
    assert claims._monotone(tracks[tracks["m_h"] < 0], [1])["value"] is None


def test_tracks_are_ordered_by_their_worse_branch():
    kiel = pd.DataFrame(
        {"branch": ["ms"] * 4 + ["gb"] * 4, "centre": [1, 2, 3, 4] * 2, "n": 9,
         "z_1": [1, 2, 3, 4, 1, 2, 4, 3], "z_2": [0, 0, 0, 1, 0, 0, 1, 0]}
    )  # fmt: skip
    assert claims._ordered(kiel, [1, 2])["value"] == pytest.approx(0.8)
    assert claims._ordered(kiel.assign(n=[9] * 6 + [1] * 2), [1])["value"] is None


def alpha_tracks(matched=True):
    rows = [("high_alpha", -0.4, 200, 4.0), ("low_alpha", -0.4, 200, 0.0)]
    rows += [("fixed_m_h", 0.0, 200, 0.5), ("fixed_m_h", 0.3, 200, 3.5)]
    rows += [("matched", 0.0, 150, 1.0), ("matched", 0.3, 150, 2.0)] if matched else []
    return pd.DataFrame(rows, columns=["track", "centre", "n", "z_1"]).assign(z_1_se=0.1)


DIRECTIONS = {"alpha_m": {"1": 1.0}, "mean": {"1": 0.0}, "scale": {"1": 2.0}}


def test_the_tracks_length_is_in_units_of_the_sequences_distance():
    found = claims._crosses(alpha_tracks(), DIRECTIONS, -0.4)
    assert found["value"] == pytest.approx(3 / 4) and found["matched"] == pytest.approx(1 / 4)
    assert found["interval"][1] - found["value"] == pytest.approx(1.96 * np.sqrt(2) * 0.1 / 4)
    assert verdict(CLAIMS["fixed_track_crosses"], found) == WEAKER
    alone = claims._crosses(alpha_tracks(matched=False), DIRECTIONS, -0.4)
    assert alone["matched"] is None and verdict(CLAIMS["fixed_track_crosses"], alone) == WEAKER


def test_ratio_is_that_of_root_mean_squares():
    rng = np.random.default_rng(3)
    own = rng.normal(size=(500, 3))
    found = claims._ratio(own, 4 * own, 100, 0)
    assert found["value"] == pytest.approx(4) and found["interval"] == pytest.approx([4, 4])
    other = np.where(np.arange(500)[:, None] < 490, np.nan, own)
    assert "10 stars are predicted by both" in claims._ratio(own, other, 100, 0)["why"]


def test_density_is_told_from_labels():
    """Errors that grow with the distance to other stars follow density; errors that grow with T_eff do not."""
    rng = np.random.default_rng(4)
    n = 3000
    # dense in the middle of T_eff, sparse at both ends
    stars = pd.DataFrame(
        {"teff": rng.normal(4500, 400, n), "logg": rng.normal(2, 0.5, n), "m_h": rng.normal(0, 0.2, n)}
    )
    split = pd.DataFrame({"train": np.arange(n) < 2000})
    tests = stars[2000:]
    away = np.abs(tests["teff"] - 4500) / 400 + np.abs(tests["logg"] - 2) / 0.5 + np.abs(tests["m_h"]) / 0.2
    for error, expected in ((away, HOLDS), (tests["teff"], FAILS)):
        given = SimpleNamespace(stars=stars, split=split, per_star=tests.assign(rmse_coefficient_svae=error))
        assert verdict(CLAIMS["errors_follow_density"], claims._density(given, 50, 0)) == expected


def test_enceladus_that_is_selected_by_alpha_cannot_be_tested():
    found = claims._enceladus(SimpleNamespace(alpha_summary={"enceladus_kind": "chemical"}), 100, 0)
    assert found["value"] is None and "[alpha/M] itself" in found["why"]


def ablation(n_latents, losses, flux):
    spread = {"median": np.median(losses), "lowest": min(losses), "highest": max(losses)}
    flux = {"median": np.median(flux), "lowest": min(flux), "highest": max(flux)}
    return {"n_latents": n_latents, "loss": spread, "flux_rmse": flux}


def test_ablations_decide_two_claims_where_they_were_run():
    none = claims._ablated(None)
    assert (
        none["six_dimensions"]["why"] == none["scatter_helps"]["why"] == "not run here: snakemake ablations"
    )
    entries = {
        "full": ablation(6, [-110.0, -109.0, -108.0], [2.0, 2.0, 2.5]),
        "latents-8": ablation(8, [-112.5], [1.9]),
        "latents-4": ablation(4, [-100.0], [3.0]),
        "no-scatter": ablation(6, [-90.0], [1.0, 1.5, 1.2]),
    }
    some = claims._ablated({"ablations": entries})
    assert some["six_dimensions"]["value"] == pytest.approx(3.5)
    assert some["scatter_helps"]["value"] == pytest.approx(1.2 / 2.0)
    assert some["scatter_helps"]["interval"] == pytest.approx([1.0 / 2.5, 1.5 / 2.0])
    del entries["no-scatter"], entries["latents-8"], entries["latents-4"]
    few = claims._ablated({"ablations": entries})
    assert few["six_dimensions"]["value"] is None and few["scatter_helps"]["value"] is None
