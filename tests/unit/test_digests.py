"""Notes of what products are: their form, who reads them, and what has none."""

import hashlib
import subprocess

import pytest

from xpsvae import digests
from xpsvae.errors import InputError


@pytest.fixture()
def product(tmp_path):
    path = tmp_path / "table1.tex"
    path.write_text("numbers")
    digests.note(path)
    return path


def test_a_note_is_what_sha256sum_checks_and_the_same_each_time(product):
    note = product.parent / ".sha256/table1.tex"
    assert note.read_text() == f"{hashlib.sha256(b'numbers').hexdigest()}  table1.tex\n"
    command = ["sha256sum", "--check", "--status", ".sha256/table1.tex"]
    assert subprocess.run(command, cwd=product.parent).returncode == 0
    digests.verify(product)
    digests.note(product, hashlib.sha256(b"numbers").hexdigest())
    digests.verify(product)


@pytest.mark.parametrize("content", ["Numbers", "", "numbers "])
def test_another_content_is_named(product, content):
    product.write_text(content)
    with pytest.raises(InputError, match=r"table1\.tex has changed since its job wrote it .* delete it"):
        digests.verify(product)


@pytest.mark.parametrize("note", [b"", b"\xff\xfe", b"0" * 64, b"sha256 numbers\n"])
def test_a_damaged_note_vouches_for_nothing(product, note):
    (product.parent / ".sha256/table1.tex").write_bytes(note)
    with pytest.raises(InputError, match=r"\.sha256/table1\.tex"):
        digests.verify(product)


def test_what_has_no_note_is_taken_as_it_is(product):
    digests.forget(product)
    assert sorted(product.parent.iterdir()) == [product]
    product.write_text("mine")
    digests.verify(product)
    digests.forget(product)
    digests.verify(product / "of a file")


def test_a_missing_product_is_the_readers_to_name(product):
    product.unlink()
    digests.verify(product)


def test_a_folder_is_its_files_and_their_names(tmp_path):
    folder = tmp_path / "archive"
    (folder / "deep").mkdir(parents=True)
    (folder / "deep/a").write_text("a")
    (folder / "b").write_text("b")
    digests.note(folder)
    (folder / ".snakemake_timestamp").touch()  # Snakemake's own
    digests.verify(folder)
    (folder / "b").rename(folder / "c")
    with pytest.raises(InputError, match="archive has changed"):
        digests.verify(folder)
