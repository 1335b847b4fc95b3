"""The paper's numbers against hand-computed ones, its text against the numbers, its build against itself."""

import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from test_audit_numbers import AUDIT, GRID, ROWS

from xpsvae.compare.models import pca
from xpsvae.errors import InputError
from xpsvae.model.recipe import RECIPES
from xpsvae.paper import audit_numbers, html, latex, numbers

PAPER = Path(__file__).parents[2] / "paper"
TEXT = PAPER / "ms.tex"
FIGURES = {
    "catalog_cuts", "catalog_kiel", "svae_arch", "xp_vae_models", "lam_coeff_errs", "compare_lam",
    "zgr_rel_errs", "compare_zgr", "err_stellar_labels", "kiel_vs_latent", "physical_spectra",
    "kiel_metallicity_tracks", "latent_ms_metallicity_tracks", "latent_giant_metallicity_tracks",
    "alpha_bimodality", "confusion_matrices", "latent_tracks", "pca_components", "alpha_beyond_labels", "audit",
}  # fmt: skip
TABLES = {"cutflow", "switches", "reports", "alpha", "variants", "controls", "claims", "audit"}
SECTIONS = sorted((PAPER / "sections").glob("*.tex"))


# Values as LaTeX ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (latex.count(34045), "34{,}045"),
        (latex.count(7), "7"),
        (latex.count(502311), "502{,}311"),
        (latex.decimal(0.9214, 3), "0.921"),
        (latex.decimal(-0.125, 2), r"\ensuremath{-0.12}"),
        (latex.decimal(-0.0004, 2), "0.00"),
        (latex.signed(0.0123), r"\ensuremath{+0.012}"),
        (latex.signed(-0.0123), r"\ensuremath{-0.012}"),
        (latex.signed(-0.0001), "0.000"),
        (latex.significant(3e-7, 1), r"\ensuremath{3\times10^{-7}}"),
        (latex.significant(9.96e-5, 2), r"\ensuremath{1.0\times10^{-4}}"),
        (latex.significant(0.0123), "0.012"),
        (latex.significant(512.3, 2), "512"),
        (latex.significant(0), "0"),
        (latex.interval([0.9012, 0.9333]), "0.901--0.933"),
        (latex.interval([-0.01, 0.02]), r"\ensuremath{-0.010} to 0.020"),
        (latex.listing([]), "none"),
        (latex.listing(["a"]), "a"),
        (latex.listing(["a", "b", "c"]), "a, b and c"),
        (latex.prose("-1.6 < [Fe/H] < 0.2 & 5 %"), r"$-$1.6 $<$ $[\mathrm{Fe}/\mathrm{H}]$ $<$ 0.2 \& 5 \%"),
        (latex.prose("0.2 - 0.1 x"), "0.2 $-$ 0.1 x"),
        (latex.prose("action-diamond [alpha/M]"), r"action-diamond $[\alpha/\mathrm{M}]$"),
    ],
)
def test_values(made, expected):
    assert made == expected


@pytest.mark.parametrize("value", [None, float("nan"), float("inf")])
def test_what_is_missing_says_so(value):
    made = [latex.count(value), latex.decimal(value), latex.signed(value), latex.significant(value)]
    assert set(made) == {r"\mbox{not available}"}
    assert latex.interval([0.1, value]) == latex.interval(None) == r"\mbox{not available}"


def test_macros_and_switches_become_definitions():
    text = latex.to_tex({"NFull": "39{,}851"}, {"HasFlags": False, "OneCycle": True})
    assert text.splitlines()[1:] == [
        r"\newcommand{\NFull}{39{,}851}",
        r"\newcommand{\IfHasFlags}[2]{#2}",
        r"\newcommand{\IfOneCycle}[2]{#1}",
    ]
    with pytest.raises(ValueError, match="letters only"):
        latex.to_tex({"n_full": "1"}, {})


# Products as macros ---------------------------------------------------------------------------------

CROSSMATCH = {
    "labels": {"rows": 1200, "duplicates_dropped": 100, "sources": 1100, "unmatched": 3},
    "null_columns": ["starflag", "aspcapflag", "j_r", "a_k"],
}


def step(cut, asks, removed, remaining, paper=None):
    return {
        "cut": cut,
        "asks": asks,
        "available": removed is not None,
        "removed_alone": removed,
        "remaining": remaining,
        "paper_removed_alone": paper,
    }


CUTFLOW = {
    "stars": {"full": 1097, "good": 900, "pristine": 800, "train": 987, "test": 110},
    "paper_stars": {"full": 502311, "good": 202970, "pristine": 123804, "train": 452079, "test": 50232},
    "cuts": {
        "good": [
            step("teff_snr", "Teff / error > 20", 46, 1051, 16028),
            step("bp_rp", "0 < G_BP - G_RP < 4", 12, 1040),
            step("aspcapflag", "ASPCAPFLAG bits 19, 23 unset", None, 1040),
        ],
        "pristine": [
            step("teff_snr", "Teff / error > 100", 200, 897, 273466),
            step("bp_rp", "0 < G_BP - G_RP < 4", 12, 890),
            step("aspcapflag", "ASPCAPFLAG bits 19, 23 unset", None, 890),
        ],
    },
}
CONFIG = {
    "model": {"n_inputs": 110, "hidden": [90, 70, 50, 30, 10], "n_latents": 6},
    "training": {
        "epochs": 250,
        "batch_size": 1024,
        "schedule": "one-cycle",
        "learning_rate": 3e-3,
        "warm_up": 0.3,
        "kl_warm_up": 0.7,
        "free_bits": 0.0,
        "restart_every": 500,
        "weight_decay": 0.01,
    },
}
HISTORY = pd.DataFrame(
    {
        "loss": [9.0, -94.87],
        "val_loss": [9.0, -94.26],
        "val_reconstruction": [9.0, -106.0],
        "val_kl": [9.0, 11.74],
    }
)
LATENTS = {
    "n_latents": 3,
    "kl": [2.389, 0.001, 1.9],
    "live": [1, 3],
    "dead": [2],
    "live_threshold": 0.05,
}
DIMENSIONS = {
    "logg": 3,
    "teff": 1,
    "m_h": 1,
    "alpha_m": 3,
    "boundary": {"dimension": 3, "value": -0.754, "ms_side": "above", "accuracy": 0.9731, "majority": 0.75},
    "boundary_all": 0.9074,
    "association": {
        label: {
            "1": {"spearman": 0.5, "mutual_information": 0.21, "floor": 0.045},
            "3": {"spearman": -0.912, "mutual_information": 0.8, "floor": 0.045},
        }
        for label in ("logg", "teff", "m_h")
    }
    | {
        "alpha_m": {
            "1": {"spearman": 0.02, "mutual_information": -0.001, "floor": 0.0449},
            "3": {"spearman": -0.104, "mutual_information": 0.0613, "floor": 0.0451},
        }
    },
}
MODELS = [
    {"model": "svae", "prose": "the sVAE", "text": "", "summary": {"n_latents": 3}},
    {
        "model": "pca",
        "prose": "PCA",
        "text": r"\textit{PCA (<components>)} holds <variance> per cent.",
        "summary": {"components": 3, "variance": 95.04, "explained_variance": [0.7, 0.2, 0.05]},
    },
    {
        "model": "label_mlp",
        "prose": "the label MLP",
        "text": r"\textit{Label MLP} predicts <n_predicted> stars; the other <n_unknown> are left out.",
        "summary": {"n_predicted": 1095, "n_unknown": 15},
    },
]


