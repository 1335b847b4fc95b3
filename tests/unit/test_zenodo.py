"""The authors' files: what is read equals what was written, in its order, and what is wrong is named."""

import os
import re

import fixtures_gaia_sdss as archive
import h5py
import numpy as np
import pandas as pd
import pytest
from astropy.table import MaskedColumn, Table
from sklearn.model_selection import train_test_split

from xpsvae.catalog import crossmatch, cuts
from xpsvae.data import zenodo
from xpsvae.data.manifest import place, verify_all
from xpsvae.errors import InputError
from xpsvae.products import write_json

N = 300
CATALOGUE = "xp_apogee_cat.h5"


@pytest.fixture(scope="module")
def survey():
    rng = np.random.default_rng(5)
    names = [name.lower() for name in archive.LABELS] + list("jhk") + ["a_k", "snr"]
    stars = pd.DataFrame({name: rng.uniform(0.01, 5, N) for name in names})
    stars["source_id"] = rng.permutation(np.arange(1, N + 1)) * 34_359_738_368 + 7
    stars["apogee_id"] = [f"2M0000{i:04d}+0000000" for i in range(N)]
    stars["ra"], stars["dec"] = rng.uniform(0, 360, N), rng.uniform(-80, 80, N)
    for name in archive.MAGNITUDES.values():
        stars[name] = rng.uniform(9, 15, N)
    stars["phot_g_mean_flux"] = 10 ** (0.4 * (25.6873668671 - stars.phot_g_mean_mag))
    coefficients = rng.normal(0, 1e3, (N, 110)).astype(np.float32)
    return archive.make_survey(stars, coefficients, rng.uniform(1, 9, (N, 110)).astype(np.float32))


@pytest.fixture(scope="module")
def record(survey, tmp_path_factory):
    folder = tmp_path_factory.mktemp("record")
    archive.write_authors(folder, survey)
    archive.write_predictions(folder, survey)
    return folder


@pytest.fixture
def changed(record, tmp_path):
    """Write the catalogue anew with columns changed in place."""

    def write(change):
        table = Table.read(record / CATALOGUE, path="__astropy_table__")
        table = change(table) or table
        path = tmp_path / CATALOGUE
        table.write(path, path="__astropy_table__", overwrite=True)
        return path

    return write


def in_row(row, column, value, index=()):
    def change(table):
        table[column][(row, *index)] = value

    return change


def test_rows_keep_their_order_and_values(record, survey, monkeypatch):
    whole = zenodo.read_catalog(record / CATALOGUE)
    monkeypatch.setattr(zenodo, "_CHUNK", 7)  # does not divide N
    for labels, coefficients, errors, report in (whole, zenodo.read_catalog(record / CATALOGUE)):
        stars = crossmatch.star_table(labels)
        assert list(stars) == list(crossmatch.star_table(survey.stars))
        np.testing.assert_array_equal(stars.source_id, survey.stars.source_id)
        assert not stars.source_id.is_monotonic_increasing
        for name in stars.select_dtypes("float64"):
            if name in ("a_k", "snr"):
                assert stars[name].isna().all()
            elif name in ("ra", "dec"):  # from Galactic coordinates in single precision
                distance = np.abs((stars[name] - survey.stars[name] + 180) % 360 - 180)
                assert (distance * np.cos(np.radians(survey.stars.dec)) < 5e-5).all()
            else:
                truth = survey.stars[f"nn_{name}" if name.startswith(("teff", "logg")) else name]
                np.testing.assert_array_equal(stars[name], truth.astype(np.float32))
        for name in ("starflag", "aspcapflag"):
            np.testing.assert_array_equal(stars[name], survey.stars[name])
        np.testing.assert_array_equal(coefficients, survey.coefficients)
        np.testing.assert_array_equal(errors, survey.errors)
        assert coefficients.dtype == errors.dtype == np.float32
        assert report == {"rows": N, "duplicates": 0, "duplicates_dropped": 0, "invalid": {}, "unknown": {}}


