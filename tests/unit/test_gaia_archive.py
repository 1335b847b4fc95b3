"""Parts of the Gaia archive against a service that misbehaves, and files that hold what they should not."""

import gzip
import hashlib
import io
import zipfile
from contextlib import nullcontext

import fixtures_gaia_sdss as archive
import numpy as np
import pytest
from servers import FileServer, chunked, claimed_length, cut, header, replaced_by, stall, status, together
from servers import wrong_bytes as flipped

from xpsvae.catalog import assemble
from xpsvae.data import gaia_archive, patience
from xpsvae.errors import InputError
from xpsvae.products import read_array, read_json

RNG = np.random.default_rng(3)
IDS = np.sort(RNG.integers(1 << 36, 3 << 60, 12))
PATH = "/data-server/data"


@pytest.fixture(scope="module")
def table():
    return archive.spectra_table(IDS, RNG.normal(0, 1e3, (12, 110)), RNG.uniform(1, 5, (12, 110)))


@pytest.fixture(scope="module")
def answer(table, tmp_path_factory):
    """Zip archive that datalink sends."""
    path = tmp_path_factory.mktemp("answer") / "spectra.csv"
    archive.write_datalink(path, table)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as zipped:
        zipped.write(path, "XP_CONTINUOUS_RAW.csv")
    return packed.getvalue()


def content(path):
    with zipfile.ZipFile(path) as zipped:
        return zipped.read("XP_CONTINUOUS_RAW.csv")


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    waited = []
    monkeypatch.setattr(patience, "wait", lambda stop, seconds: waited.append(seconds))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return waited


@pytest.mark.parametrize(("n", "parts"), [(10, 3), (9, 3), (2, 5), (1, 1)])
def test_divides_each_star_once(n, parts):
    lists = gaia_archive.divide(np.r_[IDS[:n][::-1], IDS[:1]], parts)
    np.testing.assert_array_equal(np.concatenate(lists), IDS[:n])
    assert len(lists) == parts and np.ptp([len(part) for part in lists]) <= 1


def test_says_how_many_parts_are_needed():
    with pytest.raises(InputError, match=r"set gaia_sdss.datalink.parts to 4 or more"):
        gaia_archive.divide(IDS[:10], 3, largest=3)
    assert len(gaia_archive.divide(IDS[:10], 4, largest=3)) == 4


PASSING = {
    **{f"status {code}": [status(code)] for code in (408, 429, 500, 502, 503, 504)},
    "status 429 with Retry-After": [status(429, Retry_After="7")],
    "cut at the first byte": [cut(0)],
    "cut in the middle": [cut(20_000)],
    "cut in the middle where no length was told": [together(claimed_length(None), cut(20_000))],
    "reset": [cut(30_000, reset=True)],
    "stalls": [stall(10_000)],
    "stalls in the head": [stall(5, in_head=True)],
    "cut between chunks": [together(chunked, cut(4102 * 3))],
    "chunked": [chunked],
    "length told short": [claimed_length(-100)],
    "length told long": [claimed_length(100)],
    "length told as nonsense": [header("Content-Length", "many")],
    "wrong byte in the data": [flipped(10_000)],
    "wrong byte in the directory": [flipped(-30)],
    "page": [replaced_by(b"<html>busy</html>")],
    "nothing": [replaced_by(b"")],
    **{f"wrong byte at {n}": [flipped(n)] for n in (0, 6, 8, 14, 30, 100, -1, -10, -60)},
    "one after the other": [status(503), cut(9_999), replaced_by(b"PK\x05\x06"), flipped(500), stall(1)],
}


@pytest.mark.parametrize("name", PASSING)
def test_an_answer_arrives_whole_or_not_at_all(name, answer, tmp_path, impatient):
    with FileServer({PATH: lambda form: answer}, {PATH: PASSING[name]}) as server:
        path = gaia_archive.fetch_datalink(server.url(PATH), IDS, tmp_path, timeout=0.3)
        asked = len(server.log)
        # a zip archive has bytes that nothing depends on; its content is what has to be right
        assert content(path) == content(io.BytesIO(answer))
        assert gaia_archive.fetch_datalink(server.url(PATH), IDS, tmp_path) == path
        assert len(server.log) == asked
    assert [other.name for other in tmp_path.iterdir()] == [path.name]
    if "Retry-After" in name:
        assert max(impatient) > 5