def compared(pca, label_mlp):
    return {
        "svae": {"rmse": [1.0] * len(pca)},
        "pca": {"ratio": pca},
        "label_mlp": {"ratio": label_mlp},
    }


COMPARISON = {
    "models": MODELS,
    "coefficients": compared([0.5, 3.0, 1.5, 2.5], [0.5, 0.25, 4.0, 0.75]),
    "wavelengths": compared([1.2, 1.0, 0.9], [3.0, 2.0, 1.0]),
}
COMPONENTS = {  # components.json, with four numbers
    "components": [1, 2, 3, 4],
    "coefficients": {"median": [3.0, 2.0, 1.01, 1.0]},
    "flux": {"median": [1.7, 0.99, 1.1, 0.6]},
}
PER_STAR = pd.DataFrame(
    {
        f"rmse_{space}_{model}": [1.0, 2.0, 30.0, None if model == "label_mlp" else 400.0]
        for space in ("coefficient", "flux")
        for model in ("svae", "pca", "label_mlp")
    }
)
KIEL = pd.DataFrame(  # a bin of four stars is as good as empty
    {
        "branch": ["ms", "ms", "ms", "ms", "gb", "gb", "gb"],
        "n": [10, 30, 20, 4, 0, 5, 7],
        "centre": [5000.0, 5100.0, 5200.0, 5300.0, 0.0, 1.0, 2.0],
        "z_1": [0.1, 0.3, 0.2, -9.0, None, 1.0, 3.0],
        "z_2": [3.0, 2.0, 1.0, 9.0, None, 2.0, 2.0],
        "z_1_se": [0.1, 0.2, 0.3, 0.1, None, 0.1, 0.2],
    }
)
METALLICITY = pd.DataFrame(
    {
        "branch": ["ms", "ms", "ms", "gb", "gb"],
        "m_h_centre": [0.0, 0.5, 0.5, 0.0, 0.5],
        "n": [29, 30, 0, 0, 30],
        "logg_se": [0.05, 0.1, None, None, 0.11],
    }
)
ALPHA = {
    "n_giants": 2000,
    "n_high_alpha": 401,
    "high_alpha_fraction": 0.2005,
    "n_enceladus": 12,
    "enceladus_kind": "chemical",
    "enceladus_selection": "chemical: -1.6 < [Fe/H] < -0.9",
}

ALPHA_TRACKS = pd.DataFrame(  # not in order
    {
        "track": ["low_alpha", *["fixed_m_h"] * 4, *["matched"] * 4],
        "centre": [0.0, 0.2, 0.1, 0.0, 0.3, 0.0, 0.1, 0.2, 0.3],
        "n": [500, 400, 900, 100, 99, 150, 150, 150, 0],
        "m_h": [0.0, -0.42, -0.40, -0.37, -0.5, -0.4, -0.404, -0.41, None],
        "alpha_m": [0.0, 0.21, 0.1, 0.01, 0.3, 0.02, 0.11, 0.205, None],
        "teff": [4800.0, 4182.0, 4518.0, 4327.0, 9000.0, 4400.0, 4403.4, 4401.0, None],
        "logg": [2.0, 1.62, 2.12, 1.60, 2.5, 2.0, 2.014, 1.99, None],
        "z_1": [0.0, 5.0, 3.0, 1.0, 9.0, 1.0, 2.0, 2.0, None],
        "z_2": [0.0, -1.5, 0.0, -1.0, 9.0, -1.0, 7.0, -1.25, None],
    }
)
DIRECTIONS = {
    "m_h": {"1": 1.0, "2": 0.0},
    "alpha_m": {"1": 0.6, "2": 0.8},
    "mean": {"1": 1.0, "2": -1.0},
    "scale": {"1": 2.0, "2": 0.5},
    "pair": [1, 3],
    "auc_pair": 0.7712,
    "auc_direction": 0.8149,
    "auc_live": 0.918,
}


PULLS = {
    "coefficients": {
        "width": [0.7, 0.8, 0.5, 0.9, 0.6, 1.0],
        "width_error": [2.04, 0.99, 0.5, 1.0, 2.66, 1.5],
        "chi2": [0.5] * 6,
    },
    "magnitudes": [
        {"g": [8.04, 11.96], "n": 50, "width": 0.9, "chi2": 0.9},
        {"g": [11.96, 15.5], "n": 50, "width": 0.604, "chi2": 0.5},
    ],
    "chi2": 0.714,
}
SPECTRA = pd.DataFrame(
    {
        "branch": ["ms", "ms", "gb"],
        "wavelength": [np.array([398.0, 400.0, 640.0, 900.0, 902.0])] * 2 + [np.array([396.0, 398.0, 640.0])],
        "residual": [
            np.array([-0.14, 9.0, 0.001, -0.003, 9.0]),
            np.array([0.10, 9.0, 0.005, 0.011, 9.0]),
            np.array([0.05, -0.071, -0.0068]),
        ],
    }
)


def entry(classifier, accuracy, auc, bounds=(0.8, 0.95)):
    return {
        "classifier": classifier,
        "accuracy": accuracy,
        "roc_auc": auc,
        "intervals": {"accuracy": list(bounds), "roc_auc": list(bounds)},
    }


def gain(classifier, over, accuracy, auc):
    return {
        "classifier": classifier,
        "over": over,
        "accuracy": {"gain": accuracy, "interval": [accuracy - 0.01, accuracy + 0.01]},
        "roc_auc": {"gain": auc, "interval": [auc - 0.01, auc + 0.01]},
    }


CLASSIFIERS = {
    "classifiers": [
        entry("m_h", 0.74, 0.81),
        entry("label", 0.9, 0.95),
        entry("label_extinction", 0.91, 0.96),
        entry("latent", 0.88, 0.92),
        entry("latent_live", 0.87, 0.91),
        entry("label_latent", 0.92, 0.957),
        entry("label_permuted", 0.905, 0.945),
    ],
    "gains": [
        gain("latent", "label", -0.02, -0.03),
        gain("latent", "latent_live", 0.01, 0.01),
        gain("label_latent", "label", 0.005, 0.007),
        gain("label_latent", "label_permuted", 0.015, 0.012),
        gain("label_extinction", "label", 0.012, 0.0151),
        gain("label_latent", "label_extinction", -0.004, -0.013),
    ],
    "by_teff": {
        "split": 5000.0,
        "below": {
            "n_test": 1234,
            "n_test_high": 300,
            "classifiers": [
                entry("label", 0.9, 0.95),
                entry("latent", 0.8, 0.91, bounds=(0.88, 0.93)),
                entry("label_latent", 0.9, 0.9601),
            ],
            "gains": [gain("label_latent", "label", 0.0, 0.0112)],
        },
        "above": {"n_test": 40, "n_test_high": 1, "majority": None, "classifiers": [], "gains": []},
    },
    "sample": {"majority": 0.795, "n_train": 1790, "n_test": 210},
}
SCRAMBLED = CLASSIFIERS | {  # variant only-label_features
    "classifiers": [
        entry("m_h", 0.74, 0.81),
        entry("label", 0.79, 0.5),
        entry("label_extinction", 0.78, 0.5),
        entry("latent", 0.88, 0.92),
        entry("latent_live", 0.1, 0.1),  # the paper had no such classifier
        entry("label_latent", 0.1, 0.1),
        entry("label_permuted", 0.1, 0.1),
    ]
}
LEAKY = CLASSIFIERS | {"gains": [gain("label_latent", "label", 0.02, 0.03)]}  # variant only-leakage


