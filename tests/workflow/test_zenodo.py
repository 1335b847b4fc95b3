"""Dataset zenodo from end to end: a record of real stars in the authors' form, served on loopback."""

import hashlib
import json

import fixtures_archive as archive
import numpy as np
import pytest
from servers import FileServer, cut, status

from xpsvae.catalog import crossmatch
from xpsvae.data import library, zenodo
from xpsvae.products import read_array, read_json, read_table

from .conftest import Clone

pytestmark = pytest.mark.slow

STARS, RECORD = 3000, 10951393
SHA256 = "ecdc8bbb1cc066033654cc4ae486842d9ea29c6a7376a408452afdd8ad747782"
WEIGHTS = "/weights/weight.pt"


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
    """Build the paper from the record, over a connection that breaks."""
    clone = Clone(tmp_path_factory.mktemp("zenodo"))
    clone.configure(
        zenodo={"url": server.base, "check_cutflow": False},
        training={"epochs": 20},
        classifiers={"n_bootstrap": 50},
        baselines={"epochs": 5},
    )
    catalogue = f"/api/records/{RECORD}/files/xp_apogee_cat.h5/content"
    server.faults = {catalogue: [status(503, Retry_After="0"), cut(2_000_000, reset=True)]}
    run = clone.snakemake("--cores", "2", "all", "--config", "dataset=zenodo")
    assert run.returncode == 0, run.stderr[-8000:]
    return clone


def test_the_paper_and_every_figure_are_made(clone):
    root = clone.folder / "results/zenodo"
    assert (root / "paper/ms.pdf").stat().st_size > 100_000
    scripts = {path.stem for path in (clone.folder / "src/figures").glob("*.py")}
    assert {path.stem for path in (root / "corrected/figures").glob("*.pdf")} == scripts
    assert clone.planned("all", "--config", "dataset=zenodo") == []


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
    test = read_table(root / "subsets.parquet").test
    correlations = read_array(root / "correlations.npy")
    given = survey.spectra["bp_coefficient_correlations"]
    np.testing.assert_array_equal(correlations[:, 0], np.stack(given)[test])


def test_correlations_enter_the_residuals(clone, survey):
    """RMSE(j) of one star by the matrices themselves."""
    root = clone.folder / "results/zenodo"
    per_star = read_table(root / "corrected/comparison/per_star.parquet")
    residuals = read_array(root / "corrected/comparison/coefficient_residuals.npz")["svae"]
    row = int(np.flatnonzero(survey.stars.source_id == per_star.source_id[7])[0])
    total = 0.0
    for band, part in zip(("bp", "rp"), np.split(residuals[7], 2), strict=True):
        matrix = np.eye(55)
        matrix[np.tril_indices(55, -1)] = survey.spectra[f"{band}_coefficient_correlations"][row]
        matrix = matrix + matrix.T - np.eye(55)
        total += part @ np.linalg.inv(matrix[:32, :32]) @ part
    assert per_star.rmse_coefficient_svae[7] == pytest.approx(np.sqrt(total / 64), rel=1e-4)


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


def test_another_catalogue_than_the_papers_is_refused_with_both_columns(clone):
    clone.configure(zenodo={"check_cutflow": True}, model={"source": "trained"})
    run = clone.snakemake("--cores", "1", "build_catalog", "--config", "dataset=zenodo")
    assert run.returncode != 0
    assert "502,311" in run.stderr and "202,970" in run.stderr and f"{STARS:,}" in run.stderr
    assert "Traceback" not in run.stderr
