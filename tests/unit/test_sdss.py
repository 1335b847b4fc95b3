"""Tables of SDSS: what stands for unknown, what does not fit together, files that are not the right ones."""

import fixtures_gaia_sdss as archive
import numpy as np
import pandas as pd
import pytest
from astropy.io import fits
from servers import FileServer, status

from xpsvae.data import patience, sdss
from xpsvae.errors import InputError

N, DUPLICATES, UNMATCHED = 60, 4, 3


@pytest.fixture(scope="module")
def survey():
    rng = np.random.default_rng(5)
    names = [name.lower() for name in archive.LABELS] + list("jhk") + ["a_k", "snr"]
    stars = pd.DataFrame({name: rng.uniform(0.01, 0.1, N) for name in names})
    stars["source_id"] = np.sort(rng.integers(1 << 35, 6 << 60, N))
    stars["apogee_id"] = [f"2M0000{i:04d}+0000000" for i in range(N)]
    stars["ra"], stars["dec"] = rng.uniform(0, 360, N), rng.uniform(-80, 80, N)
    for name in archive.MAGNITUDES.values():
        stars[name] = rng.uniform(9, 15, N)
    stars["phot_g_mean_flux"] = 10 ** (0.4 * (25.6873668671 - stars.phot_g_mean_mag))
    stars.loc[3, ["j", "mg_fe", "a_k"]] = np.nan
    return archive.make_survey(stars, np.ones((N, 110)), np.ones((N, 110)))


@pytest.fixture
def files(survey, tmp_path):
    archive.write_all_star(tmp_path / "all.fits", survey, DUPLICATES, UNMATCHED)
    archive.write_vac(tmp_path / "vac.fits", survey, DUPLICATES, UNMATCHED)
    return tmp_path / "all.fits", tmp_path / "vac.fits"


def change(path, number=1, **columns):
    """Rewrite columns of a table; a value that is a `fits.Column` replaces the column."""
    with fits.open(path, memmap=False) as hdus:
        kept = [columns.pop(c.name, c) if isinstance(columns.get(c.name), fits.Column) else c
                for c in hdus[number].columns]  # fmt: skip
        table = fits.BinTableHDU.from_columns(kept)
        for name, (rows, value) in columns.items():
            table.data[name][rows] = value
        hdus[number] = table
        hdus.writeto(path, overwrite=True)


def test_reads_what_was_written(survey, files):
    labels, report = sdss.read_labels(*files)
    stars = survey.stars
    assert len(labels) == N + DUPLICATES
    np.testing.assert_array_equal(labels.source_id[:N], stars.source_id)
    np.testing.assert_array_equal(labels.source_id[N:], stars.source_id[:DUPLICATES])
    assert labels.apogee_id[:N].tolist() == stars.apogee_id.tolist()
    ours = ("teff", "teff_err", "logg", "logg_err")
    aspcap, source = sdss.read_labels(*files, label_source="aspcap")
    assert (report["teff_and_logg"], source["teff_and_logg"]) == ("astronn", "aspcap")
    for name in ours:
        np.testing.assert_array_equal(labels[name][:N], stars[f"nn_{name}"].astype(np.float32))
        np.testing.assert_array_equal(aspcap[name][:N], stars[name].astype(np.float32))
    pd.testing.assert_frame_equal(labels.drop(columns=list(ours)), aspcap.drop(columns=list(ours)))
    for name in [*map(str.lower, archive.LABELS[4:]), *archive.MAGNITUDES.values(), "j", "h", "k", "a_k", "snr",
                 "sfd_ebv", "parallax", "parallax_error", "pmra", "pmdec", "radial_velocity"]:  # fmt: skip
        np.testing.assert_array_equal(labels[name][:N], stars[name].astype(np.float32), err_msg=name)
    np.testing.assert_allclose(labels.distance[:N], stars.distance, rtol=1e-15)
    for name in ("j_r", "l_z", "j_z"):
        np.testing.assert_array_equal(labels[f"vac_{name}"][:N], stars[name])
    for name in ("starflag", "aspcapflag"):
        assert labels[name].dtype == "Int64"
        np.testing.assert_array_equal(labels[name][:N].astype(int), stars[name])
    assert report["rows"] == N + DUPLICATES + UNMATCHED
    assert report["left_out"]["no Gaia source"] == UNMATCHED
    # the star and its duplicate
    assert {name: report["nulls"][name] for name in ("j", "a_k", "mg_fe")} == {"j": 2, "a_k": 2, "mg_fe": 2}
    assert set(sdss.LABEL_UNITS) <= set(labels)