def stars():
    logg = [0.6] * 2 + [1.2] * 3 + [1.6] * 2 + [2.2] * 2 + [2.7] * 4 + [3.2] * 2 + [4.5] * 9
    return pd.DataFrame(
        {"phot_g_mean_mag": [8.0, *[12.0] * 22, 15.0], "logg": logg, "teff": [9000.0] + [5000.0] * 23}
        | {"teff_err": [6.8] * 20 + [50.0] * 4}
    )


PRISTINE = [False] * 6 + [True] * 12  # of logg 1.6 to 3.2, and three of the nine dwarfs
PRISTINE += [False] * 6


def quality(pristine):
    return pd.DataFrame({"good": True, "pristine": pristine})


def all_macros():
    return {
        **numbers.paper_macros(),
        **numbers.catalog_macros(CROSSMATCH, CUTFLOW, stars(), 3e-7, 25.6873668671),
        **numbers.model_macros(CONFIG, HISTORY),
        **numbers.label_macros(stars(), quality(PRISTINE)),
        **numbers.latent_macros(LATENTS, DIMENSIONS),
        **numbers.pull_macros(PULLS),
        **numbers.spectra_macros(SPECTRA),
        **numbers.comparison_macros(COMPARISON, PER_STAR, COMPONENTS),
        **numbers.track_macros(KIEL, METALLICITY, [1, 2]),
        **numbers.alpha_track_macros(ALPHA_TRACKS, DIRECTIONS),
        **numbers.alpha_macros(ALPHA, CLASSIFIERS),
        **numbers.discussion_macros(CLASSIFIERS),
        **numbers.switch_macros(SCRAMBLED, LEAKY),
        **audit_numbers.audit_macros(*AUDIT, GRID),
        "TestFraction": "0.1",  # by the script, out of the configuration
    }


def all_switches():
    return numbers.switches(CROSSMATCH, CONFIG, LATENTS) | audit_numbers.audit_switches(GRID)


def test_catalog_counts():
    macros = numbers.catalog_macros(CROSSMATCH, CUTFLOW, stars(), 3e-7, 25.6873668671)
    expected = {
        "NFull": "1{,}097",
        "NTrain": "987",
        "NTest": "110",
        "NRows": "1{,}200",
        "NDuplicateRows": "100",
    }
    expected |= {"UnmatchedSources": "3 labelled sources lack a spectrum", "NHot": "1"}
    expected |= {"GMin": "8.0", "GMax": "15.0", "GMedian": "12.0"}
    expected |= {"PristineShare": "88.9", "PaperPristineShare": "61.0"}  # 800 of 900, 123,804 of 202,970
    expected |= {"LoggSpread": "2.0", "ZeroPoint": "25.6874"}  # 4 stars in 2.5-3.0, 2 in the emptiest
    assert macros.items() >= expected.items()


def test_that_no_source_lacks_a_spectrum_is_said_in_words():
    complete = CROSSMATCH | {"labels": CROSSMATCH["labels"] | {"unmatched": 0}}
    macros = numbers.catalog_macros(complete, CUTFLOW, stars(), 3e-7, 0)
    assert macros["UnmatchedSources"] == "every labelled source has a spectrum"
    nothing = CUTFLOW | {"stars": CUTFLOW["stars"] | {"good": 0, "pristine": 0}}
    macros = numbers.catalog_macros(complete, nothing, stars(), 3e-7, 0)
    assert macros["PristineShare"] == latex.NOT_AVAILABLE


def test_errors_of_temperature_and_dwarfs_of_pristine_labels():
    macros = numbers.label_macros(stars(), quality(PRISTINE))
    assert macros == {"TeffError": "7", "PristineDwarfs": "25.0"}  # 3 of 12 above 5.9 - 4 x 0.5
    nobody = numbers.label_macros(stars(), quality([False] * 24))
    assert nobody == {"TeffError": "7", "PristineDwarfs": latex.NOT_AVAILABLE}


def test_pulls_of_coefficients_and_by_magnitude():
    macros = numbers.pull_macros(PULLS)
    assert macros == {
        "PullWidth": "0.75",  # between 0.7 and 0.8
        "PullRange": "0.50 to 1.00",
        "PullChi": "0.71",
        "PullNarrow": "2",  # 0.99 and 0.5; exactly one is not below one
        "PullVerdict": "too large",
        "PullsByMagnitude": "0.90 for $G$ of 8.0 to 12.0 and 0.60 for $G$ of 12.0 to 15.5",
        "PullWidest": r"2.7 for RP\,1",
        "PullLast": r"0.5 for BP\,2 and 1.5 for RP\,2",
        "PullNarrowFrom": "1",
        "PullWeight": ", so that training gives these too little weight",
    }
    later = PULLS["coefficients"] | {"width_error": [2.0, 1.0, 0.9, 2.0, 1.0, 0.3]}
    assert numbers.pull_macros(PULLS | {"coefficients": later})["PullNarrowFrom"] == "2"
    many = PULLS | {
        "coefficients": {name: np.linspace(0, 1, 101).tolist() for name in ("width", "width_error")}
    }
    assert numbers.pull_macros(many)["PullRange"] == "0.05 to 0.95"


@pytest.mark.parametrize(
    ("width", "verdict", "weight"),
    [
        (0.94, "too large", ", so that training gives these too little weight"),
        (0.96, "about right", ""),
        (1.04, "about right", ""),
        (1.06, "too small", ", so that training gives these too much weight"),
    ],
)
def test_the_verdict_on_errors_follows_the_median_width(width, verdict, weight):
    widths = {"width": [width] * 6, "width_error": [1.0] * 6}
    macros = numbers.pull_macros(PULLS | {"coefficients": widths})
    assert (macros["PullVerdict"], macros["PullWeight"]) == (verdict, weight)
    assert (macros["PullNarrow"], macros["PullNarrowFrom"]) == ("0", latex.NOT_AVAILABLE)


def test_residuals_of_spectra_in_two_windows():
    macros = numbers.spectra_macros(SPECTRA)
    assert macros == {
        "RedWindow": "640 to 900",
        "BlueEdge": "400",
        "ResidualMsRed": "0.4 per cent",  # of 0.1, 0.3, 0.5 and 1.1
        "ResidualMsBlue": "12.0 per cent",  # of 14 and 10; 400 nm itself is not below
        "ResidualGbRed": "0.7 per cent",
        "ResidualGbBlue": "6.0 per cent",  # of 5 and 7.1: 6.05
    }
    empty = numbers.spectra_macros(SPECTRA[SPECTRA["branch"] == "ms"])
    assert empty["ResidualGbRed"] == empty["ResidualGbBlue"] == "unknown, as no bin holds a star"


