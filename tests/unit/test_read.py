"""Gaia XP_CONTINUOUS files: GaiaXPy's golden flux, the same numbers from every format, every bad input."""

import gzip

import fixtures_gaia_sdss as archive
import numpy as np
import pandas as pd
import pyarrow
import pytest
from astropy.io import fits
from astropy.table import Table

from xpsvae.errors import InputError
from xpsvae.xp import coefficients_to_flux, flux_errors, iter_bulk, read_spectra

IDS = [4295806720, 34361129088, 38655544960, 309238066432, 343597448960]
ARRAYS = ("source_id", "coefficients", "errors", "correlations", "standard_deviations")
FORMS = ("bulk.csv.gz", "x.csv", "x.fits", "x.xml", "x.csv.gz", "x.fits.gz", "x.xml.gz")
BLOCK = 1 << 18  # bytes
HEADER = b"source_id,bp_coefficients,bp_coefficient_errors,rp_coefficients,rp_coefficient_errors\n"
REFERENCES = {
    "XP_CONTINUOUS_RAW.csv": "calibrator_solution_default.csv",
    "XP_CONTINUOUS_RAW.fits": "calibrator_solution_default.csv",
    "XP_CONTINUOUS_RAW_with_missing_BP.csv": "with_missing_calibrator_solution.csv",
    "XP_CONTINUOUS_RAW_with_missing_BP.ecsv": "with_missing_calibrator_solution.csv",
}


def table(sizes=(55, 55)):
    rng = np.random.default_rng(7)
    shape = (len(IDS), sum(sizes))
    return archive.spectra_table(IDS, rng.normal(0, 1e3, shape), rng.uniform(1, 9, shape), sizes=sizes)


def write(folder, form, content):
    if form == "bulk.csv.gz":
        archive.write_bulk(folder / form, content)
        return folder / form
    plain = folder / form.removesuffix(".gz")
    archive.write_datalink(plain, content)
    return archive.compress(plain) if form.endswith(".gz") else plain


def numbers(text):
    return np.array([float(word) for word in text.strip("()").split(",")])


@pytest.mark.parametrize("name", REFERENCES)
def test_reference_files_give_the_flux_and_errors_of_gaiaxpy(shared, name):
    spectra = read_spectra(shared(f"reference/gaiaxpy/{name}"))
    golden = pd.read_csv(shared(f"reference/gaiaxpy/{REFERENCES[name]}")).set_index("source_id")
    golden = golden.loc[spectra.source_id]
    flux, flux_error = (np.stack(golden[c].map(numbers)) for c in ("flux", "flux_error"))
    np.testing.assert_allclose(coefficients_to_flux(spectra.coefficients), flux, rtol=1e-10)
    found = flux_errors(spectra.errors, spectra.correlations, spectra.standard_deviations)
    np.testing.assert_allclose(found, flux_error, rtol=1e-7)  # errors are float32 in the data model
    # The order of the triangle matters: reversed, or without correlations, the errors are far off.
    for wrong in (spectra.correlations[:, :, ::-1], None):
        assert np.abs(flux_errors(spectra.errors, wrong) / flux_error - 1).max() > 0.5


def test_reference_files_agree_with_each_other(shared):
    folder = shared("reference/gaiaxpy")
    first, *others = (read_spectra(folder / name) for name in REFERENCES)
    assert first.source_id.tolist() == [5853498713190525696, 5762406957886626816]
    assert first.correlations.shape == (2, 2, 1485)
    for other in others:
        for name in ARRAYS:
            np.testing.assert_array_equal(getattr(other, name), getattr(first, name))
    for other in others[1:]:
        assert other.dropped == {"BP is missing": [5405570973190252288]}
    with pytest.raises(InputError, match="BP is missing in 1, first in source_id 5405570973190252288"):
        read_spectra(folder / "XP_CONTINUOUS_RAW_with_missing_BP.ecsv", invalid="refuse")