def test_what_stands_for_unknown_becomes_null(changed):
    def change(table):
        table["TEFF"][1], table["LOGG_ERR"][2], table["J"][3] = -9999.0, np.nan, 99.999
        table["jz"][4], table["STARFLAG"][5] = 9999.99, -9999
        table["ASPCAPFLAG"] = MaskedColumn(table["ASPCAPFLAG"], mask=np.arange(N) == 6)
        table["K"] = MaskedColumn(table["K"], mask=np.arange(N) == 7)
        table["TEFF"][8] = 99.999  # not a magnitude
        table["jr"][9] = 12_000.0  # a wide orbit, but a bound one
        for row, name in enumerate(("M_H", "GAIAEDR3_PARALLAX", "Lz", "SFD_EBV", "MG_FE_ERR")):
            table[name][10 + row] = -9999.99
        table["FE_H"][15], table["ALPHA_M"][16], table["ASPCAPFLAG"][17] = -999.0, -999_999.0, -1
        table["GLON"][18], table["Lz"][19] = -9999.0, -998.0  # the second is an orbit

    labels, _, _, report = zenodo.read_catalog(changed(change))
    nulls = {
        name: np.flatnonzero(labels[name].isna()).tolist() for name in labels if labels[name].isna().any()
    }
    assert nulls == {
        "teff": [1], "logg_err": [2], "j": [3], "j_z": [4], "starflag": [5], "aspcapflag": [6, 17], "k": [7],
        "m_h": [10], "parallax": [11], "l_z": [12], "sfd_ebv": [13], "mg_fe_err": [14], "fe_h": [15],
        "alpha_m": [16], "ra": [18], "dec": [18],
    }  # fmt: skip
    expected = {name: len(rows) for name, rows in nulls.items() if name not in ("ra", "dec")}
    assert report["unknown"] == expected | {"glon": 1}
    assert labels.starflag.dtype == "Int64"


def test_columns_that_need_not_be_there(changed, survey):
    """Without errors of two labels these are null, never those of other labels."""

    def without_errors(table):
        table.remove_columns(["FE_H_ERR", "MG_FE_ERR", "GLON", "GLAT"])

    stars = crossmatch.star_table(zenodo.read_catalog(changed(without_errors))[0])
    assert stars[["fe_h_err", "mg_fe_err", "ra", "dec"]].isna().all(axis=None)
    np.testing.assert_array_equal(stars.mg_fe, survey.stars.mg_fe.astype(np.float32))

    def with_more(table):
        for name in ("ra", "dec", "snr"):
            table[name.upper()] = survey.stars[name].to_numpy()
        table["AK_TARG"] = np.where(np.arange(N) == 4, -9999.0, survey.stars.a_k)
        table["DEC"][6] = -9999.0

    stars = crossmatch.star_table(zenodo.read_catalog(changed(with_more))[0])
    for name, unknown in (("snr", []), ("a_k", [4]), ("ra", []), ("dec", [])):
        assert np.flatnonzero(stars[name].isna()).tolist() == unknown
    other = np.arange(N) != 6  # that one's place is taken from its Galactic coordinates
    np.testing.assert_array_equal(stars.dec[other], survey.stars.dec[other])
    assert stars.dec[6] == pytest.approx(survey.stars.dec[6], abs=5e-5)


def test_masked_coefficients_are_missing(changed):
    def change(table):
        for name, row in (("coeffs", 3), ("coeff_errs", 8)):
            mask = np.zeros((N, 110), dtype=bool)
            mask[row, 60] = True
            table[name] = MaskedColumn(table[name], mask=mask)

    labels, _, _, report = zenodo.read_catalog(changed(change), aligned=False)
    assert report["invalid"] == {
        "coefficient not finite": 1, "coefficient error not positive and finite": 1,
    }  # fmt: skip
    assert len(labels) == N - 2


BAD = {
    "coefficient not finite": in_row(4, "coeffs", np.nan, (60,)),
    "coefficient error not positive and finite": in_row(4, "coeff_errs", 0.0, (3,)),
    "id not positive": in_row(4, "ids", 0),
    "G flux not positive": in_row(4, "phot_g_mean_flux", np.nan),
}