def test_an_empty_bin_of_logg_has_no_spread():
    few = stars()[lambda frame: frame["logg"] != 1.2]
    assert numbers.catalog_macros(CROSSMATCH, CUTFLOW, few, 3e-7, 0)["LoggSpread"] == latex.NOT_AVAILABLE


def test_switches_follow_the_null_columns():
    flags = numbers.switches(CROSSMATCH, CONFIG, LATENTS)
    assert {name for name, flag in flags.items() if flag} == {"OneCycle", "KlWarmUp", "DeadLatents"}
    assert audit_numbers.audit_switches(None) == {"HasGrid": False}
    complete = numbers.switches(CROSSMATCH | {"null_columns": []}, CONFIG, LATENTS | {"dead": []})
    assert complete["HasFlags"] and complete["HasActions"] and complete["HasAk"]
    assert not complete["DeadLatents"] and not complete["StoredCorrelations"]
    aspcap = numbers.switches(CROSSMATCH | {"files": {"teff_and_logg": "aspcap"}}, CONFIG, LATENTS)
    assert aspcap["AspcapLabels"] and not complete["AspcapLabels"]
    for source in ("record", "datalink"):
        stored = numbers.switches(CROSSMATCH | {"correlations": {"from": source}}, CONFIG, LATENTS)
        assert stored["StoredCorrelations"] and stored["FetchedCorrelations"] == (source == "datalink")


@pytest.mark.parametrize(
    ("change", "flags"),
    [({}, {"PublishedRecipe"}), ({"epochs": 300}, set()), ({"kl_warm_up": 0.7}, {"KlWarmUp"})],
)
def test_text_calls_a_recipe_published_only_if_it_is(change, flags):
    config = CONFIG | {"training": {"recipe": "published"} | RECIPES["published"] | change}
    switches = numbers.switches(CROSSMATCH, config, LATENTS | {"dead": []})
    assert {name for name, flag in switches.items() if flag} == flags


def test_cutflow_table_holds_every_count_beside_the_papers():
    table = numbers.cutflow_table(CUTFLOW)
    rows = [line.rstrip("\\ ").split(" & ") for line in table.splitlines() if line.count("&") == 8]
    assert rows == [
        ["all stars", "", "", "1{,}097", "502{,}311", "", "", "1{,}097", "502{,}311"],
        [r"(i) $T_\mathrm{eff}/\sigma(T_\mathrm{eff})$", "$>20$", "46", "1{,}051", "removes 16{,}028"]
        + ["$>100$", "200", "897", "removes 273{,}466"],
        [r"(ii) $G_\mathrm{BP}-G_\mathrm{RP}$", "0--4", "12", "1{,}040", r"\nodata"]
        + ["0--4", "12", "890", r"\nodata"],
        ["(iii) ASPCAPFLAG", "bits 19, 23", "not available", r"\nodata", r"\nodata"]
        + ["bits 19, 23", "not available", r"\nodata", r"\nodata"],
        ["remaining", "", "", "900", "202{,}970", "", "", "800", "123{,}804"],
    ]


def test_model_numbers_come_from_the_last_epoch():
    macros = numbers.model_macros(CONFIG, HISTORY)
    expected = {
        "NEpochs": "250",
        "BatchSize": "1{,}024",
        "LearningRate": r"\ensuremath{3\times10^{-3}}",
        "WarmUp": "30",
    }
    expected |= {"LossTest": r"\ensuremath{-94.3}", "LossTestKl": "11.7", "NParameters": "67{,}182"}
    assert macros.items() >= expected.items()


@pytest.mark.parametrize("recipe", [RECIPES["published"], RECIPES["fast"], {}])
def test_what_a_recipe_does_not_say_is_not_available(recipe):
    macros = numbers.model_macros(CONFIG | {"training": recipe}, HISTORY)
    keys = {
        "NEpochs": "epochs",
        "WarmUp": "warm_up",
        "KlWarmUp": "kl_warm_up",
        "RestartEvery": "restart_every",
    }
    for macro, key in keys.items():
        assert (macros[macro] == numbers.NOT_AVAILABLE) == (key not in recipe)
    flags = numbers.switches(CROSSMATCH, CONFIG | {"training": recipe}, LATENTS)
    assert flags["KlWarmUp"] == (recipe.get("kl_warm_up", 0) > 0)


def test_numbers_of_the_published_weights_are_those_of_their_recipe():
    from xpsvae.model.published import LAST_EPOCH, RECIPE

    macros = numbers.model_macros(CONFIG | {"training": RECIPE}, pd.DataFrame([LAST_EPOCH]))
    expected = {"NEpochs": "5{,}000", "BatchSize": "1{,}024", "RestartEvery": "500", "LossTestKl": "11.3"}
    assert macros.items() >= expected.items()
    flags = numbers.switches(CROSSMATCH, CONFIG | {"training": RECIPE}, LATENTS)
    assert flags["PublishedModel"] and flags["PublishedRecipe"] and not flags["OneCycle"]


def test_parameters_are_those_of_the_model():
    from xpsvae.model.svae import ScatterVAE

    model = ScatterVAE(20, 3)
    hidden = CONFIG["model"]["hidden"]
    assert numbers.n_parameters(20, hidden, 3) == sum(weight.numel() for weight in model.parameters())


def test_latents_in_use_and_what_they_follow():
    macros = numbers.latent_macros(LATENTS, DIMENSIONS)
    assert macros["KlList"] == "2.39, 0.00 and 1.90"
    assert (macros["NLive"], macros["LiveLatents"], macros["DeadLatents"]) == (
        "2",
        "$z_{1}$ and $z_{3}$",
        "$z_{2}$",
    )
    assert macros["ChosenLatents"].startswith(
        r"$z_{3}$ for $\log g$ (rank correlation \ensuremath{-0.91}), $z_{1}$ for $T_\mathrm{eff}$ (rank "
    )
    assert (macros["BoundaryValue"], macros["BoundaryAccuracy"]) == (r"\ensuremath{-0.75}", "97.3")
    assert (macros["BoundaryMajority"], macros["BoundaryAll"]) == ("75.0", "90.7")


@pytest.mark.parametrize(
    ("one", "every", "verdict"),
    [
        (0.95, 0.99, r"One latent separates the branches, as in \original{}."),
        (0.949, 0.97, "here none does, and several do so better."),
        (0.83, 0.91, "here none does, and several do so better."),
        (0.83, 0.849, "here none does, and several do so no better."),
        (0.83, 0.80, "here none does, and several do so no better."),
    ],
)
def test_one_clean_boundary_or_several_latents(one, every, verdict):
    boundary = DIMENSIONS["boundary"] | {"accuracy": one}
    changed = DIMENSIONS | {"boundary": boundary, "boundary_all": every}
    assert numbers.latent_macros(LATENTS, changed)["BoundaryVerdict"].endswith(verdict)


