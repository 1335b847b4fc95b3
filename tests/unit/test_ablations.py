"""Ablations: what each does differently, seeds put together, failures named, the table and its words."""

import copy

import pytest

from xpsvae.analysis import ablations
from xpsvae.errors import InputError
from xpsvae.model.recipe import RECIPES, choose
from xpsvae.paper import ablations as words

TRAINING = {"recipe": "quick", "n_latents": 6, "seed": 0, "validate_every": 1}


def run(name, seed, **given):
    values = {measure: 1.0 + seed for measure in ablations.MEASURES}
    training = {"training": {"recipe": "quick", "epochs": 100}}
    return {"ablation": name, "seed": seed, "n_latents": 6} | training | values | {"live": 5} | given


@pytest.mark.parametrize("name", ablations.variations([1, 10], published=True))
def test_every_variation_is_a_recipe_that_differs_from_the_full_model(name):
    settings = ablations.settings(TRAINING, RECIPES, name, 3)
    recipe = choose(**settings)
    assert recipe.seed == 3 and recipe.validate_every == recipe.epochs
    full = choose(**ablations.settings(TRAINING, RECIPES, "full", 3))
    assert (recipe == full) == (name == "full")


def test_settings_are_those_of_the_named_variation():
    found = {name: ablations.settings(TRAINING, RECIPES, name, 0) for name in ablations.variations([3], True)}
    assert found["latents-3"]["n_latents"] == 3
    assert (found["no-scatter"]["scatter"], found["autoencoder"]["latents"]) == ("none", "means")
    assert found["published"]["epochs"] == 5000 and found["published"]["kl_warm_up"] == 0
    assert found["published-kl-warm-up"]["kl_warm_up"] == 0.7
    with pytest.raises(InputError, match="there is no ablation 'no-decoder'"):
        ablations.changes("no-decoder")


def test_medians_and_ranges_over_the_seeds():
    summary = ablations.summarise([run("full", seed) for seed in (0, 1, 5)])
    assert summary["failed"] == []
    assert summary["ablations"]["full"]["seeds"] == [0, 1, 5]
    assert summary["ablations"]["full"]["loss"] == {"median": 2.0, "lowest": 1.0, "highest": 6.0}


def test_runs_that_exploded_or_kept_no_latent_are_named_and_not_averaged():
    exploded = {"ablation": "full", "seed": 1, "n_latents": 6, "failed": "the loss exploded in step 3"}
    runs = [run("full", 0), exploded, run("full", 2, live=0), run("latents-1", 0, live=0, n_latents=1)]
    summary = ablations.summarise(copy.deepcopy(runs))
    assert [(entry["ablation"], entry["seed"]) for entry in summary["failed"]] == [
        ("full", 1), ("full", 2), ("latents-1", 0),
    ]  # fmt: skip
    assert summary["failed"][0]["why"] == "the loss exploded in step 3"
    assert summary["ablations"]["full"]["loss"] == {"median": 1.0, "lowest": 1.0, "highest": 1.0}
    assert summary["ablations"]["latents-1"]["loss"]["median"] is None
    macros = words.ablation_macros(summary)
    assert "Full model (seed 1), Full model (seed 2) and 1 latents (seed 0)" in macros["AblationFailed"]
    assert any(r"\nodata" in line for line in words.rows(summary))


def test_an_autoencoder_has_no_live_latents_and_counts():
    summary = ablations.summarise([run("autoencoder", seed, live=None) for seed in (0, 1)])
    assert summary["failed"] == []
    assert summary["ablations"]["autoencoder"]["live"]["median"] is None
    assert summary["ablations"]["autoencoder"]["loss"]["median"] == 1.5


def test_words_follow_ranges_that_lie_apart():
    runs = [run("full", seed, flux_rmse=2.0 + 0.1 * seed, roc_auc=0.9) for seed in (0, 1)]
    runs += [run("no-scatter", seed, flux_rmse=1.0 + 0.1 * seed, roc_auc=0.8 + 0.2 * seed) for seed in (0, 1)]
    macros = words.ablation_macros(ablations.summarise(runs))
    assert macros["AblationPlainFlux"] == "1.05" and macros["AblationPlainFluxVerdict"] == "closer"
    assert macros["AblationPlainAucVerdict"] == "the same within the seeds"
    assert macros["AblationColdFluxVerdict"] == "not known"
    runs += [run("autoencoder", seed, flux_rmse=3.0, roc_auc=0.7 + 0.1 * seed) for seed in (0, 1)]
    macros = words.ablation_macros(ablations.summarise(runs))
    assert (macros["AblationAutoFluxVerdict"], macros["AblationAutoAucVerdict"]) == ("farther", "lower")


def test_the_number_of_latents_of_the_lowest_loss():
    runs = [run("full", seed, loss=-10.0 - seed) for seed in (0, 1)]
    runs += [run("latents-8", seed, loss=-10.5 - seed, n_latents=8, live=7) for seed in (0, 1)]
    runs += [run("latents-2", seed, loss=-5.0, n_latents=2, live=2) for seed in (0, 1)]
    summary = ablations.summarise(runs)
    assert [entry["n_latents"] for entry in ablations.by_latents(summary)] == [2, 6, 8]
    macros = words.ablation_macros(summary)
    assert (macros["AblationLatents"], macros["AblationLatentsLive"]) == ("8", "7")
    assert macros["AblationLatentsEqual"] == "6" and macros["AblationMostLive"] == "7"
    tex = words.to_tex(summary)
    assert tex.count(r"\newcommand{") == len(macros) + 2 and r"\AblationRows" in tex
