"""Choices and variants: their names, the rules and arguments that they steer, and what each value does."""

import functools
import importlib.util
import inspect
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from xpsvae import choices
from xpsvae.analysis import alpha, classify, dimensions, explorer, tracks
from xpsvae.analysis.sample import latent_columns, sample
from xpsvae.catalog import cuts
from xpsvae.choices import CHOICES, flipped, given, require_shown, variants
from xpsvae.compare import registry, residuals
from xpsvae.errors import InputError
from xpsvae.model import infer
from xpsvae.model.svae import ScatterVAE
from xpsvae.xp import dr3_basis

PROJECT = Path(__file__).parents[2]
RULES = "\n".join(path.read_text() for path in sorted((PROJECT / "rules").glob("*.smk")))
STEERED = sorted({(rule, key) for key, choice in CHOICES.items() for rule in choice.steers})
# What the published code does and what is right, as said where the choice was found.
VALUES = {
    "label_features": ("scrambled", "stacked"),
    "gb_tolerance": (0.2, 100.0),
    "aspcapflag_bits": ((2, 3), (19, 23)),
    "rmse_covariance_units": ("mixed", "standardised"),
    "wavelength_errors": ("linear", "covariance"),
    "latent": ("draw", "mean"),
    "gse_selection": ("myeong2019", "lane2022"),
    "fig5_rp_coefficients": ("after_bp", "rp"),
    "fig6_ratio": ("mean_square", "rmse"),
    "fig5_bias_text": ("label_independent", "own"),
    "zgr23_unmatched": ("kept", "masked"),
    "fixed_mh_track": ("nominal", "mean"),
    "fig11_giants": ("median", "star"),
    "track_bins": (
        {"kiel": (10.0, 0.3), "latent": (15.0, 0.2), "spectra": (5.0, 0.1), "corner": (10.0, 0.2)},
        None,
    ),
    "solar_metallicity": (False, True),
    "leakage": ("random", "unseen"),
    "classifier_sample": ("pristine", "giants"),
}


