"""A wrong configuration is refused in one sentence; text is read as the schema says; defaults agree."""

import ast
import copy
import time
from dataclasses import fields
from pathlib import Path

import pytest
import yaml

from xpsvae.catalog.cuts import CUTS
from xpsvae.config import resolve, training, validate
from xpsvae.config_page import page, rows
from xpsvae.config_schema import expected, parse, schema, subschema, types
from xpsvae.errors import InputError
from xpsvae.model.recipe import RECIPES, WHOLE, Recipe, choose
from xpsvae.xp import inversion

PROJECT = Path(__file__).parents[2]
FILE = PROJECT / "config.yaml"
CONFIG = yaml.safe_load(FILE.read_text())
ROWS = list(rows(schema(), CONFIG))
HUGE = 10**30


def nested(path, value):
    """Give ``{a: {b: value}}`` for ``a.b``."""
    for part in reversed(path.split(".")):
        value = {part: value}
    return value


def resolved(given):
    config = copy.deepcopy(given)
    resolve(config, FILE)
    return config


def at(config, path):
    for part in path.split("."):
        config = config[part]
    return config


def test_shipped_configuration_is_valid_and_read_as_it_is():
    validate(CONFIG)
    assert resolved({}) == CONFIG
    assert repr(resolved({})) == repr(CONFIG)


