"""Files that hold more, less or something else than one table of XP_CONTINUOUS spectra, in each form."""

import base64
import gzip
import re
import zipfile

import fixtures_gaia_sdss as archive
import numpy as np
import pandas as pd
import pytest
from astropy.io import fits
from astropy.io.votable import from_table, parse
from astropy.io.votable.tree import Info, Resource, VOTableFile
from astropy.table import Column, MaskedColumn, Table

from xpsvae.data import gaia_archive
from xpsvae.errors import InputError
from xpsvae.xp import coefficients_to_flux, iter_bulk, read_spectra

IDS = [4295806720, 5937083312263887693, 5853498713190525696, 38655544960]
ARRAYS = ("source_id", "coefficients", "errors", "correlations", "standard_deviations")
BANDS = ("bp", "rp")


def content(ids=IDS, size=6, seed=1):
    """Made-up spectra of a few coefficients."""
    rng = np.random.default_rng(seed)
    shape = (len(ids), 2 * size)
    return archive.spectra_table(ids, rng.normal(0, 1e3, shape), rng.uniform(1, 9, shape), sizes=(size, size))


def table(ids=IDS, seed=1, size=6, few=False):
    made = {name: np.array(values) for name, values in content(ids, size, seed).items()}
    if few:
        made = {name: made[name] for name in made if "corr" not in name and "stand" not in name}
    return Table(made)


def write_fits(path, *tables):
    hdus = [t if isinstance(t, fits.ImageHDU) else fits.table_to_hdu(t) for t in tables]
    fits.HDUList([fits.PrimaryHDU(), *hdus]).writeto(path, overwrite=True)


def write_votable(path, *tables, nested=False):
    """One RESOURCE a table, or each inside the one before."""
    file = VOTableFile()
    holder = file.resources
    for one in tables:
        resource = from_table(one).resources[0]
        holder.append(resource)
        holder = resource.resources if nested else holder
    file.to_xml(str(path))


def write_text(path, *tables):
    """Write csv as the archive does; of several tables one after the other."""
    lines = []
    for one in tables:
        lines.append(",".join(one.colnames))
        for row in one:
            cells = (f'"({", ".join(map(str, cell))})"' if np.ndim(cell) else str(cell) for cell in row)
            lines.append(",".join(cells))
    path.write_text("\n".join(lines) + "\n")


def write_ecsv(path, *tables):
    (one,) = tables
    one.write(path, format="ascii.ecsv", overwrite=True)


WRITERS = {"x.fits": write_fits, "x.xml": write_votable, "x.csv": write_text, "x.ecsv": write_ecsv}
BINARY = ("x.fits", "x.xml")


def refused(path, *words):
    """Read a file that has to be refused; check that it is done in one sentence that says these words."""
    with pytest.raises(InputError) as refusal:
        read_spectra(path)
    message = str(refusal.value)
    for word in (str(path), *words):
        assert word in message
    assert "\n" not in message and message.endswith(".")
    return message


def same(spectra, made):
    np.testing.assert_array_equal(spectra.source_id, made["source_id"])
    for attribute, column in (("coefficients", "coefficients"), ("errors", "coefficient_errors")):
        expected = np.hstack([made[f"{band}_{column}"] for band in BANDS])
        np.testing.assert_array_equal(getattr(spectra, attribute), expected)
    assert spectra.dropped == {}


# -- every star of every table


@pytest.mark.parametrize("form", [*BINARY, "nested", "one RESOURCE"])
def test_all_tables_are_read_in_order(tmp_path, form):
    tables = [table(IDS[:2]), table(IDS[2:3], seed=2), table(IDS[3:], seed=3)]
    path = tmp_path / "x"
    if form == "one RESOURCE":
        file = VOTableFile()
        file.resources.append(Resource())
        for one in tables:
            file.resources[0].tables.append(from_table(one).resources[0].tables[0])
        file.to_xml(str(path))
    elif form == "nested":
        write_votable(path, *tables, nested=True)
    else:
        WRITERS[form](path, *tables)
    spectra = read_spectra(path)
    for name in ("source_id", "bp_coefficients", "rp_coefficient_errors"):
        expected = np.concatenate([one[name] for one in tables])
        found = {"source_id": spectra.source_id, "bp_coefficients": spectra.coefficients[:, :6]}
        np.testing.assert_array_equal(found.get(name, spectra.errors[:, 6:]), expected)
    assert spectra.dropped == {} and spectra.correlations.shape == (4, 2, 15)
    kept = list(iter_bulk(path, [IDS[3], IDS[0]]))
    assert [part.source_id.tolist() for part in kept] == [IDS[:1], IDS[3:]]