@pytest.mark.parametrize("form", FORMS)
def test_every_format_gives_what_was_written(tmp_path, form):
    content = table()
    spectra = read_spectra(write(tmp_path, form, content))
    assert spectra.band_sizes == (55, 55) and not spectra.dropped
    np.testing.assert_array_equal(spectra.source_id, IDS)
    for attribute, column in (("coefficients", "coefficients"), ("errors", "coefficient_errors")):
        written = np.hstack([np.stack(content[f"{band}_{column}"]) for band in ("bp", "rp")])
        np.testing.assert_array_equal(getattr(spectra, attribute), written)
    for i, band in enumerate(("bp", "rp")):
        np.testing.assert_array_equal(
            spectra.correlations[:, i], np.stack(content[f"{band}_coefficient_correlations"])
        )
        np.testing.assert_array_equal(
            spectra.standard_deviations[:, i], np.float32(content[f"{band}_standard_deviation"])
        )


def test_ecsv_written_by_astropy(tmp_path):
    content = table()
    path = tmp_path / "mine.ecsv"
    Table({k: np.array(v) for k, v in content.items()}).write(path)  # delimiter: a space
    np.testing.assert_array_equal(read_spectra(path).coefficients[:, :55], content["bp_coefficients"])


def test_band_sizes_come_from_the_data(tmp_path):
    content = table(sizes=(51, 55))
    spectra = read_spectra(write(tmp_path, "x.fits", content))
    assert spectra.band_sizes == (51, 55)
    assert spectra.coefficients.shape == (len(IDS), 106)
    matrix = np.zeros((55, 55))  # a smaller triangle stands where the larger one begins
    matrix[np.tril_indices(55, -1)] = spectra.correlations[2, 0]
    np.testing.assert_array_equal(
        matrix[:51, :51][np.tril_indices(51, -1)], content["bp_coefficient_correlations"][2]
    )
    assert not matrix[51:].any()


def test_correlations_may_be_absent(tmp_path):
    pd.DataFrame(
        {name: table()[name] for name in archive.DATATYPES if "corr" not in name and "stand" not in name}
    ).map(lambda v: str(v.tolist()) if isinstance(v, np.ndarray) else v).to_csv(
        tmp_path / "x.csv", index=False
    )
    spectra = read_spectra(tmp_path / "x.csv")
    assert spectra.correlations is None and spectra.standard_deviations is None
    np.testing.assert_array_equal(spectra.source_id, IDS)


def spoil(content, what):
    """Make row 1 (and for duplicates row 3) unusable; return the expected reason."""
    name, _, how = what.partition(":")
    if how == "null":
        archive.remove_band(content, 1, name)
        return f"{name.upper()} is missing"
    if how == "duplicate":
        content[name][3] = content[name][1]
        return "source_id occurs again"
    if name == "source_id":
        content[name][1] = int(how)
        return "source_id is not a Gaia identifier"
    values = np.array(content[name][1])
    if how == "all nan":
        content[name][1] = np.full_like(values, np.nan)
        return "BP is missing"
    if how == "short":
        content[name][1] = values[:-1]
        return f"{name} does not have {len(values)} values"
    if how == "indefinite":  # a ~ b, b ~ c, a ~ -c
        values[:3] = 0.9, -0.9, 0.9
    elif how == "above one":
        values[0] = 1.5
    elif values.ndim:
        values[4] = float(how)
    else:
        values = float(how)
    content[name][1] = values
    why = {"nan": "finite", "inf": "finite", "0": "positive", "-1": "positive"}
    return f"{name} is not {why.get(how, 'positive definite')}"


