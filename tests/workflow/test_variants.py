"""Variants of the analysis in the real Snakefile, and a comparison model that is dropped in."""

import shutil
import subprocess

import pytest

from xpsvae.products import read_json, read_table

pytestmark = pytest.mark.slow
ROOT = "results/library"
TRACKS = [f"figures/{name}.pdf" for name in ("kiel_vs_latent", "physical_spectra", "latent_tracks")]
# Choice -> what the paper shows of it: a product for each place that bears on it.
SHOWN = {
    "label_features": ["tables/table1.csv", "figures/confusion_matrices.pdf", "numbers.tex"],
    "gb_tolerance": TRACKS,
    "rmse_covariance_units": ["figures/err_stellar_labels.pdf"],
    "wavelength_errors": [
        "figures/zgr_rel_errs.pdf",
        "figures/compare_zgr.pdf",
        "figures/err_stellar_labels.pdf",
    ],
    "latent": [
        "dimensions.json",
        "latents/reconstruction.npy",
        "figures/kiel_vs_latent.pdf",
        "figures/lam_coeff_errs.pdf",
        "figures/latent_ms_metallicity_tracks.pdf",
        "figures/latent_giant_metallicity_tracks.pdf",
        "figures/alpha_bimodality.pdf",
        "figures/confusion_matrices.pdf",
        "figures/latent_tracks.pdf",
    ],
    "fig5_rp_coefficients": ["figures/lam_coeff_errs.pdf"],
    "fig6_ratio": ["figures/compare_lam.pdf"],
    "fig5_bias_text": ["figures/lam_coeff_errs.pdf"],
    "zgr23_unmatched": [
        "figures/zgr_rel_errs.pdf",
        "figures/compare_zgr.pdf",
        "figures/err_stellar_labels.pdf",
    ],
    "fixed_mh_track": ["figures/alpha_bimodality.pdf"],
    "fig11_giants": ["figures/physical_spectra.pdf"],
    "track_bins": TRACKS,
    "solar_metallicity": TRACKS,
    "leakage": ["tables/table1.csv", "figures/confusion_matrices.pdf"],
    "classifier_sample": ["tables/table1.csv", "figures/confusion_matrices.pdf"],
}
# Figures that no choice bears on.
ALIKE = {"svae_arch", "alpha_beyond_labels", "audit", "calibration", "denoising", "ablations"}


@pytest.fixture(scope="module")
def varied(clone, tmp_path_factory):
    """Build all variants that the library can show, beside its `corrected`."""
    copy = clone.copy(tmp_path_factory.mktemp("variants"))
    scripts = sorted(path.stem for path in (copy.folder / "src" / "figures").glob("*.py"))
    for name in ("training_curve", "dr3_density"):  # of the report, and of all of DR3
        scripts.remove(name)
    targets = [f"{ROOT}/published/figures/{name}.pdf" for name in scripts if name not in ALIKE]
    targets += [f"{ROOT}/only-{key}/{name}" for key, names in SHOWN.items() for name in names]
    before = copy.products()
    run = copy.snakemake("--cores", "2", "--keep-going", *targets)
    assert run.returncode == 0, run.stderr[-8000:]
    assert all((copy.folder / target).is_file() for target in targets)
    assert {name: found for name, found in copy.products().items() if name in before} == before
    return copy


def content(clone, variant, name):
    return (clone.folder / ROOT / variant / name).read_bytes()


@pytest.mark.parametrize("key", SHOWN)
def test_one_choice_alone_is_seen_where_the_paper_shows_it(varied, key):
    for name in SHOWN[key]:
        corrected = "" if name.startswith("latents/") else "corrected"  # the means' is of the model itself
        assert content(varied, f"only-{key}", name) != content(varied, corrected, name), name


def test_what_a_variant_leaves_as_it_is_is_not_computed_again(varied):
    made = {
        key: {
            path.relative_to(varied.folder / ROOT / f"only-{key}").as_posix()
            for path in (varied.folder / ROOT / f"only-{key}").rglob("*")
            if path.is_file() and path.suffix != ".png" and path.parent.name != ".sha256"
        }
        for key in SHOWN
    }
    assert made["fig5_bias_text"] == {"figures/lam_coeff_errs.pdf"}
    assert made["fixed_mh_track"] == {"figures/alpha_bimodality.pdf"}
    assert made["fig11_giants"] == {"figures/physical_spectra.pdf", "tracks/spectra.parquet"}
    assert made["gb_tolerance"] == {*TRACKS, "tracks/kiel.parquet", "tracks/spectra.parquet"}
    for key, names in made.items():
        assert not {"subsets.parquet", "cutflow.json"} & names
        assert ("latents/scatter.npy" in names) == (key == "latent")


def test_published_half_widths_have_rows_for_each_use(varied):
    kiel = read_table(varied.folder / ROOT / "only-track_bins/tracks/kiel.parquet")
    assert kiel.use.unique().tolist() == ["kiel", "latent", "spectra", "corner"]
    assert len(kiel) == 4 * 35


def test_variants_say_what_they_are_of(varied):
    report = read_json(varied.folder / ROOT / "published/alpha/classifiers.json")
    assert report["sample"]["label_features"] == "scrambled" and report["sample"]["how"].startswith("random")
    summary = read_json(varied.folder / ROOT / "only-fig6_ratio/comparison/summary.json")
    corrected = read_json(varied.folder / ROOT / "corrected/comparison/summary.json")
    ratio, plain = (each["coefficients"]["pca"]["ratio"] for each in (summary, corrected))
    assert ratio == pytest.approx([value**2 for value in plain])


