"""Values on Snakemake's command line and in a partial configuration file, through the real Snakefile."""

import pandas as pd
import pytest

from .conftest import Clone


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Copy the project, with its config.yaml as it is but for `Clone`'s few stars."""
    return Clone(tmp_path_factory.mktemp("configuration"))


TAKEN = [
    ("training={n_latents: 8, recipe: published, seed: 3}", "library={limit: null}"),
    ("latents={shards: 3}", "deposit={publish: true}", "inversion={flux_weight: 1e-6}"),
    ("tracks={kiel: {main_sequence: [5000, 6.3e3, 10]}}", "comparison={pca: {components: 9}, lb23: null}"),
    ("recipes={mine: {epochs: 3, batch_size: 64, schedule: one-cycle, learning_rate: 1e-3, warm_up: 0.3, "
     "weight_decay: 0, kl_warm_up: 0, free_bits: 0}}", "training={recipe: mine}", "results=else where/"),
]  # fmt: skip


@pytest.mark.parametrize("words", TAKEN)
def test_nested_values_are_read_by_their_types(folder, words):
    assert "train_svae" in folder.planned("all", "--config", *words)


def test_shards_and_left_out_models_are_seen_by_the_rules(folder):
    run = folder.snakemake("all", "--dry-run", "--quiet", "rules", "--config", "latents={shards: 3}",
                           "comparison={pca: null}")  # fmt: skip
    assert run.returncode == 0, run.stderr
    lines = [line.split() for line in (run.stdout + run.stderr).splitlines()]
    assert ["embed_shard", "3"] in lines
    assert not any(line[:1] == ["predict_pca"] for line in lines)


def test_partial_configuration_file(folder):
    (folder.folder / "mine.yaml").write_text(
        "latents:\n  shards: 2\nrecipes:\n  fast: {learning_rate: 1e-2}\n"
    )
    words = "all", "--dry-run", "--quiet", "rules", "--configfile", "mine.yaml"
    for more, shards in ((), "2"), (("--config", "latents={shards: 4}"), "4"):
        run = folder.snakemake(*words, *more)
        assert run.returncode == 0, run.stderr
        assert ["embed_shard", shards] in [line.split() for line in (run.stdout + run.stderr).splitlines()]


@pytest.mark.parametrize(
    ("word", "sentence"),
    [
        ("training={n_latents: 0}", "'training.n_latents' is 0, but must be a whole number from 1"),
        ("training={n_latents:8}", "'training.n_latents:8' is not known: did you mean 'n_latents'"),
        ("training=fast", "config key 'training' is 'fast', but must be a group of keys"),
        ("results=a{x}", "config key 'results' is 'a{x}', but must be the name of a folder"),
        ("results=nan", "config key 'results' is nan, but must be the name of a folder"),
    ],
)  # fmt: skip
def test_mistake_on_the_command_line_is_one_sentence(folder, word, sentence):
    run = folder.snakemake("all", "--dry-run", "--config", word)
    assert run.returncode != 0
    assert sentence in run.stdout + run.stderr
    assert "Traceback" not in run.stdout + run.stderr


@pytest.mark.slow
def test_jobs_are_given_what_was_planned(folder):
    """A job reads the command line anew; numbers from a file are the same numbers."""
    words = "library={limit: 1500}", "split={test_fraction: 2e-1, seed: 5}"
    run = folder.snakemake("--cores", "2", "split_stars", "--config", *words)
    assert run.returncode == 0, run.stderr[-4000:]
    split = pd.read_parquet(folder.folder / "results" / "library" / "catalog" / "split.parquet")
    assert 0 < len(split) <= 1500
    assert split.test.sum() == pytest.approx(0.2 * len(split), abs=1)
    text = "library: {limit: 1500}\nsplit: {test_fraction: 0.2, seed: 5}\n"
    (folder.folder / "numbers.yaml").write_text(text)
    assert folder.planned("split_stars", "--configfile", "numbers.yaml") == []
    assert folder.planned("split_stars", "--config", *words) == []