@pytest.mark.parametrize("form", ["bulk.csv.gz", "x.csv", "x.fits", "x.xml"])
@pytest.mark.parametrize(
    "what",
    [
        "bp:null",
        "rp:null",
        "bp_coefficients:all nan",
        "bp_coefficients:short",
        "rp_coefficients:nan",
        "rp_coefficient_errors:inf",
        "bp_coefficient_errors:0",
        "rp_standard_deviation:-1",
        "rp_coefficient_correlations:short",
        "rp_coefficient_correlations:indefinite",
        "bp_coefficient_correlations:above one",
        "source_id:0",
        "source_id:-4295806720",
        "source_id:6917529027641081856",
        "source_id:duplicate",
    ],
)
def test_unusable_spectrum_is_named_and_dropped_or_refused(tmp_path, form, what):
    content = table()
    reason = spoil(content, what)
    row = 3 if "again" in reason else 1
    named = content["source_id"][row]
    path = write(tmp_path, form, content)
    spectra = read_spectra(path)
    assert spectra.dropped == {reason: [named]}
    np.testing.assert_array_equal(spectra.source_id, np.delete(content["source_id"], row))
    kept = np.delete(np.arange(len(IDS)), row)
    np.testing.assert_array_equal(spectra.coefficients[:, :55], [content["bp_coefficients"][i] for i in kept])
    with pytest.raises(InputError, match=rf"\({reason} in 1, first in source_id {named}\)"):
        read_spectra(path, invalid="refuse")


@pytest.mark.parametrize("text", ["abc", "1.2.3", "1e", "0x10", ""])
@pytest.mark.parametrize("column", ["bp_coefficients", "rp_coefficient_correlations"])
def test_text_among_the_numbers(tmp_path, column, text):
    content = table()
    content[column][1] = np.array([*map(str, content[column][1][:-1]), text], dtype=object)
    archive.write_datalink(tmp_path / "x.csv", content)
    spectra = read_spectra(tmp_path / "x.csv")
    assert spectra.dropped == {f"{column} is not numeric": [IDS[1]]}
    good = np.array([True, False, True, True, True])
    np.testing.assert_array_equal(spectra.source_id, np.array(IDS)[good])
    kept = np.stack(content["rp_coefficients"])[good]
    np.testing.assert_array_equal(spectra.coefficients[:, 55:], kept)


def test_a_null_element_is_not_finite(tmp_path):
    content = table()
    values = content["bp_coefficients"][2]
    content["bp_coefficients"][2] = np.array([*map(str, values[:-1]), "null"], dtype=object)
    archive.write_bulk(tmp_path / "x.csv.gz", content)
    assert read_spectra(tmp_path / "x.csv.gz").dropped == {"bp_coefficients is not finite": [IDS[2]]}


def test_a_good_copy_of_a_bad_spectrum_is_kept(tmp_path):
    content = table()
    archive.remove_band(content, 1, "rp")
    content["source_id"][3] = IDS[1]
    spectra = read_spectra(write(tmp_path, "x.csv", content))
    assert spectra.source_id.tolist() == [IDS[0], IDS[2], IDS[1], IDS[4]]
    assert spectra.dropped == {"RP is missing": [IDS[1]]}


def test_nothing_usable(tmp_path):
    content = table()
    for row in range(len(IDS)):
        archive.remove_band(content, row, "bp")
    with pytest.raises(InputError, match=rf"no spectrum .* \(BP is missing in 5, first in .* {IDS[0]}\)"):
        read_spectra(write(tmp_path, "x.fits", content))
    with pytest.raises(InputError, match="no spectrum that can be used: give"):
        read_spectra(write(tmp_path, "x.csv", {name: [] for name in content}))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("fraction", [0.0, 0.01, 0.1, 0.35, 0.5, 0.77, 0.9, 0.99, 0.9999])
def test_cut_file_is_refused(tmp_path, form, fraction):
    path = write(tmp_path, form, table())
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * fraction)])
    with pytest.raises(InputError) as refusal:
        read_spectra(path)
    assert str(path) in str(refusal.value) and str(refusal.value).count("\n") == 0


def test_damaged_gzip(tmp_path):
    path = write(tmp_path, "x.csv.gz", table())
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(InputError):
        read_spectra(path)


def test_wrong_hdu(tmp_path):
    path = tmp_path / "x.fits"
    other = fits.BinTableHDU.from_columns([fits.Column("source_id", "K", array=IDS)])
    fits.HDUList([fits.PrimaryHDU(), other]).writeto(path)
    with pytest.raises(InputError, match="has no column bp_coefficients, bp_coefficient_errors, rp_coe"):
        read_spectra(path)
    fits.PrimaryHDU(np.zeros((4, 4))).writeto(path, overwrite=True)
    with pytest.raises(InputError, match="no binary table"):
        read_spectra(path)


