"""A wrong configuration is refused with the path of the key and the nearest valid name."""

import copy
from pathlib import Path

import pytest
import yaml

from xpsvae.config import validate
from xpsvae.errors import InputError

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
    assert [path for path, node in found.items() if node.get("additionalProperties") is not False] == []