@pytest.mark.parametrize("form", BINARY)
def test_a_star_in_two_tables_is_named(tmp_path, form):
    WRITERS[form](tmp_path / form, table(), table(IDS[1:2], seed=2))
    spectra = read_spectra(tmp_path / form)
    assert spectra.dropped == {"source_id occurs again": IDS[1:2]}
    np.testing.assert_array_equal(spectra.coefficients[:, :6], table()["bp_coefficients"])


@pytest.mark.parametrize("form", BINARY)
@pytest.mark.parametrize("where", ["before", "behind"])
def test_tables_without_stars_do_not_matter(tmp_path, form, where):
    notes = Table({"name": ["a", "b"], "value": [1.0, 2.0]})
    made = table()
    WRITERS[form](tmp_path / form, *((notes, made) if where == "before" else (made, notes)))
    same(read_spectra(tmp_path / form), made)


@pytest.mark.parametrize("form", BINARY)
def test_tables_that_do_not_fit_together_are_refused(tmp_path, form):
    path, made = tmp_path / form, table()
    number = {"x.fits": "HDU {}", "x.xml": "table {}"}[form].format
    WRITERS[form](path, made, table([12 << 36], few=True))
    refused(path, f"only one of {number(1)}", number(2), "has column bp_coefficient_correlations")
    others = {
        "sampled": (Table({"source_id": [12 << 36], "flux": [1.0], "flux_error": [1.0]}), "no coefficients"),
        "catalogue": (Table({"SOURCE_ID": [12 << 36], "ra": [1.0]}), "no coefficients"),
        "one band": (made["source_id", "bp_coefficients", "bp_coefficient_errors"], "no column rp_coeff"),
        "no ids": (made["bp_coefficients", "rp_coefficients"], "no column source_id"),
    }
    for other, says in others.values():
        for pair in ((made, other), (other, made)):
            WRITERS[form](path, *pair)
            refused(path, number(1 + pair.index(other) if other is pair[0] else 2), says)
    made["extra"] = 1.0  # what is not read may differ
    WRITERS[form](path, made, table([12 << 36], seed=2))
    assert len(read_spectra(path)) == 5


def test_concatenated_csv_files_are_refused(tmp_path):
    write_text(tmp_path / "x.csv", table(IDS[:2]), table(IDS[2:]))
    refused(tmp_path / "x.csv", "'source_id' in column source_id")


# -- names


@pytest.mark.parametrize("form", WRITERS)
@pytest.mark.parametrize("change", [str.upper, str.title, lambda name: name.replace("id", "Id")])
def test_names_in_any_case(tmp_path, form, change):
    made = table()
    renamed = Table({change(name): made[name] for name in made.colnames})
    WRITERS[form](tmp_path / form, renamed)
    same(read_spectra(tmp_path / form), made)
    assert len(list(iter_bulk(tmp_path / form, IDS[:1]))[0]) == 1


@pytest.mark.parametrize("form", WRITERS)
@pytest.mark.parametrize("name", ["source_id", "rp_coefficients", "bp_standard_deviation"])
def test_columns_that_differ_in_case_alone_are_refused(tmp_path, form, name):
    made = table()
    made[name.upper()] = made[name] + 1
    WRITERS[form](tmp_path / form, made)
    refused(tmp_path / form, f"has the column {name} 2 times", name.upper())


def test_a_column_twice_is_refused(tmp_path):
    made = table()
    write_text(tmp_path / "x.csv", made)
    text = (tmp_path / "x.csv").read_text().replace("solution_id", "source_id", 1)
    (tmp_path / "x.csv").write_text(text)
    refused(tmp_path / "x.csv", "has the column source_id 2 times")
    write_votable(tmp_path / "x.xml", made)
    text = (tmp_path / "x.xml").read_text().replace('name="solution_id"', 'name="source_id"')
    (tmp_path / "x.xml").write_text(text)
    refused(tmp_path / "x.xml", "has the column source_id 2 times")


