"""comparison.json and what the paper says of peers, from models whose residuals are known."""

import json

import numpy as np
import pytest

from xpsvae.compare import report, residuals
from xpsvae.compare.registry import Prediction
from xpsvae.paper import numbers
from xpsvae.paper.peers import peer_macros
from xpsvae.xp import dr3_basis


def card(model, prose, knows_labels, peer=False, **summary):
    said = {"model": model, "label": model.upper(), "prose": prose, "knows_labels": knows_labels}
    return said | {"summary": summary} | ({} if model == "svae" else {"peer": peer})


CARDS = [
    card("svae", "the sVAE", False),
    card("pca", "PCA", False),
    card("label_mlp", "the label MLP", True),
    card("lb23", "the model of Leung and Bovy (2024)", False, True),
    card("lb23_labels", "that model given labels only", True, True),
    card("zgr23", "the model of Zhang, Green and Rix (2023)", True, True, left_out="the weights are others"),
]


@pytest.fixture(scope="module")
def measured():
    """Forty stars whose models are off by known multiples of each coefficient's error."""
    n, width, rng = 40, dr3_basis().n_coefficients, np.random.default_rng(6)
    x, x_err = rng.normal(size=(n, width)), rng.uniform(0.5, 2, (n, width))
    every = np.ones(n, dtype=bool)
    off = {"svae": 1.0, "pca": 3.0, "label_mlp": -4.0, "lb23": 2.0, "lb23_labels": 5.0}
    predictions = {model: Prediction(every.copy(), x + k * x_err) for model, k in off.items()}
    predictions["lb23"].known[:10] = False
    predictions["zgr23"] = Prediction(~every, np.full_like(x, np.nan))
    labels = {"teff": np.full(n, 5000.0), "logg": np.linspace(0, 5, n), "m_h": np.full(n, np.nan)}
    *_, summary = residuals.measure(
        predictions, x, x_err, np.zeros(width), np.ones(width), labels=labels, pairs=report.pairs(CARDS)
    )
    return summary | report.divide(CARDS, summary)


def test_stand_ins_are_set_beside_what_they_stand_in_for():
    assert report.pairs(CARDS) == [("pca", "lb23"), ("label_mlp", "lb23_labels"), ("label_mlp", "zgr23")]


def test_every_number_is_there_by_model_place_and_bin(measured):
    content = json.loads(json.dumps(report.report(measured), allow_nan=False))
    models = {entry["model"]: entry for entry in content["models"]}
    assert list(models) == ["svae", "pca", "label_mlp", "lb23", "lb23_labels"]
    for model, off in (("svae", 1.0), ("pca", 3.0), ("label_mlp", -4.0), ("lb23", 2.0)):
        space = models[model]["coefficients"]
        assert space["n"] == (30 if model == "lb23" else 40)
        places = [(band, number) for band in ("BP", "RP") for number in range(32)]
        assert [(row["band"], row["number"]) for row in space["rows"]] == places
        for row in space["rows"]:
            assert row["bias"] == pytest.approx(off) and row["rmse"] == pytest.approx(abs(off))
            assert row["width"] == pytest.approx(0, abs=1e-9)
            assert model == "svae" or row["ratio"] == pytest.approx(abs(off))
        bins = space["labels"]["logg"]
        assert sum(part["n"] for part in bins) == space["n"] and len(bins) == 12
        assert all(part["bias"] == pytest.approx(off) for part in bins if part["n"])
        assert not any(part["n"] for part in space["labels"]["m_h"])
        assert [row["nm"] for row in models[model]["wavelengths"]["rows"]] == list(range(392, 993, 10))
    assert [models[m]["peer"] for m in ("svae", "pca", "lb23")] == [False, False, True]
    assert content["left_out"] == [
        {
            "model": "zgr23",
            "label": "ZGR23",
            "prose": "the model of Zhang, Green and Rix (2023)",
            "reason": "the weights are others",
        }
    ]


def test_the_text_says_who_is_left_out_and_which_of_two_is_better(measured):
    macros = peer_macros(measured)
    assert macros["PeersLeftOut"] == (
        "The model of Zhang, Green and Rix (2023) is not shown, for the weights are others."
    )
    assert macros["PeersCoefficients"] == (
        "Over the 30 test stars that both predict, PCA is closer to the data than the model of Leung and Bovy (2024) "
        "for 0 of 64 coefficients. Over the 40 test stars that both predict, the label MLP is closer to the data "
        "than that model given labels only for 64 of 64 coefficients."
    )
    # here they predict all coefficients, and so the flux
    assert macros["PeersFlux"].count("closer to the data") == 2


@pytest.mark.parametrize(
    ("better", "sentence"),
    [
        ("oooooooo", "the label MLP is closer to the data than ZGR at every wavelength."),
        ("tttttttt", "ZGR is closer to the data than the label MLP at every wavelength."),
        (
            "oottttot",
            "the label MLP is the one closer to the data at 400 to 410\\,nm and 460\\,nm, "
            "ZGR at all other wavelengths.",
        ),
        (
            "ootooooo",
            "ZGR is the one closer to the data at 420\\,nm, the label MLP at all other wavelengths.",
        ),
        ("otototototo", "the label MLP is closer to the data than ZGR at 6 of 11 wavelengths."),
    ],
)
def test_the_better_of_two_by_wavelength(better, sentence):
    duel = {"ours": "label_mlp", "theirs": "zgr23", "n": 1234}
    duel["rmse_ours"] = [1.0 if side == "o" else 3.0 for side in better]
    duel["rmse_theirs"] = [2.0] * len(better)
    summary = {
        "models": [card("label_mlp", "the label MLP", True), card("zgr23", "ZGR", True, True)],
        "wavelength": [400.0 + 10 * number for number in range(len(better))],
        "duels": {"coefficients": [], "wavelengths": [duel]},
    }
    assert peer_macros(summary)["PeersFlux"] == f"Over the 1{{,}}234 test stars that both predict, {sentence}"


def test_without_peers_nothing_is_said():
    ours = [said for said in CARDS if not said.get("peer")]
    assert report.pairs(ours) == []
    assert set(peer_macros({"models": ours, "left_out": [], "wavelength": []}).values()) == {""}


def test_text_of_a_model_may_hold_words():
    assert numbers._number("made here") == "made here" and numbers._number(1234) == "1{,}234"
