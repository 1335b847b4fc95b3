"""A wrong configuration is refused with the path of the key and the nearest valid name."""

import copy
from dataclasses import fields
from pathlib import Path

import pytest
import yaml

from xpsvae.config import training, validate
from xpsvae.errors import InputError
from xpsvae.model.recipe import RECIPES, Recipe, choose

CONFIG = yaml.safe_load((Path(__file__).parents[2] / "config.yaml").read_text())


def changed(path, value):
    config = copy.deepcopy(CONFIG)
    *groups, key = path.split(".")
    target = config
    for group in groups:
        target = target[group]
    target[key] = value
    return config


def test_shipped_configuration_is_valid():
    validate(CONFIG)


@pytest.mark.parametrize(
    ("path", "value", "sentence"),
    [
        ("datset", "library", "config key 'datset' is not known: did you mean 'dataset'"),
        ("cuts.good.tef_snr_min", 20, "'cuts.good.tef_snr_min' is not known: did you mean 'teff_snr_min'"),
        ("dataset", "libary", "config key 'dataset' is 'libary': did you mean 'library'"),
        ("split.test_fraction", "a tenth", "'split.test_fraction' is 'a tenth', but must be a number"),
        ("split.seed", 1.5, "'split.seed' is 1.5, but must be a whole number"),
        ("split.test_fraction", 1, "'split.test_fraction' is not valid"),
        ("library.limit", True, "'library.limit' is True, but must be a whole number or null"),
        ("cuts.good.g", [6], "'cuts.good.g' is not valid"),
        ("training.recipe", "publised", "'training.recipe' is 'publised': did you mean 'published' (choose"),
        ("training.epochs", 3, "'training.epochs' is not known"),
        ("recipes.fast.epoch", 3, "'recipes.fast.epoch' is not known: did you mean 'epochs'"),
        ("recipes.fast.schedule", "cosin", "'recipes.fast.schedule' is 'cosin': did you mean 'cosine'"),
        ("recipes.fast.schedule", "cosine", "'recipes.fast.restart_every' is missing"),
        ("recipes.published.schedule", "one-cycle", "'recipes.published.warm_up' is missing"),
        ("recipes.mine", {"epochs": 3}, "'recipes.mine.batch_size' is missing"),
        ("recipes.mine", 3, "'recipes.mine' is 3, but must be a group of keys"),
        ("split", 3, "config key 'split' is 3, but must be a group of keys"),
    ],
)
def test_mistake_is_named(path, value, sentence):
    with pytest.raises(InputError) as caught:
        validate(changed(path, value))
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_key_is_named():
    config = copy.deepcopy(CONFIG)
    del config["cuts"]["good"]["g"]
    with pytest.raises(InputError, match="config key 'cuts.good.g' is missing"):
        validate(config)


def test_every_group_of_the_schema_is_closed():
    from importlib import resources

    schema = yaml.safe_load(resources.files("xpsvae").joinpath("config.schema.yaml").read_text("utf-8"))

    def groups(node, path=""):
        if isinstance(node, dict):
            if node.get("type") == "object":
                yield path, node
            for name, child in node.items():
                yield from groups(child, f"{path}/{name}")

    found = dict(groups(schema))
    assert len(found) > 5
    open_groups = [path for path, node in found.items() if node.get("additionalProperties") is not False]
    assert open_groups == ["/properties/recipes"]  # whose names are the user's; each recipe is closed
    assert found["/properties/recipes"]["additionalProperties"] == {"$ref": "#/$defs/recipe"}


def test_recipes_are_those_of_the_library():
    assert CONFIG["recipes"] == RECIPES
    common = {name: value for name, value in CONFIG["training"].items() if name != "recipe"}
    decided = set().union(*RECIPES.values())
    assert common == {field.name: field.default for field in fields(Recipe) if field.name in common}
    assert common.keys() | decided | {"recipe"} == {field.name for field in fields(Recipe)}


@pytest.mark.parametrize("name", RECIPES)
def test_recipe_and_what_all_share_become_the_arguments_of_training(name):
    config = changed("training.recipe", name)
    config["training"]["seed"] = 5
    validate(config)
    assert choose(**training(config)) == choose(name, seed=5)


def test_a_recipe_may_have_a_name_of_its_own():
    config = changed("recipes.mine", RECIPES["published"] | {"epochs": 20})
    config["training"]["recipe"] = "mine"
    validate(config)
    chosen = choose(**training(config))
    assert (chosen.recipe, chosen.epochs, chosen.schedule) == ("mine", 20, "cosine")
