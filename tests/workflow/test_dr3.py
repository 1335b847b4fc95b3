"""`snakemake dr3_latents`: files of the archive's form on loopback, described by the model that ships."""

import re

import bulk_files
import numpy as np
import pytest
from astropy.table import QTable
from servers import FileServer, cut, replaced_by, status

import xpsvae
from xpsvae.products import read_array, read_json, read_table

from .conftest import Clone

N_STARS = 40


@pytest.fixture(scope="module")
def tables():
    return bulk_files.spectra(N_STARS)


@pytest.fixture(scope="module")
def served(tables, tmp_path_factory):
    return bulk_files.write(tmp_path_factory.mktemp("archive"), tables)


@pytest.fixture(scope="module")
def run(served, tmp_path_factory):
    """Describe three files over a bad connection, one of which has changed on the server and one is cut there."""
    clone = Clone(tmp_path_factory.mktemp("dr3"))
    first, changed, short = sorted(path for path in served if path.endswith(".gz"))
    with FileServer(served) as server:
        bulk_files.configure(clone, server, download={"attempts": 3, "timeout": 20}, dr3={"outliers": 5})
        server.faults = {first: [cut(30_000), status(503, Retry_After="0")]}
        server.files[changed] = bytes(reversed(served[changed]))
        server.files[short] = served[short][:-1000]
        failed = clone.snakemake("--cores", "1", "dr3_latents")
        left = sorted(path.name for path in (clone.folder / "results/library/dr3/latents").glob("*.parquet"))
        server.files |= served
        server.log.clear()
        mended = clone.snakemake("--cores", "1", "dr3_latents")
        asked = {path for path, *_ in server.log}
    return {"clone": clone, "failed": failed, "left": left, "mended": mended, "asked": asked}


def product(run, name):
    return run["clone"].folder / "results/library/dr3" / name


def test_a_file_that_is_cut_or_changed_fails_in_a_sentence_and_the_others_go_on(run, served):
    failed = run["failed"]
    assert failed.returncode != 0 and run["left"] == ["0000.parquet"]
    for name in [path[4:] for path in sorted(served) if path.endswith(".gz")][1:]:
        # Snakemake shows the log of a job that failed
        said = set(re.findall(rf"Error: ({re.escape(name)} could not be downloaded .*)", failed.stderr))
        assert len(said) == 1 and "was expected" in said.pop()
    assert "Traceback" not in failed.stderr


def test_once_mended_only_what_is_missing_is_done(run, served):
    assert run["mended"].returncode == 0, run["mended"].stderr[-4000:]
    assert run["asked"] == set(sorted(path for path in served if path.endswith(".gz"))[1:])
    clone = run["clone"]
    assert clone.planned("dr3_latents") == []
    assert "describe_dr3" in clone.planned("dr3_latents", "--forceall")
    assert not list((clone.folder / "downloads").iterdir())  # terabytes in the real archive


def test_tables_are_those_of_describe(run, tables):
    for number, columns in enumerate(tables):
        path = product(run, f"latents/{number:04d}.parquet")
        table = QTable.read(path)
        plain = {name: columns[name] for name in columns if name == "source_id" or "_coefficient" in name}
        ours = xpsvae.describe({name: values for name, values in plain.items() if "corr" not in name})
        assert table["phot_g_mean_flux"].unit == "electron / s"
        assert table["source_id"].tolist() == columns["source_id"] and len(table) == N_STARS
        for name in (
            "phot_g_mean_flux",
            *(f"{what}_{k}" for what in ("mean", "sigma") for k in range(1, 7)),
            "chi2",
        ):
            np.testing.assert_allclose(np.asarray(table[name]), np.asarray(ours[name]), rtol=2e-5, atol=2e-6)
        assert set(table["warnings"]) == set(ours["warnings"])


def test_the_summary_counts_what_the_tables_hold(run):
    stars = [read_table(product(run, f"latents/{number:04d}.parquet")) for number in range(3)]
    summary = read_json(product(run, "summary.json"))
    assert summary["files"] == 3 and summary["stars"] == summary["described"] == 3 * N_STARS
    assert read_table(product(run, "files.parquet"))["stars"].tolist() == [N_STARS] * 3
    density = read_array(product(run, "density.npz"))
    assert density["single"].sum(axis=1).max() <= 3 * N_STARS
    every = np.sort(np.concatenate([table["chi2"] for table in stars]))
    listed = read_table(product(run, "outliers.parquet"))
    assert listed["chi2"].nlargest(5).tolist() == every[::-1][:5].tolist()
    for form in ("pdf", "png"):
        assert product(run, f"dr3_density.{form}").stat().st_size > 10_000


def test_all_of_dr3_is_planned_on_a_page_and_without_a_network(tmp_path):
    plan = Clone(tmp_path).snakemake("--dry-run", "dr3_latents")
    assert plan.returncode == 0, plan.stderr
    text = plan.stdout + plan.stderr
    assert re.search(r"^describe_dr3 +3386$", text, re.MULTILINE)
    assert "further jobs of describe_dr3, which are not listed" in text
    assert len(text) < 20_000


def test_a_page_in_place_of_the_list_stops_all_jobs_at_once(served, tmp_path):
    clone, path = Clone(tmp_path), f"{bulk_files.FOLDER}/_MD5SUM.txt"
    with FileServer(served, {path: [replaced_by(b"<html>Log in</html>")]}) as server:
        bulk_files.configure(clone, server)
        failed = clone.snakemake("--cores", "1", "dr3_latents")
        assert [asked for asked, *_ in server.log] == [path]
    assert failed.returncode != 0 and "check gaia_sdss.bulk.url" in failed.stderr
    assert not (clone.folder / "results/library/dr3/bulk.md5").exists()


def test_dr3_is_no_part_of_all(tmp_path):
    assert not [rule for rule in Clone(tmp_path).planned("all") if "dr3" in rule]
