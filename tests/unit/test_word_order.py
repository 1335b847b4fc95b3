"""The words of a `snakemake` command line may stand in any order."""

import argparse
import itertools

import pytest

from snakemake_logger_plugin_wordorder import reorder


def parse(words):
    """Parse as Snakemake does: greedy NAME=VALUE options and positional targets."""

    def pair(word):
        name, separator, value = word.partition("=")
        if not separator:
            raise argparse.ArgumentTypeError(word)
        return name, value

    parser = argparse.ArgumentParser()
    parser.add_argument("targets", nargs="*")
    parser.add_argument("--cores")
    parser.add_argument("--resources", nargs="+", type=pair)
    parser.add_argument("--config", nargs="+", type=pair)
    return vars(parser.parse_args(words))


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
def test_every_order_means_the_same(order):
    parts = [["--cores", "8"], ["--resources", "gpu=1", "mem_mb=10"], ["all"], ["--config", "dataset=zenodo"]]
    words = [word for index in order for word in parts[index]]
    assert parse(reorder(words)) == {
        "targets": ["all"],
        "cores": "8",
        "resources": [("gpu", "1"), ("mem_mb", "10")],
        "config": [("dataset", "zenodo")],
    }


def test_a_number_of_shards_swallows_no_target():
    assert reorder(["--set-scatter", "latents=3", "all"]) == ["all", "--set-scatter", "latents=3"]


def test_other_words_stay_where_they_are():
    words = ["fig_a", "-n", "--cores", "2", "--forcerun", "train_svae", "--config", "a=b"]
    assert reorder(words) == words
    encoded = ["--resources", "base64//Z3B1", "--", "all"]
    assert reorder(encoded) == encoded