# What is given, as a configuration file or the command line has it, and what the refusal says.
BAD = [
    # names
    ("datset", "library", "config key 'datset' is not known: did you mean 'dataset'"),
    ("cuts.good.tef_snr_min", 20, "'cuts.good.tef_snr_min' is not known: did you mean 'teff_snr_min'"),
    ("training.epochs", 3, "'training.epochs' is not known"),
    ("recipes.fast.epoch", 3, "'recipes.fast.epoch' is not known: did you mean 'epochs'"),
    ("tracks.kiel.zzz", 1, "'tracks.kiel.zzz' is not known: choose one of main_sequence, giant_branch"),
    ("comparison.pca.n_components", 8, "'comparison.pca.n_components' is not known: did you mean 'component"),
    ("comparison.label_mlp.epoch", 8, "'comparison.label_mlp.epoch' is not known: did you mean 'epochs'"),
    ("training.n_latents:8", "", "'training.n_latents:8' is not known: did you mean 'n_latents' (choose"),
    ("training.n_latents:8", "", "checkpoint_every), with a space after the colon."),
    ("library.a\nb", 1, r"'library.a\nb' is not known"),
    ("library.{x}", 1, "'library.{x}' is not known"),
    # names that are not text
    ("library", {5: 3}, "'library.5' has a name that is not text: correct it or put it in quotes in --confi"),
    ("library", {None: 3}, "'library.null' has a name that is not text"),
    ("library", {True: 3}, "'library.true' has a name that is not text"),
    ("recipes", {7: RECIPES["fast"]}, "'recipes.7' has a name that is not text"),
    ("comparison", {1.5: {}}, "'comparison.1.5' has a name that is not text"),
    ("comparison.mine", {2: 3}, "'comparison.mine.2' has a name that is not text"),
    ("recipes", {"a{b}": RECIPES["fast"]}, "'recipes.a{b}' has a name that is not letters, digits"),
    ("recipes", {"": RECIPES["fast"]}, "'recipes.' has a name that is not letters, digits"),
    # one of several
    ("dataset", "libary", "config key 'dataset' is 'libary': did you mean 'library' (choose one of library,"),
    ("dataset", "archive", "config key 'dataset' is 'archive': choose one of library, zenodo, gaia_sdss."),
    ("dataset", 5, "config key 'dataset' is 5, but must be one of library, zenodo, gaia_sdss: change it"),
    ("dataset", ["library"], "config key 'dataset' is ['library'], but must be one of"),
    ("training.recipe", "publised", "'training.recipe' is 'publised': did you mean 'published' (choose"),
    ("training.recipe", 5, "change it in --config or --configfile, with quotes in a file."),
    ("training.recipe", None, "'training.recipe' is null, but must be text"),
    ("recipes.fast.schedule", "cosin", "'recipes.fast.schedule' is 'cosin': did you mean 'cosine'"),
    ("zenodo.companions", ["apogee_nrm.npz"], "'zenodo.companions' has 'apogee_nrm.npz': did you mean 'apog"),
    ("zenodo.companions", ["xp_corrs.npz"] * 2, "'zenodo.companions' is ['xp_corrs.npz', 'xp_corrs.npz'], b"),
    ("zenodo.companions", "xp_corrs.npz", "'zenodo.companions' is 'xp_corrs.npz', but must be a list, each"),
    ("model.source", True, "'model.source' is true, but must be one of trained, published"),
    # groups
    ("split", 3, "config key 'split' is 3, but must be a group of keys"),
    ("training", "fast", "'training' is 'fast', but must be a group of keys: change it in --config or --con"),
    ("training", "fast", "for instance --config 'training={key: value}'."),
    ("tracks.kiel", "x", "--config 'tracks={kiel: {key: value}}'."),
    ("training", ["fast"], "'training' is ['fast'], but must be a group of keys"),
    ("training", None, "'training' is null, but must be a group of keys: change it in --config or --configf"),
    ("tracks.kiel", [1, 2], "'tracks.kiel' is [1, 2], but must be a group of keys"),
    ("recipes.mine", 3, "'recipes.mine' is 3, but must be a group of keys"),
    ("recipes", [], "'recipes' is [], but must be a group of keys"),
    ("comparison.pca", 8, "'comparison.pca' is 8, but must be a group of keys or null"),
    ("comparison.lb23", "yes", "'comparison.lb23' is 'yes', but must be a group of keys or null"),
    # missing
    ("recipes.fast.schedule", "cosine", "'recipes.fast.restart_every' is missing: add it in --config"),
    ("recipes.published.schedule", "one-cycle", "'recipes.published.warm_up' is missing"),
    ("recipes.mine", {"epochs": 3}, "'recipes.mine.batch_size' is missing: add it in --config or --configfi"),
    ("recipes.mine", {}, "'recipes.mine.epochs' is missing"),
    # numbers
    ("split.test_fraction", "a tenth", "'split.test_fraction' is 'a tenth', but must be a number above 0 an"),
    ("split.test_fraction", 1, "'split.test_fraction' is 1, but must be a number above 0 and below 1"),
    ("split.test_fraction", "0", "'split.test_fraction' is 0, but must be a number above 0"),
    ("split.test_fraction", True, "'split.test_fraction' is true, but must be a number"),
    ("split.test_fraction", "yes", "'split.test_fraction' is 'yes', but must be a number"),
    ("inversion.flux_weight", float("inf"), "'inversion.flux_weight' is inf, but must be a number above 0 a"),
    ("inversion.flux_weight", ".inf", "'inversion.flux_weight' is '.inf', but must be a number"),
    ("inversion.flux_weight", "inf", "'inversion.flux_weight' is 'inf', but must be a number"),
    ("inversion.prior_scale", "1e400", "'inversion.prior_scale' is '1e400', but must be a number"),
    ("recipes.fast.free_bits", float("nan"), "'recipes.fast.free_bits' is nan, but must be a number from 0"),
    ("recipes.fast.free_bits", "NaN", "'recipes.fast.free_bits' is 'NaN', but must be a number"),
    ("recipes.fast.free_bits", -0.1, "'recipes.fast.free_bits' is -0.1, but must be a number from 0"),
    ("recipes.fast.kl_warm_up", 1.5, "'recipes.fast.kl_warm_up' is 1.5, but must be a number from 0 to 1"),
    ("recipes.fast.learning_rate", 0, "'recipes.fast.learning_rate' is 0, but must be a number above 0"),
    ("recipes.fast.learning_rate", 1e30, "'recipes.fast.learning_rate' is 1e+30, but must be a number above"),
    ("actions.delta", 0, "'actions.delta' is 0, but must be a number above 0 and at most 100 or null"),
    ("actions.r0", "8,125", "'actions.r0' is '8,125', but must be a number"),
    ("download.timeout", "1 min", "'download.timeout' is '1 min', but must be a number"),
    ("comparison.lb23.clone", "a?", "'comparison.lb23.clone' is 'a?', but must be a path without"),
    ("comparison.lb23.clon", "a", "'comparison.lb23.clon' is not known: did you mean 'clone'"),
    ("comparison.lb23.weights", "1dc8", "'comparison.lb23.weights' is '1dc8', but must be a SHA-1 sum, 40 digits"),
    ("comparison.mine.width", float("inf"), "'comparison.mine.width' is inf, but must be null, true or fals"),
    ("comparison.mine.width", [1, float("nan")], "'comparison.mine.width' is [1, nan], but must be null, tr"),
    # whole numbers
    ("split.seed", 1.5, "'split.seed' is 1.5, but must be a whole number from 0 to 4,294,967,295"),
    ("split.seed", -1, "'split.seed' is -1, but must be a whole number from 0"),
    ("training.seed", HUGE, "'training.seed' is 1000000000000000000000000000000, but must be a whole number"),
    ("latents.draw_seed", 2**32, "'latents.draw_seed' is 4294967296, but must be a whole number"),
    ("training.n_latents", 10**6, "'training.n_latents' is 1000000, but must be a whole number from 1 to 11"),
    ("training.n_latents", 0, "'training.n_latents' is 0, but must be a whole number from 1 to 110"),
    ("training.n_latents", "six", "'training.n_latents' is 'six', but must be a whole number"),
    ("training.n_latents", "6.5", "'training.n_latents' is '6.5', but must be a whole number"),
    ("training.n_latents", "", "'training.n_latents' is '', but must be a whole number"),
    ("training.n_latents", float("inf"), "'training.n_latents' is inf, but must be a whole number"),
    ("training.n_latents", [6], "'training.n_latents' is [6], but must be a whole number"),
    ("recipes.fast.epochs", 10**9, "'recipes.fast.epochs' is 1000000000, but must be a whole number from 1"),
    ("recipes.fast.batch_size", 1, "'recipes.fast.batch_size' is 1, but must be a whole number from 2"),
    ("library.limit", True, "'library.limit' is true, but must be a whole number from 1 to 1,000,000,000 or"),
    ("library.limit", 0, "'library.limit' is 0, but must be a whole number from 1"),
    ("classifiers.n_bootstrap", HUGE, "'classifiers.n_bootstrap' is 1000000000000000000000000000000, but mu"),
    ("comparison.pca.components", 0, "'comparison.pca.components' is 0, but must be a whole number from 1 t"),
    ("comparison.label_mlp.hidden", [], "'comparison.label_mlp.hidden' is [], but must be a list of 1 to 20"),
    ("comparison.label_mlp.hidden", [128, 0], "'comparison.label_mlp.hidden' is [128, 0], but must be a lis"),
    ("comparison.label_mlp.hidden", [[128]], "'comparison.label_mlp.hidden' is [[128]], but must be a list"),
    ("comparison.label_mlp.hidden", 128, "'comparison.label_mlp.hidden' is 128, but must be a list of 1 to"),
    # bins, intervals
    ("tracks.kiel.main_sequence", [5000, 6300, 0], "'tracks.kiel.main_sequence' is [5000, 6300, 0], but mus"),
    ("tracks.kiel.main_sequence", [5000, 6300, -3], "is [5000, 6300, -3], but must be [first, last, number"),
    ("tracks.kiel.main_sequence", [5000, 6300, 7.5], "is [5000, 6300, 7.5], but must be [first, last, numbe"),
    ("tracks.kiel.main_sequence", [5000, 6300], "is [5000, 6300], but must be [first, last, number of bins]"),
    ("tracks.kiel.main_sequence", [5000, 6300, 15, 1], "is [5000, 6300, 15, 1], but must be [first, last, n"),
    ("tracks.kiel.main_sequence", [5000, float("inf"), 15], "is [5000, inf, 15], but must be [first, last,"),
    ("tracks.kiel.main_sequence", [5000, 6300, HUGE], "but must be [first, last, number of bins]: two finit"),
    ("tracks.kiel.main_sequence", "5000 6300 15", "is '5000 6300 15', but must be [first, last, number of b"),
    ("tracks.metallicity.m_h", [-2.5, 0.5, 1], "is [-2.5, 0.5, 1], but must be [first, last, number of bins"),
    ("cuts.good.g", [6], "'cuts.good.g' is [6], but must be [low, high]: two numbers"),
    ("cuts.good.g", [17.5, 6], "'cuts.good.g' is [17.5, 6], but must be [low, high]: two numbers from -100"),
    ("cuts.good.g", [6, 6], "'cuts.good.g' is [6, 6], but must be [low, high]"),
    ("cuts.good.g", [6, "faint"], "'cuts.good.g' is [6, 'faint'], but must be [low, high]"),
    ("cuts.good.g", [6, None], "'cuts.good.g' is [6, null], but must be [low, high]"),
    ("comparison.label_mlp.a_k_range", [1, -0.2], "'comparison.label_mlp.a_k_range' is [1, -0.2], but must"),
    ("actions.solar_motion", [11.1, 25.7], "'actions.solar_motion' is [11.1, 25.7], but must be a list of 3"),
    # true or false
    ("deposit.publish", "maybe", "'deposit.publish' is 'maybe', but must be true or false"),
    ("deposit.publish", 1, "'deposit.publish' is 1, but must be true or false"),
    ("zenodo.check_cutflow", None, "'zenodo.check_cutflow' is null, but must be true or false"),
    # text
    ("results", "a{x}", "'results' is 'a{x}', but must be the name of a folder, without {, }, * and ? and n"),
    ("results", {"x": ""}, "'results' is {x: null}, but must be the name of a folder"),
    ("results", "", "'results' is '', but must be the name of a folder"),
    ("results", " ", "'results' is ' ', but must be the name of a folder"),
    ("results", None, "'results' is null, but must be the name of a folder"),
    ("results", "a\nb", r"'results' is 'a\nb', but must be the name of a folder"),
    ("results", "results\n", r"'results' is 'results\n', but must be the name of a folder"),
    ("results", "~/results", "'results' is '~/results', but must be the name of a folder"),
    ("results", 5, "'results' is 5, but must be the name of a folder"),
    ("results", 5, ", with quotes in a file or as ./5 on the command line."),
    ("results", float("nan"), "'results' is nan, but must be the name of a folder"),
    ("results", ["a"], "'results' is ['a'], but must be the name of a folder"),
    ("download.folder", "{dataset}", "'download.folder' is '{dataset}', but must be the name of a folder"),
    ("restore_from", "", "'restore_from' is '', but must be the DOI of a deposit or the folder of an archiv"),
    ("model.sha256", "0d6c", "'model.sha256' is '0d6c', but must be a SHA-256 sum, 64 digits"),
    ("model.url", "ftp://a", "'model.url' is 'ftp://a', but must be a web address, https://…: change it in"),
    ("zenodo.url", "zenodo.org", "'zenodo.url' is 'zenodo.org', but must be a web address"),
    ("gaia_sdss.bulk.url", "https://a/", "'gaia_sdss.bulk.url' is 'https://a/', but must be a web address"),
    ("gaia_sdss.astronn.checksum", "xy", "'gaia_sdss.astronn.checksum' is 'xy', but must be a web address"),
    ("gaia_sdss.datalink.release", 3, "'gaia_sdss.datalink.release' is 3, but must be a release, such as Ga"),
    ("deposit.new_version_of", "10.5281", "'deposit.new_version_of' is '10.5281', but must be the DOI of a"),
    ("deposit.server", "http://zenodo.org", "'deposit.server' is 'http://zenodo.org', but must be a web add"),
]  # fmt: skip


