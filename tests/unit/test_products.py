"""Products appear whole or not at all."""

from pathlib import Path

import pytest

from xpsvae.errors import InputError
from xpsvae.products import write_atomically, write_text


def test_full_disk_is_one_sentence_and_leaves_what_was_there(tmp_path):
    product = tmp_path / "table.csv"
    write_text(product, "before\n")
    with pytest.raises(InputError, match=r"table.csv could not be written \(No space left on device\): free"):
        with write_atomically(product) as temporary:
            temporary.symlink_to("/dev/full")
            temporary.write_text("after\n")
    assert product.read_text() == "before\n"
    assert list(tmp_path.iterdir()) == [product]


def test_other_errors_of_the_system_are_passed_on(tmp_path):
    with pytest.raises(FileNotFoundError):
        with write_atomically(tmp_path / "table.csv"):
            Path(tmp_path, "missing").read_text()
    assert not list(tmp_path.iterdir())