def test_table_behind_another_one(tmp_path):
    path = write(tmp_path, "x.fits", table())
    with fits.open(path) as hdus:
        other = fits.BinTableHDU.from_columns([fits.Column("n", "K", array=[1, 2])])
        fits.HDUList([hdus[0], other, hdus[1]]).writeto(tmp_path / "y.fits")
    np.testing.assert_array_equal(read_spectra(tmp_path / "y.fits").source_id, IDS)


@pytest.mark.parametrize(
    "content, says",
    [
        (b"", "x is empty: fetch it again"),
        (gzip.compress(b""), "x is empty: fetch it again"),
        (b"<!DOCTYPE html><html>503 Service Unavailable</html>", "web page"),
        (b"\x89HDF\r\n\x1a\n\0\0\0", "is not csv"),
        (b"# %ECSV 1.0\n# ---\n", "no line with column names: "),
        (b"#\n" * (1 << 19) + HEADER + b"12,,,,\n", "no line with column names in its first 1,048,"),
        (b"source_id,flux\n1,2\n", "has no column bp_coefficients"),
        ("é".encode("latin-1") * 20, "not text"),
        (HEADER + b"12a,,,,\n", "12a"),
        (HEADER + b"12,,\n", "Expected 5 columns, got 3"),
    ],
)
def test_other_files(tmp_path, content, says):
    path = tmp_path / "x"
    path.write_bytes(content)
    with pytest.raises(InputError, match=says):
        read_spectra(path)


def test_missing_file_and_unknown_argument(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        read_spectra(tmp_path / "none.csv")
    with pytest.raises(InputError, match="'ignore'"):
        read_spectra(write(tmp_path, "x.csv", table()), invalid="ignore")


@pytest.fixture
def bulk(tmp_path, monkeypatch):
    """Write a bulk file of copies of one spectrum under other ids, of many blocks; give it and its ids."""
    monkeypatch.setattr("xpsvae.xp.text._BLOCK", BLOCK)
    path = tmp_path / "XpContinuousMeanSpectrum_000000-003111.csv.gz"
    archive.write_bulk(path, table())
    lines = gzip.decompress(path.read_bytes()).decode().splitlines(keepends=True)
    header, first = lines[: -len(IDS)], lines[-len(IDS)]
    ids = np.arange(1, 601) << 36
    text = "".join([*header, *(first.replace(str(IDS[0]), str(i), 1) for i in ids)])
    assert len(text) > 90 * BLOCK
    path.write_bytes(gzip.compress(text.encode(), 1))
    return path, ids


def test_bulk_keeps_the_wanted_stars_in_bounded_memory(bulk):
    path, ids = bulk
    wanted = ids[[5, 300, 599]]
    found = list(iter_bulk(path, [*wanted[::-1], 99]))
    assert np.concatenate([part.source_id for part in found]).tolist() == wanted.tolist()
    for part in found:
        np.testing.assert_array_equal(part.coefficients[0, 55:], table()["rp_coefficients"][0])
    assert list(iter_bulk(path, [99])) == []
    held = [(pyarrow.total_allocated_bytes(), len(part)) for part in iter_bulk(path, ids)]
    assert sum(stars for _, stars in held) == 600
    assert max(size for size, _ in held) < 50 * BLOCK  # the reader keeps some 40 blocks ahead
    assert max(stars for _, stars in held) < 10


SHORTER = str(IDS[1])[:-1]  # begins like a wanted star's
WRITTEN = {  # text of a csv file -> the same, written in another way
    "as it is": lambda text: text,
    "line ends of Windows": lambda text: text.replace("\n", "\r\n"),
    "identifiers in quotes": lambda text: text.replace(f"\n{IDS[1]},", f'\n"{IDS[1]}",'),
    "blanks before identifiers": lambda text: text.replace(f"\n{IDS[1]},", f"\n  {IDS[1]},"),
    "zeros before identifiers": lambda text: text.replace(f"\n{IDS[1]},", f"\n00{IDS[1]},"),
    "another star's begins the same": lambda text: text.replace(f"\n{IDS[0]},", f"\n{SHORTER},"),
    "no line end": lambda text: text.removesuffix("\n"),
    "source_id not in front": lambda text: "\n".join(
        ",".join([line.split(",", 2)[1], line.split(",", 2)[0], line.split(",", 2)[2]])
        for line in text.splitlines()
    ),
}


@pytest.mark.parametrize("piece", [5000, 1 << 20])
@pytest.mark.parametrize("written", WRITTEN)
def test_bulk_gives_the_wanted_rows_of_all_that_are_read(written, piece, tmp_path, monkeypatch):
    monkeypatch.setattr("xpsvae.xp.text._PIECE", piece)
    path = write(tmp_path, "x.csv", table())
    path.write_bytes(WRITTEN[written](path.read_text()).encode())
    every = read_spectra(path)
    wanted = [IDS[4], IDS[1], 99]
    (found,) = iter_bulk(path, wanted)
    rows = np.isin(every.source_id, wanted)
    assert rows.sum() == 2
    for name in ARRAYS:
        np.testing.assert_array_equal(getattr(found, name), getattr(every, name)[rows])


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda text: text[:-3000], "not a regular table"),  # the last row, which is wanted or not
        (lambda text: text.replace(f"\n{IDS[0]},", "\nnobody,"), "not an integer"),
        (lambda text: text.replace(f"\n{IDS[0]},", "\n99999999999999999999,"), "64 bits"),
        (lambda text: text + text, "not an integer"),
    ],
)
def test_bulk_refuses_what_is_no_table_whoever_is_wanted(damage, says, tmp_path):
    path = write(tmp_path, "x.csv", table())
    path.write_text(damage(path.read_text()))
    with pytest.raises(InputError, match=says):
        list(iter_bulk(path, IDS[1:2]))