def test_no_latent_is_named_as_the_dimension_of_alpha():
    macros = numbers.latent_macros(LATENTS, DIMENSIONS)
    assert "alpha" not in macros["ChosenLatents"]
    assert macros["ChosenLatents"].endswith(
        r"and $z_{1}$ for $[\mathrm{M}/\mathrm{H}]$ (rank correlation 0.50)"
    )
    expected = {"AlphaLatent": "$z_{3}$", "AlphaLatentRank": r"\ensuremath{-0.10}"}
    expected |= {"AlphaLatentInformation": "0.061", "AlphaLatentFloor": "0.045"}
    assert macros.items() >= expected.items()


def test_comparison_medians_ranges_and_wins():
    macros = numbers.comparison_macros(COMPARISON, PER_STAR, COMPONENTS)
    assert macros["CoefficientRatios"] == (
        "Relative to PCA the ratio has a median of 2.00 and runs from 0.50 to 3.00; it exceeds one for 3 of "
        "4 coefficients. "
        "Relative to the label MLP the ratio has a median of 0.62 and runs from 0.25 to 4.00; it exceeds one "
        "for 1 of 4 coefficients."
    )
    assert macros["FluxRatios"] == (
        "Relative to PCA the ratio has a median of 1.00 and runs from 0.90 to 1.20; it exceeds one for 1 of "
        "3 wavelengths. "
        "Relative to the label MLP the ratio has a median of 2.00 and runs from 1.00 to 3.00; it exceeds one "
        "for 2 of 3 wavelengths."
    )
    assert macros["ModelRatios"] == (
        "that of PCA is 2.00 times as large and that of the label MLP is 0.62 times as large"
    )
    assert macros["FluxModelRatios"] == (
        "that of PCA is 1.00 times as large and that of the label MLP is 2.00 times as large"
    )
    assert macros["SvaeVersus"] == "better than PCA and worse than the label MLP"
    assert macros["SvaeVersusFlux"] == "on a par with PCA and better than the label MLP"
    sizes = {"NCoefficients": "4", "HalfCoefficients": "2", "NWavelengths": "3", "NModelsCompared": "two"}
    assert macros.items() >= sizes.items()
    # Medians of 1, 2, 30: the star without a prediction by the label MLP counts for no model.
    errors = "2.0 with the sVAE, 2.0 with PCA and 2.0 with the label MLP"
    assert macros["CoefficientErrors"] == macros["FluxErrors"] == errors
    assert macros["NKnownCoefficients"] == macros["NKnownFlux"] == "3"


def test_each_model_speaks_for_itself_with_its_own_numbers():
    assert numbers.comparison_macros(COMPARISON, PER_STAR, COMPONENTS)["ModelTexts"] == (
        "\\textit{PCA (3)} holds 95.0 per cent.\n\n"
        "\\textit{Label MLP} predicts 1{,}095 stars; the other 15 are left out."
    )


def test_a_model_more_or_less_is_in_every_sentence():
    def of(models):
        return {
            name: content if name == "models" else {model: content[model] for model in ("svae", *models)}
            for name, content in COMPARISON.items()
        } | {"models": [card for card in MODELS if card["model"] in ("svae", *models)]}

    macros = numbers.comparison_macros(of(["label_mlp"]), PER_STAR, COMPONENTS)
    assert not any("PCA" in text for text in macros.values())
    assert macros["NModelsCompared"] == "one"
    assert macros["ModelRatios"] == "that of the label MLP is 0.62 times as large"
    assert macros["FluxModelRatios"] == "that of the label MLP is 2.00 times as large"
    flux_only = {"model": "flux", "prose": "a model of flux", "text": "It is new.", "summary": {}}
    three = COMPARISON | {
        "models": [*MODELS, flux_only],
        "wavelengths": COMPARISON["wavelengths"] | {"flux": {"ratio": [5.0, 5.0, 0.5]}},
    }
    macros = numbers.comparison_macros(
        three, PER_STAR.assign(rmse_flux_flux=[4.0, 5.0, 6.0, 7.0]), COMPONENTS
    )
    assert macros["NModelsCompared"] == "three" and macros["ModelTexts"].endswith("It is new.")
    assert "a model of flux the ratio has a median of 5.00" in macros["FluxRatios"]
    assert "a model of flux" not in macros["CoefficientRatios"] + macros["SvaeVersus"] + macros["ModelRatios"]
    assert macros["FluxModelRatios"].endswith("that of a model of flux is 5.00 times as large")
    assert macros["SvaeVersusFlux"].endswith("better than a model of flux")
    assert macros["FluxErrors"].endswith("and 5.0 with a model of flux")


@pytest.mark.parametrize(
    ("ratio", "word"), [(1.2, "better than"), (1.04, "on a par with"), (0.9, "worse than")]
)
@pytest.mark.parametrize(
    ("space", "macro"), [("coefficients", "SvaeVersus"), ("wavelengths", "SvaeVersusFlux")]
)
def test_words_follow_the_ratio(ratio, word, space, macro):
    comparison = COMPARISON | {space: compared([ratio] * 3, [ratio] * 3)}
    macros = numbers.comparison_macros(comparison, PER_STAR, COMPONENTS)
    assert macros[macro] == f"{word} PCA and {word} the label MLP"


def test_as_many_components_as_the_svae_is_worth():
    macros = numbers.comparison_macros(COMPARISON, PER_STAR, COMPONENTS)
    assert (macros["ComponentsCoefficients"], macros["ComponentsFlux"]) == ("4", "2")
    never = COMPONENTS | {"flux": {"median": [4.0, 3.0, 2.0, 1.001]}}
    macros = numbers.comparison_macros(COMPARISON, PER_STAR, never)
    assert (macros["ComponentsCoefficients"], macros["ComponentsFlux"]) == ("4", "more than 4")


def test_tracks_count_filled_bins():
    macros = numbers.track_macros(KIEL, METALLICITY, [1, 2])
    bins = [macros[f"N{part}"] for part in ("MsBins", "MsFilled", "GbBins", "GbFilled")]
    assert bins == ["4", "3", "3", "2"]
    assert (macros["MsBinMedian"], macros["GbBinMedian"], macros["NTrackMh"]) == ("20", "6", "2")
    windows = [macros[name] for name in ("NMsWindows", "NMsEmpty", "NGbWindows", "NGbEmpty")]
    assert windows == ["3", "2", "2", "2"]
    assert (macros["FewestStars"], macros["FewestWindow"]) == ("five", "30")


def test_text_counts_the_bins_that_figures_draw():
    from xpsvae.plot.style import FEWEST_STARS

    assert numbers.FEWEST == FEWEST_STARS


def test_tracks_name_the_latent_that_follows_them():
    macros = numbers.track_macros(KIEL, METALLICITY, [1, 2])
    assert (macros["MsTrackLatent"], macros["MsTrackRank"]) == ("$z_{2}$", r"\ensuremath{-1.00}")
    assert (macros["GbTrackLatent"], macros["GbTrackRank"]) == ("$z_{1}$", "1.00")
    assert numbers.track_macros(KIEL, METALLICITY, [1])["MsTrackRank"] == "0.50"  # ranks 1, 3, 2
    one_bin = numbers.track_macros(KIEL[5:6], METALLICITY, [1, 2])
    assert one_bin["GbTrackLatent"] == one_bin["GbTrackRank"] == latex.NOT_AVAILABLE