def test_what_stands_for_unknown_is_null(files):
    unknown = {
        "M_H": -9999.0,
        "FE_H": -9999.99,
        "VHELIO_AVG": -999999.0,
        "H": 99.999,
        "K": 99.0,
        "SNR": -np.inf,
    }
    change(files[0], **{name: ([row], value) for row, (name, value) in enumerate(unknown.items())},
           STARFLAG=([6], -9999), ASPCAPFLAG=([7], -9999))  # fmt: skip
    change(files[1], weighted_dist=([8], -9999.0), jr=([9], 9999.99), Lz=([10], -9999.99), TEFF=([11], -9999.0),
           LOGG_ERR=([12], -999.0))  # fmt: skip
    labels, _ = sdss.read_labels(*files)
    ours = ["m_h", "fe_h", "radial_velocity", "h", "k", "snr", "starflag", "aspcapflag", "distance"]
    ours += ["vac_j_r", "vac_l_z", "teff", "logg_err"]
    for row, name in enumerate(ours):
        assert labels[name].isna().to_numpy()[:N].nonzero()[0].tolist() == [row], name
        assert not (labels[name].dropna() < -9000).any()


def test_masked_integers_are_null(survey, files):
    flags = survey.stars.starflag.to_numpy()
    flags = np.r_[flags, flags[:DUPLICATES], np.zeros(UNMATCHED, int)]
    flags[[2, 5]] = 77
    ids = np.r_[survey.stars.source_id, survey.stars.source_id[:DUPLICATES], np.zeros(UNMATCHED, int)]
    ids[9] = 123_456_789
    change(
        files[0],
        STARFLAG=fits.Column("STARFLAG", "K", array=flags, null=77),
        GAIAEDR3_SOURCE_ID=fits.Column("GAIAEDR3_SOURCE_ID", "K", array=ids, null=123_456_789),
    )
    labels, report = sdss.read_labels(*files)
    assert report["left_out"]["no Gaia source"] == UNMATCHED + 1
    assert survey.stars.source_id[9] not in labels.source_id.to_numpy()
    assert labels.apogee_id[labels.starflag.isna()].tolist() == survey.stars.apogee_id[[2, 5]].tolist()


def test_ids_of_two_releases_are_counted_and_refused(survey, files):
    change(files[1], source_id=([5, 20], survey.stars.source_id[[5, 20]].to_numpy() + 128))
    change(files[0], GAIAEDR3_SOURCE_ID=([30], 7 << 60))
    labels, report = sdss.read_labels(*files)
    assert report["orbit_of_another_source"] == 3  # the impossible one differs too
    assert report["left_out"]["source_id is not a Gaia identifier"] == 1
    assert labels.apogee_id.nunique() == N - 1
    without = labels[labels.distance.isna()]
    assert without.apogee_id.tolist() == survey.stars.apogee_id[[5, 20]].tolist()
    assert without[["vac_j_r", "vac_l_z", "vac_j_z"]].isna().all(axis=None) and without.teff.notna().all()
    with pytest.raises(InputError, match="1 rows with an impossible source_id and 3 whose source_ids differ"):
        sdss.read_labels(*files, invalid="refuse")


def test_nothing_bad_is_not_refused(files):
    assert sdss.read_labels(*files, invalid="refuse")[0].equals(sdss.read_labels(*files)[0])


def test_finds_the_table_wherever_it_is(files):
    with fits.open(files[0], memmap=False) as hdus:
        fits.HDUList([hdus[0], hdus[2], hdus[1]]).writeto(files[0].with_name("moved.fits"))
    moved, _ = sdss.read_labels(files[0].with_name("moved.fits"), files[1])
    assert moved.equals(sdss.read_labels(*files)[0])


@pytest.mark.parametrize("number", [0, 1])
@pytest.mark.parametrize("fraction", [0.999, 0.5, 0.1, 0.0])
def test_a_cut_file_is_refused(number, fraction, files):
    content = files[number].read_bytes()
    # the last table of allStar is small: cut in the one before
    files[number].write_bytes(content[: int(fraction * len(content))])
    with pytest.raises(
        InputError, match=f"{files[number].name} is (cut short|not a readable FITS file)|no binary"
    ):
        sdss.read_labels(*files)