@pytest.mark.parametrize("form", WRITERS)
def test_a_flux_column_is_what_makes_a_file_of_sampled_spectra(tmp_path, form):
    WRITERS[form](
        tmp_path / form, Table({"source_id": IDS, "Flux": np.ones((4, 3)), "flux_error": np.ones((4, 3))})
    )
    refused(tmp_path / form, "sampled spectra", "xpsvae.xp.flux_to_coefficients", "no column bp_coefficients")
    WRITERS[form](tmp_path / form, table()["source_id", "bp_coefficients", "bp_coefficient_errors"])
    assert "sampled" not in refused(tmp_path / form, "no column rp_coefficients, rp_coefficient_errors")
    WRITERS[form](tmp_path / form, Table({"ra": [1.0], "dec": [2.0]}))
    assert "sampled" not in refused(tmp_path / form, "no column source_id", "its columns are ra, dec")


# -- identifiers


@pytest.mark.parametrize("form", BINARY)
@pytest.mark.parametrize("kind", ["f4", "f8", "c16", "b1", "U19"])
def test_identifiers_that_are_no_integers_are_refused(tmp_path, form, kind):
    made = table()
    made["source_id"] = np.array(IDS).astype(kind)
    WRITERS[form](tmp_path / form, made)
    refused(tmp_path / form, "source_id in ", "give 64-bit integers")
    with pytest.raises(InputError, match="64-bit integers"):
        list(iter_bulk(tmp_path / form, IDS))


@pytest.mark.parametrize("written", ["{:.1f}", "{:.3e}", "{:#x}", "{}L", "Gaia DR3 {}", "{:_}", "a{}"])
@pytest.mark.parametrize("form", ["x.csv", "x.ecsv"])
def test_identifiers_in_text_have_all_their_digits(tmp_path, form, written):
    made = table()
    made["source_id"] = [written.format(float(i) if "f}" in written or "e}" in written else i) for i in IDS]
    WRITERS[form](tmp_path / form, made)
    refused(tmp_path / form, "in column source_id, not an integer")


@pytest.mark.parametrize("kind", ["float64", "float32", "bool", "complex128"])
def test_ecsv_that_declares_floats_is_refused(tmp_path, kind):
    path = tmp_path / "x.ecsv"
    write_ecsv(path, table())
    text = path.read_text().replace(
        "{name: source_id, datatype: int64}", f"{{name: source_id, datatype: {kind}}}"
    )
    path.write_text(text)
    assert kind in text
    refused(path, f"source_id in {path} is {kind}")


@pytest.mark.parametrize("form", BINARY)
@pytest.mark.parametrize("kind", ["i4", "u4", "i2", "u1", "u8", ">i8"])
def test_integers_of_any_width(tmp_path, form, kind):
    if form == "x.xml" and kind in ("u4", "u8"):
        pytest.skip("VOTable has no such type")
    ids = [11, 23, 7]
    made = table(ids)
    made["source_id"] = np.array(ids, kind)
    WRITERS[form](tmp_path / form, made)
    same(read_spectra(tmp_path / form), made)


@pytest.mark.parametrize("form", WRITERS)
def test_masked_and_impossible_identifiers_are_named(tmp_path, form):
    made = table([*IDS, 12 << 36, 13 << 36])
    ids = MaskedColumn(made["source_id"], mask=[False, True, False, False, False, False])
    ids[4:] = -7, 0
    made["source_id"] = ids
    if form == "x.csv":
        write_text(tmp_path / form, made)
    elif form == "x.fits":
        hdu = fits.table_to_hdu(made)
        assert hdu.columns["source_id"].null is not None
        fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(tmp_path / form)
    else:
        WRITERS[form](tmp_path / form, made)
    spectra = read_spectra(tmp_path / form)
    assert spectra.dropped == {"source_id is not a Gaia identifier": [0, -7, 0]}
    assert spectra.source_id.tolist() == [IDS[0], *IDS[2:]]


def test_a_null_that_looks_like_a_star_is_none(tmp_path):
    """TNULL may be any number."""
    made = table()
    write_fits(tmp_path / "x.fits", made)
    with fits.open(tmp_path / "x.fits", mode="update") as hdus:
        hdus[1].header["TNULL1"] = IDS[1]
    spectra = read_spectra(tmp_path / "x.fits")
    assert spectra.dropped == {"source_id is not a Gaia identifier": [0]} and len(spectra) == 3