def test_alpha_scores_and_verdicts():
    macros = numbers.alpha_macros(ALPHA, CLASSIFIERS)
    expected = {
        "HighFraction": "20.1",
        "AccMajority": "0.795",
        "AccLatent": "0.880",
        "AccLabelLatent": "0.920",
    }
    expected |= {"AccLabel": "0.900", "AccLabelInterval": "0.800--0.950"}
    expected |= {"GainAccuracy": r"\ensuremath{+0.005}", "GainAucPermuted": r"\ensuremath{+0.012}"}
    expected |= {"LatentVersusLabel": "below"}
    assert macros.items() >= expected.items()
    # the interval of the gain, -0.005 to 0.015, holds zero
    assert macros["GainVerdict"] == "a change whose 95 per cent interval holds zero"
    assert macros["LatentVerdict"].startswith("hold information")  # 0.80 is above 0.5


def test_what_two_choices_do_alone():
    macros = numbers.switch_macros(SCRAMBLED, LEAKY)
    assert (
        macros.items()
        >= {
            "AccLabelScrambled": "0.790",
            "AucLabelScrambled": "0.500",
            "NPublishedClassifiers": "4",
            "NBelowMajority": "3",  # 0.74, 0.79 and 0.78 below 0.795, of those that the paper had
            "GainAccuracyRandom": r"\ensuremath{+0.020}",
            "GainAucRandom": r"\ensuremath{+0.030}",
        }.items()
    )
    assert macros["GainAccuracyRandomInterval"] == "0.010--0.030"


def test_moves_along_the_tracks_of_fixed_metallicity_and_of_matched_labels():
    macros = numbers.alpha_track_macros(ALPHA_TRACKS, DIRECTIONS)
    # From 0.6 (1 - 1) / 2 + 0.8 (-1 + 1) / 0.5 to 0.6 (5 - 1) / 2 + 0.8 (-1.5 + 1) / 0.5; labels by all bins.
    expected = {"AlphaTrackMove": r"\ensuremath{+0.40}", "AlphaTrackFrom": "0.01", "AlphaTrackTo": "0.21"}
    expected |= {"AlphaTrackTeff": "336", "AlphaTrackLogg": "0.52", "AlphaTrackMh": "0.05"}
    # From 0 to 0.6 (2 - 1) / 2 + 0.8 (-1.25 + 1) / 0.5.
    expected |= {"MatchedMove": r"\ensuremath{-0.10}", "MatchedFrom": "0.02", "MatchedTo": "0.20"}
    expected |= {"MatchedTeff": "3", "MatchedLogg": "0.02", "MatchedMh": "0.01"}
    expected |= {"WellFilled": "100", "NMatched": "150"}
    expected |= {"AucDirection": "0.81", "AucPair": "0.77", "AucLive": "0.92"}
    expected |= {"AucPairLatents": "$z_{1}$ and $z_{3}$"}
    assert macros == expected


def test_tracks_of_fewer_than_two_filled_bins_have_no_move():
    sparse = ALPHA_TRACKS[(ALPHA_TRACKS["n"] != 900) & (ALPHA_TRACKS["n"] != 400)]
    macros = numbers.alpha_track_macros(sparse[sparse["track"] != "matched"], DIRECTIONS)
    for track in ("AlphaTrack", "Matched"):
        names = [f"{track}{name}" for name in ("From", "To", "Move", "Logg", "Mh")]
        assert {macros[name] for name in names} == {latex.NOT_AVAILABLE}
    assert macros["NMatched"] == "0"
    assert numbers.alpha_track_macros(sparse, DIRECTIONS)["MatchedMove"] == r"\ensuremath{-0.10}"
    alone = numbers.alpha_track_macros(ALPHA_TRACKS, DIRECTIONS | {"pair": None, "auc_pair": None})
    assert (alone["AucPair"], alone["AucPairLatents"]) == (latex.NOT_AVAILABLE, "none")


def test_verdicts_turn_with_the_numbers():
    gains = [
        gain("latent", "latent_live", 0, 0),
        gain("latent", "label", 0.03, 0.03),
        gain("label_latent", "label", 0.03, 0.03),
    ]
    gains += [gain("label_latent", "label_permuted", 0.03, 0.03)]
    guessing = entry("latent", 0.8, 0.51, bounds=(0.49, 0.53))
    entries = [*CLASSIFIERS["classifiers"], guessing]
    macros = numbers.alpha_macros(ALPHA, CLASSIFIERS | {"gains": gains, "classifiers": entries})
    assert macros["GainVerdict"] == "a gain whose 95 per cent interval lies above zero"
    assert macros["LatentVersusLabel"] == "above"
    assert macros["LatentVerdict"].startswith("give no evidence")
    gains[2] = gain("label_latent", "label", -0.03, -0.03)
    macros = numbers.alpha_macros(ALPHA, CLASSIFIERS | {"gains": gains, "classifiers": entries})
    assert macros["GainVerdict"] == "a loss"


def test_what_colours_explain():
    macros = numbers.discussion_macros(CLASSIFIERS)
    expected = {"AucColours": "0.960", "GainAucColours": r"\ensuremath{+0.015}"}
    expected |= {"GainAucColoursInterval": "0.005--0.025"}
    expected |= {"GainAucBeyondColours": r"\ensuremath{-0.013}", "BeyondColoursVerdict": "a loss"}
    expected |= {"ColoursVerdict": "a gain whose 95 per cent interval lies above zero"}
    expected |= {"ColoursExplain": "may account"}
    assert macros.items() >= expected.items()


@pytest.mark.parametrize(
    ("auc", "verdict", "explain"),
    [
        (0.02, "a gain whose 95 per cent interval lies above zero", "do not account"),
        (0.0, "a change whose 95 per cent interval holds zero", "may account"),
    ],
)
def test_colours_explain_no_gain_beyond_them(auc, verdict, explain):
    gains = [each for each in CLASSIFIERS["gains"] if each["over"] != "label_extinction"]
    beyond = gain("label_latent", "label_extinction", 0.0, auc)
    macros = numbers.discussion_macros(CLASSIFIERS | {"gains": [*gains, beyond]})
    assert (macros["BeyondColoursVerdict"], macros["ColoursExplain"]) == (verdict, explain)


def test_scores_on_either_side_of_a_temperature():
    macros = numbers.discussion_macros(CLASSIFIERS)
    assert macros["TeffSplit"] == "5{,}000"
    assert macros["TeffBelow"] == (
        "labels reach a ROC area of 0.950 (0.800--0.950), latents 0.910 (0.880--0.930) and both together "
        r"0.960 (0.800--0.950), \ensuremath{+0.011} (0.001--0.021) over labels, on 1{,}234 test stars of "
        r"which 300 are of high $\alpha$"
    )
    assert macros["TeffAbove"] == r"with 1 high-$\alpha$ stars among 40 there is nothing to score"


