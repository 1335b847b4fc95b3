"""Dataset gaia_sdss from end to end: real stars in the forms of SDSS and of the Gaia archive, on loopback."""

import hashlib
import io
import json
import zipfile

import fixtures_gaia_sdss as archive
import numpy as np
import pytest
import yaml
from astropy.io import fits
from servers import FileServer, cut, replaced_by, status

from xpsvae.catalog import crossmatch
from xpsvae.data import library
from xpsvae.products import read_array, read_json, read_table

from .conftest import PROJECT, Clone

pytestmark = pytest.mark.slow

STARS, DUPLICATES, UNMATCHED, PARTS = 2000, 20, 15, 3
NO_BAND, NOT_DEFINITE, UNKNOWN, NO_NUMBER = 5, 6, 7, 8  # rows of stars that must fall out
LOST = {
    NO_BAND: "BP is missing",
    NOT_DEFINITE: "rp_coefficient_correlations is not positive definite",
    UNKNOWN: "no XP spectrum in the archive",
    NO_NUMBER: "bp_coefficients is not numeric",
}
DATALINK, ALL_STAR, ASTRONN = "/data-server/data", "/sas/allStar-dr17.fits", "/sas/apogee_astroNN-DR17.fits"


@pytest.fixture(scope="module")
def truth():
    """Catalogue of the library for the same stars: the rows of all arrays belong together."""
    config = yaml.safe_load((PROJECT / "config.yaml").read_text())
    labels, spectra = library.read(library.locate(), config["library"]["sha256"], STARS)
    return crossmatch.build_catalog(labels, spectra, **config["inversion"])[:3]


@pytest.fixture(scope="module")
def survey(truth):
    return archive.make_survey(*truth)


@pytest.fixture(scope="module")
def spectra(survey):
    """XP_CONTINUOUS with a few stars that nobody can use."""
    table = survey.spectra
    archive.remove_band(table, NO_BAND, "bp")
    table["rp_coefficient_correlations"][NOT_DEFINITE] = np.full(1485, 1.5, np.float32)
    words = table["bp_coefficients"][NO_NUMBER].astype(object)
    words[3] = "n/a"
    table["bp_coefficients"][NO_NUMBER] = words
    return {
        name: np.delete(np.array([*column, None], object)[:-1], UNKNOWN) for name, column in table.items()
    }