@pytest.mark.parametrize(
    "fault", [status(404), status(401), status(206), status(500), replaced_by(b"<html>no")]
)
def test_what_never_comes_is_a_sentence(fault, tmp_path):
    with FileServer({PATH: lambda form: b"no"}, {PATH: [fault] * 3}) as server:
        with pytest.raises(InputError, match=r"could not be downloaded .*127\.0\.0\.1"):
            gaia_archive.fetch_datalink(server.url(PATH), IDS, tmp_path, attempts=3)
    assert not list(tmp_path.iterdir())


def test_asks_as_the_archive_wants_to_be_asked(answer, tmp_path):
    forms = []
    with FileServer({PATH: lambda form: forms.append(form) or answer}) as server:
        first = gaia_archive.fetch_datalink(server.url(PATH), IDS, tmp_path)
        second = gaia_archive.fetch_datalink(server.url(PATH), IDS[1:], tmp_path)
        with pytest.raises(InputError, match="6000 stars are more than 5000"):
            gaia_archive.fetch_datalink(server.url(PATH), np.arange(6000), tmp_path)
    assert first != second and len(forms) == 2
    assert forms[0] == {
        "ID": ",".join(map(str, IDS)), "RELEASE": "Gaia DR3", "RETRIEVAL_TYPE": "XP_CONTINUOUS",
        "DATA_STRUCTURE": "RAW", "FORMAT": "csv", "VALID_DATA": "false", "USE_ZIP_ALWAYS": "true",
    }  # fmt: skip


def test_any_number_of_stars_takes_as_many_requests_as_it_needs(table, tmp_path, monkeypatch):
    """Twelve stars, five a request; of two there is no spectrum, and all five of one request are unknown."""
    monkeypatch.setattr(gaia_archive, "LARGEST_REQUEST", 5)
    asked, unknown = [], np.arange(5, 12)

    def datalink(form):
        asked.append([int(source_id) for source_id in form["ID"].split(",")])
        rows = [row for row in range(12) if IDS[row] in asked[-1] and row != 2]
        archive.write_datalink(
            tmp_path / "a.csv", {name: [table[name][row] for row in rows] for name in table}
        )
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as zipped:
            zipped.write(tmp_path / "a.csv", "XP_CONTINUOUS_RAW.csv")
        return packed.getvalue()

    wanted = np.r_[IDS[::-1], unknown, IDS[:1]]
    with FileServer({PATH: datalink}) as server:
        request = {"url": server.url(PATH), "folder": tmp_path / "kept"}
        chosen = gaia_archive.fetch_selection(wanted, **request)
        n_asked = len(asked)
        again = gaia_archive.fetch_selection(wanted, **request)
    assert n_asked == len(asked) == 4 and max(map(len, asked)) == 5
    assert sorted(sum(asked, [])) == sorted(set(wanted.tolist()))
    here = np.delete(np.arange(12), 2)
    np.testing.assert_array_equal(chosen.source_id, IDS[here])
    for band, name in enumerate(("bp", "rp")):
        given = np.stack([table[f"{name}_coefficient_correlations"][row] for row in here])
        np.testing.assert_array_equal(chosen.correlations[:, band], given)
    np.testing.assert_array_equal(again.correlations, chosen.correlations)


def test_a_damaged_answer_of_an_earlier_run_is_asked_for_again(answer, tmp_path):
    with FileServer({PATH: lambda form: answer}) as server:
        path = gaia_archive.fetch_datalink(server.url(PATH), IDS, tmp_path)
        path.write_bytes(answer[:-500])
        gaia_archive.fetch_datalink(server.url(PATH), IDS, tmp_path)
    assert path.read_bytes() == answer


@pytest.mark.parametrize("suffix", ["csv", "ecsv", "fits", "xml"])
def test_keeps_wanted_stars_of_every_form(suffix, table, tmp_path):
    inner = tmp_path / f"XP_CONTINUOUS_RAW.{suffix}"
    archive.write_bulk(inner, table) if suffix == "ecsv" else archive.write_datalink(inner, table)
    with zipfile.ZipFile(tmp_path / "answer.zip", "w") as zipped:
        zipped.write(inner, inner.name)
    chosen = gaia_archive.select(tmp_path / "answer.zip", IDS[::2])
    np.testing.assert_array_equal(chosen.source_id, IDS[::2])
    expected = np.hstack([np.stack(table[f"{band}_coefficients"][::2]) for band in ("bp", "rp")])
    np.testing.assert_array_equal(chosen.coefficients, expected.astype(np.float32))
    expected = np.stack([np.stack(table[f"{b}_coefficient_correlations"][::2]) for b in ("bp", "rp")], axis=1)
    np.testing.assert_array_equal(chosen.correlations, expected)
    assert [array.dtype for array in (chosen.coefficients, chosen.errors, chosen.correlations)] == ["f4"] * 3
    assert {path.name for path in tmp_path.iterdir()} == {inner.name, "answer.zip"}


