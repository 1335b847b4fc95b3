"""Files that are no spectra, or spectra no more: one sentence each, and nothing is written."""

import gzip
import io
import json
import re
import zipfile

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import real_star
from astropy.io import fits
from click.testing import CliRunner

from xpsvae.cli import main


def text(form="csv", product="XP_CONTINUOUS"):
    return real_star.member(form, product)[1]


def table():
    return pa.Table.from_pandas(real_star.frame(), preserve_index=False)


def parquet(made):
    stream = io.BytesIO()
    pq.write_table(made, stream)
    return stream.getvalue()


def without(name):
    return parquet(table().drop_columns([name]))


def zipped(**members):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name.replace("__", "."), content)
    return stream.getvalue()


def renamed(content, old, new):
    assert old in content
    return content.replace(old, new)


def rvs():
    rows = "".join(f"{846 + 0.01 * row:.2f},1.0,0.1\n" for row in range(2401))
    return f"wavelength,flux,flux_error\n{rows}".encode()


def rvs_fits():
    names = ("wavelength", "flux", "flux_error")
    columns = [fits.Column(name, "E", array=np.linspace(846, 870, 2401)) for name in names]
    stream = io.BytesIO()
    hdu = fits.BinTableHDU.from_columns(columns)
    hdu.header["SOURCEID"] = str(real_star.SOURCE_ID)
    hdu.writeto(stream)
    return stream.getvalue()


def mcmc(form):
    return text(form, "MCMC_MSC")


def flipped(content, where, count=64):
    broken = bytearray(content)
    broken[where : where + count] = bytes(byte ^ 0xFF for byte in broken[where : where + count])
    return bytes(broken)


# name of a file -> its content, and words that the sentence has
FILES = {
    "empty.csv": (b"", "is empty"),
    "blank.csv": (b"\n\n\n", "not csv"),
    "head_only.csv": (lambda: text().split(b"\n")[0] + b"\n", "no spectrum"),
    "web_page.csv": (b"<html><body>503</body></html>", "web page"),
    "message.csv": (b"Service unavailable, try again later\n", "no column source_id"),
    "answer.json": (b'{"error": "no such source"}', "JSON"),
    "picture.png": (b"\x89PNG\r\n\x1a\n" + bytes(99), "not csv"),
    "document.pdf": (b"%PDF-1.7\n", "PDF"),
    "old.hdf5": (b"\x89HDF\r\n\x1a\n" + bytes(99), "HDF5"),
    "array.npy": (b"\x93NUMPY" + bytes(99), "numpy"),
    "semicolons.csv": (lambda: text().replace(b",", b";"), "separated by semicolons"),
    "tabs.csv": (lambda: text().replace(b",", b"\t"), "separated by tabs"),
    "wide.csv": (lambda: text().decode().encode("utf-16"), "not csv"),
    "mcmc.csv": (lambda: mcmc("csv"), "MCMC"),
    "mcmc.ecsv": (lambda: mcmc("ecsv"), "MCMC"),
    "mcmc.fits": (lambda: mcmc("fits"), "MCMC"),
    "mcmc.xml": (lambda: mcmc("vot"), "MCMC"),
    f"RVS-Gaia DR3 {real_star.SOURCE_ID}.csv": (rvs, "RVS"),
    "rvs.fits": (rvs_fits, "RVS"),
    "no_ids.csv": (lambda: renamed(text(), b"source_id", b"id", ), "no column source_id"),
    "no_bp.csv": (lambda: renamed(text(), b"bp_coefficients", b"bp"), "bp_coefficients"),
    "no_errors.csv": (lambda: renamed(text(), b"rp_coefficient_errors", b"e"), "rp_coefficient_errors"),
    "float_id.csv": (lambda: renamed(text(), b"\n5937083312263887616", b"\n5.937083312263888e18"), "not an integer"),
    "huge_id.csv": (lambda: renamed(text(), b"\n59370", b"\n999999959370"), "64 bits"),
    "braces.csv": (lambda: text().replace(b'"(', b'"{').replace(b')"', b'}"'), "braces"),
    "twice.csv": (lambda: renamed(text(), b",solution_id,", b",source_id,"), "2 times"),
    "ragged.csv": (lambda: text() + b"1,2,3\n", "regular table"),
    "cut.csv": (lambda: text()[:9000], "damaged|regular table"),
    "cut.csv.gz": (lambda: gzip.compress(text())[:-3000], "gzip"),
    "twice.csv.gz": (lambda: gzip.compress(gzip.compress(text())), "gzipped twice"),
    "float_id.ecsv": (lambda: renamed(text("ecsv"), b"datatype: int64", b"datatype: float64"), "float64"),
    "cut.fits": (lambda: text("fits")[:20000], "cut short"),
    "head.fits": (lambda: text("fits")[:2880], "no binary table"),
    "flipped_head.fits": (lambda: flipped(text("fits"), 2880), "damaged|readable"),
    "units.fits": (
        lambda: renamed(text("fits", "XP_SAMPLED"), b"'W.m**-2.nm**-1'", b"'km            '"), "in km"),
    "cut.xml": (lambda: text("vot")[:9000], "VOTable"),
    "failed.xml": (
        b'<?xml version="1.0"?><VOTABLE version="1.3" xmlns="http://www.ivoa.net/xml/VOTable/v1.3"><RESOURCE '
        b'type="results"><INFO name="QUERY_STATUS" value="ERROR">no such star</INFO></RESOURCE></VOTABLE>',
        "no such star",
    ),
    "other.xml": (b"<?xml version='1.0'?><feed></feed>", "XML"),
    "cut.parquet": (lambda: parquet(table())[:-40], "Parquet"),
    "magic.parquet": (b"PAR1" + bytes(50), "Parquet"),
    "flipped.parquet": (lambda: flipped(parquet(table()), 8, 400), "Parquet|damaged"),
    "no_ids.parquet": (lambda: without("source_id"), "no column source_id"),
    "no_rp.parquet": (lambda: without("rp_coefficients"), "rp_coefficients"),
    "labels.parquet": (lambda: parquet(pa.table({"source_id": [1], "teff": [5000.0]})), "bp_coefficients"),
    "float_id.parquet": (
        lambda: parquet(table().set_column(0, "source_id", pa.array([5.9e18]))), "float64"),
    "words.parquet": (
        lambda: parquet(table().set_column(1, "bp_coefficients", pa.array([[True]]))), "real numbers"),
    "cut.zip": (lambda: zipped(x__csv=text())[:-200], "zip archive"),
    "flipped.zip": (lambda: flipped(zipped(x__csv=text()), 2000, 600), "zip archive|damaged"),
    "mcmc.zip": (lambda: zipped(**{"MCMC_MSC-Gaia DR3 1__csv": mcmc("csv")}), "no XP spectra"),
    "rvs.zip": (lambda: zipped(**{"RVS-Gaia DR3 1__csv": rvs()}), "no XP spectra"),
    "nothing.zip": (lambda: zipped(), "zip|no XP"),
    "inside.zip": (lambda: zipped(x__csv=b"<html></html>"), "x.csv in"),
    "folders.zip": (lambda: zipped(**{"data/": b""}), "no XP spectra"),
    "encoded.json.gz": (lambda: gzip.compress(json.dumps({"a": 1}).encode()), "JSON"),
    "off_grid.csv": (
        lambda: b"\n".join(text(product="XP_SAMPLED").split(b"\n")[:200]), "336 to 1020 nm"),
    "latents.csv": (b"source_id,mean_1\n1,0.5\n", "bp_coefficients"),
}  # fmt: skip