@pytest.mark.parametrize(("path", "value", "sentence"), BAD)
def test_mistake_is_named(path, value, sentence):
    given = nested(path, value)
    with pytest.raises(InputError) as caught:
        resolved(given)
    message = str(caught.value)
    assert sentence in message
    assert message.startswith("config key '") and message.endswith(".") and message.isprintable()
    assert len(message) < 500


def test_place_of_the_mistake_is_named(tmp_path):
    text = FILE.read_text()
    (tmp_path / "config.yaml").write_text(text.replace("n_latents: 6", "n_latents: 0"))
    with pytest.raises(InputError, match="'training.n_latents' is 0, .*: change it in config.yaml"):
        resolve({"training": {"seed": 1}}, tmp_path / "config.yaml")
    with pytest.raises(InputError, match="'training.seed' is -1, .*: change it in --config or --configfile"):
        resolve({"training": {"seed": -1, "n_latents": 3}}, tmp_path / "config.yaml")


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("  n_latents: 6", "  n_latents: 6\n  n_latents: 8", "config.yaml has the key 'n_latents' again in"),
        ("split:", "model:", "config.yaml has the key 'model' again in line "),
        ("  n_latents: 6\n", "", "config key 'training.n_latents' is missing: add it in config.yaml, a whol"),
        ("  n_latents: 6", " \tn_latents: [6", "config.yaml cannot be read, correct it: "),
        (None, "", "config.yaml is not a group of keys: take the project's config.yaml"),
        (None, "- dataset\n", "config.yaml is not a group of keys"),
        (None, "dataset: \udcff", "config.yaml cannot be read, correct it: "),
        (None, "dataset: 2024-13-41", "config.yaml cannot be read, correct it: "),
    ],
)  # fmt: skip
def test_damaged_config_yaml_is_named(tmp_path, old, new, sentence):
    text = FILE.read_text()
    assert old is None or old in text
    changed = text.replace(old, new, 1) if old else new
    (tmp_path / "config.yaml").write_bytes(changed.encode("utf-8", "surrogateescape"))
    with pytest.raises(InputError) as caught:
        resolve({}, tmp_path / "config.yaml")
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_config_yaml_is_named(tmp_path):
    with pytest.raises(InputError, match="config.yaml cannot be read"):
        resolve({}, tmp_path / "config.yaml")


