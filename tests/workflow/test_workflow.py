"""The real Snakefile on a few thousand real stars: what runs, when, and that it repeats its bytes."""

import os
import re
import subprocess
import tarfile

import pytest

from xpsvae.paper.origin import describe_number

from .conftest import Clone

pytestmark = pytest.mark.slow


def test_everything_is_made(clone):
    products = clone.products()
    assert "paper/ms.pdf" in products
    assert "corrected/tables/table1.tex" in products
    figures = {name for name in products if name.startswith("corrected/figures/")}
    scripts = {path.stem for path in (clone.folder / "src" / "figures").glob("*.py")}
    scripts -= {"training_curve", "ablations", "dr3_density"}  # of the report, and of targets of their own
    assert figures == {f"corrected/figures/{name}.{form}" for name in scripts for form in ("pdf", "png")}


def test_the_first_training_waits_for_nothing_but_its_stars(clone):
    """Jobs of the build, in the order in which they started: others would hold a core that it needs."""
    log = min((clone.folder / ".snakemake/log").glob("*.log")).read_text()
    started = re.findall(r"^Job \d+: (.+)", log, re.MULTILINE)
    assert [words.split()[0] for words in started[:3]] == ["Reading", "Crossmatching", "Splitting"]
    assert started[3] == "Training the sVAE" and len(started) > 60


def test_nothing_is_half_written_or_pickled(clone):
    products = clone.products()
    assert [name for name in products if name.rsplit("/", 1)[-1].startswith(".")] == []
    assert {name.rsplit(".", 1)[-1] for name in products} <= {
        "parquet", "npy", "npz", "json", "csv", "tex", "pdf", "png", "safetensors", "html", "md",
    }  # fmt: skip


def test_second_run_does_nothing(clone):
    before = clone.products()
    run = clone.snakemake("--cores", "2", "all")
    assert run.returncode == 0
    assert "Nothing to be done" in run.stdout + run.stderr
    assert clone.products() == before


@pytest.mark.parametrize(
    "words",
    [
        ("--cores", "8", "--resources", "gpu=1", "all"),
        ("all", "--resources", "gpu=1", "--cores", "8"),
        ("--resources", "gpu=1", "all", "--cores", "8", "--config", "dataset=library"),
        ("--config", "dataset=library", "all", "--cores", "8"),
    ],
)
def test_words_stand_in_any_order(clone, words):
    assert clone.planned(*words) == []


def test_edited_figure_script_reruns_that_figure_and_the_paper(clone):
    script = clone.folder / "src" / "figures" / "catalog_cuts.py"
    before = clone.products()
    script.write_text(script.read_text() + "\n# edited\n")
    assert clone.planned("fig_catalog_cuts") == ["fig_catalog_cuts"]
    assert clone.planned("fig_catalog_kiel") == []
    assert clone.planned("all") == ["all", "build_paper", "build_report", "fig_catalog_cuts"]
    run = clone.snakemake("--cores", "2", "all")
    assert run.returncode == 0, run.stderr
    assert clone.products() == before  # a comment changes no byte
    assert clone.planned("all") == []


STYLE, PARALLEL, BASIS = (f"src/xpsvae/{name}.py" for name in ("plot/style", "model/parallel", "xp/basis"))


def drawn(clone):
    scripts = {path.stem for path in (clone.folder / "src" / "figures").glob("*.py")}
    scripts -= {"ablations", "dr3_density"}
    return ["build_explorer", *(f"fig_{script}" for script in scripts)]


def test_edited_module_reruns_what_imports_it(clone):
    with clone.edited(STYLE, lambda text: text.replace("FEWEST_STARS = 5 ", "FEWEST_STARS = 6 ")):
        assert clone.planned("all") == sorted(["all", "build_paper", "build_report", *drawn(clone)])
    assert clone.planned("all") == []  # although the file is younger than what was made by it


@pytest.mark.parametrize("module", [STYLE, PARALLEL, BASIS, "src/xpsvae/dependencies.py"])
def test_comments_and_docstrings_of_a_module_rerun_nothing(clone, module):
    with clone.edited(module, lambda text: text.replace('"""', '"""Edited: ', 1) + "\n# edited\n"):
        assert clone.planned("all") == []


def test_behaviour_of_a_module_reruns_training_only_where_it_is_trained_with(clone):
    one_more = "\nONE_MORE = 1\n"
    with clone.edited(PARALLEL, lambda text: text + one_more):
        assert "train_svae" in clone.planned("all")
        assert "build_catalog" not in clone.planned("all")
    with clone.edited("src/xpsvae/analysis/classify.py", lambda text: text + one_more):
        assert not {"train_svae", "predict_pca", "build_kiel_tracks"} & set(clone.planned("all"))
        assert {"classify_alpha", "fig_confusion_matrices"} <= set(clone.planned("all"))
    assert clone.planned("all") == []


def test_a_cut_does_not_train_again(clone):
    with clone.configured(cuts={"good": {"logg_err_max": 0.3}}):
        planned = set(clone.planned("all"))
    assert {"build_subsets", "fig_catalog_cuts", "build_numbers", "build_paper"} <= planned
    assert not planned & {
        "split_stars", "train_svae", "embed_shard", "embed_stars", "predict_pca", "predict_label_mlp",
        "build_residuals", "fig_lam_coeff_errs",
    }  # fmt: skip


def test_how_often_training_is_saved_reruns_nothing(clone):
    with clone.configured(training={"checkpoint_every": 3}):
        assert clone.planned("all") == []