def test_nothing_wanted_makes_an_empty_part(table, tmp_path):
    archive.write_bulk(tmp_path / "bulk.csv.gz", table)
    with zipfile.ZipFile(tmp_path / "empty.zip", "w"):
        pass
    for path in (None, tmp_path / "bulk.csv.gz", tmp_path / "empty.zip"):
        chosen = gaia_archive.select(path, [IDS[0] + 1])
        assert len(chosen.source_id) == len(chosen.coefficients) == len(chosen.correlations) == 0
        assert chosen.dropped == {}


def spoiled(rows, n=12):
    """Give rows of a table faults, each by its name."""
    table = archive.spectra_table(IDS[:n], RNG.normal(0, 1e3, (n, 110)), RNG.uniform(1, 5, (n, 110)))
    for row, (column, value) in rows.items():
        if column in ("bp", "rp"):
            archive.remove_band(table, row, column)
        else:
            table[column][row] = value
    return table


BAD = {
    1: ("bp", None),
    2: ("rp", None),
    3: ("rp_coefficients", np.full(55, np.nan)),
    4: ("bp_coefficients", np.array(["a few"] + ["1.0"] * 54)),
    5: ("bp_coefficient_correlations", np.full(1485, -0.9, np.float32)),
    6: ("rp_coefficient_errors", np.zeros(55, np.float32)),
    7: ("bp_coefficient_errors", np.full(55, np.inf, np.float32)),
}
WHY = {
    "BP is missing": [1],
    "RP is missing": [2, 3],
    "bp_coefficients is not numeric": [4],
    "bp_coefficient_correlations is not positive definite": [5],
    "rp_coefficient_errors is not positive": [6],
    "bp_coefficient_errors is not finite": [7],
    "source_id occurs again": [9],
}


def test_bad_spectra_are_named_and_dropped_or_refused(tmp_path):
    table = spoiled(BAD)
    table["source_id"][9] = table["source_id"][8]
    archive.write_bulk(tmp_path / "bulk.csv.gz", table)
    chosen = gaia_archive.select(tmp_path / "bulk.csv.gz", IDS)
    np.testing.assert_array_equal(chosen.source_id, IDS[[0, 8, 10, 11]])
    assert chosen.dropped == {why: [table["source_id"][row] for row in rows] for why, rows in WHY.items()}
    for array in (chosen.coefficients, chosen.errors, chosen.correlations):
        assert np.isfinite(array).all()
    with pytest.raises(InputError, match=f"BP is missing in 1, first in source_id {IDS[1]}"):
        gaia_archive.select(tmp_path / "bulk.csv.gz", IDS, invalid="refuse")
    good = gaia_archive.select(tmp_path / "bulk.csv.gz", IDS[[0, 10]], invalid="refuse")
    assert good.source_id.tolist() == IDS[[0, 10]].tolist()


@pytest.mark.parametrize("end", [-1, -9, -1000, 500])
def test_a_cut_bulk_file_is_refused(end, table, tmp_path):
    path = tmp_path / "bulk.csv.gz"
    archive.write_bulk(path, table)
    path.write_bytes(path.read_bytes()[:end])
    with pytest.raises(InputError, match="cut or damaged gzip"):
        gaia_archive.select(path, IDS)


def test_spectra_without_correlations_are_refused(table, tmp_path):
    few = {name: column for name, column in table.items() if "correlations" not in name}
    text = "source_id," + ",".join(f"{b}_{n}" for b in ("bp", "rp") for n in archive.ARRAYS[:2]) + "\n"
    arrays = [few[f"{b}_{n}"][0] for b in ("bp", "rp") for n in archive.ARRAYS[:2]]
    text += f"{IDS[0]}," + ",".join('"[' + ",".join(map(str, array)) + ']"' for array in arrays) + "\n"
    (tmp_path / "few.csv.gz").write_bytes(gzip.compress(text.encode()))
    with pytest.raises(InputError, match="no correlations"):
        gaia_archive.select(tmp_path / "few.csv.gz", IDS)