def test_identifiers_of_more_than_64_bits_are_refused(tmp_path):
    made = table()
    made["source_id"] = np.array([1, 2, 3, 2**63 + 1], np.uint64)
    for form in ("x.fits", "x.csv"):
        WRITERS[form](tmp_path / form, made)
        refused(tmp_path / form, "64")


@pytest.mark.parametrize("form", BINARY)
def test_several_identifiers_a_row_are_refused(tmp_path, form):
    made = table()
    made["source_id"] = np.array(IDS).reshape(4, 1).repeat(2, 1)
    WRITERS[form](tmp_path / form, made)
    refused(tmp_path / form, "several values a row")


def test_wanted_identifiers_that_are_floats_are_refused(tmp_path):
    write_fits(tmp_path / "x.fits", table())
    for wanted in (np.array(IDS, float), [4295806720.0], np.array(IDS, "f4"), ["4295806720"], [None]):
        with pytest.raises(InputError, match="source_ids is .*: give 64-bit integers"):
            iter_bulk(tmp_path / "x.fits", wanted)
    wanted = pd.Series(IDS[:2], dtype="Int64")
    assert sum(map(len, iter_bulk(tmp_path / "x.fits", wanted))) == 2


# -- numbers


@pytest.mark.parametrize("form", BINARY)
@pytest.mark.parametrize(
    ("kind", "says"), [("c16", "complex numbers"), ("c8", "complex numbers"), ("b1", "truth values")]
)
@pytest.mark.parametrize("name", ["bp_coefficients", "rp_coefficient_errors", "bp_standard_deviation"])
def test_other_numbers_than_real_ones_are_refused(tmp_path, form, kind, says, name):
    made = table()
    made[name] = np.ones(made[name].shape, kind)
    WRITERS[form](tmp_path / form, made)
    refused(tmp_path / form, f"{name} in ", f"holds {says}")


@pytest.mark.parametrize("kind", ["PC()", "PM()", "PL()"])
def test_other_numbers_of_variable_length_are_refused(tmp_path, kind):
    made = fits.table_to_hdu(table())
    arrays = np.empty(4, dtype=object)
    arrays[:] = [np.ones(6, {"C": "c8", "M": "c16", "L": "b1"}[kind[1]])] * 4
    columns = [c for c in made.columns if c.name != "bp_coefficients"]
    hdu = fits.BinTableHDU.from_columns([*columns, fits.Column("bp_coefficients", kind, array=arrays)])
    hdu.writeto(tmp_path / "x.fits")
    refused(tmp_path / "x.fits", "bp_coefficients in HDU 1", "holds")


@pytest.mark.parametrize(
    ("element", "named"), [("1+2j", "not numeric"), ("true", "not numeric"), ("1.5.2", "not numeric")]
)
def test_other_numbers_in_text_are_named(tmp_path, element, named):
    write_text(tmp_path / "x.csv", table())
    text = (tmp_path / "x.csv").read_text()
    (tmp_path / "x.csv").write_text(text.replace(str(table()["bp_coefficients"][1, 2]), element))
    spectra = read_spectra(tmp_path / "x.csv")
    assert spectra.dropped == {f"bp_coefficients is {named}": [IDS[1]]} and len(spectra) == 3


@pytest.mark.parametrize("form", BINARY)
def test_masked_elements_are_not_the_filler(tmp_path, form):
    made = table()
    values = MaskedColumn(made["bp_coefficients"], mask=np.zeros((4, 6), dtype=bool))
    values.mask[1, 2] = True
    values.mask[2] = True
    made["bp_coefficients"] = values
    WRITERS[form](tmp_path / form, made)
    expected = {"bp_coefficients is not finite": [IDS[1]], "BP is missing": [IDS[2]]}
    assert read_spectra(tmp_path / form).dropped == expected


@pytest.mark.parametrize("form", BINARY)
def test_nulls_among_integers_are_not_numbers(tmp_path, form):
    made = table()
    values = MaskedColumn(np.round(made["bp_coefficients"]).astype("i4"), mask=np.zeros((4, 6), dtype=bool))
    values.mask[1, 2] = True
    made["bp_coefficients"] = values
    if form == "x.fits":
        plain = table()
        plain["bp_coefficients"] = values.filled(-999)
        write_fits(tmp_path / form, plain)
        with fits.open(tmp_path / form, mode="update") as hdus:
            hdus[1].header[f"TNULL{1 + plain.colnames.index('bp_coefficients')}"] = -999
    else:
        WRITERS[form](tmp_path / form, made)
    assert read_spectra(tmp_path / form).dropped == {"bp_coefficients is not finite": [IDS[1]]}