def test_there_are_forty_of_them():
    assert len(FILES) >= 40


@pytest.mark.parametrize("name", FILES)
def test_a_malformed_file_is_one_sentence_and_leaves_nothing(tmp_path, name):
    content, words = FILES[name]
    path = tmp_path / name
    path.write_bytes(content() if callable(content) else content)
    (tmp_path / "out").mkdir()
    output = tmp_path / "out" / "stars.parquet"
    run = CliRunner().invoke(main, ["describe", str(path), "-o", str(output)])
    assert run.exit_code == 1 and run.exception.__class__ is SystemExit
    (sentence,) = run.output.splitlines()
    assert sentence.startswith("Error: ") and sentence.endswith(".") and name in sentence
    assert re.search(words, sentence), sentence
    assert len(sentence) < 700 and "Traceback" not in sentence
    assert list((tmp_path / "out").iterdir()) == []


def test_a_file_that_ends_badly_after_good_rows_leaves_nothing(tmp_path):
    """The first blocks are written when the damage is met."""
    frame = real_star.frame(6000)
    whole = parquet(pa.Table.from_pandas(frame, preserve_index=False))
    half = io.BytesIO()
    writer = pq.ParquetWriter(half, pa.Table.from_pandas(frame, preserve_index=False).schema)
    for _ in range(3):
        writer.write_table(pa.Table.from_pandas(frame, preserve_index=False), row_group_size=3000)
    writer.close()
    content = bytearray(half.getvalue())
    middle = len(content) * 2 // 3
    content[middle : middle + 2000] = bytes(2000)
    (tmp_path / "bad.parquet").write_bytes(content)
    (tmp_path / "good.parquet").write_bytes(whole)
    (tmp_path / "out").mkdir()
    output = str(tmp_path / "out" / "stars.parquet")
    run = CliRunner().invoke(
        main, ["encode", str(tmp_path / "good.parquet"), str(tmp_path / "bad.parquet"), "-o", output]
    )
    if run.exit_code == 0:  # the zeros fell on bytes without a meaning of their own
        pytest.skip("the damage cannot be seen")
    assert run.output.startswith("Error: ") and len(run.output.splitlines()) == 1
    assert list((tmp_path / "out").iterdir()) == []