def test_files_that_are_not_the_right_ones_are_named(files, tmp_path):
    with pytest.raises(InputError, match=r"vac.fits has no table with column GAIAEDR3_SOURCE_ID"):
        sdss.read_labels(files[1], files[0])
    with pytest.raises(InputError, match="none.fits does not exist"):
        sdss.read_labels(files[0], tmp_path / "none.fits")
    (tmp_path / "page.fits").write_text("<html>not found</html>" * 200)
    with pytest.raises(InputError, match="page.fits is not a readable FITS file"):
        sdss.read_labels(tmp_path / "page.fits", files[1])
    fits.HDUList([fits.PrimaryHDU(np.ones((4, 4)))]).writeto(tmp_path / "image.fits")
    with pytest.raises(InputError, match="image.fits has no binary table"):
        sdss.read_labels(tmp_path / "image.fits", files[1])


def test_an_astronn_catalogue_without_labels_is_one_sentence(files):
    with fits.open(files[1], memmap=False) as hdus:
        kept = [column for column in hdus[1].columns if column.name not in ("TEFF_ERR", "LOGG")]
        fits.BinTableHDU.from_columns(kept).writeto(files[1].with_name("few.fits"))
    few = files[1].with_name("few.fits")
    with pytest.raises(
        InputError,
        match=r"few.fits has no table with column TEFF_ERR, LOGG: .*gaia_sdss.label_source to aspcap\.$",
    ):
        sdss.read_labels(files[0], few)
    assert len(sdss.read_labels(files[0], few, label_source="aspcap")[0]) == N + DUPLICATES


def test_text_and_rounded_ids_are_refused(files, survey):
    n = N + DUPLICATES + UNMATCHED
    good = files[0].read_bytes()
    change(files[0], M_H=fits.Column("M_H", "8A", array=np.full(n, "rich")))
    with pytest.raises(InputError, match="in column M_H, not a number"):
        sdss.read_labels(*files)
    files[0].write_bytes(good)
    change(files[0], GAIAEDR3_SOURCE_ID=fits.Column("GAIAEDR3_SOURCE_ID", "D", array=np.ones(n)))
    with pytest.raises(InputError, match="float64 in column GAIAEDR3_SOURCE_ID, not a whole number"):
        sdss.read_labels(*files)


def test_tables_of_other_stars_are_refused(files, survey):
    archive.write_vac(files[1], survey, DUPLICATES, UNMATCHED + 1)
    with pytest.raises(
        InputError, match=r"vac.fits \(68 rows\) does not list the stars of .*all.fits \(67 rows\)"
    ):
        sdss.read_labels(*files)
    archive.write_vac(files[1], survey, DUPLICATES, UNMATCHED)
    change(files[1], APOGEE_ID=([4], "2M"))
    with pytest.raises(InputError, match="in their order"):
        sdss.read_labels(*files)


def test_no_gaia_source_at_all_is_refused(files):
    change(files[0], GAIAEDR3_SOURCE_ID=(slice(None), 0))
    with pytest.raises(InputError, match="no row with a Gaia source_id"):
        sdss.read_labels(*files)


LIST = f"{'a' * 40}  ./apogee/other.fits\n{'B' * 40} *folder/all.fits\n{'c' * 40}  vac.fits\n"


def test_finds_checksums_in_lists():
    assert sdss.parse_checksums(LIST, "all.fits") == "sha1:" + "b" * 40
    assert sdss.parse_checksums(LIST, "vac.fits") == "sha1:" + "c" * 40
    for text in (LIST, "", "<html>"):
        with pytest.raises(InputError, match="does not name l.fits"):
            sdss.parse_checksums(text, "l.fits")


def test_entry_takes_a_sum_or_a_list(tmp_path, monkeypatch):
    monkeypatch.setattr(patience, "wait", lambda stop, seconds: None)
    with FileServer({"/sums": LIST.encode()}, {"/sums": [status(503)]}) as server:
        listed = sdss.entry("http://h/x/vac.fits", server.url("/sums"), tmp_path)
        with pytest.raises(InputError, match="HTTP status 404"):
            sdss.entry("http://h/x/vac.fits", server.url("/none"), tmp_path)
    given = sdss.entry("http://h/x/vac.fits", "sha1:" + "c" * 40, tmp_path)
    assert listed == given and given.name == "vac.fits"
