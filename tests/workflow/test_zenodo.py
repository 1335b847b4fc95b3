"""Dataset zenodo from end to end: a record of real stars in the authors' form, served on loopback."""

import hashlib
import io
import json
import zipfile

import fixtures_gaia_sdss as archive
import numpy as np
import pytest
from servers import FileServer, cut, status

from xpsvae.catalog import crossmatch
from xpsvae.data import library, zenodo
from xpsvae.products import read_array, read_json, read_table

from .conftest import PROJECT, Clone

pytestmark = pytest.mark.slow

STARS, RECORD = 2500, 10951393
POOR, RENAMED = 11, 12  # records with the catalogue and its normalisation alone, and with other names
SHA256 = "ecdc8bbb1cc066033654cc4ae486842d9ea29c6a7376a408452afdd8ad747782"
CATALOGUE = f"/api/records/{RECORD}/files/xp_apogee_cat.h5/content"
WEIGHTS = "/weights/weight.pt"
PART = 500_000  # bytes that arrive before the connection breaks
# A model of Zhang, Green & Rix's form: a black body's slope, and dust that dims the blue.
NM = np.r_[np.arange(392.0, 993.0, 10.0), 1235.0, 1662.0, 2159.0, 3350.0, 4600.0]
ZGR23 = {
    "sample_wavelengths": NM,
    "input_zp": np.array([[5.0, 0.0, 3.0]]),
    "input_iscale": np.array([[1.0, 1.0, 0.5]]),
    "ln_ext_curve": np.log(2 * (NM / 550) ** -1.5)[None],
    "w0": np.array([[0.5, 0.0], [0.0, 0.3], [-0.4, 0.1]]),
    "b0": np.array([0.1, -0.2]),
    "w1": np.stack([3 - 2 * NM / 700, 0.1 * np.sin(NM / 50)]),
    "b1": np.linspace(5, 3, len(NM)),
}


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
    assert {path.name for path in folder.iterdir()} == {zenodo.CATALOGUE, *zenodo.COMPANIONS}
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture(scope="module")
def server(record):
    with FileServer() as server:
        serve(server, RECORD, record)
        serve(server, POOR, {name: record[name] for name in (zenodo.CATALOGUE, "apogee_norm.npz")})
        renamed = {"apogee_cat.h5": record[zenodo.CATALOGUE], "norm.npz": record["apogee_norm.npz"]}
        serve(server, RENAMED, renamed)
        yield server


def serve(server, number, record):
    """Put a record on the server: its list of files, and these."""
    api = f"/api/records/{number}"
    listed = [
        {
            "key": name,
            "size": len(content),
            "checksum": "md5:" + hashlib.md5(content).hexdigest(),
            "links": {"self": server.url(f"{api}/files/{name}/content")},
        }
        for name, content in record.items()
    ]
    server.files |= {f"{api}/files/{name}/content": content for name, content in record.items()}
    server.files[api] = json.dumps({"files": listed}).encode()


def configure(clone, server, record=RECORD):
    clone.configure(
        dataset="zenodo",
        zenodo={"url": server.base, "record": record, "check_cutflow": False},
        download={"attempts": 1},
        recipes={"fast": {"epochs": 8}},
        classifiers={"n_bootstrap": 20},
        audit={"svaes": 1},
        comparison={"label_mlp": {"epochs": 2}},
    )


@pytest.fixture(scope="module")
def clone(server, tmp_path_factory):
    """Build the paper from the record; the first run breaks off half-way through the catalogue."""
    clone = Clone(tmp_path_factory.mktemp("zenodo"))
    configure(clone, server)
    np.savez(clone.folder / "zgr23.npz", **ZGR23)
    clone.configure(comparison={"zgr23": {"model": "zgr23.npz"}})
    server.faults = {CATALOGUE: [cut(PART)]}
    run = clone.snakemake("--cores", "1", "build_catalog")
    assert run.returncode != 0
    assert "xp_apogee_cat.h5 could not be downloaded" in run.stderr and "Traceback" not in run.stderr
    assert (clone.folder / "downloads/zenodo/xp_apogee_cat.h5.part").stat().st_size == PART
    clone.configure(download={"attempts": 3})
    server.faults = {CATALOGUE: [status(503, Retry_After="0")]}
    run = clone.snakemake("--cores", "2", "all")
    assert run.returncode == 0, run.stderr[-8000:]
    return clone


def test_the_paper_and_every_figure_are_made(clone):
    root = clone.folder / "results/zenodo"
    assert (root / "paper/ms.pdf").stat().st_size > 100_000
    scripts = {path.stem for path in (clone.folder / "src/figures").glob("*.py")}
    scripts -= {"training_curve", "ablations", "dr3_density"}  # of the report, and of targets of their own
    assert {path.stem for path in (root / "corrected/figures").glob("*.pdf")} == scripts