def test_validate_names_a_missing_key():
    config = copy.deepcopy(CONFIG)
    del config["cuts"]["good"]["g"]
    with pytest.raises(InputError, match="config key 'cuts.good.g' is missing: add it in config.yaml"):
        validate(config)


# What Snakemake hands over, and what becomes of it; repr tells 6 from 6.0 and True from 1.
READ = [
    ("training.n_latents", "8", 8),
    ("training.n_latents", "8.0", 8),
    ("training.n_latents", 6.0, 6),
    ("library.limit", "2e3", 2000),
    ("library.limit", "null", None),
    ("library.limit", "None", None),
    ("library.limit", "~", None),
    ("library.limit", "", None),
    ("actions.delta", "NULL", None),
    ("actions.delta", "0.45", 0.45),
    ("recipes.fast.learning_rate", "1e-4", 1e-4),
    ("recipes.fast.weight_decay", "0", 0),
    ("deposit.publish", "true", True),
    ("deposit.publish", "True", True),
    ("deposit.publish", "yes", True),
    ("deposit.publish", "off", False),
    ("deposit.new_version_of", "null", None),
    ("deposit.new_version_of", "10.5281/zenodo.123", "10.5281/zenodo.123"),
    ("training.recipe", "published", "published"),
    ("gaia_sdss.datalink.release", "3", "3"),
    ("download.folder", "1e3", "1e3"),
    ("download.folder", "null", "null"),
    ("zenodo.companions", [], []),
    ("comparison.pca", "null", None),
    ("comparison.pca.components", "9", 9),
    ("comparison.pca.components", "null", None),
    ("comparison.label_mlp.hidden", ["64", "64.0"], [64, 64]),
    ("comparison.label_mlp.a_k_range", ["0", "1.5"], [0, 1.5]),
    ("tracks.kiel.main_sequence", ["6300", "5e3", "15"], [6300, 5000.0, 15]),
    ("cuts.pristine.g", ["-1", "1e1"], [-1, 10.0]),
    ("actions.solar_motion", ["1", "2.5", "-3"], [1, 2.5, -3]),
    ("comparison.mine", {"a": "1", "b": "1e-3", "c": "yes", "d": "~", "e": "as it is", "f": ["2", "x"]},
     {"a": 1, "b": 1e-3, "c": True, "d": None, "e": "as it is", "f": [2, "x"]}),
    ("results", "elsewhere", "elsewhere"),
    ("results", "./elsewhere//here/", "elsewhere/here"),
    ("results", "/elsewhere", "/elsewhere"),
    ("results", "naïve results", "naïve results"),
    ("restore_from", "10.5281/zenodo.1234567", "10.5281/zenodo.1234567"),
]  # fmt: skip