@pytest.mark.parametrize("reason", BAD)
def test_an_invalid_row_is_named_counted_and_dropped_or_refused(changed, survey, reason):
    path = changed(BAD[reason])
    with pytest.raises(InputError, match=rf"has 1 rows .*1 with {reason}.*first row 4.*zenodo\.invalid"):
        zenodo.read_catalog(path, invalid="refuse")
    with pytest.raises(InputError, match=rf"1 with {reason}.*companion files would no longer belong"):
        zenodo.read_catalog(path, invalid="drop", aligned=True)
    labels, coefficients, errors, report = zenodo.read_catalog(path, invalid="drop", aligned=False)
    assert report["invalid"] == {reason: 1} and report["rows"] == N
    kept = np.delete(np.arange(N), 4)
    np.testing.assert_array_equal(labels.source_id, survey.stars.source_id.to_numpy()[kept])
    np.testing.assert_array_equal(coefficients, survey.coefficients[kept])
    np.testing.assert_array_equal(errors, survey.errors[kept])


def test_a_repeated_id_is_kept_dropped_or_refused(changed, survey):
    ids = survey.stars.source_id.to_numpy()
    path = changed(in_row(slice(20, 22), "ids", ids[3]))
    labels, *_, report = zenodo.read_catalog(path)
    assert len(labels) == N and report["duplicates"] == 2 and report["duplicates_dropped"] == 0
    with pytest.raises(
        InputError, match=rf"2 that repeat an id.*first row 20, id {ids[3]}.*zenodo\.duplicates"
    ):
        zenodo.read_catalog(path, duplicates="refuse")
    with pytest.raises(InputError, match=r"companions to \[\]"):
        zenodo.read_catalog(path, duplicates="drop", aligned=True)
    labels, *_, report = zenodo.read_catalog(path, duplicates="drop", aligned=False)
    np.testing.assert_array_equal(labels.source_id, np.delete(ids, [20, 21]))
    assert zenodo.report(crossmatch.star_table(labels), report)["labels"] == {
        "rows": N, "duplicates_dropped": 2, "unmatched": 0, "sources": N - 2,
    }  # fmt: skip


def without(column):
    def change(table):
        table.remove_column(column)

    return change


def replaced(column, values):
    def change(table):
        table[column] = values

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (without("SFD_EBV"), "no column SFD_EBV"),
        (replaced("TEFF", ["hot"] * N), "in column TEFF: give numbers"),
        (replaced("ids", np.linspace(1, 2, N)), "float64 in column ids"),
        (replaced("coeff_errs", np.ones((N, 55))), r"shape \(110,\) and errors of shape \(55,\)"),
        (replaced("coeffs", np.full((N, 110), np.nan)), "300 with coefficient not finite"),
    ],
)
def test_a_wrong_table_is_one_sentence(changed, change, message):
    with pytest.raises(InputError, match=message):
        zenodo.read_catalog(changed(change))


def test_all_rows_invalid_is_one_sentence(changed):
    with pytest.raises(InputError, match="holds no valid row of 300"):
        zenodo.read_catalog(changed(replaced("coeffs", np.full((N, 110), np.nan))), aligned=False)


@pytest.mark.parametrize("share", [0.0, 0.001, 0.5, 0.999])
def test_a_truncated_file_is_one_sentence(record, tmp_path, share):
    content = (record / CATALOGUE).read_bytes()
    path = tmp_path / CATALOGUE
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(InputError, match="truncated or not HDF5"):
        zenodo.read_catalog(path)
    with pytest.raises(InputError, match="does not exist"):
        zenodo.read_catalog(tmp_path / "absent.h5")


def test_a_damaged_name_of_a_column_is_one_sentence(record, tmp_path):
    content = (record / CATALOGUE).read_bytes()
    path = tmp_path / CATALOGUE
    path.write_bytes(content.replace(b"LOGG_ERR", b"\xfeOGG_ERR", 1))
    with pytest.raises(InputError, match="truncated or not HDF5"):
        zenodo.read_catalog(path)


def test_another_hdf5_file_is_one_sentence(tmp_path):
    with h5py.File(tmp_path / CATALOGUE, "w") as file:
        file["spectra"] = np.ones(3)
    with pytest.raises(InputError, match="has no table __astropy_table__ but spectra"):
        zenodo.read_catalog(tmp_path / CATALOGUE)


def external(file, table, folder):
    (folder / "raw").write_bytes(table.tobytes())
    file.create_dataset(NAME, table.shape, table.dtype, external=[(folder / "raw", 0, table.nbytes)])


