"""Dataset zenodo from end to end: a record of real stars in the authors' form, served on loopback."""

import hashlib
import json

import fixtures_gaia_sdss as archive
import numpy as np
import pytest
from servers import FileServer, cut, status

from xpsvae.catalog import crossmatch
from xpsvae.data import library, zenodo
from xpsvae.products import read_array, read_json, read_table

from .conftest import Clone

pytestmark = pytest.mark.slow

STARS, RECORD = 2500, 10951393
SHA256 = "ecdc8bbb1cc066033654cc4ae486842d9ea29c6a7376a408452afdd8ad747782"
CATALOGUE = f"/api/records/{RECORD}/files/xp_apogee_cat.h5/content"
WEIGHTS = "/weights/weight.pt"
PART = 500_000  # bytes that arrive before the connection breaks


@pytest.fixture(scope="module")
def survey():
    labels, spectra = library.read(library.locate(), SHA256, STARS)
    stars, coefficients, errors, _ = crossmatch.build_catalog(labels, spectra)
    # the authors' rows are in no order of source_id
    shuffled = np.random.default_rng(1).permutation(len(stars))
    return archive.make_survey(stars.iloc[shuffled], coefficients[shuffled], errors[shuffled])


@pytest.fixture(scope="module")
def record(survey, tmp_path_factory):
    """All files of the record: path on the server -> bytes."""
    folder = tmp_path_factory.mktemp("record")
    archive.write_authors(folder, survey)
    archive.write_predictions(folder, survey)
    assert {path.name for path in folder.iterdir()} == {"xp_apogee_cat.h5", *zenodo.COMPANIONS}
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture(scope="module")
def server(record):
    with FileServer() as server:
        api = f"/api/records/{RECORD}"
        server.files = {f"{api}/files/{name}/content": content for name, content in record.items()}
        listed = [
            {
                "key": name,
                "size": len(content),
                "checksum": "md5:" + hashlib.md5(content).hexdigest(),
                "links": {"self": server.url(f"{api}/files/{name}/content")},
            }
            for name, content in record.items()
        ]
        server.files[api] = json.dumps({"files": listed}).encode()
        yield server


@pytest.fixture(scope="module")
def clone(server, tmp_path_factory):
    """Build the paper from the record; the first run breaks off half-way through the catalogue."""
    clone = Clone(tmp_path_factory.mktemp("zenodo"))
    clone.configure(
        zenodo={"url": server.base, "check_cutflow": False},
        download={"attempts": 1},
        recipes={"fast": {"epochs": 8}},
        classifiers={"n_bootstrap": 20},
        comparison={"label_mlp": {"epochs": 2}},
    )
    server.faults = {CATALOGUE: [cut(PART)]}
    run = clone.snakemake("--cores", "1", "build_catalog", "--config", "dataset=zenodo")
    assert run.returncode != 0
    assert "xp_apogee_cat.h5 could not be downloaded" in run.stderr and "Traceback" not in run.stderr
    assert (clone.folder / "downloads/zenodo/xp_apogee_cat.h5.part").stat().st_size == PART
    clone.configure(download={"attempts": 3})
    server.faults = {CATALOGUE: [status(503, Retry_After="0")]}
    run = clone.snakemake("--cores", "2", "all", "--config", "dataset=zenodo")
    assert run.returncode == 0, run.stderr[-8000:]
    return clone


def test_the_paper_and_every_figure_are_made(clone):
    root = clone.folder / "results/zenodo"
    assert (root / "paper/ms.pdf").stat().st_size > 100_000
    scripts = {path.stem for path in (clone.folder / "src/figures").glob("*.py")}
    assert {path.stem for path in (root / "corrected/figures").glob("*.pdf")} == scripts


def test_the_download_went_on_where_it_had_stopped(clone, server):
    asked = [(range_asked, code) for path, range_asked, code in server.log if path == CATALOGUE]
    assert asked == [(None, 200), (f"bytes={PART}-", 503), (f"bytes={PART}-", 206)]


def test_how_to_download_is_no_reason_to_run_again(clone):
    clone.configure(download={"timeout": 61}, zenodo={"url": "http://127.0.0.1:9"})
    assert clone.planned("all", "--config", "dataset=zenodo") == []


def test_a_dry_run_needs_no_network(tmp_path):
    fresh = Clone(tmp_path)
    fresh.configure(zenodo={"url": "http://127.0.0.1:9"})
    assert {"retrieve_manifest", "download_zenodo", "build_paper"} <= set(
        fresh.planned("all", "--config", "dataset=zenodo")
    )


def test_catalogue_is_that_of_the_stars(clone, survey):
    root = clone.folder / "results/zenodo/catalog"
    stars, truth = read_table(root / "stars.parquet"), survey.stars
    np.testing.assert_array_equal(stars.source_id, truth.source_id)  # in the order of the file
    for name in (
        "teff",
        "logg",
        "m_h",
        "fe_h_err",
        "phot_g_mean_mag",
        "j",
        "sfd_ebv",
        "j_r",
        "l_z",
        "parallax",
    ):
        np.testing.assert_array_equal(stars[name], truth[name].astype(np.float32).astype(float), err_msg=name)
    np.testing.assert_array_equal(stars.starflag, truth.starflag)
    np.testing.assert_array_equal(read_array(root / "coefficients.npy"), survey.coefficients)
    np.testing.assert_array_equal(read_array(root / "coefficient_errors.npy"), survey.errors)
    assert read_json(root / "crossmatch.json")["null_columns"] == ["apogee_id", "ra", "dec", "a_k", "snr"]
    test = read_table(root / "split.parquet").test
    correlations = read_array(root / "correlations.npy")
    given = survey.spectra["bp_coefficient_correlations"]
    np.testing.assert_array_equal(correlations[:, 0], np.stack(given)[test])