def figure(name):
    spec = importlib.util.spec_from_file_location(name, PROJECT / "src" / "figures" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# Names ----------------------------------------------------------------------------------------------


def test_every_choice_has_both_values():
    assert {key: (choice.published, choice.corrected) for key, choice in CHOICES.items()} == VALUES


@pytest.mark.parametrize("key", CHOICES)
def test_a_choice_says_where_it_matters_and_what_it_steers(key):
    choice = CHOICES[key]
    assert choice.steers and choice.bears_on and choice.published != choice.corrected
    assert re.search(r"Table 1|Figures? \d|catalogue|figures", choice.bears_on)


def test_variants_are_corrected_published_and_one_a_choice():
    assert variants() == ["corrected", "published", *(f"only-{key}" for key in VALUES)]
    assert flipped("corrected") == frozenset()
    assert flipped("published") == set(VALUES)
    for key in VALUES:
        assert flipped(f"only-{key}") == {key}


@pytest.mark.parametrize(
    ("wrong", "near"),
    [
        ("only-gb_tolerence", "only-gb_tolerance"),
        ("publshed", "published"),
        ("Corrected", "corrected"),
        ("only-fig6", "only-fig6_ratio"),
        ("label_features", "only-label_features"),
    ],
)
def test_an_unknown_variant_is_named_with_the_nearest(wrong, near):
    for ask in (lambda: flipped(wrong), lambda: given(wrong, "classify_alpha")):
        with pytest.raises(InputError) as error:
            ask()
        assert str(error.value).startswith(
            f"variant '{wrong}' is not known: did you mean '{near}' (choose one of "
        )
        assert str(error.value).endswith(").") and "\n" not in str(error.value)


def test_a_variant_like_no_other_is_answered_with_all_there_are():
    with pytest.raises(
        InputError, match="variant '12345' is not known: choose one of corrected, published and"
    ):
        flipped("12345")


# What is steered ------------------------------------------------------------------------------------


@pytest.mark.parametrize("rule", sorted({rule for rule, _ in STEERED}))
def test_a_steered_rule_exists_and_is_given_its_choices(rule):
    if rule.startswith("fig_"):
        script = PROJECT / "src" / "figures" / f"{rule.removeprefix('fig_')}.py"
        assert f'"{script.stem}":' in RULES.split("\nFIGURES = {")[1].split("\n}")[0]
    else:
        assert len(re.findall(rf"^ *rule {rule}:$", RULES, re.MULTILINE)) == 1
        body = RULES.split(f"rule {rule}:")[1].split("\nrule ")[0]
        assert f'chosen("{rule}")' in body and f'"{rule}",' in body  # params, and inputs by variant
        script = PROJECT / "src" / re.search(r'"\.\./src/(scripts/\w+\.py)"', body)[1]
    text = script.read_text()
    arguments = set(given("corrected", rule))
    passed = {name for name in arguments if f'["{name}"]' in text or f'pop("{name}")' in text}
    assert passed == arguments or re.search(r"\*\*(snakemake\.params\.)?choices\b", text)


def test_two_choices_never_steer_a_rule_by_one_argument():
    for rule in {rule for rule, _ in STEERED}:
        names = [choice.steers[rule] for choice in CHOICES.values() if rule in choice.steers]
        assert len(names) == len(set(names)), rule


@pytest.mark.parametrize("key", CHOICES)
def test_a_variant_of_one_choice_is_given_that_one_as_published(key):
    published, corrected = VALUES[key]
    for rule, argument in CHOICES[key].steers.items():
        assert given("corrected", rule)[argument] == corrected
        assert given("published", rule)[argument] == given(f"only-{key}", rule)[argument] == published
        others = given("corrected", rule) | {argument: None}
        assert given(f"only-{key}", rule) | {argument: None} == others


def test_a_rule_that_no_choice_steers_is_given_nothing():
    assert given("published", "train_svae") == given("published", "predict_pca") == {}


FUNCTIONS = {
    "classify_alpha": (classify.classify, sample),
    "build_kiel_tracks": (tracks.kiel_tracks, sample),
    "build_metallicity_tracks": (sample,),
    "build_alpha_tracks": (sample,),
    "choose_dimensions": (sample,),
    "build_subsets": (cuts.select,),
    "split_alpha": (alpha.sequences,),
    "build_residuals": (residuals.measure,),
    "build_track_spectra": (tracks.track_spectra,),
}
# These have no default: a list that has to be said, a column to take, where a figure draws a line.
SAID = {
    ("build_subsets", "aspcapflag_bits"),
    ("reconstruct", "latent"),
    ("fig_alpha_bimodality", "fixed_m_h_at"),
}


@pytest.mark.parametrize(("rule", "key"), STEERED)
def test_corrected_is_what_functions_do_by_themselves(rule, key):
    argument = CHOICES[key].steers[rule]
    if (rule, argument) in SAID:
        return
    functions = FUNCTIONS.get(rule, (sample,))
    if rule == "fig_lam_coeff_errs":
        functions = (figure("lam_coeff_errs").draw,)
    parameters = {}
    for function in functions:
        parameters |= inspect.signature(function).parameters
    assert parameters[argument].default == CHOICES[key].corrected


# What it does ---------------------------------------------------------------------------------------


class World:
    """A few hundred invented stars with all that the analysis reads."""

    def __init__(self, settings):
        self.settings, n = settings, 900
        rng = np.random.default_rng(2)
        giant = np.arange(n) % 3 > 0
        logg = np.where(giant, rng.uniform(0.5, 3.3, n), 4.5)
        teff = np.where(
            giant, tracks.giant_branch_teff(logg) + rng.normal(0, 60, n), rng.uniform(4950, 6300, n)
        )
        logg = np.where(giant, logg, tracks.main_sequence_logg(teff))
        m_h, alpha_m = rng.normal(-0.15, 0.35, n), rng.uniform(-0.05, 0.35, n)
        j_r, l_z, j_z = rng.uniform(200, 900, n), rng.uniform(-60, 60, n), rng.uniform(1, 400, n)
        self.stars = pd.DataFrame(
            {"source_id": np.arange(n) + 1, "teff": teff, "logg": logg, "m_h": m_h, "alpha_m": alpha_m}
            | {
                "fe_h": m_h,
                "mg_fe": alpha_m,
                "j": rng.normal(10, 0.3, n),
                "h": 9.5,
                "k": rng.normal(9, 0.1, n),
            }
            | {"teff_err": 20.0, "logg_err": 0.05, "m_h_err": 0.01, "phot_g_mean_mag": 12.0}
            | {"phot_bp_mean_mag": 12.5, "phot_rp_mean_mag": 11.5, "phot_g_mean_flux": 1e4}
            | {
                "starflag": 0,
                "aspcapflag": (1 << 2) * (np.arange(n) % 5 == 0) + (1 << 23) * (np.arange(n) % 7 == 0),
            }
            | {"j_r": j_r, "l_z": l_z, "j_z": j_z, "parallax": 1.0, "parallax_error": 0.01}
        )
        self.subsets = self.stars[["source_id"]].assign(full=True, good=True, pristine=np.arange(n) % 9 > 0)
        test = rng.random(n) < 0.3
        self.split = self.stars[["source_id"]].assign(train=~test, test=test)
        means = np.column_stack([logg - 2, teff / 1e3 - 5, 3 * m_h, 8 * alpha_m])
        self.latents = self.stars[["source_id"]].copy()
        for k, values in enumerate(means.T, 1):
            self.latents[f"mean_{k}"], self.latents[f"sigma_{k}"] = values, 0.3
            self.latents[f"draw_{k}"] = values + 0.3 * rng.normal(size=n)
        width = dr3_basis().n_coefficients
        self.scale = 1 / (1 + np.arange(width) % (width // 2))
        self.x = rng.normal(size=(n, width))
        self.x_err = rng.uniform(0.5, 1, (n, width))
        self.model = self.x + rng.normal(size=(n, width))
        self.pristine = self.subsets["pristine"].to_numpy()

    def frame(self, latent="mean", split=False):
        tables = self.stars, self.subsets, self.latents
        return sample(*tables, latent=latent, split=self.split if split else None)

    # One method a rule: what it hands to the analysis, and something of what comes back.

    def build_subsets(self, **choice):
        return cuts.select(self.stars, self.settings["cuts"], **choice)[0]

    def split_alpha(self, **choice):
        return alpha.sequences(self.stars, self.pristine, **choice)[0]

    def build_kiel_tracks(self, latent, **choice):
        frame = self.frame(latent)
        return tracks.kiel_tracks(frame, **self.settings["tracks"]["kiel"], **choice).drop(columns="members")

    def build_metallicity_tracks(self, latent):
        return tracks.metallicity_tracks(self.frame(latent), **self.settings["tracks"]["metallicity"])

    def build_alpha_tracks(self, latent):
        frame, marks = self.frame(latent), alpha.sequences(self.stars, self.pristine)[0]
        marks = marks.loc[frame.index]
        giants = marks["giant"].to_numpy(dtype=bool)
        high = marks["high_alpha"][giants].to_numpy(dtype=bool)
        return alpha.alpha_tracks(frame[giants], high, **self.settings["tracks"]["alpha"])

    def choose_dimensions(self, latent):
        frame = self.frame(latent, split=True)
        return dimensions.dimensions(frame, self.pristine[frame.index], [1, 2, 3, 4])["boundary"]

    def classify_alpha(self, latent, **choice):
        marks = alpha.sequences(self.stars, self.pristine)[0]
        frame, classes = classify.common_sample(self.frame(latent, split=True), marks)
        settings = self.settings["classifiers"] | {"n_bootstrap": 2}
        return classify.classify(frame, classes, [1, 2], **settings, **choice)[1]

    def reconstruct(self, latent):
        torch.manual_seed(0)
        model = ScatterVAE(20, 4)
        z = self.latents[latent_columns(self.latents, latent)].to_numpy()
        return infer.reconstruct(model.eval(), z)[0]

    def build_track_spectra(self, giants):
        kiel = tracks.kiel_tracks(self.frame(), **self.settings["tracks"]["kiel"])
        coefficients = (5 + 0.1 * self.x) * self.scale * 1e4
        normalisation = {"mu": 5 * self.scale, "sigma": 0.1 * self.scale}
        arrays = coefficients, 0.01 * coefficients, self.model, self.x_err
        table = tracks.track_spectra(kiel, self.stars, *arrays, normalisation, giants=giants)
        return np.stack(table["flux"])

    def build_explorer(self, latent):
        coefficients = (5 + 0.1 * self.x) * self.scale * 1e4
        arrays = coefficients, 0.01 * coefficients, self.model, self.x_err
        normalisation = {"mu": 5 * self.scale, "sigma": 0.1 * self.scale}
        stars = explorer.pick(self.frame(latent), 20, seed=0)
        return explorer.collect(stars, *arrays, normalisation)["latents"]

    def build_residuals(self, **choice):
        known = np.arange(len(self.x)) % 4 > 0
        predictions = {
            "svae": registry.Prediction(np.ones(len(self.x), dtype=bool), self.model),
            "label_mlp": registry.Prediction(known, 2 * self.model),
        }
        measured = residuals.measure(
            predictions, self.x, self.x_err, 5 * self.scale, 0.1 * self.scale, **choice
        )
        return {**{f"leading {name}": values for name, values in measured[0].items()}, **measured[2]} | {
            f"{space} {model}": entry["ratio"]
            for space in ("coefficients", "wavelengths")
            for model, entry in measured[3][space].items()
            if "ratio" in entry
        }


@pytest.fixture(scope="module")
def world(settings):
    return World(settings)


@pytest.fixture(scope="module")
def corrected(world):
    """Give a function of a rule: what it makes in the corrected analysis."""
    return functools.cache(lambda rule: getattr(world, rule)(**given("corrected", rule)))


def same(one, other):
    try:
        if isinstance(one, pd.DataFrame):
            pd.testing.assert_frame_equal(one, other)
        else:
            np.testing.assert_equal(one, other)
    except AssertionError:
        return False
    return True


@pytest.mark.parametrize(("rule", "key"), [pair for pair in STEERED if not pair[0].startswith("fig_")])
def test_the_analysis_takes_both_values_and_they_are_not_the_same(world, corrected, rule, key):
    """Each choice alone, through the functions that the rule's script calls."""
    assert not same(getattr(world, rule)(**given(f"only-{key}", rule)), corrected(rule))


@pytest.mark.parametrize("rule", sorted({rule for rule, _ in STEERED if not rule.startswith("fig_")}))
def test_the_analysis_takes_all_published_values_together(world, corrected, rule):
    assert not same(getattr(world, rule)(**given("published", rule)), corrected(rule))
    if rule != "classify_alpha":  # slow; its bytes repeat in tests of its own
        assert same(getattr(world, rule)(**given("corrected", rule)), corrected(rule))


@pytest.mark.parametrize("latent", ["mean", "draw"])
def test_stars_are_reconstructed_from_the_latents_of_the_variant(world, latent):
    torch.manual_seed(0)
    model = ScatterVAE(20, 4).eval()
    z = world.latents[[f"{latent}_{k}" for k in (1, 2, 3, 4)]].to_numpy(dtype=np.float32)
    with torch.no_grad():
        expected = model.decoder(torch.from_numpy(z))
    np.testing.assert_allclose(world.reconstruct(latent), expected, rtol=1e-4, atol=1e-5)


# What cannot be shown -------------------------------------------------------------------------------


def test_a_variant_without_its_columns_is_refused_in_a_sentence(world):
    bare = world.stars.assign(aspcapflag=pd.array([pd.NA] * 900, dtype="Int64"), l_z=np.nan)
    with pytest.raises(InputError) as error:
        require_shown("only-aspcapflag_bits", bare)
    assert str(error.value) == (
        "variant 'only-aspcapflag_bits' cannot be shown: this dataset has no aspcapflag, on which the choice "
        "aspcapflag_bits bears; ask for 'corrected' or for another variant."
    )
    with pytest.raises(
        InputError, match="'only-gse_selection' cannot be shown: this dataset has no l_z, on which"
    ):
        require_shown("only-gse_selection", bare)
    none = bare.assign(j_r=np.nan, j_z=np.nan)
    with pytest.raises(
        InputError, match="this dataset has no j_r, l_z, j_z, on which the choice gse_selection"
    ):
        require_shown("only-gse_selection", none)


def test_all_other_variants_can_be_shown_without_flags_and_actions(world):
    bare = world.stars.assign(aspcapflag=np.nan, j_r=np.nan, l_z=np.nan, j_z=np.nan)
    for variant in set(variants()) - {"only-aspcapflag_bits", "only-gse_selection"}:
        require_shown(variant, bare)


def test_every_variant_can_be_shown_with_them(world):
    few = world.stars.copy()
    few.loc[1:, ["j_r", "l_z", "j_z"]] = np.nan  # one star that has them is enough
    for variant in variants():
        require_shown(variant, few)


def test_needs_are_columns_of_the_catalogue():
    assert {key: choice.needs for key, choice in CHOICES.items() if choice.needs} == {
        "aspcapflag_bits": ("aspcapflag",),
        "gse_selection": ("j_r", "l_z", "j_z"),
    }


def test_the_analysis_never_asks_for_a_variant_by_name():
    # the audit sets both values side by side; a recalibration has numbers before and after it
    named = {"choices.py", "audit.py", "audit_numbers.py", "calibration.py"}
    modules = [path for path in (PROJECT / "src" / "xpsvae").rglob("*.py") if path.name not in named]
    asking = [
        path.name
        for path in modules
        if re.search(r"""["'](corrected|only-|leak_free)["']""", path.read_text())
    ]
    assert asking == []
    assert choices.CORRECTED == "corrected"