def virtual(file, table, folder):
    with h5py.File(folder / "other.h5", "w") as other:
        other[NAME] = table
    layout = h5py.VirtualLayout(table.shape, table.dtype)
    layout[:] = h5py.VirtualSource(folder / "other.h5", NAME, table.shape)
    file.create_virtual_dataset(NAME, layout)


def external_link(file, table, folder):
    with h5py.File(folder / "other.h5", "w") as other:
        other[NAME] = table
    file[NAME] = h5py.ExternalLink("other.h5", NAME)


def link_to_a_link(file, table, folder):
    external_link(file, table, folder)
    file.move(NAME, "x")
    file[NAME] = h5py.SoftLink("/x")


def external_link_to_nothing(file, table, folder):
    file[NAME] = h5py.ExternalLink("/etc/hostname", "/")


def bomb(file, table, folder):
    file.create_dataset(NAME, 10**12, table.dtype, chunks=(100,), compression="gzip")


def group(file, table, folder):
    file.create_group(NAME)


def committed_type(file, table, folder):
    file[NAME] = table.dtype


def rows_in_two_dimensions(file, table, folder):
    file[NAME] = table.reshape(2, -1)


def words(file, table, folder):
    file.create_dataset(NAME, 3, np.dtype([("ids", h5py.string_dtype())]))


def references(file, table, folder):
    file.create_dataset(NAME, 3, np.dtype([("ids", h5py.ref_dtype)]))


NAME = "__astropy_table__"
ELSEWHERE = {
    external: "keeps its table __astropy_table__ in other files",
    virtual: "keeps its table __astropy_table__ in other files",
    external_link: "only a link in place",
    link_to_a_link: "only a link in place",
    external_link_to_nothing: "only a link in place",
    bomb: "for 1000000000000 rows of",
    group: "has no table",
    committed_type: "has no table",
    rows_in_two_dimensions: "has no table",
    words: "has no column",
    references: "has no column",
}


@pytest.mark.parametrize("make", ELSEWHERE)
def test_a_table_that_is_elsewhere_or_none_is_one_sentence(make, record, tmp_path):
    with h5py.File(record / CATALOGUE) as file:
        table = file[NAME][:]
    with h5py.File(tmp_path / CATALOGUE, "w") as file:
        make(file, table, tmp_path)
    with pytest.raises(InputError, match=ELSEWHERE[make]) as error:
        zenodo.read_catalog(tmp_path / CATALOGUE)
    assert "\n" not in str(error.value) and str(error.value).endswith(".")