@pytest.mark.parametrize(("path", "text", "value"), READ)
def test_text_is_read_as_the_schema_says(path, text, value):
    config = resolved(nested(path, text))
    assert repr(at(config, path)) == repr(value)
    assert {key: config[key] for key in CONFIG if key != path.split(".")[0]} == {
        key: CONFIG[key] for key in CONFIG if key != path.split(".")[0]
    }


def test_number_without_point_in_config_yaml(tmp_path):
    text = FILE.read_text()
    (tmp_path / "config.yaml").write_text(text.replace("learning_rate: 1.0e-4", "learning_rate: 1e-4"))
    assert yaml.safe_load((tmp_path / "config.yaml").read_text()) != CONFIG  # PyYAML reads text
    config = {}
    resolve(config, tmp_path / "config.yaml")
    assert config == CONFIG


def test_groups_may_be_partial_and_lists_are_whole():
    config = resolved({"tracks": {"kiel": {"solar_m_h": "0.2"}}, "library": {}, "zenodo": {"companions": []}})
    assert config["tracks"]["kiel"] == CONFIG["tracks"]["kiel"] | {"solar_m_h": 0.2}
    assert config["library"] == CONFIG["library"]
    assert config["zenodo"]["companions"] == []


def test_resolved_configuration_resolves_to_itself():
    once = resolved({"training": {"n_latents": "8"}, "comparison": {"pca": "null"}})
    assert resolved(once) == once


def test_checking_takes_no_time():
    resolved({})
    start = time.perf_counter()
    for _ in range(5):
        resolved({})
    assert (time.perf_counter() - start) / 5 < 0.1  # 15 ms where nothing else runs


def test_every_group_of_the_schema_is_closed_or_names_are_the_users():
    groups = {(): schema()} | {path: wanted for path, wanted, _ in ROWS if "object" in types(wanted)}
    assert len(groups) > 20
    is_open = {".".join(path) for path, wanted in groups.items() if wanted["additionalProperties"]}
    assert is_open == {"recipes", "comparison", "comparison.<model>"}


