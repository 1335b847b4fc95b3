"""Gzipped files that hold more than they should."""

import gzip
import io
import random
import zipfile

import pytest

from xpsvae import unpack
from xpsvae.errors import InputError

TABLE = b"".join(
    b"%d,%.7g,(%.7g, %.7g)\n" % (n, *random.Random(n).choices(range(9999), k=3)) for n in range(20_000)
)


@pytest.fixture(autouse=True)
def limits(monkeypatch):
    monkeypatch.setattr(unpack, "_SMALL", 1000)


def test_a_table_is_read_whole(tmp_path):
    (tmp_path / "table.csv.gz").write_bytes(gzip.compress(TABLE))
    with unpack.open_gzip(tmp_path / "table.csv.gz") as stream:
        assert stream.read() == TABLE
    with io.TextIOWrapper(unpack.open_gzip(tmp_path / "table.csv.gz"), encoding="utf-8") as lines:
        assert sum(1 for _ in lines) == 20_000


@pytest.mark.parametrize("content", [bytes(5_000_000), b"<VOTABLE>" + b" " * 5_000_000, b"0," * 3_000_000])
@pytest.mark.parametrize("size", [-1, 4096])
def test_a_bomb_is_one_sentence(content, size, tmp_path):
    (tmp_path / "bomb.vot.gz").write_bytes(gzip.compress(content))
    with unpack.open_gzip(tmp_path / "bomb.vot.gz") as stream:
        with pytest.raises(InputError, match="bomb.vot.gz unpacks to more than .* bytes") as error:
            while stream.read(size):
                pass
    assert "\n" not in str(error.value) and str(error.value).endswith(".")


def test_many_members_are_one_bomb(tmp_path):
    (tmp_path / "bomb.gz").write_bytes(gzip.compress(bytes(100_000)) * 50)
    with unpack.open_gzip(tmp_path / "bomb.gz") as stream, pytest.raises(InputError):
        stream.read()


@pytest.mark.parametrize(
    "damage", [lambda content: content[:-9], lambda content: content[:200], lambda _: b"no"]
)
def test_a_damaged_file_fails_as_before(damage, tmp_path):
    (tmp_path / "table.csv.gz").write_bytes(damage(gzip.compress(TABLE)))
    with unpack.open_gzip(tmp_path / "table.csv.gz") as stream, pytest.raises((EOFError, gzip.BadGzipFile)):
        stream.read()


def test_a_zip_is_extracted_whole_or_not_at_all(tmp_path):
    with zipfile.ZipFile(tmp_path / "answer.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("b.csv", TABLE)
        archive.writestr("folder/a.csv", TABLE[:99])
    paths = unpack.extract_zip(tmp_path / "answer.zip", tmp_path / "out")
    assert [path.read_bytes() for path in paths] == [TABLE, TABLE[:99]]
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.csv", TABLE)
        archive.writestr("bomb.csv", bytes(90_000_000))
    with pytest.raises(InputError, match="bomb.zip unpacks to more than .* bytes"):
        unpack.extract_zip(tmp_path / "bomb.zip", tmp_path / "none")
    assert not (tmp_path / "none").exists()
