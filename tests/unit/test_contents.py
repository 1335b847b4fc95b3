"""What the log of a job says of the files that it read and wrote."""

import json

import numpy as np
import pandas as pd
import pytest

from xpsvae.contents import describe
from xpsvae.products import write_array, write_arrays, write_table


def test_tables_and_arrays_have_their_shape(tmp_path):
    write_table(tmp_path / "a.parquet", pd.DataFrame({"source_id": range(1200), "teff": 1.0}))
    write_array(tmp_path / "b.npy", np.zeros((1200, 110), np.float32))
    write_arrays(tmp_path / "c.npz", mu=np.zeros(110), sigma=np.ones((2, 3)))
    (tmp_path / "d.csv").write_text("x\n1\n2\n")
    told = [describe(tmp_path / name) for name in ("a.parquet", "b.npy", "c.npz", "d.csv")]
    assert [line.split(": ", 1)[1] for line in told] == [
        "1,200 rows, 2 columns",
        "1,200 x 110 float32",
        "mu 110 float64; sigma 2 x 3 float64",
        "3 lines",
    ]


def test_numbers_of_json_are_told_by_their_names(tmp_path):
    content = {"n_test": 2051, "label": {"accuracy": 0.9087, "bounds": [1, 2]}, "why": "text", "known": True}
    (tmp_path / "a.json").write_text(json.dumps(content))
    assert describe(tmp_path / "a.json").endswith("a.json: n_test 2051, label.accuracy 0.9087")
    (tmp_path / "a.json").write_text(json.dumps({f"k{n}": n for n in range(20)}))
    assert describe(tmp_path / "a.json").endswith("k11 11, and 8 more")


@pytest.mark.parametrize("name", ["a.parquet", "a.npy", "a.npz", "a.json", "a.pdf"])
def test_what_is_damaged_or_of_another_kind_has_a_size(name, tmp_path):
    (tmp_path / name).write_bytes(b"\x00" * 1234)
    assert describe(tmp_path / name) == f"{tmp_path / name}: 1,234 bytes"
    assert describe(tmp_path) == f"{tmp_path}: folder of 1 files"
    assert describe(tmp_path / "b") == f"{tmp_path / 'b'}: not there"