@pytest.mark.parametrize("path", [".".join(path) for path, _, _ in ROWS])
def test_every_key_is_described(path):
    wanted = next(wanted for names, wanted, _ in ROWS if ".".join(names) == path)
    assert wanted["description"].endswith(".")
    assert expected(wanted)
    items = subschema(wanted, 0)
    numbers = [schema for schema in (wanted, items) if {"number", "integer"} & set(types(schema))]
    if path == "comparison.<model>.<setting>":
        return
    numbers = [schema for schema in numbers if "type" in schema]
    assert bool(numbers) == ("unit" in wanted)
    for limited in numbers:
        assert {"minimum", "exclusiveMinimum"} & limited.keys()
        assert {"maximum", "exclusiveMaximum"} & limited.keys()


def test_patterns_of_the_schema_fit_whole_texts_everywhere():
    found = [wanted["pattern"] for _, wanted, _ in ROWS if "pattern" in wanted]
    assert len(found) > 5
    assert all(pattern.startswith("^") and pattern.endswith("$") for pattern in found)
    assert all("form" in wanted for _, wanted, _ in ROWS if "pattern" in wanted)


def test_schema_is_a_json_schema_that_config_yaml_names():
    from jsonschema import Draft202012Validator

    Draft202012Validator.check_schema(schema())
    first = FILE.read_text().splitlines()[0]
    assert first == "# yaml-language-server: $schema=src/xpsvae/config.schema.yaml"
    assert (PROJECT / first.partition("=")[2]).is_file()
    assert not list(Draft202012Validator(schema()).iter_errors(CONFIG))  # as an editor checks it


def test_page_is_current():
    message = "run: python -m xpsvae.config_page > docs/configuration.md"
    written = (PROJECT / "docs" / "configuration.md").read_text("utf-8")
    assert page(CONFIG) == written, message
    for path, _, _ in ROWS:
        assert f"`{'.'.join(path)}`" in written or f"## {path[0]}\n" in written


def test_file_with_a_key_twice_is_refused_and_merge_keys_are_not():
    with pytest.raises(InputError, match="mine.yaml has the key 'b' again in line 3: keep one"):
        parse("a:\n  b: 1\n  b: 2\n", "mine.yaml")
    assert parse("a: &a {b: 1, c: 2}\nd: {<<: *a, b: 3}\n", "mine.yaml")["d"] == {"b": 3, "c": 2}


def test_recipes_are_those_of_the_library():
    assert CONFIG["recipes"] == RECIPES
    common = {name: value for name, value in CONFIG["training"].items() if name != "recipe"}
    decided = set().union(*RECIPES.values())
    assert common == {field.name: field.default for field in fields(Recipe) if field.name in common}
    assert common.keys() | decided | {"recipe"} == {field.name for field in fields(Recipe)}


def test_recipes_have_the_bounds_of_the_schema():
    both = schema()["$defs"]["recipe"]["properties"] | schema()["properties"]["training"]["properties"]
    both = {name: subschema(wanted) for name, wanted in both.items()}
    whole = {name: wanted for name, wanted in both.items() if wanted["type"] == "integer"}
    assert {name: (wanted["minimum"], wanted["maximum"]) for name, wanted in whole.items()} == WHOLE


@pytest.mark.parametrize("name", RECIPES)
def test_recipe_and_what_all_share_become_the_arguments_of_training(name):
    config = resolved({"training": {"recipe": name, "seed": "5"}})
    assert choose(**training(config)) == choose(name, seed=5)


def test_a_recipe_may_have_a_name_of_its_own():
    text = {key: str(value) for key, value in RECIPES["published"].items()}
    config = resolved({"recipes": {"mine": text | {"epochs": "20"}}, "training": {"recipe": "mine"}})
    chosen = choose(**training(config))
    assert (chosen.recipe, chosen.epochs, chosen.schedule) == ("mine", 20, "cosine")