@pytest.mark.parametrize(
    ("below", "above", "verdict"),
    [
        (0.02, 0.02, "the latents add to the labels on both sides"),
        (0.02, 0.005, "the latents add to the labels on the cool side only"),
        (0.005, 0.02, "the latents add to the labels on the warm side only"),
        (0.005, -0.02, "on neither side is a gain of the latents over the labels beyond doubt"),
        (0.02, None, "the latents add to the labels on the cool side only"),
    ],
)
def test_the_verdict_on_temperature_follows_the_intervals(below, above, verdict):
    known = CLASSIFIERS["by_teff"]["below"]
    sides = {
        name: CLASSIFIERS["by_teff"]["above"]
        if auc is None
        else known | {"gains": [gain("label_latent", "label", 0.0, auc)]}
        for name, auc in (("below", below), ("above", above))
    }
    report = CLASSIFIERS | {"by_teff": {"split": 5000.0} | sides}
    assert numbers.discussion_macros(report)["TeffVerdict"] == verdict


# The text -------------------------------------------------------------------------------------------


def without_comments(path):
    return re.sub(r"(?<!\\)%.*", "", path.read_text(encoding="utf-8"))


def sources():
    paths = TEXT, *SECTIONS, *sorted((PAPER / "datasets").glob("*.tex"))
    return {path: without_comments(path) for path in paths}


def document_text():
    """Text of the paper, its sections where they are put in."""
    return html.inlined(without_comments(TEXT), {path.stem: without_comments(path) for path in SECTIONS})


def used_names(text):
    """Macros that start with a capital letter: ours, or one of TeX's Greek capitals."""
    return set(re.findall(r"\\([A-Z][A-Za-z]*)", text)) - {"Delta"}


def defined_names(text):
    return set(re.findall(r"\\(?:new|provide)command\{\\([A-Za-z]+)\}", text))


@pytest.mark.parametrize("dataset", sorted((PAPER / "datasets").glob("*.tex")), ids=lambda path: path.stem)
def test_every_macro_is_defined(dataset):
    numbers = set(all_macros()) | {f"If{name}" for name in all_switches()}
    text = document_text() + without_comments(dataset)
    assert used_names(text) - defined_names(text) - numbers == set()
    assert not numbers & defined_names(text)


def test_every_number_is_used():
    numbers = set(all_macros()) | {f"If{name}" for name in all_switches()}
    assert numbers - used_names("".join(sources().values())) == set()


def test_no_result_is_typed_by_hand():
    """Digits outside macros are constants of method or instrument, each named here with its neighbours."""
    constants = (
        # the instrument, its grids, its releases
        *(
            "330--680",
            "640--1050",
            "336 to 1020",
            "343 wavelengths",
            r"392\s+to 992",
            r"steps of 10\\,nm",
            r"steps of 2\\,nm",
        ),
        *("55 coefficients", "DR3", "DR17", "SDSS-IV"),
        # priors and prefactors
        *(
            r"1/\(1\+j\)",
            r"10\^\{0\.4",
            r"\^\{-1\}",
            r"(sigma|lambda|chi)\^2",
            r"\\sigma_j\^2",
            r"s_j\^2\)\^\{1/2\}",
        ),
        # samples that are defined by numbers
        *(
            r"\\logg<3\.8",
            r"\\teff<5500",
            r"\\feh>-1",
            r"8000\\,K",
            r"640\\,nm",
            r"0\.5 and 3\.5",
            "600--700",
            "16th to the 84th",
        ),
        # what Section 5 says the published code does
        *(
            "3 by",
            "0\\.2, is used",
            r"100\\,K",
            "2 and 3",
            "19 and 23",
            "32--36",
            "0--4",
            r"\$-0\.4\$",
            r"< 0\.1\$",
        ),
        # a check that was made outside the build, and the level of the intervals
        *("85 to 90", "91 per cent", "98 per cent", "95 per cent"),
        # from where on a latent is said to trace a label, and from where on an axis is logarithmic
        r"rank\s+correlation is at least 0\.5",
        "linear up to 5 per cent",  # an axis
        r"M_\{\d\d\}",
        # the other datasets: a potential, a record, an extinction per reddening
        *("MWPotential2014", "10951393", r"0\.310"),
        r"Table 1 of \\original",
        *(r"\\appendixfloat\{[A-D]1\}", r"\\appendixfloat\{0\}"),
    )
    for path, text in sources().items():
        body = text.split(r"\begin{document}")[-1]
        body = re.sub(r"\\begin\{(equation\*?)\}.*?\\end\{\1\}", "", body, flags=re.DOTALL)
        body = re.sub(r"\\(label|ref|citep?t?|includegraphics|input|begin)(\[[^]]*\])*\{[^}]*\}", "", body)
        body = re.sub(r"\\addtocounter\{(figure|table)\}\{-[12]\}", "", body)
        body = re.sub(r"\{(P\{[^}]*\})+\}|\[\d\]\{#\d\}|#\d|[\d.]+(pt|\\columnwidth)", "", body)
        for pattern in constants:
            body = re.sub(rf"(?<![\d.]){pattern}(?!\d)", "", body)
        found = [line for line in body.splitlines() if re.search(r"\d", line)]
        assert found == [], path.name


def test_every_figure_is_shown_and_referred_to_once():
    text = document_text()
    assert sorted(re.findall(r"\\includegraphics\[[^]]*\]\{(\w+)\}", text)) == sorted(FIGURES)
    made = audit_numbers.claims_table(AUDIT[3]) + audit_numbers.audit_table(ROWS)
    labels = re.findall(r"\\label\{(fig:\w+|tab:\w+)\}", text + numbers.cutflow_table(CUTFLOW) + made)
    assert len(labels) == len(set(labels)) == len(FIGURES) + len(TABLES)
    assert {label for label in labels if label.startswith("tab:")} == {f"tab:{name}" for name in TABLES}
    assert set(labels) <= set(re.findall(r"\\ref\{([\w:]+)\}", text))


def test_appendices_come_last_with_numbers_of_their_own():
    text, appendix = document_text().split("\\appendix\n")
    assert "pca_components" not in text and r"\input{variants}" not in text
    for body, number in (("pca_components", "A1"), (r"\input{cutflow}", "B1"), (r"\input{variants}", "C1")):
        before = appendix.split(body)[0]
        assert re.findall(r"\\appendixfloat\{(\w+)\}", before)[-1] == number
    assert re.findall(r"\\section\{(.*?)\}", appendix)[0].startswith("How many components")
    assert r"\ref{fig:components}" in pca.TEXT  # the paragraph on the model leads there


def test_what_is_not_available_is_no_part_of_a_sentence():
    assert rf"\newcommand{{\NotAvailable}}{{{latex.NOT_AVAILABLE}}}" in TEXT.read_text(encoding="utf-8")
    asked = set(re.findall(r"\\IfKnown\{\\(\w+)\}", "".join(sources().values()).replace(r"{\Macro}", "")))
    assert asked == {"MsBinMedian", "GbBinMedian", "MsTrackRank", "GbTrackRank"} | {
        "AucPair", "AlphaTrackMove", "MatchedMove", "PullNarrowFrom", "ShareLive", "PairsPredicted", "InjectionLimit",
        "PairsSeeds",
    }  # fmt: skip
    assert asked <= set(all_macros())