@pytest.mark.parametrize("form", ["x.fits", "x.xml", "x.ecsv"])
def test_units_of_the_file_are_heeded(tmp_path, form):
    def write(**units):
        made = table()
        if form == "x.fits":  # astropy writes no electrons into FITS
            write_fits(tmp_path / form, made)
            with fits.open(tmp_path / form, mode="update") as hdus:
                for name, unit in units.items():
                    hdus[1].header[f"TUNIT{1 + made.colnames.index(name)}"] = unit
            return
        for name, unit in units.items():
            made[name].unit = unit
        WRITERS[form](tmp_path / form, made)

    rates = dict.fromkeys(
        ("bp_coefficient_errors", "rp_coefficients", "rp_coefficient_errors"), "electron s-1"
    )
    write(bp_coefficients="electron h-1", **rates)
    expected = table()
    found = read_spectra(tmp_path / form)
    np.testing.assert_allclose(found.coefficients[:, :6], expected["bp_coefficients"] / 3600, rtol=1e-12)
    np.testing.assert_array_equal(found.coefficients[:, 6:], expected["rp_coefficients"])
    np.testing.assert_array_equal(found.errors[:, :6], expected["bp_coefficient_errors"])
    write(rp_coefficients="W m-2 nm-1")
    refused(tmp_path / form, "rp_coefficients in ", "must be in electron / s")


# -- servers


def infos(path, *statuses, made=None, where="behind"):
    """Write a VOTable with QUERY_STATUS of these values, in its RESOURCE or at its root."""
    file = from_table(made) if made is not None else VOTableFile()
    if made is None:
        file.resources.append(Resource())
    for status, reason in statuses:
        info = Info(name="QUERY_STATUS", value=status)
        info.content = reason
        (file.infos if where == "root" else file.resources[0].infos).append(info)
    file.to_xml(str(path))
    if where == "behind":  # as DALI wants OVERFLOW; astropy writes it in front
        text = path.read_text()
        found = re.findall(r"\s*<INFO.*?(?:/>|</INFO>)", text, re.DOTALL)
        for one in found:
            text = text.replace(one, "", 1)
        path.write_text(text.replace("</RESOURCE>", "".join(found) + "</RESOURCE>", 1))


@pytest.mark.parametrize("where", ["behind", "front", "root"])
def test_a_server_says_why(tmp_path, where):
    path = tmp_path / "x.xml"
    reason = "Cannot parse query:\n  " + "unknown column; " * 40
    infos(path, ("ERROR", reason), where=where)
    message = refused(path, "error message of the server", "Cannot parse query: unknown column; unknown")
    assert message.count("unknown column") <= 200 // 16
    infos(path, ("error", None), where=where)
    refused(path, "QUERY_STATUS ERROR")
    infos(path, ("OK", None), ("OVERFLOW", "more than 4 rows"), made=table(), where=where)
    refused(path, "OVERFLOW (more than 4 rows)", "ask for fewer stars")
    infos(path, ("OK", "4 rows"), made=table(), where=where)
    same(read_spectra(path), table())


def test_an_error_of_the_old_form_counts(tmp_path):
    file = VOTableFile()
    file.resources.append(Resource())
    file.resources[0].infos.append(Info(name="Error", value="ID unknown"))
    file.to_xml(str(tmp_path / "x.xml"))
    refused(tmp_path / "x.xml", "error message of the server", "ERROR (ID unknown)")


def test_an_error_of_a_nested_resource_counts(tmp_path):
    write_votable(tmp_path / "x.xml", table(IDS[:2]), table(IDS[2:]), nested=True)
    text = (tmp_path / "x.xml").read_text()
    inner = text.rindex("</TABLE>") + len("</TABLE>")
    text = text[:inner] + '<INFO name="QUERY_STATUS" value="OVERFLOW"/>' + text[inner:]
    (tmp_path / "x.xml").write_text(text)
    refused(tmp_path / "x.xml", "QUERY_STATUS OVERFLOW")


