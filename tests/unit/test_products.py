"""Products in pieces against products in one go; a product appears whole or not at all."""

import tracemalloc
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from xpsvae import products
from xpsvae.errors import InputError


@pytest.fixture()
def array():
    return np.random.default_rng(1).normal(size=(23, 4)).astype(np.float32)


@pytest.fixture()
def frame():
    return pd.DataFrame({"source_id": np.arange(23), "teff": np.linspace(4000, 6000, 23)})


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_an_array_in_pieces_has_the_bytes_of_one_in_one_go(array, dtype, tmp_path):
    with products.open_array(tmp_path / "pieces.npy", array.shape, dtype) as append:
        for piece in (array[:7], array[7:7], array[7:, ::-1][:, ::-1]):  # the last is not contiguous
            append(piece)
    products.write_array(tmp_path / "whole.npy", array.astype(dtype))
    assert (tmp_path / "pieces.npy").read_bytes() == (tmp_path / "whole.npy").read_bytes()
    with products.open_array(tmp_path / "none.npy", (0, 4)):
        pass
    assert products.read_array(tmp_path / "none.npy").shape == (0, 4)


@pytest.mark.parametrize("rows", [22, 24])
def test_an_array_of_another_length_than_announced_is_not_left_behind(array, rows, tmp_path):
    with pytest.raises(ValueError, match="pieces.npy"):
        with products.open_array(tmp_path / "pieces.npy", (rows, 4)) as append:
            append(array)
    assert list(tmp_path.iterdir()) == []


def test_a_table_in_pieces_is_that_in_one_go(frame, tmp_path):
    units = {"teff": "K"}
    products.write_table(tmp_path / "whole.parquet", frame, units)
    with products.open_table(tmp_path / "pieces.parquet", units) as append:
        append(frame[:20])
        append(frame[20:])
    pd.testing.assert_frame_equal(products.read_table(tmp_path / "pieces.parquet"), frame)
    whole, pieces = (pq.ParquetFile(tmp_path / f"{name}.parquet") for name in ("whole", "pieces"))
    assert pieces.schema_arrow.equals(whole.schema_arrow, check_metadata=True)
    assert (whole.num_row_groups, pieces.num_row_groups) == (1, 2)
    with (
        pytest.raises(KeyError, match="logg"),
        products.open_table(tmp_path / "no.parquet", {"logg": "dex"}) as append,
    ):
        append(frame)
    assert not (tmp_path / "no.parquet").exists()


@pytest.mark.parametrize(
    "rows", [range(0, 23), range(3, 4), range(5, 10), range(4, 16), range(20, 23), range(9, 9)]
)
def test_rows_of_a_table_wherever_its_row_groups_end(frame, rows, tmp_path):
    with products.open_table(tmp_path / "t.parquet") as append:
        for start in range(0, 23, 5):
            append(frame[start : start + 5])
    read = products.read_table(tmp_path / "t.parquet", ["teff"], rows)
    pd.testing.assert_frame_equal(read, frame[["teff"]].iloc[rows].reset_index(drop=True))


def test_only_the_row_groups_that_are_asked_for_are_read(frame, tmp_path):
    path = tmp_path / "t.parquet"
    with products.open_table(path) as append:
        for start in range(0, 23, 5):
            append(frame[start : start + 5])
    column = pq.ParquetFile(path).metadata.row_group(0).column(1)
    content = bytearray(path.read_bytes())
    start = column.dictionary_page_offset or column.data_page_offset
    content[start : start + column.total_compressed_size] = bytes(column.total_compressed_size)
    path.write_bytes(content)  # the first row group is damaged
    assert len(products.read_table(path, ["teff"], range(5, 23))) == 18
    with pytest.raises(InputError, match=r"t\.parquet is not a readable Parquet file"):
        products.read_table(path, ["teff"], range(4, 23))


@pytest.mark.parametrize("size", [1, 4, 10, 23, 100])
def test_blocks_run_on_from_file_to_file(array, size, tmp_path):
    paths = []
    for number, piece in enumerate(np.split(array, [0, 9, 9, 10])):
        paths.append(tmp_path / f"{number}.npy")
        products.write_array(paths[-1], piece)
    blocks = list(products.read_blocks(paths, size))
    assert {len(block) for block in blocks[:-1]} <= {size}
    np.testing.assert_array_equal(np.concatenate(blocks), array)
    assert not any(isinstance(block, np.memmap) for block in blocks)


def test_full_disk_is_one_sentence_and_leaves_what_was_there(tmp_path):
    product = tmp_path / "table.csv"
    products.write_text(product, "before\n")
    with pytest.raises(InputError, match=r"table.csv could not be written \(No space left on device\): free"):
        with products.write_atomically(product) as temporary:
            temporary.symlink_to("/dev/full")
            temporary.write_text("after\n")
    assert product.read_text() == "before\n"
    assert list(tmp_path.iterdir()) == [product]


def test_other_errors_of_the_system_are_passed_on(tmp_path):
    with pytest.raises(FileNotFoundError):
        with products.write_atomically(tmp_path / "table.csv"):
            Path(tmp_path, "missing").read_text()
    assert not list(tmp_path.iterdir())


def test_memory_does_not_grow_with_the_files(tmp_path):
    block = np.ones((1000, 50), np.float32)
    with products.open_array(tmp_path / "large.npy", (40000, 50)) as append:
        for _ in range(40):
            append(block)
    tracemalloc.start()
    assert sum(len(read) for read in products.read_blocks([tmp_path / "large.npy"], 1000)) == 40000
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 * block.nbytes


def test_astropy_reads_units_of_a_table(tmp_path):
    """As Quantities, of arrays too; a text that is missing and rows that are appended do no harm."""
    from astropy import units
    from astropy.table import QTable, Table

    path = tmp_path / "stars.parquet"
    frame = pd.DataFrame(
        {
            "source_id": [1, 2, 3],
            "name": pd.Series(["a", None, "c" * 20], dtype="str"),
            "teff": [5000.0, np.nan, 4000.0],
            "flag": pd.Series([1, None, 3], dtype="Int64"),
            "flux": [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]],
            "good": [True, False, True],
        }
    )
    said = {"units": {"teff": "K", "flux": "W m-2 nm-1"}, "notes": {"teff": "of a < b & c"}}
    with products.open_table(path, **said) as append:
        append(frame)
        append(frame)
    table = QTable.read(path)
    assert table["teff"].unit == units.K and table["teff"].info.description == "of a < b & c"
    assert table["flux"].unit == units.W / units.m**2 / units.nm and table["flux"].shape == (6, 2)
    np.testing.assert_array_equal(table["teff"].value, np.tile(frame["teff"], 2))
    assert table["name"].tolist()[::2] == ["a", "c" * 20, "None"]
    assert table["source_id"].dtype == np.int64
    numbers = tmp_path / "numbers.parquet"
    products.write_table(numbers, frame.drop(columns=["name", "good"]), **said)
    assert Table.read(numbers, format="parquet.votable")["teff"].unit == units.K
