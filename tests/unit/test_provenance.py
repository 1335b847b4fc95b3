"""What products say of their origin: compared with git itself, and stable where it must be."""

import os
import subprocess

import matplotlib.pyplot as plt
import pandas as pd
import pyarrow.parquet as pq
import pytest

from xpsvae import products, provenance
from xpsvae.plot import style

CONFIG = {"dataset": "library", "results": "a", "library": {"sha256": "b" * 64, "limit": 3}, "x": {"y": 1}}


@pytest.fixture
def project(tmp_path, monkeypatch):
    """Make a git clone with two files, each in a commit of its own."""

    def git(*words):
        identity = ("-c", "user.name=a", "-c", "user.email=a@b.c")
        run = subprocess.run(
            ["git", *identity, *words], cwd=tmp_path, capture_output=True, text=True, check=True
        )
        return run.stdout.strip()

    monkeypatch.setattr(provenance, "PROJECT", tmp_path.resolve())
    provenance._commit.cache_clear()
    git("init", "-q")
    commits = {}
    for name in ("one.py", "two.py"):
        (tmp_path / name).write_text(name)
        git("add", name)
        git("commit", "-qm", name)
        commits[name] = git("rev-parse", "HEAD")
    yield tmp_path, commits
    provenance._commit.cache_clear()


def test_commit_is_the_last_that_touched_the_files(project):
    folder, commits = project
    assert provenance.commit([folder / "one.py"]) == commits["one.py"]
    assert provenance.commit([folder / "two.py"]) == commits["two.py"]
    assert provenance.commit([folder / "one.py", folder / "two.py"]) == commits["two.py"]
    assert provenance.commit() == commits["two.py"]


def test_edit_of_another_file_changes_nothing(project):
    folder, commits = project
    (folder / "two.py").write_text("edited")
    assert provenance.commit([folder / "one.py"]) == commits["one.py"]
    assert provenance.commit([folder / "two.py"]) == commits["two.py"] + "+dirty"
    assert provenance.commit() == commits["two.py"] + "+dirty"


def test_outside_of_git_and_inside_of_another_repository(project, tmp_path, monkeypatch):
    inner = tmp_path / "inner"
    inner.mkdir()
    monkeypatch.setattr(provenance, "PROJECT", inner.resolve())
    assert provenance.commit() == provenance.UNKNOWN
    assert provenance.commit_date() == "1970-01-01"


def test_config_hash_minds_choices_not_places():
    first = provenance.config_hash(CONFIG)
    assert provenance.config_hash({**CONFIG, "results": "elsewhere", "deposit": {"publish": True}}) == first
    assert provenance.config_hash(dict(reversed(CONFIG.items()))) == first
    assert provenance.config_hash({**CONFIG, "x": {"y": 2}}) != first


def test_input_checksums_are_those_of_the_dataset():
    assert provenance.input_checksums(CONFIG) == {"library.sha256": "sha256:" + "b" * 64}
    nested = {
        "dataset": "zenodo",
        "zenodo": {"files": [{"checksum": "md5:" + "c" * 32}]},
        "library": {"sha256": "b" * 64},
    }
    assert provenance.input_checksums(nested) == {"zenodo.files.0.checksum": "md5:" + "c" * 32}


def test_tables_figures_and_tex_carry_the_mark(project, tmp_path, monkeypatch):
    folder, commits = project
    monkeypatch.setattr(provenance, "_pending", None)
    products.write_text(tmp_path / "plain.tex", "x\n")
    assert (tmp_path / "plain.tex").read_text() == "x\n"
    provenance.set_mark([folder / "one.py"], CONFIG)
    mark = f"xpsvae commit {commits['one.py']}; dataset library: library.sha256 sha256:{'b' * 64}"
    products.write_text(tmp_path / "table.tex", "x\n")
    assert (tmp_path / "table.tex").read_text() == f"% {mark}\nx\n"
    products.write_table(tmp_path / "table.parquet", pd.DataFrame({"a": [1]}), units={"a": "K"})
    schema = pq.read_schema(tmp_path / "table.parquet")
    assert schema.metadata[b"provenance"].decode() == mark
    assert schema.field("a").metadata == {b"unit": b"K"}
    assert products.read_table(tmp_path / "table.parquet").equals(pd.DataFrame({"a": [1]}))
    figure = plt.figure()
    style.save(figure, tmp_path / "a.pdf", tmp_path / "a.png")
    style.save(figure, tmp_path / "b.pdf", tmp_path / "b.png")
    plt.close(figure)
    assert mark.encode() in (tmp_path / "a.pdf").read_bytes()
    assert mark.encode() in (tmp_path / "a.png").read_bytes()
    for form in ("pdf", "png"):
        assert (tmp_path / f"a.{form}").read_bytes() == (tmp_path / f"b.{form}").read_bytes()


def test_record_and_paper(project):
    _, commits = project
    record = provenance.record(CONFIG)
    assert record["commit"] == commits["two.py"] and record["config"]["library"] == CONFIG["library"]
    assert record["packages"]["pandas"] == pd.__version__
    tex = provenance.to_tex(record, "https://example.org/xpsvae", "10.5072/zenodo.7")
    assert rf"https://example.org/xpsvae/blob/{commits['two.py']}/src/figures/\detokenize{{#1}}.py" in tex
    assert commits["two.py"] in tex.split("ProvenanceSubject")[1] and "b" * 64 in tex
    assert r"\href{https://doi.org/10.5072/zenodo.7}" in tex
    assert r"\href" not in provenance.to_tex(
        record | {"commit": provenance.UNKNOWN}, "https://example.org/xpsvae"
    )


def test_a_clone_of_another_user_says_why_its_commit_is_unknown(project, tmp_path, monkeypatch):
    """What git answers there; only root could make such a clone here."""
    git = tmp_path / "bin/git"
    git.parent.mkdir()
    git.write_text(
        "#!/bin/sh\necho \"fatal: detected dubious ownership in repository at '$PWD'\" >&2\n"
        "echo 'git config --global --add safe.directory ...' >&2\nexit 128\n"
    )
    git.chmod(0o755)
    monkeypatch.setenv("PATH", f"{git.parent}:{os.environ['PATH']}")
    assert provenance.commit() == provenance.FOREIGN
    assert provenance.commit_date() == "1970-01-01"
    record = provenance.record({"dataset": "library", "library": {}})
    assert "another user" in provenance.to_tex(record, "https://example.org") and record["commit"] in str(
        record
    )


def test_without_git_the_commit_is_unknown(project, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert provenance.commit() == provenance.UNKNOWN