def test_errors_inside_an_archive_of_datalink_name_archive_and_file(tmp_path):
    infos(tmp_path / "x.xml", ("ERROR", "no such release"))
    write_votable(tmp_path / "y.xml", table())
    with zipfile.ZipFile(tmp_path / "answer.zip", "w") as zipped:
        for name in ("y.xml", "x.xml"):
            zipped.write(tmp_path / name, name)
    with pytest.raises(InputError, match="no such release") as refusal:
        gaia_archive.select(tmp_path / "answer.zip", IDS)
    assert str(refusal.value).startswith(f"x.xml in {tmp_path / 'answer.zip'} ")


# -- VOTables and FITS files that are damaged or leave rows elsewhere


def changed_votable(path, *changes):
    write_votable(path, table())
    text = path.read_text()
    for old, new in changes:
        assert re.search(old, text)
        text = re.sub(old, new, text, count=1)
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ([("<TABLE", '<TABLE nrows="9"')], "nrows=9, but table contains 4 rows"),
        ([(r"<TD>", '<TD href="x">')], None),
        ([(r"<TD>.*?</TD>", "")], "not readable as VOTable"),
        ([(r"</TR>", "<TD>1</TD></TR>")], "Data has more columns"),
        ([(r"<TD>4295806720</TD>", "<TD>4295806720.5</TD>")], "4295806720.5"),
        ([(r"<DATA>(.|\n)*</DATA>", "")], "no spectrum that can be used"),
        ([(r"<TABLE(.|\n)*</TABLE>", "")], "has no table"),
        (
            [(r"<TABLEDATA>(.|\n)*</TABLEDATA>", '<BINARY><STREAM href="file:///etc/hosts"/></BINARY>')],
            "keeps its rows in another file",
        ),
        ([(r"</RESOURCE>", "")], "not readable as VOTable"),
        ([("</VOTABLE>", "</VOTABLE><VOTABLE/>")], "not readable as VOTable"),
        ([('datatype="long"', 'datatype="quad"')], "not readable as VOTable"),
        ([("<TR>", "<TR>&undefined;")], "not readable as VOTable"),
    ],
)
def test_votables_with_faults(tmp_path, changes, says):
    path = changed_votable(tmp_path / "x.xml", *changes)
    if says is None:
        same(read_spectra(path), table())
    else:
        refused(path, says)


@pytest.mark.parametrize("tabledata", ["binary", "binary2"])
@pytest.mark.parametrize("bytes_lost", [1, 8, 100, -3, -500])
def test_binary_rows_that_are_cut_are_refused(tmp_path, tabledata, bytes_lost):
    path = tmp_path / "x.xml"
    archive.write_datalink(path, content())
    if tabledata == "binary":
        with_streams(path, tabledata)
    text = path.read_text()
    stream = re.search(r"<STREAM[^>]*>([^<]*)</STREAM>", text)[1]
    whole = base64.b64decode(stream)
    cut = whole[:-bytes_lost] if bytes_lost > 0 else whole + bytes(-bytes_lost)
    path.write_text(text.replace(stream, base64.b64encode(cut).decode()))
    refused(path, "binary data end in the middle of a row")
    path.write_text(text.replace(stream, base64.b64encode(whole).decode()))
    assert len(read_spectra(path)) == 4


def test_binary_rows_that_astropy_writes_wrongly_are_not_lost(tmp_path):
    archive.write_datalink(tmp_path / "x.xml", content())
    file = parse(tmp_path / "x.xml")
    file.set_all_tables_format("binary2")
    file.to_xml(str(tmp_path / "y.xml"))
    try:
        assert len(read_spectra(tmp_path / "y.xml")) == 4
    except InputError as error:
        assert "binary data end in the middle of a row" in str(error)


def changed_fits(path, change, tables=2):
    write_fits(path, *(table([12 << 36, number << 37], seed=number) for number in range(1, tables + 1)))
    whole = bytearray(path.read_bytes())
    second = whole.rindex(b"XTENSION")
    path.write_bytes(change(whole, second))
    return path