def test_the_download_went_on_where_it_had_stopped(clone, server):
    asked = [(range_asked, code) for path, range_asked, code in server.log if path == CATALOGUE]
    assert asked == [(None, 200), (f"bytes={PART}-", 503), (f"bytes={PART}-", 206)]


def test_how_to_download_is_no_reason_to_run_again(clone):
    clone.configure(download={"timeout": 61}, zenodo={"url": "http://127.0.0.1:9"})
    assert clone.planned("all") == []


def test_a_dry_run_needs_no_network(tmp_path):
    fresh = Clone(tmp_path)
    fresh.configure(dataset="zenodo", zenodo={"url": "http://127.0.0.1:9"})
    assert {"retrieve_manifest", "download_zenodo", "build_paper"} <= set(fresh.planned("all"))


def test_catalogue_is_that_of_the_stars(clone, survey):
    root = clone.folder / "results/zenodo/catalog"
    stars, truth = read_table(root / "stars.parquet"), survey.stars
    np.testing.assert_array_equal(stars.source_id, truth.source_id)  # in the order of the file
    for name in (
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
    for name in ("teff", "teff_err", "logg", "logg_err"):
        np.testing.assert_array_equal(stars[name], truth[f"nn_{name}"].astype(np.float32).astype(float))
    np.testing.assert_allclose(stars[["ra", "dec"]], truth[["ra", "dec"]], rtol=0, atol=1e-3)
    np.testing.assert_array_equal(stars.starflag, truth.starflag)
    np.testing.assert_array_equal(read_array(root / "coefficients.npy"), survey.coefficients)
    np.testing.assert_array_equal(read_array(root / "coefficient_errors.npy"), survey.errors)
    assert read_json(root / "crossmatch.json")["null_columns"] == ["apogee_id", "a_k", "snr"]
    test = read_table(root / "split.parquet").test
    correlations = read_array(root / "correlations.npy")
    given = survey.spectra["bp_coefficient_correlations"]
    np.testing.assert_array_equal(correlations[:, 0], np.stack(given)[test])


def test_correlations_enter_the_residuals(clone, survey):
    """RMSE(j) of one star by the matrices themselves."""
    assert coefficient_rmse(clone, survey, correlated=True) == pytest.approx(1, rel=1e-4)


def coefficient_rmse(clone, survey, correlated):
    """Give RMSE(j) of one star as the workflow has it, over that by an inverted matrix or by none."""
    root = clone.folder / "results/zenodo"
    per_star = read_table(root / "corrected/comparison/per_star.parquet")
    row = int(np.flatnonzero(survey.stars.source_id == per_star.source_id[7])[0])
    flux = float(np.float32(survey.stars.phot_g_mean_flux.iloc[row]))
    normalisation = read_array(root / "model/normalisation.npz")
    x = (survey.coefficients[row] / flux - normalisation["mu"]) / normalisation["sigma"]
    x_err = survey.errors[row] / flux / normalisation["sigma"]
    residuals = (read_array(root / "latents/reconstruction.npy")[row] - x) / x_err
    total = 0.0
    for band, part in zip(("bp", "rp"), np.split(residuals, 2), strict=True):
        matrix = np.eye(55)
        if correlated:
            matrix[np.tril_indices(55, -1)] = survey.spectra[f"{band}_coefficient_correlations"][row]
            matrix = matrix + matrix.T - np.eye(55)
        total += part[:32] @ np.linalg.inv(matrix[:32, :32]) @ part[:32]
    return per_star.rmse_coefficient_svae[7] / np.sqrt(total / 64)


def test_predictions_of_the_record_are_compared(clone, survey):
    """They are the stars' own coefficients with a relative noise, which is what has to come out."""
    root = clone.folder / "results/zenodo"
    summary = read_json(root / "corrected/comparison/summary.json")
    models = ["svae", "pca", "label_mlp", "lb23", "lb23_labels", "zgr23"]
    assert [card["model"] for card in summary["models"]] == models and summary["left_out"] == []
    assert summary["coefficients"].keys() == set(models) - {"zgr23"}  # which knows the flux
    assert summary["wavelengths"].keys() == {"svae", "pca", "label_mlp", "zgr23"}
    test = read_table(root / "catalog/split.parquet").test.to_numpy(bool)
    ratio = np.abs(survey.coefficients / survey.errors)[test]
    for name, noise in (("lb23_labels", 0.1), ("lb23", 0.03)):
        rmse = summary["coefficients"][name]["rmse"]
        assert summary["coefficients"][name]["n"] == test.sum()
        assert len(rmse) == 64
        expected = noise * np.sqrt(np.mean(ratio[:, 55] ** 2))  # the first of RP
        assert rmse[32] == pytest.approx(expected, rel=0.3)


def test_zgr23_predicts_from_the_records_parameters(clone, record):
    """Flux by the formula for stars of good quality, and the residuals that follow from it."""
    root = clone.folder / "results/zenodo"
    with np.load(io.BytesIO(record["zhang_stellar_params_xmatch.npz"])) as file:
        listed, parameters, flags = (file[name] for name in ("source_ids", "stellar_params", "quality_flags"))
    good = set(listed[parameters.any(axis=1) & (flags < 8)])
    stars = read_table(root / "catalog/stars.parquet")[
        read_table(root / "catalog/split.parquet").test.to_numpy(bool)
    ]
    prediction = read_array(root / "comparison/zgr23.npz")
    np.testing.assert_array_equal(prediction["known"], stars.source_id.isin(good))
    assert 0.5 < prediction["known"].mean() < 0.8
    row = int(np.flatnonzero(prediction["known"])[5])
    teff, fe_h, logg, dust, parallax = parameters[listed == stars.source_id.iloc[row]][0]
    hidden = np.tanh(((teff - 5) * 0.5 - (logg - 3) * 0.2 + 0.1, fe_h * 0.3 + (logg - 3) * 0.05 - 0.2))
    optical_depth = dust * 2 * (NM / 550) ** -1.5
    flux = np.exp(hidden @ ZGR23["w1"] + ZGR23["b1"] - optical_depth)[:61] * parallax**2 * 1e-18
    flux /= stars.phot_g_mean_flux.iloc[row]
    np.testing.assert_allclose(prediction["flux"][row], flux, rtol=1e-5)
    content = read_json(root / "corrected/comparison/comparison.json")
    (zgr23,) = (entry for entry in content["models"] if entry["model"] == "zgr23")
    assert zgr23["wavelengths"]["n"] == prediction["known"].sum() and "coefficients" not in zgr23
    assert sum(part["n"] for part in zgr23["wavelengths"]["labels"]["logg"]) <= zgr23["wavelengths"]["n"]
    per_star = read_table(root / "corrected/comparison/per_star.parquet")
    np.testing.assert_array_equal(per_star.rmse_flux_zgr23.notna(), prediction["known"])
    text = (root / "corrected/numbers.tex").read_text()
    said = next(line for line in text.splitlines() if line.startswith(r"\newcommand{\PeersFlux}"))
    assert "the label MLP" in said and "the model of Zhang, Green and Rix (2023)" in said


@pytest.fixture(scope="module")
def weights(clone, tmp_path_factory):
    """Take the published weights where they are at hand, else what the first build trained, in their form."""
    import torch

    from xpsvae.model import load

    if (published := PROJECT.parent / "shared/reference/published/svae_weights.pt").exists():
        return published
    path = tmp_path_factory.mktemp("weights") / "weight.pt"
    torch.save({"model_state_dict": load(clone.folder / "results/zenodo/model").state_dict()}, path)
    return path


def publish(clone, server, weights):
    server.files[WEIGHTS] = content = weights.read_bytes()
    sha256 = hashlib.sha256(content).hexdigest()
    clone.configure(model={"source": "published", "url": server.url(WEIGHTS), "sha256": sha256})


@pytest.fixture(scope="module")
def poor(server, weights, tmp_path_factory):
    """Build the paper from a record without most companions, with the published weights."""
    clone = Clone(tmp_path_factory.mktemp("poor"))
    configure(clone, server, POOR)
    clone.configure(comparison={"lb23": {"clone": "nowhere"}})
    publish(clone, server, weights)
    run = clone.snakemake("--cores", "2", "all")
    assert run.returncode == 0, run.stderr[-8000:]
    clone.said = run.stderr
    return clone


def test_published_weights_lead_to_the_paper(poor, weights):
    import torch

    from xpsvae.model import load, load_published

    root = poor.folder / "results/zenodo"
    assert (root / "paper/ms.pdf").stat().st_size > 100_000
    assert poor.planned("all") == [] and not (root / "logs/train_svae.log").exists()
    model, theirs = load(root / "model"), load_published(weights)
    for name, tensor in theirs.state_dict().items():
        assert torch.equal(tensor, model.state_dict()[name])
    flux = read_table(root / "catalog/stars.parquet", ["phot_g_mean_flux"]).to_numpy()
    ratio = read_array(root / "catalog/coefficients.npy") / flux
    np.testing.assert_allclose(model.normalisation[0], ratio.mean(axis=0), rtol=1e-3, atol=1e-6)
    assert r"\newcommand{\IfPublishedModel}[2]{#1}" in (root / "corrected/numbers.tex").read_text()


def test_published_weights_take_the_place_of_training(clone, server, weights):
    publish(clone, server, weights)
    planned = clone.planned("all")
    clone.configure(model={"source": "trained"})
    assert {"retrieve_weights", "convert_weights", "embed_stars", "build_paper"} <= set(planned)
    assert not {"train_svae", "download_zenodo", "build_catalog"} & set(planned)


def test_what_the_record_lacks_is_named_and_done_without(poor, survey):
    root = poor.folder / "results/zenodo"
    for name in zenodo.COMPANIONS:
        lines = [line for line in poor.said.splitlines() if f"has no {name}" in line]
        assert len(lines) == (name != "apogee_norm.npz")
        assert all("zenodo.companions" in line for line in lines)
    summary = read_json(root / "corrected/comparison/summary.json")
    assert [card["model"] for card in summary["models"]] == ["svae", "pca", "label_mlp"]
    assert summary["coefficients"].keys() == {"svae", "pca", "label_mlp"}
    assert len(read_array(root / "catalog/correlations.npy")) == 0
    assert "correlations" not in read_json(root / "catalog/crossmatch.json")
    assert coefficient_rmse(poor, survey, correlated=False) == pytest.approx(1, rel=1e-4)
    assert "LB23 is left out: nowhere has no stellarperceptron/__init__.py, " in poor.said
    text = (root / "corrected/numbers.tex").read_text()
    because = "its code or its weights are not where the configuration says"
    assert f"The model of Leung and Bovy (2024) is not shown, for {because}." in text
    assert r"\newcommand{\IfStoredCorrelations}[2]{#2}" in text and "LB23" not in text


def test_correlations_come_by_datalink_instead(poor, server, survey, tmp_path):
    """One test star has no spectrum in the archive: it counts as uncorrelated, and is counted."""
    root = poor.folder / "results/zenodo"
    test = read_table(root / "catalog/split.parquet").test.to_numpy(bool)
    ids, spectra = survey.stars.source_id.to_numpy(), survey.spectra
    lost = ids[test][3]

    def datalink(form):
        wanted = {int(source_id) for source_id in form["ID"].split(",")} - {lost}
        rows = [row for row, source_id in enumerate(ids) if source_id in wanted]
        archive.write_datalink(tmp_path / "a.csv", {n: [c[row] for row in rows] for n, c in spectra.items()})
        answer = io.BytesIO()
        with zipfile.ZipFile(answer, "w") as zipped:
            zipped.write(tmp_path / "a.csv", "XP_CONTINUOUS_RAW.csv")
        return answer.getvalue()

    server.files["/data"] = datalink
    poor.configure(zenodo={"correlations": "datalink"}, gaia_sdss={"datalink": {"url": server.url("/data")}})
    run = poor.snakemake("--cores", "1", "results/zenodo/corrected/comparison/summary.json")
    assert run.returncode == 0, run.stderr[-8000:]
    report = read_json(root / "catalog/crossmatch.json")["correlations"]
    assert report == {"from": "datalink", "stars": int(test.sum()), "without_answer": 1}
    correlations = read_array(root / "catalog/correlations.npy")
    assert not correlations[3].any() and correlations[[2, 4]].any(axis=(1, 2)).all()
    given = np.stack(spectra["rp_coefficient_correlations"])[test]
    np.testing.assert_array_equal(np.delete(correlations[:, 1], 3, axis=0), np.delete(given, 3, axis=0))
    assert coefficient_rmse(poor, survey, correlated=True) == pytest.approx(1, rel=1e-4)


@pytest.mark.parametrize(
    ("number", "sentence"),
    [
        (RENAMED, "the record has no xp_apogee_cat.h5 but apogee_cat.h5, norm.npz: correct zenodo.record"),
        (13, "apogee_norm.npz, the normalisation that the published weights need: set model.source"),
    ],
)
def test_a_record_without_what_is_needed_is_one_sentence(server, weights, number, sentence, tmp_path):
    serve(server, 13, {zenodo.CATALOGUE: server.files[CATALOGUE]})
    clone = Clone(tmp_path)
    configure(clone, server, number)
    publish(clone, server, weights)
    run = clone.snakemake("--cores", "1", "results/zenodo/model/svae.safetensors")
    assert run.returncode != 0
    assert sentence in run.stderr and "Traceback" not in run.stderr
    made = {path.name for path in (clone.folder / "results/zenodo").rglob("*.*")}
    assert not made & {"manifest.json" if number == RENAMED else "svae.safetensors", "normalisation.npz"}


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
        "--rerun-incomplete",
    )  # fmt: skip
    file.write_bytes(whole)
    assert run.returncode != 0
    assert "xp_corrs.npz has changed since" in run.stderr and "Traceback" not in run.stderr


def test_another_catalogue_than_the_papers_is_refused_with_both_columns(clone):
    clone.configure(zenodo={"check_cutflow": True})
    run = clone.snakemake("--cores", "1", "build_catalog")
    assert run.returncode != 0
    assert "502,311" in run.stderr and "202,970" in run.stderr and f"{STARS:,}" in run.stderr
    assert "Traceback" not in run.stderr