@pytest.mark.parametrize(
    ("target", "missing"),
    [
        ("only-aspcapflag_bits/subsets.parquet", "aspcapflag"),
        ("only-gse_selection/alpha/summary.json", "j_r, l_z, j_z"),
    ],
)
def test_a_variant_that_the_dataset_cannot_show_stops_with_a_sentence(varied, target, missing):
    run = varied.snakemake("--cores", "1", f"{ROOT}/{target}")
    assert run.returncode != 0
    variant = target.split("/")[0]
    assert (
        f"Error: variant '{variant}' cannot be shown: this dataset has no {missing}, on which" in run.stderr
    )
    assert "Traceback" not in run.stderr
    assert not (varied.folder / ROOT / target).exists()


def test_an_unknown_variant_is_named_with_the_nearest(clone):
    run = clone.snakemake("-n", f"{ROOT}/only-gb_tolerence/tracks/kiel.parquet")
    said = run.stdout + run.stderr
    assert run.returncode != 0
    assert "variant 'only-gb_tolerence' is not known: did you mean 'only-gb_tolerance'" in " ".join(
        said.split()
    )


@pytest.mark.parametrize(
    ("target", "rule"),
    [
        ("only-fig6_ratio/tracks/kiel.parquet", "build_kiel_tracks"),
        ("only-gb_tolerance/figures/compare_lam.pdf", "fig_compare_lam"),
        ("published/figures/svae_arch.pdf", "fig_svae_arch"),
        ("only-fixed_mh_track/numbers.tex", "build_numbers"),
    ],
)
def test_a_variant_is_refused_for_what_it_leaves_as_it_is(clone, target, rule):
    run = clone.snakemake("-n", f"{ROOT}/{target}")
    said = " ".join((run.stdout + run.stderr).split())
    assert run.returncode != 0
    variant = target.split("/")[0]
    told = f"variant '{variant}' leaves the products of {rule} as they are: ask for those of 'corrected'."
    assert told in said


def test_the_published_figure_is_drawn_from_published_products_and_shared_ones(clone):
    planned = clone.planned(f"{ROOT}/published/figures/kiel_vs_latent.pdf")
    assert planned == [
        "build_kiel_tracks", "build_subsets", "choose_dimensions", "variant_kiel_vs_latent",
    ]  # fmt: skip


DUMMY = '''"""A model for tests: the observed coefficients, off by a constant number of errors."""

import numpy as np

from xpsvae.compare.registry import Prediction

LABEL = "dummy (off by <shift>)"
PROSE = "the dummy"
LOOK = {"color": "#000000", "linestyle": (0, (3, 1)), "marker": "X", "cmap": "Greys"}
KNOWS_LABELS = False
NEEDS = ()
CHAIN = (("XP\\ncoefficients", "data"), ("plus <shift>", "learnt"), ("coefficients", "data"))
TEXT = "The dummy is off by <shift>."


def predict(given, shift=7):
    x, known = given.x[given.test], np.ones(given.test.sum(), dtype=bool)
    return Prediction(known, x + shift * given.x_err[given.test], summary={"shift": shift})
'''
FIGURES_5_TO_9 = ("lam_coeff_errs", "compare_lam", "zgr_rel_errs", "compare_zgr", "err_stellar_labels")


def test_a_model_is_its_module_and_a_line_of_configuration(clone, tmp_path):
    copy = clone.copy(tmp_path)
    (copy.folder / "src/xpsvae/compare/models/dummy.py").write_text(DUMMY)
    assert copy.planned("all") == []  # a module that nobody asks for
    before = copy.products()
    with copy.configured(comparison={"dummy": {}}):
        figures = [f"fig_{name}" for name in ("xp_vae_models", *FIGURES_5_TO_9)]
        assert copy.planned("all") == sorted(
            [
                "all",
                "predict_dummy",
                "build_residuals",
                *("build_audit", "build_claims", "fig_audit"),
                "build_numbers",
                "build_paper",
                "build_report",
                *figures,
            ]
        )
        run = copy.snakemake("--cores", "2", "all")
        assert run.returncode == 0, run.stderr[-8000:]
    summary = read_json(copy.folder / ROOT / "corrected/comparison/summary.json")
    assert [card["model"] for card in summary["models"]] == ["svae", "pca", "label_mlp", "dummy"]
    assert summary["models"][-1]["label"] == "dummy (off by 7)"
    assert summary["coefficients"]["dummy"]["rmse"] == pytest.approx([7.0] * 64, rel=1e-5)
    after = copy.products()
    changed = {name for name in before if before[name] != after[name]}
    assert {f"corrected/figures/{name}.pdf" for name in FIGURES_5_TO_9} <= changed
    assert "paper/ms.pdf" in changed and "comparison/pca.npz" not in changed
    if shutil.which("pdftotext"):
        for name in FIGURES_5_TO_9:
            assert "dummy (off by 7)" in text_of(copy.folder / ROOT / f"corrected/figures/{name}.pdf"), name
        assert "The dummy is off by 7." in text_of(copy.folder / ROOT / "paper/ms.pdf")
    run = copy.snakemake("--cores", "2", "all")
    assert run.returncode == 0, run.stderr[-8000:]
    without = copy.products()
    assert {name: without[name] for name in before} == before


def text_of(pdf):
    words = subprocess.run(["pdftotext", str(pdf), "-"], capture_output=True, text=True, check=True).stdout
    return " ".join(words.split())


def test_an_unknown_model_or_setting_is_one_sentence(clone):
    with clone.configured(comparison={"pcaa": {}}):
        run = clone.snakemake("-n", "all")
    said = " ".join((run.stdout + run.stderr).split())
    assert run.returncode != 0 and "pcaa" in said and "did you mean 'pca'" in said
    assert "Traceback" not in said