def test_bulk_refuses_only_wanted_stars(tmp_path):
    content = table()
    archive.remove_band(content, 1, "bp")
    for form in ("bulk.csv.gz", "x.fits"):
        path = write(tmp_path, form, content)
        (part,) = iter_bulk(path, IDS[:1], invalid="refuse")
        assert part.source_id.tolist() == IDS[:1]
        (part,) = iter_bulk(path, IDS[1:2])
        assert len(part) == 0 and part.dropped == {"BP is missing": [IDS[1]]}
        with pytest.raises(InputError, match="BP is missing"):
            list(iter_bulk(path, IDS, invalid="refuse"))


def test_duplicates_across_blocks(bulk):
    path, ids = bulk
    lines = gzip.decompress(path.read_bytes()).decode().splitlines(keepends=True)
    path.write_bytes(gzip.compress("".join([*lines, lines[-600]]).encode(), 1))
    spectra = read_spectra(path)
    assert spectra.dropped == {"source_id occurs again": [ids[0]]}
    np.testing.assert_array_equal(spectra.source_id, ids)


@pytest.mark.parametrize("form", ["csv", "ecsv", "fits", "vot"])
def test_a_file_that_unpacks_to_far_more_than_it_holds_is_refused(form, tmp_path, monkeypatch):
    """A bomb of the real form: a good head, then blanks (or zeros) that gzip packs a thousandfold."""
    monkeypatch.setattr("xpsvae.unpack._SMALL", 1 << 20)
    names = b"source_id,bp_coefficients,bp_coefficient_errors,rp_coefficients,rp_coefficient_errors\n1,"
    heads = {
        "csv": names,
        "ecsv": b"# %ECSV 1.0\n# ---\n# delimiter: ','\n" + names,
        "fits": b"SIMPLE  =                    T",
        "vot": b'<?xml version="1.0"?>\n<VOTABLE version="1.4">',
    }
    path = tmp_path / f"bomb.{form}.gz"
    with gzip.open(path, "wb") as stream:
        stream.write(heads[form])
        for _ in range(40):
            stream.write(b" " * (1 << 20))
    with pytest.raises(InputError, match=rf"bomb\.{form}\.gz unpacks to more than \d+ bytes"):
        read_spectra(path)