def test_equations_have_the_papers_numbers():
    numbered = re.findall(r"\\begin\{equation\}(.*?)\\end\{equation\}", document_text(), flags=re.DOTALL)
    assert len(numbered) == 16  # the last one is ours
    assert r"\mathrm{RMSE}(j)" in numbered[6] and "5.9 - 4" in numbered[9] and r"\mathrm{Acc}" in numbered[12]


def test_citations_and_bibliography_agree():
    keys = re.findall(
        r"^@\w+\{(\w+),", (PAPER / "references.bib").read_text(encoding="utf-8"), flags=re.MULTILINE
    )
    cited = re.findall(r"\\cite[pt]?(?:\[[^]]*\])*\{([^}]+)\}", "".join(sources().values()))
    assert len(keys) == len(set(keys))
    assert {key.strip() for group in cited for key in group.split(",")} == set(keys)


def test_the_first_page_says_which_data_these_are():
    before_data = without_comments(TEXT).split(r"\section{Data}")[0]
    assert r"\DatasetSentence" in before_data and r"\DatasetBox" in before_data
    box = (
        (PAPER / "datasets" / "library.tex")
        .read_text(encoding="utf-8")
        .split(r"{\DatasetBox}")[1]
        .split("\n\n")[0]
    )
    for word in (
        "library",
        "real",
        "flat",
        "density",
        "inferred",
        "modelled",
        "correlations",
        "flags",
        "actions",
    ):
        assert word in box


# The PDF --------------------------------------------------------------------------------------------

needs_latex = pytest.mark.skipif(shutil.which("latexmk") is None, reason="latexmk is not installed")


def document(tmp_path, body, name="ms.tex"):
    path = tmp_path / name
    path.write_text(
        r"\documentclass{article}\usepackage{natbib}\pdftrailerid{}\input{numbers}\begin{document}"
        f"\n{body}\n"
        r"\bibliographystyle{plainnat}\bibliography{references}\end{document}"
    )
    (tmp_path / "numbers.tex").write_text(latex.to_tex({"NFull": "39{,}851"}, {}))
    (tmp_path / "references.bib").write_text("@misc{known, author={A}, title={T}, year=2020}\n")
    return path, {name: tmp_path / name for name in ("numbers.tex", "references.bib")}


@needs_latex
def test_the_same_sources_give_the_same_bytes(tmp_path):
    tex, files = document(tmp_path, r"\today{} has $\NFull$ stars \citep{known}.")
    for name in ("first.pdf", "second.pdf"):
        latex.typeset(tex, files, tmp_path / name)
    first, second = ((tmp_path / name).read_bytes() for name in ("first.pdf", "second.pdf"))
    assert first == second
    assert first.startswith(b"%PDF")


@needs_latex
@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (
            r"\citep{known}, line two" + "\n" + r"has \Nonsense{} in it",
            r"undefined control sequence \Nonsense in ms.tex, line 3",
        ),
        (r"\citep{known} and Figure~\ref{fig:none}", "undefined reference 'fig:none'"),
        (r"\citep{known} and \citep{nobody}", "undefined citation 'nobody'"),
        (r"\citep{known} $x", "Missing \\$ inserted in ms.tex, line 3"),
    ],
)
def test_the_first_problem_is_one_sentence(tmp_path, body, problem):
    tex, files = document(tmp_path, body)
    with pytest.raises(InputError) as error:
        latex.typeset(tex, files, tmp_path / "ms.pdf")
    assert re.search(re.escape(problem).replace(r"\\\$", r"\$"), str(error.value))
    assert "\n" not in str(error.value)
    assert not list(tmp_path.glob("*.pdf"))


@needs_latex
@pytest.mark.parametrize("known", [True, False])
def test_latex_takes_the_sentence_for_what_is_known_or_the_other(tmp_path, known):
    """The branch that is not taken would stop the build."""
    definitions = re.findall(
        r"^\\newcommand\{\\(?:NotAvailable|IfKnown)\}.*$",
        TEXT.read_text(encoding="utf-8"),
        flags=re.MULTILINE,
    )
    branches = r"{text}{\Nonsense}" if known else r"{\Nonsense}{text}"
    tex, files = document(
        tmp_path, "\n".join([*definitions, rf"\IfKnown{{\Mean}}{branches} \citep{{known}}"])
    )
    files["numbers.tex"].write_text(latex.to_tex({"Mean": latex.decimal(0.5 if known else None)}, {}))
    latex.typeset(tex, files, tmp_path / "ms.pdf")
    assert len(definitions) == 2 and (tmp_path / "ms.pdf").exists()


def test_a_missing_source_is_named(tmp_path):
    if shutil.which("latexmk") is None:
        pytest.skip("latexmk is not installed")
    tex, files = document(tmp_path, "text")
    with pytest.raises(
        InputError, match=r"absent\.pdf does not exist: the paper needs it as figures/absent\.pdf"
    ):
        latex.typeset(tex, files | {"figures/absent.pdf": tmp_path / "absent.pdf"}, tmp_path / "ms.pdf")


def test_without_latex_it_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match="apt-get install latexmk"):
        latex.typeset(tmp_path / "ms.tex", {}, tmp_path / "ms.pdf")


DAMAGE = {
    "empty": lambda content: b"",
    "text": lambda content: b"hello",
    "half": lambda content: content[: len(content) // 2],
    "a little short": lambda content: content[:-3],
    "zeros": lambda content: bytes(len(content)),
    "a hole": lambda content: content[:3000] + bytes(500) + content[3500:],
    "a flipped bit": lambda content: content[:3000] + bytes([content[3000] ^ 4]) + content[3001:],
    "no head": lambda content: content[100:],
    "grown": lambda content: content[:3000] + b" " + content[3000:],
    "a picture": lambda content: b"\x89PNG" + content[4:],
}


@pytest.mark.parametrize("fault", DAMAGE)
def test_a_damaged_figure_is_named(tmp_path, fault):
    from matplotlib.figure import Figure

    if shutil.which("latexmk") is None:
        pytest.skip("latexmk is not installed")
    figure, path = Figure(), tmp_path / "lines.pdf"
    figure.subplots().plot(range(2000), [number % 7 for number in range(2000)])
    figure.savefig(path)
    latex.require_whole(path)
    path.write_bytes(DAMAGE[fault](path.read_bytes()))
    tex, files = document(tmp_path, r"\citep{known} \includegraphics{figures/lines.pdf}")
    with pytest.raises(InputError, match=r"lines\.pdf is not a whole PDF") as error:
        latex.typeset(tex, files | {"figures/lines.pdf": path}, tmp_path / "ms.pdf")
    assert "\n" not in str(error.value) and not (tmp_path / "ms.pdf").exists()


def test_a_full_folder_for_temporary_files_is_told_from_one_for_results(tmp_path, monkeypatch):
    if shutil.which("latexmk") is None:
        pytest.skip("latexmk is not installed")
    free = shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr("xpsvae.scratch.shutil.disk_usage", lambda folder: free)
    tex, files = document(tmp_path, "text")
    with pytest.raises(InputError, match="the folder for temporary files, is full: .* set TMPDIR"):
        latex.typeset(tex, files, tmp_path / "ms.pdf")