def replace(old, new):
    def change(whole, second):
        start = whole.index(old, second)
        whole[start : start + len(new)] = new
        return whole

    return change


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda whole, second: whole[: second + 700], "HDU 1"),  # inside the header of the second table
        (lambda whole, second: whole[:-2880], "cut short"),
        (replace(b"BINTABLE", b"BINTABLX"), "damaged in HDU 2"),
        (
            lambda whole, second: whole.replace(b"END" + b" " * 77, b"END" + b" " * 40 + b"x" + b" " * 36, 1),
            "",
        ),
        (replace(b"TFIELDS", b"TFIELDX"), ""),
        (replace(b"BITPIX  =                    8", b"BITPIX  =                    x"), ""),
        (replace(b"NAXIS1  = ", b"NAXIS1  =-"), ""),
        (replace(b"NAXIS2  =                    2", b"NAXIS2  =             99999999"), "cut short"),
        (replace(b"TFORM1  = 'K       '", b"TFORM1  = 'Q       '"), ""),
        (replace(b"TTYPE1  = 'source_id'", b"TTYPE1  = 'source_ix'"), "HDU 2"),
        (replace(b"TFORM1  = 'K       '", b"TFORM1  = 'D       '"), "float64"),
        (lambda whole, second: whole + b"<html>busy</html>".ljust(2880), "not readable as FITS"),
        (lambda whole, second: whole[:second] + bytes(500) + whole[second:], ""),
    ],
)
def test_fits_files_with_faults(tmp_path, change, says):
    refused(changed_fits(tmp_path / "x.fits", change), says)


def test_fits_padding_and_images_do_not_matter(tmp_path):
    made = table()
    write_fits(tmp_path / "x.fits", fits.ImageHDU(np.zeros((3, 3))), made)
    path = tmp_path / "x.fits"
    path.write_bytes(path.read_bytes() + bytes(2880))
    same(read_spectra(path), made)


# -- text


def test_separators_are_named(tmp_path):
    made = table()
    write_text(tmp_path / "x.csv", made)
    rows = pd.read_csv(tmp_path / "x.csv")
    for separator, name in {"\t": "tabs", ";": "semicolons", "|": "bars"}.items():
        rows.to_csv(tmp_path / "y", sep=separator, index=False)
        refused(tmp_path / "y", f"separated by {name}", "separated by commas")
    (tmp_path / "y").write_text("source_id bp_coefficients rp_coefficients\n1 2 3\n")
    refused(tmp_path / "y", "separated by blanks")
    write_ecsv(tmp_path / "x.ecsv", made)
    text = (tmp_path / "x.ecsv").read_text()
    (tmp_path / "x.ecsv").write_text(text.replace("# ---", "# ---\n# delimiter: '::'"))
    refused(tmp_path / "x.ecsv", "names '::' as delimiter")


@pytest.mark.parametrize(
    ("form", "says"),
    [
        ("{{{}}}", "arrays in braces, {1,2}, as PostgreSQL writes them"),
        ("[{}] ", None),
        ("({})", None),
    ],
)
def test_forms_of_arrays(tmp_path, form, says):
    made = table(few=True)
    rows = {
        name: [form.format(",".join(map(str, v))) if np.ndim(v) else v for v in made[name]]
        for name in made.colnames
    }
    pd.DataFrame(rows).to_csv(tmp_path / "x.csv", index=False)
    if says:
        refused(tmp_path / "x.csv", says, "bp_coefficients in")
    else:
        same(read_spectra(tmp_path / "x.csv"), made)


@pytest.mark.parametrize(
    ("join", "says"),
    [(" ", "separated by blanks, as numpy prints"), ("; ", "separated by semicolons"), ("  -", "blanks")],
)
def test_separators_inside_arrays_are_named(tmp_path, join, says):
    made = table(few=True)
    rows = {
        name: [f"[{join.join(map(str, v))}]" if np.ndim(v) else v for v in made[name]]
        for name in made.colnames
    }
    pd.DataFrame(rows).to_csv(tmp_path / "x.csv", index=False)
    refused(tmp_path / "x.csv", says)


def test_blanks_join_no_numbers(tmp_path):
    made = table()
    write_text(tmp_path / "x.csv", made)
    value = str(made["bp_standard_deviation"][1])
    text = (tmp_path / "x.csv").read_text().replace(value, f"{value[:3]} {value[3:]}")
    (tmp_path / "x.csv").write_text(text)
    assert read_spectra(tmp_path / "x.csv").dropped == {"bp_standard_deviation is not numeric": [IDS[1]]}