@pytest.fixture(scope="module")
def server(survey, spectra, tmp_path_factory):
    """Both archives; the bulk files hold stars that nobody asked for."""
    folder = tmp_path_factory.mktemp("archives")
    archive.write_all_star(folder / "all.fits", survey, DUPLICATES, UNMATCHED)
    archive.write_vac(folder / "vac.fits", survey, DUPLICATES, UNMATCHED)
    files = {ALL_STAR: (folder / "all.fits").read_bytes(), ASTRONN: (folder / "vac.fits").read_bytes()}
    sums = [f"{hashlib.sha1(content).hexdigest()}  ./{path[5:]}\n" for path, content in files.items()]
    files["/sas/dr17.sha1sum"] = "".join(sums).encode()

    ids = spectra["source_id"].astype(np.int64)
    requests = []

    def rows(chosen):
        return {name: list(column[chosen]) for name, column in spectra.items()}

    def datalink(form):
        wanted = [int(source_id) for source_id in form["ID"].split(",")]
        assert form["RETRIEVAL_TYPE"] == "XP_CONTINUOUS" and form["RELEASE"] == "Gaia DR3"
        requests.append(len(wanted))
        archive.write_datalink(folder / "answer.csv", rows(np.isin(ids, wanted)))
        answer = io.BytesIO()
        with zipfile.ZipFile(answer, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as zipped:
            zipped.write(folder / "answer.csv", "XP_CONTINUOUS_RAW.csv")
        return answer.getvalue()

    edges = np.r_[0, np.quantile(ids >> 43, [0.3, 0.7]).astype(int), 12 * 4**8]
    listed = []
    for first, end in zip(edges[:-1], edges[1:], strict=True):
        here = (ids >> 43 >= first) & (ids >> 43 < end)
        few = rows(here)
        for name, column in rows(np.flatnonzero(here)[:3]).items():
            few[name] = (
                [value + 1 for value in column] + few[name] if name == "source_id" else column + few[name]
            )
        name = f"XpContinuousMeanSpectrum_{first:06d}-{end - 1:06d}.csv.gz"
        archive.write_bulk(folder / name, few)
        files[f"/bulk/{name}"] = (folder / name).read_bytes()
        listed.append(f"{hashlib.md5(files[f'/bulk/{name}']).hexdigest()}  {name}\n")
    files["/bulk/_MD5SUM.txt"] = "".join(listed).encode()
    with FileServer(files | {DATALINK: datalink}) as server:
        server.requests = requests
        yield server


def configure(clone, base, spectra):
    clone.configure(
        dataset="gaia_sdss",
        gaia_sdss={
            "all_star": {"url": base + ALL_STAR, "checksum": f"{base}/sas/dr17.sha1sum"},
            "astronn": {"url": base + ASTRONN, "checksum": f"{base}/sas/dr17.sha1sum"},
            "spectra": spectra,
            "datalink": {"url": base + DATALINK, "release": "Gaia DR3", "parts": PARTS, "timeout": 60},
            "bulk": {"url": f"{base}/bulk", "files": PARTS},
        },
        recipes={"fast": {"epochs": 10}},
        classifiers={"n_bootstrap": 50},
        audit={"svaes": 1},
        comparison={"label_mlp": {"epochs": 5}},
    )


@pytest.fixture(scope="module")
def clone(server, tmp_path_factory):
    """Build the paper from datalink, over a connection that breaks."""
    clone = Clone(tmp_path_factory.mktemp("datalink"))
    configure(clone, server.base, "datalink")
    server.faults = {
        DATALINK: [status(503, Retry_After="0"), cut(50_000), replaced_by(b"<html>busy</html>")],
        ALL_STAR: [cut(100_000, reset=True), status(429, Retry_After="0")],
    }
    run = clone.snakemake("--cores", "2", "all")
    assert run.returncode == 0, run.stderr[-8000:]
    return clone


@pytest.fixture(scope="module")
def bulk(server, tmp_path_factory):
    """Build the catalogue from the bulk files."""
    clone = Clone(tmp_path_factory.mktemp("bulk"))
    configure(clone, server.base, "bulk")
    clone.configure(gaia_sdss={"connections": 1})
    server.busiest = 0
    first = next(path for path in server.files if path.endswith(".csv.gz"))
    server.faults = {first: [cut(1_000_000), status(503, Retry_After="0")]}
    run = clone.snakemake("--cores", "2", "build_catalog")
    assert run.returncode == 0, run.stderr[-8000:]
    assert server.busiest == 1  # although two jobs may run
    return clone


def catalog(clone):
    folder = clone.folder / "results/gaia_sdss/catalog"
    arrays = [read_array(folder / f"{name}.npy") for name in ("coefficients", "coefficient_errors")]
    return read_table(folder / "stars.parquet"), *arrays, folder


def test_dry_run_needs_no_network(tmp_path):
    clone = Clone(tmp_path)
    for spectra, rule in (("datalink", "retrieve_spectra"), ("bulk", "select_spectra")):
        configure(clone, "http://127.0.0.1:9", spectra)
        assert {"retrieve_all_star", "retrieve_astronn", "convert_labels", rule, "build_paper"} <= set(
            clone.planned("all")
        )


def test_the_paper_and_its_table_are_made(clone):
    root = clone.folder / "results/gaia_sdss"
    assert (root / "paper/ms.pdf").stat().st_size > 100_000
    assert (root / "corrected/tables/table1.tex").exists()
    assert clone.planned("all") == []


def test_same_stars_have_the_labels_and_coefficients_of_the_library(clone, truth, survey):
    expected, coefficients, errors = truth
    stars, found, found_errors, _ = catalog(clone)
    kept = np.delete(np.arange(len(expected)), list(LOST))
    expected = expected.iloc[kept].reset_index(drop=True)
    np.testing.assert_array_equal(stars.source_id, expected.source_id)
    assert stars.apogee_id.tolist() == expected.apogee_id.tolist()
    np.testing.assert_array_equal(found, coefficients[kept])  # all digits are in the files
    np.testing.assert_array_equal(found_errors, errors[kept])
    labels = [f"{name}{error}" for name in ("m_h", "alpha_m", "fe_h", "mg_fe") for error in ("", "_err")]
    magnitudes = ["phot_g_mean_mag", "phot_bp_mean_mag", "phot_rp_mean_mag", "j", "h", "k", "a_k", "snr"]
    for name in labels + magnitudes:
        np.testing.assert_allclose(stars[name], expected[name], rtol=2**-23, atol=0, err_msg=name)
    for name in ("teff", "teff_err", "logg", "logg_err"):  # astroNN's
        theirs = survey.stars[f"nn_{name}"].iloc[kept]
        np.testing.assert_allclose(stars[name], theirs, rtol=2**-23, atol=0, err_msg=name)
    np.testing.assert_allclose(stars.phot_g_mean_flux, expected.phot_g_mean_flux, rtol=3e-6)
    np.testing.assert_allclose(stars[["ra", "dec"]], expected[["ra", "dec"]], rtol=1e-12)


def test_the_cut_flow_stands_beside_the_papers_in_the_log(clone, survey):
    """The errors of astroNN remove about half of the stars from pristine, and with them all dwarfs."""
    root = clone.folder / "results/gaia_sdss"
    kept = np.delete(np.arange(STARS), list(LOST))
    stars = survey.stars.iloc[kept]
    ratio = (stars.nn_teff.astype(np.float32) / stars.nn_teff_err.astype(np.float32)).to_numpy()
    removed = int((~(ratio > 100)).sum())
    assert 0.4 < removed / len(kept) < 0.65
    log = (root / "logs/corrected/build_subsets.log").read_text()
    assert f"pristine: Teff / error > 100 removes {removed:,} (the paper: 273,466), " in log
    pristine = read_table(root / "corrected/subsets.parquet").pristine.to_numpy(bool)
    catalogue = read_table(root / "catalog/stars.parquet")
    assert pristine.any() and not (catalogue.logg > 5.9 - 4e-4 * catalogue.teff + 0.2)[pristine].any()


def test_flags_actions_and_parallaxes_are_those_of_the_survey(clone, survey):
    stars, _, _, folder = catalog(clone)
    kept = np.delete(np.arange(STARS), list(LOST))
    for name in ("starflag", "aspcapflag"):
        assert stars[name].dtype == "Int64"
        np.testing.assert_array_equal(stars[name], survey.stars[name].iloc[kept])
    np.testing.assert_allclose(stars.parallax, survey.stars.parallax.iloc[kept], rtol=2**-23)
    for name in ("j_r", "l_z", "j_z"):
        np.testing.assert_allclose(stars[name], survey.stars[name].iloc[kept], rtol=1e-4, atol=1e-2)
    scatter = read_json(folder / "crossmatch.json")["actions_minus_astronn"]
    for name in ("j_r", "l_z", "j_z"):
        assert scatter[name]["stars"] > 0.98 * len(kept)
        assert scatter[name]["scatter"] < 1e-3
    summary = read_json(clone.folder / "results/gaia_sdss/corrected/alpha/summary.json")
    assert summary["enceladus_kind"] == "actions" and "ellipse" in summary["enceladus_selection"]


def test_who_fell_out_is_listed_with_the_reason(clone, survey):
    _, _, _, folder = catalog(clone)
    fallen = read_table(folder / "fallen.parquet")
    ids = survey.stars.source_id
    assert dict(zip(fallen.source_id, fallen.why, strict=True)) == {
        ids[row]: why for row, why in LOST.items()
    }
    report = read_json(folder / "crossmatch.json")
    assert report["labels"] == {
        "rows": STARS + DUPLICATES,
        "duplicates_dropped": DUPLICATES,
        "sources": STARS,
        "unmatched": len(LOST),
    }
    assert report["files"]["rows"] == STARS + DUPLICATES + UNMATCHED
    assert report["files"]["left_out"]["no Gaia source"] == UNMATCHED
    assert report["matched"] == STARS - len(LOST)


def test_correlations_are_those_of_the_test_stars(clone, spectra):
    stars, _, _, folder = catalog(clone)
    test = read_table(folder / "split.parquet").test.to_numpy(bool)
    correlations = read_array(folder / "correlations.npy")
    assert correlations.shape == (test.sum(), 2, 1485) and correlations.dtype == np.float32
    row_of = {source_id: row for row, source_id in enumerate(spectra["source_id"])}
    rows = [row_of[source_id] for source_id in stars.source_id[test]]
    for band, name in enumerate(("bp", "rp")):
        expected = np.stack(spectra[f"{name}_coefficient_correlations"][rows])
        np.testing.assert_array_equal(correlations[:, band], expected)


def test_bulk_files_give_the_same_catalogue(clone, bulk):
    stars, *arrays, folder = catalog(clone)
    others, *other_arrays, other_folder = catalog(bulk)
    assert stars.equals(others)
    assert read_table(folder / "fallen.parquet").equals(read_table(other_folder / "fallen.parquet"))
    for one, other in zip(arrays, other_arrays, strict=True):
        np.testing.assert_array_equal(one, other)
    assert (folder / "correlations.npy").read_bytes() == (other_folder / "correlations.npy").read_bytes()
    assert not list((bulk.folder / "downloads").glob("Xp*"))  # terabytes in the real archive


def test_a_repeated_part_asks_nobody(clone, server):
    asked = len(server.requests)
    part = clone.folder / "results/gaia_sdss/data/datalink/0001.npz"
    content = part.read_bytes()
    part.unlink()
    run = clone.snakemake("--cores", "1", "results/gaia_sdss/data/datalink/0001.npz")
    assert run.returncode == 0, run.stderr[-4000:]
    assert part.read_bytes() == content and len(server.requests) == asked
    assert max(server.requests) <= 5000


def test_a_wrong_table_stops_with_a_sentence(server, tmp_path):
    clone = Clone(tmp_path)
    configure(clone, server.base, "datalink")
    wrong = {"url": server.url(ALL_STAR), "checksum": "sha1:" + "0" * 40}
    clone.configure(download={"attempts": 1}, gaia_sdss={"all_star": wrong})
    run = clone.snakemake("--cores", "1", "convert_labels")
    assert run.returncode != 0
    assert "allStar-dr17.fits could not be downloaded" in run.stderr and "Traceback" not in run.stderr
    assert not (clone.folder / "results/gaia_sdss/data/all_star.fits").exists()


def test_an_astronn_table_without_labels_stops_with_a_sentence(server, survey, tmp_path):
    archive.write_vac(tmp_path / "vac.fits", survey, DUPLICATES, UNMATCHED)
    with fits.open(tmp_path / "vac.fits", memmap=False) as hdus:
        kept = [column for column in hdus[1].columns if not column.name.endswith("_ERR")]
        fits.BinTableHDU.from_columns(kept).writeto(tmp_path / "few.fits")
    server.files["/sas/few.fits"] = content = (tmp_path / "few.fits").read_bytes()
    clone = Clone(tmp_path / "clone")
    configure(clone, server.base, "datalink")
    few = {"url": server.url("/sas/few.fits"), "checksum": f"sha1:{hashlib.sha1(content).hexdigest()}"}
    clone.configure(gaia_sdss={"astronn": few})
    run = clone.snakemake("--cores", "1", "convert_labels")
    assert run.returncode != 0
    assert "no table with column TEFF_ERR, LOGG_ERR" in run.stderr and "label_source to aspcap" in run.stderr
    assert "Traceback" not in run.stderr
    assert not (clone.folder / "results/gaia_sdss/data/labels.parquet").exists()
    clone.configure(gaia_sdss={"label_source": "aspcap"})
    assert clone.snakemake("--cores", "1", "convert_labels").returncode == 0


def test_a_refused_spectrum_stops_with_a_sentence(server, tmp_path):
    clone = Clone(tmp_path)
    configure(clone, server.base, "datalink")
    clone.configure(gaia_sdss={"invalid": "refuse"})
    run = clone.snakemake("--cores", "1", "results/gaia_sdss/data/datalink/0000.npz")
    assert run.returncode != 0
    assert "spectra that cannot be used (BP is missing in 1" in run.stderr and "Traceback" not in run.stderr
    assert json.loads((clone.folder / "results/gaia_sdss/data/labels.json").read_text())["rows"] > STARS