def test_companions_are_in_the_order_of_the_catalogue(record, survey):
    """Each is written in the order of the authors' split and comes back in that of the rows."""
    test = np.sort(train_test_split(np.arange(N), test_size=0.1, random_state=12345)[1])
    assert not np.array_equal(test, zenodo.companion_order(N))
    correlations, report = zenodo.read_correlations(record / "xp_corrs.npz", N)
    assert report == {"from": "record", "stars": N // 10, "not_positive_definite": 0}
    for band, name in enumerate(("bp", "rp")):
        given = np.stack(survey.spectra[f"{name}_coefficient_correlations"])
        np.testing.assert_array_equal(correlations[:, band], given[test])
    scaled = survey.coefficients / survey.stars.phot_g_mean_flux.to_numpy()[:, None]
    prediction = zenodo.read_predictions(record / "lb23_xp_est_no_labels.npy", N)
    np.testing.assert_allclose(prediction, scaled[test][:, np.r_[:32, 55:87]], rtol=0.2)


def test_zgr23_knows_what_it_does_not_know(record, survey):
    """Rows without a match are zeros in the file, and null here, in whatever order stars are asked for."""
    with np.load(record / "zhang_stellar_params_xmatch.npz") as file:
        listed, parameters, flags = (file[name] for name in ("source_ids", "stellar_params", "quality_flags"))
    ids = survey.stars.source_id.to_numpy()
    test = train_test_split(np.arange(N), test_size=0.1, random_state=12345)[1]
    np.testing.assert_array_equal(listed, ids[test])
    assert flags.dtype == parameters.dtype == np.float64
    filled = parameters.any(axis=1)
    assert 0 < filled.sum() < len(test) and not flags[~filled].any()
    table = zenodo.read_zgr23(record / "zhang_stellar_params_xmatch.npz", ids).set_index("source_id")
    assert table.index[table.matched].tolist() == [i for i in ids if i in set(listed[filled])]
    assert table[~table.matched].drop(columns="matched").isna().all(axis=None)
    for row in np.flatnonzero(filled):
        star = table.loc[listed[row]]
        assert (star.teff, star.logg) == (1000.0 * parameters[row, 0], parameters[row, 2])
        assert star.quality_flags == flags[row]


def test_zgr23_rows_that_cannot_be_used_are_no_match(tmp_path):
    """Never filled, listed before, or with NaN."""
    values = np.array([[5.0, 0, 4, 0, 1], [0, 0, 0, 0, 0], [6, 0, 4, 0, 1], [6, np.nan, 4, 0, 1]])
    arrays = {"source_ids": np.array([5, 6, 5, 7]), "stellar_params": values, "quality_flags": np.zeros(4)}
    np.savez(tmp_path / "z.npz", **arrays)
    table = zenodo.read_zgr23(tmp_path / "z.npz", np.array([6, 5, 4, 7, 5]))
    assert table.matched.tolist() == [False, True, False, False, True]
    assert table.teff[[1, 4]].tolist() == [5000.0, 5000.0]
    np.savez(tmp_path / "z.npz", **arrays | {"source_ids": np.array([5.0, 6, 5, 7])})
    with pytest.raises(InputError, match=r"source_ids of .*z.npz is float64, which need not hold all digits"):
        zenodo.read_zgr23(tmp_path / "z.npz", np.array([6]))


def test_correlations_of_datalink_are_those_of_the_stars(survey):
    ids, rng = survey.stars.source_id.to_numpy(), np.random.default_rng(3)
    answered = rng.permutation(ids)[:200]
    sent = rng.uniform(-1, 1, (200, 2, 10)).astype(np.float32)
    wanted = np.r_[ids[:50], ids[:3]]  # rows may repeat a star
    found, report = zenodo.match_correlations(wanted, answered, sent)
    by_star = dict(zip(answered, sent, strict=True))
    for star, row in zip(wanted, found, strict=True):
        np.testing.assert_array_equal(row, by_star.get(star, np.zeros((2, 10))))
    without = sum(star not in by_star for star in wanted)
    assert without and report == {"from": "datalink", "stars": 53, "without_answer": without}
    for none in (answered[:0], np.array([3])):
        with pytest.raises(
            InputError, match=r"none of the 53 test stars: set zenodo\.correlations to record"
        ):
            zenodo.match_correlations(wanted, none, sent[: len(none)])


def test_what_a_record_lacks_is_known_by_its_manifest(record, tmp_path):
    names = sorted(path.name for path in record.iterdir())
    assert zenodo.lacking(names, zenodo.COMPANIONS) == []
    names.remove("xp_corrs.npz")
    assert zenodo.lacking(names, zenodo.COMPANIONS) == ["xp_corrs.npz"]
    with pytest.raises(
        InputError, match=r"no xp_apogee_cat\.h5 but catalogue\.h5, norm\.npz: .*zenodo\.record"
    ):
        zenodo.lacking(["catalogue.h5", "norm.npz"], zenodo.COMPANIONS)
    there, absent = tmp_path / "a.npy", tmp_path / "b.npy"
    there.write_bytes(b"abc")
    absent.touch()
    entry = {"url": "http://a/b", "checksum": "md5:900150983cd24fb0d6963f7d28e17f72", "size": 3}
    write_json(tmp_path / "manifest.json", [{"name": "a.npy", **entry}])
    assert zenodo.held(tmp_path / "manifest.json", [there, absent]) == [there]
    there.write_bytes(b"abd")
    with pytest.raises(InputError, match=r"a\.npy has md5"):
        zenodo.held(tmp_path / "manifest.json", [there, absent])


def test_matrices_that_are_not_positive_definite_are_named(tmp_path):
    rng = np.random.default_rng(0)
    pairs = rng.uniform(-0.01, 0.01, (N // 10, 1485)).astype(np.float32)
    bad = {"bp": pairs.copy(), "rp": pairs.copy()}
    bad["bp"][3, 0] = 1.5  # a correlation above one
    bad["rp"][9, 10] = np.nan
    bad["rp"][11, :3] = 0.9, 0.9, -0.9  # each allowed, together impossible
    np.savez(tmp_path / "xp_corrs.npz", **{f"{band}_corrs": values for band, values in bad.items()})
    correlations, report = zenodo.read_correlations(tmp_path / "xp_corrs.npz", N)
    assert report == {"from": "record", "stars": N // 10, "not_positive_definite": 3}
    place_of = np.argsort(
        np.argsort(zenodo.companion_order(N))
    )  # row of the file -> row of the catalogue's test
    assert set(np.flatnonzero(np.isnan(correlations).any(axis=(1, 2)))) == set(place_of[[3, 9, 11]])
    with pytest.raises(InputError, match=r"3 of 30 correlation matrices that are not positive definite"):
        zenodo.read_correlations(tmp_path / "xp_corrs.npz", N, invalid="refuse")


def test_positive_definite_agrees_with_eigenvalues():
    rng = np.random.default_rng(2)
    pairs = rng.uniform(-1, 1, (400, 6))  # 4 x 4
    expected = []
    for values in pairs:
        matrix = np.eye(4)
        matrix[np.tril_indices(4, -1)] = values
        expected.append(np.linalg.eigvalsh(matrix, UPLO="L")[0] > 0)
    assert 10 < sum(expected) < 390
    np.testing.assert_array_equal(zenodo._positive_definite(pairs), expected)


@pytest.mark.parametrize(
    ("read", "arrays", "message"),
    [
        (zenodo.read_normalisation, {"mu": np.zeros(110), "sig": np.zeros(110)}, "not usable"),
        (zenodo.read_normalisation, {"mu": np.zeros(110)}, "no array sig"),
        (zenodo.read_normalisation, {"mu": np.zeros(55), "sig": np.ones(110)}, r"shape \(55,\)"),
        (zenodo.read_normalisation, {"mu": np.array(["a"] * 110), "sig": np.ones(110)}, "not numbers"),
        (lambda path: zenodo.read_correlations(path, N), {"bp_corrs": np.zeros((9, 1485))}, r"\(30, 1485\)"),
        (
            lambda path: zenodo.read_zgr23(path, [1]),
            {"source_ids": np.ones(2, int)},
            "no array stellar_params",
        ),
    ],
)
def test_a_wrong_companion_is_one_sentence(tmp_path, read, arrays, message):
    np.savez(tmp_path / "file.npz", **arrays)
    with pytest.raises(InputError, match=message):
        read(tmp_path / "file.npz")
    content = (tmp_path / "file.npz").read_bytes()
    (tmp_path / "file.npz").write_bytes(content[: len(content) // 2])
    with pytest.raises(InputError, match=r"file\.npz"):
        read(tmp_path / "file.npz")


def test_a_pickled_companion_is_not_opened(tmp_path):
    np.savez(tmp_path / "file.npz", mu=np.array([os.getcwd, 1], dtype=object), sig=np.ones(110))
    with pytest.raises(InputError, match="not a readable NumPy file"):
        zenodo.read_normalisation(tmp_path / "file.npz")


def test_predictions_of_another_split_are_refused_and_rows_with_nan_masked(record, tmp_path):
    values = np.load(record / "lb23_xp_est_labels.npy")
    np.save(tmp_path / "p.npy", values[:-1])
    with pytest.raises(InputError, match=r"shape \(29, 64\) where \(30, 64\)"):
        zenodo.read_predictions(tmp_path / "p.npy", N)
    values[4, 2], values[9, 60] = np.nan, np.inf
    np.save(tmp_path / "p.npy", values)
    found = zenodo.read_predictions(tmp_path / "p.npy", N)
    test = zenodo.companion_order(N)
    masked = np.isin(np.sort(test), test[[4, 9]])
    assert np.isnan(found[masked]).all() and np.isfinite(found[~masked]).all() and masked.sum() == 2


def test_normalisation_is_compared_with_ours(record, survey):
    comparison = zenodo.compare_normalisation(
        record / "apogee_norm.npz", survey.coefficients, survey.stars.phot_g_mean_flux
    )
    # theirs is that of all stars here
    assert comparison["all"]["mean"]["largest"] < 1e-5
    assert comparison["all"]["standard_deviation"]["largest"] < 1e-4
    ratio = survey.coefficients / survey.stars.phot_g_mean_flux.to_numpy()[:, None]
    train = train_test_split(np.arange(N), test_size=0.1, random_state=12345)[0]
    expected = np.abs(ratio[train].mean(axis=0) - ratio.mean(axis=0)) / ratio.std(axis=0)
    assert comparison["train"]["mean"]["largest"] == pytest.approx(expected.max(), rel=1e-3)
    assert comparison["train"]["mean"]["median"] == pytest.approx(np.median(expected), rel=1e-3)


def test_cutflow_agrees_with_counts_by_hand_or_shows_both_columns(survey):
    stars = survey.stars.assign(alpha_m=np.nan)  # asking for labels would leave none
    single = {name: stars[name].to_numpy(np.float32) for name in stars.select_dtypes("float64")}
    common = (
        (single["phot_bp_mean_mag"] - single["phot_rp_mean_mag"] > 0)
        & (single["phot_bp_mean_mag"] - single["phot_rp_mean_mag"] < 4)
        & (single["phot_g_mean_mag"] > 6)
        & (single["phot_g_mean_mag"] < 17.5)
        & (stars.starflag == 0).to_numpy()
        & np.array([not (flag >> 2 & 1 or flag >> 3 & 1) for flag in stars.aspcapflag])
    )
    kept, removed = {"full": N}, {}
    for subset, snr, logg, m_h in (("good", 20, 0.4, 0.2), ("pristine", 100, 0.1, 0.05)):
        passed = {
            "teff_snr": single["teff"] / single["teff_err"] > snr,
            "logg_err": single["logg_err"] < logg,
            "m_h_err": single["m_h_err"] < m_h,
        }
        removed[subset] = {name: int((~mask).sum()) for name, mask in passed.items()}
        kept[subset] = int(np.logical_and.reduce([common, *passed.values()]).sum())
    *rows, by_text = cuts.compare_with_paper(stars, kept, removed)
    assert len(rows) == 9 and all(row["here"] == row["counted"] for row in rows)
    passed["flags"] = (stars.starflag == 0).to_numpy() & np.array(
        [not (flag >> 19 & 1 or flag >> 23 & 1) for flag in stars.aspcapflag]
    )
    colour = single["phot_bp_mean_mag"] - single["phot_rp_mean_mag"]
    passed["light"] = (colour > 0) & (colour < 4) & (single["phot_g_mean_mag"] < 17.5)
    assert by_text == {
        "count": "pristine by ASPCAPFLAG bits 19 and 23",
        "here": int(np.logical_and.reduce(list(passed.values())).sum()),
        "counted": 126_156,
        "by": "by another reader of the authors' file",
    }
    kept["good"] += 1
    wanted = f"good {kept['good'] - 1:,} / {kept['good']:,}; removed by good teff_snr"
    with pytest.raises(InputError, match=re.escape(wanted)):
        cuts.compare_with_paper(stars, kept, removed)
    with pytest.raises(InputError, match="full 300 / 502,311; good .* / 202,970"):
        cuts.compare_with_paper(stars)


def test_files_are_verified_before_use_and_placed_without_a_copy(tmp_path):
    (tmp_path / "downloads").mkdir()
    file, product = tmp_path / "downloads/a.npy", tmp_path / "results/a.npy"
    file.write_bytes(b"abc")
    place([file], [product])
    assert product.samefile(file)
    product.unlink()  # as a workflow does before it repeats a job
    assert file.read_bytes() == b"abc"
    place([file], [product])
    entry = {
        "name": "a.npy",
        "url": "http://a/b",
        "checksum": "md5:900150983cd24fb0d6963f7d28e17f72",
        "size": 3,
    }
    write_json(tmp_path / "manifest.json", [entry])
    verify_all(tmp_path / "manifest.json", [product])
    product.write_bytes(b"abd")
    with pytest.raises(InputError, match="delete it and rerun"):
        verify_all(tmp_path / "manifest.json", [product])
    with pytest.raises(InputError, match=r"no file b\.npy but a\.npy"):
        verify_all(tmp_path / "manifest.json", [tmp_path / "b.npy"])