def test_the_fixed_metallicity_reruns_its_track_and_what_draws_or_quotes_it(clone):
    with clone.configured(tracks={"alpha": {"fixed_m_h": -0.3}}):
        assert clone.planned("all") == [
            "all", "build_alpha_tracks", "build_audit", "build_claims", "build_numbers", "build_paper", "build_report",
            "fig_alpha_bimodality", "fig_audit",
        ]  # fmt: skip


def test_settings_of_a_comparison_model_rerun_that_model_alone(clone):
    with clone.configured(comparison={"pca": {"components": 4}}):
        planned = set(clone.planned("all"))
    assert {"predict_pca", "build_residuals", "build_numbers", "fig_xp_vae_models"} <= planned
    assert not planned & {"train_svae", "predict_label_mlp", "build_kiel_tracks", "fig_kiel_vs_latent"}


def test_a_clone_that_is_copied_with_its_times_has_nothing_to_do(clone, tmp_path):
    assert clone.copy(tmp_path).planned("all") == []


def test_a_figure_by_its_number_ends_in_the_lines_that_say_where_it_is(clone):
    files = [f"results/library/corrected/figures/alpha_bimodality.{form}" for form in ("pdf", "png")]
    (clone.folder / files[0]).unlink()
    run = clone.snakemake("--cores", "1", "fig_13")
    assert run.returncode == 0, run.stderr
    assert run.stdout.splitlines()[-2:] == files
    log = (clone.folder / "results/library/logs/corrected/fig_alpha_bimodality.log").read_text()
    assert "read results/library/catalog/stars.parquet: 4,000 rows, " in log
    assert f"wrote {files[0]}: " in log
    seconds, megabytes = re.search(
        r"^used (.*) s of processors, (.*) MB of memory at most$", log, re.M
    ).groups()
    assert 0.5 < float(seconds) < 100 and 60 < float(megabytes) < 2000


def test_what_is_packed_for_arxiv_is_the_paper(clone, tmp_path):
    run = clone.snakemake("--cores", "1", "arxiv")
    assert run.returncode == 0, run.stderr
    assert run.stdout.splitlines()[-1] == "results/library/paper/arxiv.tar.gz"
    packed = clone.folder / "results/library/paper/arxiv.tar.gz"
    with tarfile.open(packed) as tar:
        tar.extractall(tmp_path, filter="data")
    packed.unlink()  # it is no product of `all`, which other tests count
    for _ in range(3):
        subprocess.run(["pdflatex", "-interaction=batchmode", "ms.tex"], cwd=tmp_path, check=True)
    log = (tmp_path / "ms.log").read_text(encoding="latin-1")
    assert "undefined" not in log and "pages" in log


def test_every_number_of_the_paper_has_an_origin(clone):
    root = clone.folder / "results" / "library"
    names = re.findall(
        r"^\\newcommand\{\\(\w+)\}\{", (root / "corrected/numbers.tex").read_text(), re.MULTILINE
    )
    assert len(names) > 200
    for name in names:
        told = describe_number(name, root)
        assert "no log says" not in told, told
    assert "rule classify_alpha\n" in describe_number("AccLatent", root)


def test_deleted_product_is_made_again(clone):
    before = clone.products()
    (clone.folder / "results/library/corrected/tracks/kiel.parquet").unlink()
    assert clone.snakemake("--cores", "1", "all").returncode == 0
    assert clone.products() == before


def test_clean_runs_give_the_same_bytes_for_any_number_of_cores(clone, tmp_path):
    """On one core: tests/workflow/test_products.py, which deletes what everything is made from."""
    again = Clone(tmp_path)
    run = again.snakemake("--resources", "gpu=1", "--cores", "8", "all")
    assert run.returncode == 0, run.stderr[-8000:]
    first, second = clone.products(), again.products()  # the first was made on two
    assert first.keys() == second.keys()
    assert [name for name in first if first[name] != second[name]] == []


def test_misspelt_key_is_one_sentence(clone):
    run = clone.snakemake("--cores", "1", "all", "--config", "datset=library")
    assert run.returncode != 0
    assert "config key 'datset' is not known: did you mean 'dataset'" in run.stdout + run.stderr
    assert "Traceback" not in run.stderr


def test_wrong_checksum_stops_before_anything_is_written(tmp_path):
    wrong = Clone(tmp_path)
    wrong.configure(library={"sha256": "0" * 64, "limit": 10})
    run = wrong.snakemake("--cores", "1", "all")
    assert run.returncode != 0
    assert "sha256" in run.stderr and "Traceback" not in run.stderr
    assert wrong.products() == {}


def test_truncated_product_is_named(clone):
    """A table cut short by a full disk, say, is refused by the rule that reads it."""
    stars = clone.folder / "results/library/catalog/stars.parquet"
    whole, before = stars.read_bytes(), stars.stat()
    stars.write_bytes(whole[: len(whole) // 2])
    try:
        run = clone.snakemake(
            "--cores",
            "1",
            "results/library/corrected/subsets.parquet",
            "--forcerun",
            "build_subsets",
            "--rerun-triggers",
            "mtime",
        )
        assert run.returncode != 0
        assert "catalog/stars.parquet has changed since its job wrote it" in run.stderr
        assert "Traceback" not in run.stderr
    finally:
        stars.write_bytes(whole)
        os.utime(stars, ns=(before.st_atime_ns, before.st_mtime_ns))