@pytest.mark.parametrize(
    ("head", "says"),
    [
        (b"PK\x03\x04" + b"x" * 99, "a zip archive: unpack it"),
        (b"PAR1" + bytes(99), "Parquet magic bytes not found"),
        (b"\x89HDF\r\n\x1a\n" + bytes(99), "an HDF5 file"),
        (b"\x93NUMPY" + bytes(99), "a numpy file"),
        (gzip.compress(b"source_id\n"), "gzipped twice"),
        (b"BZh91AY" + bytes(9), "a bzip2 file"),
        (b"\xfd7zXZ\x00", "an xz file"),
        (b'{"error": "too many\\n requests"}', 'JSON ({"error": "too many'),
        (b"%PDF-1.7", "a PDF file"),
        ("source_id,bp".encode("utf-16"), "is not csv"),
        (b"source_id\x00,", "is not csv"),
    ],
)
def test_other_forms_are_named(tmp_path, head, says):
    (tmp_path / "x").write_bytes(head if b"\x1f\x8b" not in head else gzip.compress(head))
    refused(tmp_path / "x", says)


# -- the forms say the same


def with_streams(path, tabledata):
    """Rewrite a VOTable; numbers of one length, as astropy writes float32 of variable length wrongly."""
    made = Table.read(path, format="votable")
    plain = {
        name: np.stack(made[name]) if made[name].dtype == object else made[name] for name in made.colnames
    }
    Table(plain).write(path, format="votable", tabledata_format=tabledata, overwrite=True)


@pytest.mark.parametrize("tabledata", ["tabledata", "binary", "binary2"])
def test_one_star_in_all_forms_is_the_same_star(tmp_path, tabledata):
    made = content(IDS[1:2], size=55)
    archive.write_bulk(tmp_path / "bulk.csv.gz", made)
    (tmp_path / "x.ecsv").write_bytes(gzip.decompress((tmp_path / "bulk.csv.gz").read_bytes()))
    for name in ("x.csv", "x.fits", "x.xml"):
        archive.write_datalink(tmp_path / name, made)
    if tabledata != "binary2":
        with_streams(tmp_path / "x.xml", tabledata)
    first, *others = (read_spectra(tmp_path / name) for name in ("x.csv", "x.ecsv", "x.fits", "x.xml"))
    assert first.source_id.tolist() == IDS[1:2] and first.correlations.shape == (1, 2, 1485)
    for other in others:
        for name in ARRAYS:
            one, two = getattr(first, name), getattr(other, name)
            assert one.dtype == two.dtype
            np.testing.assert_array_equal(one, two)
        np.testing.assert_array_equal(
            coefficients_to_flux(other.coefficients), coefficients_to_flux(first.coefficients)
        )


def test_a_column_object_keeps_its_unit_and_name(tmp_path):
    """Astropy's own reader agrees about what was written."""
    made = table()
    write_ecsv(tmp_path / "x.ecsv", made)
    theirs = Table.read(tmp_path / "x.ecsv")
    assert isinstance(theirs["bp_coefficients"], Column)
    np.testing.assert_array_equal(
        read_spectra(tmp_path / "x.ecsv").coefficients[:, :6], theirs["bp_coefficients"]
    )


@pytest.mark.parametrize("form", [*WRITERS, "many.fits", "binary2.xml"])
def test_damage_at_random_is_a_sentence_and_loses_no_star(tmp_path, form):
    path, rng = tmp_path / form, np.random.default_rng(12)
    if form == "many.fits":
        write_fits(path, table(IDS[:2]), table(IDS[2:]))
    elif form == "binary2.xml":
        archive.write_datalink(path, content())
    else:
        WRITERS[form](path, table())
    whole = path.read_bytes()
    refusals = 0
    for _ in range(60):
        damaged = bytearray(whole)
        for place in rng.integers(len(whole), size=rng.choice([1, 5])):
            damaged[place] ^= 1 << rng.integers(8)
        path.write_bytes(damaged)
        try:
            spectra = read_spectra(path)
        except InputError as error:
            refusals += 1
            assert "\n" not in str(error)
        else:
            assert len(spectra) + sum(map(len, spectra.dropped.values())) == len(IDS)
            assert np.isfinite(spectra.coefficients).all()
    assert refusals > 0