@pytest.mark.parametrize(
    ("choice", "sentence"),
    [
        ({"n_latents": 6.0}, "training: n_latents is 6.0: it has to be a whole number."),
        ({"n_latents": True}, "training: n_latents is True: it has to be a whole number."),
        ({"n_latents": 0}, "training: n_latents is 0: it has to be at least 1."),
        ({"n_latents": 10**6}, "training: n_latents is 1000000: it has to be at most 110."),
        ({"seed": 10**30}, "it has to be at most 4294967295."),
        ({"seed": -1}, "training: seed is -1: it has to be at least 0."),
        ({"epochs": "3"}, "training: epochs is '3': it has to be a whole number."),
        ({"batch_size": 1}, "training: batch_size is 1: it has to be at least 2."),
        ({"free_bits": float("nan")}, "training: free_bits is nan: it has to be a finite number."),
        ({"learning_rate": float("inf")}, "training: learning_rate is inf: it has to be a finite number."),
        ({"learning_rate": 0}, "training: learning_rate is 0: it has to be positive."),
        ({"weight_decay": -0.1}, "training: weight_decay is -0.1: it has to be at least 0."),
        ({"kl_warm_up": 1.5}, "training: kl_warm_up is 1.5: it has to be at most 1."),
        ({"warm_up": 1.0}, "training: warm_up is 1.0: it has to lie between 0 and 1."),
        ({"schedule": "cosine", "restart_every": 2.5}, "restart_every is 2.5: it has to be a whole number."),
        ({"schedule": "linear"}, "training: schedule is 'linear': write one-cycle or cosine."),
    ],
)
def test_recipe_that_cannot_be_trained_is_named(choice, sentence):
    with pytest.raises(InputError) as caught:
        choose("fast", **choice)
    assert sentence in str(caught.value)


def test_numpy_numbers_make_a_recipe():
    import numpy as np

    assert choose(n_latents=np.int64(3), weight_decay=np.float32(0)).n_latents == 3


# Which key of config.yaml the default of an argument repeats, by the argument's name. OTHERWISE has the
# functions where that is not so, with None where the name means something else.
REPEATS = {
    "attempts": "download.attempts",
    "timeout": "download.timeout",
    "r0": "actions.r0",
    "v0": "actions.v0",
    "z_sun": "actions.z_sun",
    "solar_motion": "actions.solar_motion",
    "delta": "actions.delta",
    "sampled_by": "inversion.sampled_by",
    "prior_scale": "inversion.prior_scale",
    "invalid": "gaia_sdss.invalid",
    "label_source": "gaia_sdss.label_source",
    "duplicates": "zenodo.duplicates",
    "release": "gaia_sdss.datalink.release",
    "limit": "library.limit",
    "test_fraction": "split.test_fraction",
    "recipe": "training.recipe",
    "n_latents": "training.n_latents",
    "window": "training.window",
    "validate_every": "training.validate_every",
    "checkpoint_every": "training.checkpoint_every",
    "free_bits": "recipes.fast.free_bits",
    "components": "comparison.pca.components",
    "clone": "comparison.lb23.clone",
    "model": "comparison.zgr23.model",
    "parameters": "comparison.zgr23.parameters",
    "new_version_of": "deposit.new_version_of",
    "publish": "deposit.publish",
    "scatter": "training.scatter",
    "base_url": "zenodo.url",
}
OTHERWISE = {
    "analysis/ablations.py:variations.published": "ablations.published",
    "analysis/classify.py:Classifier.latents": None,  # which of them a classifier is shown
    "analysis/classify.py:Classifier.published": None,  # its scores in the paper
    "compare/covariances.py:sound.invalid": "covariances.invalid",
    "model/recipe.py:Recipe.kl_power": None,  # of a recipe that does not say
    "model/recipe.py:Recipe.first_sigma": None,
    "model/recipe.py:Recipe.precision": None,
    "model/step.py:stepper.precision": None,
    "model/step.py:adamw.weight_decay": "recipes.fast.weight_decay",
    "model/compiled.py:gradient.precision": None,
    "model/recipe.py:Recipe.latents": "training.latents",
    "analysis/classify.py:features.seed": "classifiers.seed",
    "locks.py:clear_stale.folder": None,
    "plot/style.py:kiel_axes.logg": None,
    "plot/style.py:kiel_axes.teff": None,
    "plot/style.py:_histogram.weights": None,
    "analysis/dimensions.py:association.seed": None,  # of the permutations that give its floor
    "analysis/tracks.py:track_spectra.seed": "tracks.seed",
    "analysis/tracks.py:track_spectra.giants": None,  # which spectra are drawn
    "catalog/assemble.py:build_catalog.seed": "split.seed",
    "compare/residuals.py:coefficient_rmse.correlations": None,  # arrays, not where they are from
    "compare/residuals.py:flux_residuals.correlations": None,
    "compare/residuals.py:measure.correlations": None,
    "xp/basis.py:flux_errors.correlations": None,
    "compare/residuals.py:flux_residuals.flux_error": None,  # how errors are computed
    "compare/residuals.py:measure.flux_error": None,
    "cli.py:_tabulate.spectra": None,  # whether they are given
    "own_stars/archive.py:fetch_stars.url": "gaia_sdss.datalink.url",
    "own_stars/pretrained.py:load.folder": None,
    "own_stars/tables.py:describe.spectra": None,
    "own_stars/tables.py:iter_table.spectra": None,
    "model/recipe.py:Recipe.seed": "training.seed",
    "model/recipe.py:Recipe.warm_up": None,  # of a schedule that does without
    "model/recipe.py:Recipe.restart_every": None,
    "model/recipe.py:Recipe.final_learning_rate": None,
    "model/storage.py:save.recipe": None,  # a `Recipe`
    "model/svae.py:__init__.hidden": None,  # of the sVAE
    # a constant that test_lb23 compares with the configuration
    **{
        f"compare/models/{model}.py:{function}.weights": None
        for model in ("lb23", "lb23_labels")
        for function in ("fingerprint", "predict")
    },
    # Ours are GaiaXPy's: the inverse of each other. What the archive's spectra need says columns.py.
    "xp/basis.py:dr3_basis.sampled_by": None,
    "xp/basis.py:coefficients_to_flux.sampled_by": None,
    "xp/inversion.py:flux_to_coefficients.sampled_by": None,
    "xp/inversion.py:flux_to_coefficients.flux_error": None,
    # By default that of who sampled: `test_flux_weight_is_that_of_who_sampled`.
    "xp/inversion.py:flux_to_coefficients.flux_weight": None,
    "catalog/crossmatch.py:build_catalog.flux_weight": None,
    # Of the same names, but no keys: products, a wavelength range, arguments of the console.
    "audit/audit.py:_scores.seeds": None,
    "audit/audit.py:_giants.window": None,
    "paper/origin.py:describe_number.results": None,
    "analysis/dimensions.py:beyond.folds": None,  # of latents, not of the audit's stars
}