NAMES = [
    f"XpContinuousMeanSpectrum_{a:06d}-{b:06d}.csv.gz" for a, b in ((0, 9), (10, 400_000), (400_001, 786_431))
]
SUMS = [hashlib.md5(name.encode()).hexdigest() for name in NAMES]
LIST = "".join(f"{md5}  {name}\n" for md5, name in zip(SUMS[::-1], NAMES[::-1], strict=True))


def test_parts_are_the_files_of_the_list_by_name():
    entries = gaia_archive.bulk_entries(LIST + f"{'0' * 32}  _disclaimer.txt\n", "http://h/xp", 3)
    for entry, name, md5 in zip(entries, NAMES, SUMS, strict=True):
        assert (entry.name, entry.url, entry.checksum) == (name, f"http://h/xp/{name}", f"md5:{md5}")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (LIST[:-60], "not a digest and the name"),
        ("".join(LIST.splitlines(keepends=True)[:2]), "names 2 files where gaia_sdss.bulk.files is 3"),
        ("<html>moved</html>", "not a digest and the name"),
        ("", "names 0 files"),
        (LIST.replace(SUMS[0], SUMS[0][:9]), "all its hexadecimal digits"),
        (LIST.replace(NAMES[0], NAMES[1]), f"names {NAMES[1]} twice"),
    ],
)
def test_a_list_of_another_form_is_refused(text, sentence):
    with pytest.raises(InputError, match=sentence):
        gaia_archive.bulk_entries(text, "http://h/xp", 3)


def test_a_list_is_read_whatever_its_bytes(tmp_path):
    path = tmp_path / "bulk.md5"
    path.write_bytes(b"\xef\xbb\xbf" + LIST.replace("\n", "\r\n").encode())
    assert [entry.name for entry in gaia_archive.read_bulk_list(path, "http://h/xp", 3)] == NAMES
    path.write_bytes(b"\x1f\x8b\xff \n" + LIST.encode())
    with pytest.raises(InputError, match="not a digest and the name"):
        gaia_archive.read_bulk_list(path, "http://h/xp", 3)


@pytest.mark.parametrize(("error", "left"), [(None, False), (InputError, False), (KeyboardInterrupt, True)])
def test_a_file_is_deleted_unless_its_job_was_interrupted(error, left, tmp_path):
    (tmp_path / "bulk").touch()
    for path in (tmp_path / "bulk", None):
        with pytest.raises(error) if error else nullcontext(), gaia_archive.consumed(path):
            if error:
                raise error
    assert (tmp_path / "bulk").exists() == left


def test_a_bulk_file_without_stars_is_not_fetched(table, tmp_path):
    archive.write_bulk(tmp_path / "bulk.csv.gz", table)
    whole = (tmp_path / "bulk.csv.gz").read_bytes()
    name = NAMES[1]
    md5 = hashlib.md5(whole).hexdigest()
    with FileServer({f"/{name}": whole}) as server:
        (entry,) = gaia_archive.bulk_entries(f"{md5}  {name}\n", server.base, 1)
        assert gaia_archive.fetch_bulk(entry, [5, 400_001 << 43], tmp_path) is None
        assert not server.log
        for edge in (10 << 43, ((400_001 << 43) - 1)):
            assert gaia_archive.fetch_bulk(entry, [edge], tmp_path).read_bytes() == whole


# -- the catalogue that the parts make


@pytest.fixture
def parts(tmp_path):
    """Two parts and an empty one, with stars in no order; the second repeats a star of the first."""
    made = []
    for number, rows in enumerate(([7, 2, 4, 0], [], [4, 9, 1])):
        n = len(rows)
        chosen = gaia_archive.Selection(
            IDS[rows],
            np.tile(np.array(rows, dtype=np.float32)[:, None] + 1, (1, 110 if n else 0)),
            np.full((n, 110 if n else 0), 1 / (1 + number), np.float32),
            np.tile(np.array(rows, dtype=np.float32)[:, None, None] / 100, (1, 2, 1485 if n else 0)),
            {},
        )
        paths = [tmp_path / f"{number}.{suffix}" for suffix in ("npz", "npy", "json")]
        gaia_archive.write_selection(chosen, *paths)
        assert read_json(paths[2]) == {}
        made.append(paths[:2])
    return made


