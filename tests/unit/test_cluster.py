"""What a cluster has, as sinfo says it, against what jobs ask for."""

from types import SimpleNamespace

import pytest

from xpsvae import cluster
from xpsvae.errors import InputError

SINFO = """\
cpu*|2|4000|infinite|(null)
cpu*|16|2000|infinite|(null)
gpu|8|64000|2-00:00:00|gpu:a100:2(S:0-1),gpu:4
short|4|64000|30:00|(null)
"""


@pytest.fixture()
def sinfo(tmp_path, monkeypatch):
    def answers(text, code=0):
        path = tmp_path / "sinfo"
        path.write_text(f"#!/bin/sh\ncat << END\n{text}END\nexit {code}\n")
        path.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")

    return answers


def job(threads, **resources):
    return SimpleNamespace(name="train_svae", threads=threads, resources=resources)


def test_what_sinfo_says():
    small, large, gpu, short = cluster.nodes(SINFO)
    assert small == cluster.Node("cpu", True, 2, 4000, float("inf"), 0)
    assert (gpu.gpus, gpu.minutes, gpu.is_default) == (6, 2880, False)
    assert short.minutes == 30 and large.cpus == 16
    assert cluster._minutes("1:02:30") == 62.5


@pytest.mark.parametrize(
    "possible",
    [
        job(2, mem_mb=4000),
        job(16, mem_mb=2000, runtime=100000),
        job(4, mem_mb=8000, gpu=6, slurm_partition="gpu", runtime=2880),
        job(16, cpus_per_task=1, mem_mb=4000),
        job(4, mem_mb=64000, slurm_partition="cpu,short", runtime=30),
        job(99, slurm_partition="elsewhere"),
    ],
)
def test_what_some_node_can_take(possible, sinfo):
    sinfo(SINFO)
    cluster.require_nodes([possible])


@pytest.mark.parametrize(
    ("impossible", "says"),
    [
        (job(17), "asks for 17 CPUs.* at most 16 CPUs"),
        (job(1, mem_mb=4001), "partition cpu can take train_svae.* 4001 MB.* at most 16 CPUs, 4000 MB"),
        (job(16, mem_mb=4000), "at most 16 CPUs, 4000 MB"),  # no node has both
        (job(1, gpu=1), "1 GPU, .* 0 GPUs"),
        (job(1, gpu=7, slurm_partition="gpu"), "partition gpu can"),
        (job(1, runtime=31, slurm_partition="short"), "31 minutes.* 30.0 minutes"),
    ],
)
def test_what_no_node_can_take_is_one_sentence(impossible, says, sinfo):
    sinfo(SINFO)
    with pytest.raises(InputError, match=says) as error:
        cluster.require_nodes([job(1), impossible])
    assert "\n" not in str(error.value) and "--set-threads train_svae=" in str(error.value)


@pytest.mark.parametrize(("text", "code"), [(SINFO, 1), ("", 0), ("odd\n", 0), ("a|b|c|d|e\n", 0)])
def test_where_slurm_does_not_answer_nothing_is_refused(text, code, sinfo):
    sinfo(text, code)
    cluster.require_nodes([job(4096)])