def test_correlations_enter_the_residuals(clone, survey):
    """RMSE(j) of one star by the matrices themselves."""
    root = clone.folder / "results/zenodo"
    per_star = read_table(root / "corrected/comparison/per_star.parquet")
    reconstruction = read_array(root / "latents/reconstruction.npy")
    stars = read_table(root / "catalog/stars.parquet", ["source_id"]).source_id
    at = int(np.flatnonzero(stars == per_star.source_id[7])[0])
    mu, sigma = (read_array(root / "model/normalisation.npz")[name] for name in ("mu", "sigma"))
    row = int(np.flatnonzero(survey.stars.source_id == per_star.source_id[7])[0])
    flux = read_table(root / "catalog/stars.parquet", ["phot_g_mean_flux"]).to_numpy()[at]
    modelled = (reconstruction[at] * sigma + mu) * flux
    residuals = (modelled - survey.coefficients[row]) / survey.errors[row]
    leading = read_array(root / "corrected/comparison/leading_residuals.npz")["svae"][7]
    np.testing.assert_allclose(leading, residuals[[*range(5), *range(55, 60)]], rtol=1e-3, atol=1e-3)
    total = 0.0
    for band, part in (("bp", residuals[:32]), ("rp", residuals[55:87])):
        matrix = np.eye(55)
        matrix[np.tril_indices(55, -1)] = survey.spectra[f"{band}_coefficient_correlations"][row]
        matrix = matrix + matrix.T - np.eye(55)
        total += part @ np.linalg.inv(matrix[:32, :32]) @ part
    assert per_star.rmse_coefficient_svae[7] == pytest.approx(np.sqrt(total / 64), rel=1e-3)


def test_predictions_of_the_record_are_compared(clone, survey):
    """They are the stars' own coefficients with a relative noise, which is what has to come out."""
    root = clone.folder / "results/zenodo"
    summary = read_json(root / "corrected/comparison/summary.json")
    assert [card["model"] for card in summary["models"]] == [
        "svae",
        "pca",
        "label_mlp",
        "lb23",
        "lb23_labels",
    ]
    assert not {"lb23", "lb23_labels"} & summary["wavelengths"].keys()  # they know leading coefficients alone
    test = read_table(root / "catalog/split.parquet").test.to_numpy()
    ratio = np.abs(survey.coefficients / survey.errors)[test]
    for name, noise in (("lb23_labels", 0.1), ("lb23", 0.03)):
        rmse = summary["coefficients"][name]["rmse"]
        assert summary["coefficients"][name]["n"] == test.sum()
        assert len(rmse) == 64
        expected = noise * np.sqrt(np.mean(ratio[:, 55] ** 2))  # the first of RP
        assert rmse[32] == pytest.approx(expected, rel=0.3)


def test_published_weights_take_the_place_of_training(clone, server, shared):
    weights = shared("reference/published/svae_weights.pt")
    server.files[WEIGHTS] = weights.read_bytes()
    clone.configure(model={"source": "published", "url": server.url(WEIGHTS)})
    planned = clone.planned("all", "--config", "dataset=zenodo")
    assert {"retrieve_weights", "convert_weights", "embed_stars"} <= set(planned)
    assert not {"train_svae", "download_zenodo", "build_catalog"} & set(planned)
    run = clone.snakemake("--cores", "2", "embed_stars", "--config", "dataset=zenodo")
    assert run.returncode == 0, run.stderr[-8000:]

    import torch

    from xpsvae.model import load, load_published

    model, theirs = load(clone.folder / "results/zenodo/model"), load_published(weights)
    for name, tensor in theirs.state_dict().items():
        assert torch.equal(tensor, model.state_dict()[name])
    ratio = survey_ratio(clone)
    np.testing.assert_allclose(model.normalisation[0], ratio.mean(axis=0), rtol=1e-3, atol=1e-6)


def survey_ratio(clone):
    root = clone.folder / "results/zenodo/catalog"
    flux = read_table(root / "stars.parquet", ["phot_g_mean_flux"]).to_numpy()
    return read_array(root / "coefficients.npy") / flux


def test_published_weights_need_the_authors_normalisation(clone):
    run = clone.snakemake("-n", "all", "--config", "dataset=library", "model={source: published}")
    assert run.returncode != 0
    assert "set dataset to zenodo" in run.stdout + run.stderr


def test_a_file_changed_after_its_download_is_refused_before_use(clone):
    clone.configure(model={"source": "trained"})
    file = clone.folder / "results/zenodo/data/xp_corrs.npz"
    whole = file.read_bytes()
    file.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    run = clone.snakemake(
        "--cores", "1", "build_catalog", "--forcerun", "build_catalog", "--rerun-triggers", "mtime",
        "--config", "dataset=zenodo", "--rerun-incomplete",
    )  # fmt: skip
    assert run.returncode != 0
    assert "xp_corrs.npz has md5" in run.stderr and "Traceback" not in run.stderr
    file.write_bytes(whole)


def test_another_catalogue_than_the_papers_is_refused_with_both_columns(clone):
    clone.configure(zenodo={"check_cutflow": True})
    run = clone.snakemake("--cores", "1", "build_catalog", "--config", "dataset=zenodo")
    assert run.returncode != 0
    assert "502,311" in run.stderr and "202,970" in run.stderr and f"{STARS:,}" in run.stderr
    assert "Traceback" not in run.stderr