@pytest.fixture
def labels():
    import pandas as pd

    rows = [1, 0, 2, 2, 4, 7, 11, 9]
    frame = pd.DataFrame({"source_id": IDS[rows], "apogee_id": [f"2M{row:08d}+0000000" for row in rows]})
    frame["snr"] = [1.0, 2, 3, 4, 5, 6, 7, 8]
    frame["teff"] = np.arange(8.0)
    frame["phot_g_mean_mag"] = [10.0, 11, 12, 13, 14, 15, 16, np.nan]
    return frame


def test_catalogue_gathers_the_best_rows_of_all_parts(labels, parts):
    dropped = {"BP is missing": [int(IDS[11])], "RP is missing": [1]}
    stars, coefficients, errors, correlations, fallen, report = assemble.build_catalog(
        labels, parts, dropped, test_fraction=0.4, seed=1
    )
    rows = [0, 1, 2, 4, 7]
    np.testing.assert_array_equal(stars.source_id, IDS[rows])
    assert stars.teff.tolist() == [1, 0, 3, 4, 5]
    np.testing.assert_array_equal(coefficients, np.tile(np.array(rows)[:, None] + 1.0, (1, 110)))
    # of the star in both parts the spectrum with the smaller errors is taken
    np.testing.assert_allclose(errors[:, 0], [1, 1 / 3, 1, 1 / 3, 1], rtol=1e-6)
    from sklearn.model_selection import train_test_split

    test = np.sort(train_test_split(np.arange(5), test_size=0.4, random_state=1)[1])
    np.testing.assert_allclose(correlations[:, 1, 7], np.array(rows)[test] / 100, rtol=1e-6)
    assert coefficients.dtype == errors.dtype == correlations.dtype == np.float32
    assert dict(zip(fallen.source_id, fallen.why, strict=True)) == {
        IDS[9]: "no G magnitude",
        IDS[11]: "BP is missing",
    }
    assert report["labels"] == {"rows": 8, "duplicates_dropped": 1, "sources": 7, "unmatched": 2}
    assert report["spectra"]["duplicates_dropped"] == 1 and report["matched"] == 5
    assert report["fallen"] == {"no G magnitude": 1, "BP is missing": 1}


def test_catalogue_refuses_what_it_is_told_to(labels, parts, tmp_path):
    with pytest.raises(
        InputError, match=f"1 stars with spectra have no G magnitude, first source_id {IDS[9]}"
    ):
        assemble.build_catalog(labels, parts, invalid="refuse")
    with pytest.raises(InputError, match="no source_id in common"):
        assemble.build_catalog(labels.assign(source_id=np.arange(1, 9)), parts)
    part = read_array(parts[2][0])
    other = gaia_archive.Selection(
        part["source_id"], part["coefficients"][:, 1:], part["errors"][:, 1:], read_array(parts[2][1]), {}
    )
    gaia_archive.write_selection(other, *parts[2], tmp_path / "dropped.json")
    with pytest.raises(InputError, match="109 coefficients a star, others 110"):
        assemble.build_catalog(labels, parts)


def test_scatter_of_actions_is_measured(labels):
    noise = RNG.normal(0, 2.0, 4000)
    import pandas as pd

    ours = RNG.uniform(0, 1000, 4000)
    frame = pd.DataFrame({f"{vac}{name}": ours for name in assemble.ACTIONS for vac in ("", "vac_")})
    frame["vac_j_r"] = ours - 5.0 - noise
    frame.loc[:99, "vac_j_r"] = np.nan
    frame.loc[3990:, "j_r"] = np.nan
    scatter = assemble.action_scatter(frame)
    assert scatter["j_r"]["median"] == pytest.approx(5.0, abs=0.2)
    assert scatter["j_r"]["scatter"] == pytest.approx(2.0, rel=0.08)
    assert (scatter["j_r"]["stars"], scatter["j_r"]["only_ours"], scatter["j_r"]["only_theirs"]) == (
        3890,
        100,
        10,
    )
    assert scatter["l_z"]["scatter"] == scatter["l_z"]["median"] == 0.0
    nothing = assemble.action_scatter(frame.assign(vac_j_z=np.nan))["j_z"]
    assert nothing["stars"] == 0 and nothing["scatter"] is None