def defaults_in_the_library():
    """Yield ``file:function.argument`` and the default for arguments and fields named like a key."""
    keys = {path[-1] for path, wanted, _ in ROWS if "object" not in types(wanted)} | {"base_url"}
    root = PROJECT / "src" / "xpsvae"
    for file in sorted(root.rglob("*.py")):
        tree = ast.parse(file.read_text("utf-8"))
        constants = {
            node.targets[0].id: node.value
            for node in tree.body
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
        }
        found = []
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef):
                named = node.args.posonlyargs + node.args.args
                pairs = list(zip(named[::-1], node.args.defaults[::-1], strict=False))
                pairs += zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True)
                found += [(node.name, argument.arg, default) for argument, default in pairs]
            elif isinstance(node, ast.ClassDef):
                found += [
                    (node.name, field.target.id, field.value)
                    for field in node.body
                    if isinstance(field, ast.AnnAssign)
                ]
        for function, name, default in found:
            if name in keys and default is not None:
                default = constants.get(default.id, default) if isinstance(default, ast.Name) else default
                yield f"{file.relative_to(root).as_posix()}:{function}.{name}", default


def test_defaults_of_the_library_are_those_of_config_yaml():
    found = dict(defaults_in_the_library())
    assert len(found) > 40
    gone = OTHERWISE.keys() - found.keys()
    assert not gone, "OTHERWISE names defaults that there are no longer"
    for where, default in found.items():
        name = where.rpartition(".")[2]
        assert where in OTHERWISE or name in REPEATS, (
            f"{where}: say in REPEATS or OTHERWISE which key it repeats"
        )
        key = OTHERWISE.get(where, REPEATS.get(name))
        if key is None:
            continue
        value, wanted = ast.literal_eval(default), at(CONFIG, key)
        assert (list(value) if isinstance(value, tuple) else value) == wanted, f"{where} is not {key}"


def test_flux_weight_is_that_of_who_sampled():
    ours = CONFIG["inversion"]
    assert ours["flux_weight"] == inversion._FLUX_WEIGHTS[ours["sampled_by"]]
    known = subschema(schema(), "inversion", "sampled_by")["enum"]
    assert sorted(inversion._FLUX_WEIGHTS) == sorted(known)


def test_cuts_are_the_papers():
    assert CONFIG["cuts"] == CUTS


def test_groups_that_mean_the_same_have_the_same_defaults():
    assert CONFIG["zenodo"]["invalid"] == CONFIG["gaia_sdss"]["invalid"]
    assert CONFIG["recipes"]["fast"]["free_bits"] == CONFIG["recipes"]["published"]["free_bits"]
