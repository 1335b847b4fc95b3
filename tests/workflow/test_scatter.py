"""The encoding over shards: the same bytes for any number of them, and reruns although the parts are gone."""

import pytest

pytestmark = pytest.mark.slow
RULES = ["embed_shard", "embed_stars"]


@pytest.mark.parametrize("shards", ["2", "3", "5"])  # of three chunks: unequal, equal, some empty
def test_no_byte_depends_on_the_number_of_shards(encoded, shards):
    before, words = encoded.products(), ("embed_stars", "--set-scatter", f"latents={shards}")
    assert encoded.planned(*words) == RULES
    run = encoded.snakemake("--cores", "2", *words)
    assert run.returncode == 0, run.stderr[-4000:]
    assert f"shard {shards}-of-{shards}" in run.stdout + run.stderr
    assert encoded.products() == before  # nor does a part stay
    assert encoded.planned(*words) == []


def test_a_change_is_noticed_after_the_parts_are_gone(encoded):
    assert encoded.snakemake("--cores", "2", "embed_stars").returncode == 0
    assert encoded.planned("embed_stars") == []
    script = encoded.folder / "src" / "scripts" / "embed_shard.py"
    original = script.read_text()
    script.write_text(original + "\n# edited\n")
    assert encoded.planned("embed_stars") == RULES
    script.write_text(original)
    encoded.configure(latents={"draw_seed": 1})
    assert encoded.planned("embed_stars") == RULES
    encoded.configure(latents={"draw_seed": 0})
    assert encoded.planned("embed_stars") == []
