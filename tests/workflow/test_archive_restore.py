"""The real Snakefile's archive, sent to Zenodo on loopback and restored into a fresh clone."""

import shutil

import pytest
from zenodo_server import TOKEN, ZenodoServer

pytestmark = pytest.mark.slow
FIGURE = "corrected/figures/catalog_cuts.pdf"


@pytest.fixture(scope="module")
def finished(clone, tmp_path_factory):
    """Copy the finished clone with its results and what Snakemake remembers of them."""
    copy = clone.copy(tmp_path_factory.mktemp("archivist"))
    run = copy.snakemake("--cores", "1", "all", "--touch", "--forceall")
    assert run.returncode == 0, run.stderr[-4000:]
    return copy


@pytest.fixture
def fresh(finished, tmp_path):
    return finished.copy(tmp_path, "results", ".snakemake", "checkpoints")


def content(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name[0] != "."}


def test_archive_deposit_restore(finished, fresh, tmp_path_factory, monkeypatch):
    """One story: reserve a DOI, archive, deposit through faults, restore, edit one figure."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.delenv("ZENODO_SANDBOX_TOKEN", raising=False)
    root = finished.folder / "results" / "library"
    soon = {"Retry-After": "1"}
    faults = {
        ("POST", "/depositions"): [(429, soon)],
        ("PUT", "MANIFEST.json"): ["drop", (500, {})],
        ("PUT", ".tar.zst"): ["reset", "wrong"],
        ("GET", ".tar.zst"): ["drop"],
    }
    with ZenodoServer(tmp_path_factory.mktemp("store"), faults) as server:
        for each in (finished, fresh):
            each.configure(deposit={"server": server.base})

        run = finished.snakemake("--cores", "1", "reserve_doi")
        assert run.returncode != 0 and "ZENODO_SANDBOX_TOKEN is not set" in run.stderr
        assert "Traceback" not in run.stderr and server.log == []

        monkeypatch.setenv("ZENODO_SANDBOX_TOKEN", TOKEN)
        texts = []
        run = finished.snakemake("--cores", "1", "reserve_doi")
        texts.append(run.stdout + run.stderr)
        assert run.returncode == 0, run.stderr[-4000:]
        assert finished.planned("deposit") == ["archive", "build_paper", "build_report", "deposit"]
        run = finished.snakemake("--cores", "1", "deposit")
        texts.append(run.stdout + run.stderr)
        assert run.returncode == 0, run.stderr[-4000:]
        assert server.stored(1000) == content(root / "archive")
        assert "10.5072/zenodo.1000" in (root / "zenodo.json").read_text()
        first = content(root / "archive")
        run = finished.snakemake("--cores", "1", "archive", "--forcerun", "archive")
        assert run.returncode == 0 and content(root / "archive") == first

        run = fresh.snakemake("--cores", "1", "restore", "--config", "restore_from=10.5072/zenodo.1000")
        texts.append(run.stdout + run.stderr)
        assert run.returncode == 0, run.stderr[-4000:]
        assert server.injected == 6 and not server.in_argv
    assert fresh.planned("all") == []
    mine, theirs = fresh.products(), finished.products()
    assert mine == {name: theirs[name] for name in mine}
    assert set(theirs) - set(mine) == {
        name
        for name in theirs
        if name.startswith(("archive/", "data/")) or name in ("zenodo.json", ".sent-to-zenodo.json")
    }

    script = fresh.folder / "src" / "figures" / "catalog_cuts.py"
    script.write_text(script.read_text() + "\n# edited\n")
    assert fresh.planned("all") == ["all", "build_paper", "build_report", "fig_catalog_cuts"]
    (fresh.folder / "results" / "library" / FIGURE).unlink()
    run = fresh.snakemake("--cores", "1", "all")
    assert run.returncode == 0, run.stderr[-4000:]
    assert fresh.products() == mine  # a comment changes no byte
    assert fresh.planned("all") == []
    fresh.configure(classifiers={"n_bootstrap": 999})  # parameters are remembered too
    assert "classify_alpha" in fresh.planned("all") and "train_svae" not in fresh.planned("all")

    assert all(TOKEN not in text for text in texts)
    for folder in (finished.folder, fresh.folder):
        for path in (path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()):
            assert TOKEN.encode() not in path.read_bytes() or path.name.startswith("zenodo_server"), path


@pytest.mark.parametrize("damage", ["tampered", "missing"])
def test_damaged_archive_is_named_and_nothing_is_installed(damage, finished, fresh, tmp_path_factory):
    archive = tmp_path_factory.mktemp("damaged") / "archive"
    run = finished.snakemake("--cores", "1", "archive")
    assert run.returncode == 0, run.stderr[-4000:]
    shutil.copytree(finished.folder / "results" / "library" / "archive", archive)
    tar = archive / "small-products.tar.zst"
    if damage == "missing":
        tar.unlink()
    else:
        whole = bytearray(tar.read_bytes())
        whole[len(whole) // 2] ^= 1
        tar.write_bytes(whole)
    run = fresh.snakemake("--cores", "1", "restore", "--config", f"restore_from={archive}")
    assert run.returncode != 0
    assert "small-products.tar.zst" in run.stderr and "nothing was installed" in run.stderr
    assert "Traceback" not in run.stderr
    assert fresh.products() == {}
