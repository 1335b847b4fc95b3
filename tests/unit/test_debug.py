"""A job that failed, once more and alone: with the very inputs, parameters and folder that it had."""

import json
import os

import pytest
from snakemake import iocontainers as io

from xpsvae import debug


class Job:
    """What a script sees of Snakemake."""

    rule, threads, config = "add", 2, {"dataset": "library"}

    def __init__(self, folder):
        self.input = io.InputFiles(["a.txt", "b.txt", "c.txt"])
        self.input._set_name("first", 0)
        self.input._set_name("rest", 1, end=3)
        self.output = io.OutputFiles(["sum.txt"])
        self.params = io.Params(fromdict={"offset": 10, "choices": {"latent": "mean"}})
        self.wildcards = io.Wildcards(fromdict={"variant": "corrected"})
        self.resources = io.ResourceList(fromdict={"gpu": 0})
        self.log = io.Log([str(folder / "add.log")])


SCRIPT = """
from xpsvae.workflow import job

with job(snakemake):
    total = sum(int(open(path).read()) for path in [snakemake.input.first, *snakemake.input.rest])
    total += snakemake.params["offset"] if snakemake.params.choices["latent"] == "mean" else 0
    open(snakemake.output[0], "w").write(f"{total} {snakemake.wildcards.variant} {snakemake.threads}")
"""


def test_a_remembered_job_runs_alone_in_its_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, number in (("a", 1), ("b", 2), ("c", 3)):
        (tmp_path / f"{name}.txt").write_text(str(number))
    (tmp_path / "add.py").write_text(SCRIPT)
    path = debug.remember(Job(tmp_path), tmp_path / "add.py")
    assert path == tmp_path / "add.log.job.json"
    os.chdir("/")
    debug.run(path)
    assert (tmp_path / "sum.txt").read_text() == "16 corrected 2"


def test_what_the_script_raises_is_raised(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "add.py").write_text(SCRIPT)
    path = debug.remember(Job(tmp_path), tmp_path / "add.py")
    with pytest.raises(FileNotFoundError, match="a.txt"):
        debug.run(path)


@pytest.mark.parametrize("content", [None, "no JSON", "[]", json.dumps({"rule": "add"})])
def test_a_file_that_is_no_job_is_one_sentence(tmp_path, content):
    path = tmp_path / "other.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(SystemExit, match="does not describe a job"):
        debug.run(path)
