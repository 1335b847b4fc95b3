"""Masks and units of every holder against numpy's own arithmetic; what is no real number is refused."""

import subprocess
import sys
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
import torch
from astropy import units as u
from astropy.coordinates import Distance
from astropy.table import Column, MaskedColumn, QTable, Table
from astropy.utils.masked import Masked

from xpsvae.arrays import identifiers, plain
from xpsvae.errors import InputError

MASK = [False, True, False]
SECOND_MISSING = {
    "numpy": np.ma.array([1, 7, 3], mask=MASK),
    "numpy, float32": np.ma.array([1, 7, 3], "f4", mask=MASK),
    "column": MaskedColumn([1, 7, 3], mask=MASK),
    "column with unit": MaskedColumn([1000, 7, 3000], mask=MASK, unit="pc"),
    "Masked": Masked([1.0, 7, 3], mask=MASK),
    "masked Quantity": Masked([1000, 7, 3000] * u.pc, mask=MASK),
    "column of a QTable": QTable({"d": MaskedColumn([1000, 7, 3000], mask=MASK, unit="pc")})["d"],
    "pandas": pd.Series([1, np.nan, 3], index=[7, 8, 9]),
    "pandas, nullable integers": pd.Series([1, None, 3], dtype="Int64"),
    "pandas, objects": pd.Series([1, pd.NA, 3.0], dtype=object),
    "pandas, index named as a unit": pd.Series([1, None, 3], index=["unit", "mask", "x"]),
    "list": [1, None, 3],
    "list with masked": [1, np.ma.masked, Decimal(3)],
    "list of quantities": [1 * u.kpc, None, 3000 * u.pc],
    "objects": np.array([1, pd.NA, 3], dtype=object),
    "a filler that is NaN": np.ma.array([1, np.nan, 3], mask=MASK),
}


@pytest.mark.parametrize("name", SECOND_MISSING)
def test_masked_and_missing_values_are_nan(name):
    found = plain("distance", SECOND_MISSING[name], "kpc")
    assert type(found) is np.ndarray and found.dtype.kind == "f"
    np.testing.assert_allclose(found, [1, np.nan, 3], rtol=1e-15)


@pytest.mark.parametrize(
    ("given", "unit", "expected"),
    [
        ([1000] * u.pc, "kpc", 1.0),
        (Column([1.0], unit="lyr"), "kpc", 1 / 3261.563777),
        (Distance(2, u.Mpc).reshape(1), "kpc", 2000.0),
        ([np.pi / 2] * u.rad, "deg", 90.0),
        ([1.0] * u.hourangle, "deg", 15.0),
        ([1.0] * u.arcsec / (100 * u.yr), "mas / yr", 10.0),
        ([1.0] * u.Unit("erg s-1 cm-2 AA-1"), "W m-2 nm-1", 1e-2),
        (Column([2.0], unit="'electron'.s**-1"), "electron / s", 2.0),  # so the archive's VOTables have it
        (Column([2.0], unit="e-/s"), "electron / s", 2.0),
        ([3.0] * u.dimensionless_unscaled, "", 3.0),
    ],
)
def test_units_are_converted(given, unit, expected):
    np.testing.assert_allclose(plain("x", given, unit), [expected], rtol=1e-9)


@pytest.mark.parametrize(
    ("given", "unit", "says"),
    [
        ([1.0] * u.mas, "kpc", "x is in mas, but must be in kpc: convert it"),
        ([1.0] * u.Jy, "W m-2 nm-1", "in Jy, but"),
        ([1.0] * u.dimensionless_unscaled, "kpc", "must be in kpc"),
        ([1.0] * u.electron / u.s, "", "in electron / s, but must be a number without unit"),
        ([15.0] * u.ABmag, "mag", r"mag\(AB\)"),
        (Column([1.0], unit="furlongs per fortnight"), "km / s", "furlongs per fortnight"),
        (np.array([True]), "", "truth values"),
        ([1.0, True], "", "truth values"),
        (np.ma.array([True, False], mask=[0, 1]), "", "truth values"),
        (pd.DataFrame({"a": [1.0], "b": [False]}), "", "truth values"),
        (np.array([1j]), "", "complex numbers"),
        ([1.0, 1j], "", "complex numbers"),
        (Column([1j], unit="pc"), "kpc", "complex numbers"),
        (["1.0"], "", "text"),
        (pd.Series(["1.0", "x"]), "", "text"),
        (np.array(["2016-01-01"], "M8[D]"), "", "dates"),
        ({"a": 1}, "", "no numbers"),
        (None, "", "no numbers"),
        ([[1.0, 2.0], [1.0]], "", "rows of different lengths"),
        (np.array([(1, 2.0)], dtype="i4,f8"), "", "records"),
    ],
)
def test_what_is_no_real_number_in_that_unit_is_refused(given, unit, says):
    with pytest.raises(InputError, match=says) as refusal:
        plain("x", given, unit)
    assert str(refusal.value).startswith("x ") and "\n" not in str(refusal.value)


def test_plain_arrays_are_handed_through(tmp_path):
    array = np.arange(6.0).reshape(2, 3)
    np.save(tmp_path / "x.npy", array)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    assert plain("x", array) is array and plain("x", mapped) is mapped


def test_datasets_on_disk_are_left_there(tmp_path):
    import h5py

    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["x"] = np.arange(4.0)
        file["flags"] = np.array([True])
        assert plain("x", file["x"]) is file["x"] or isinstance(plain("x", file["x"]), h5py.Dataset)
        with pytest.raises(InputError, match="truth values"):
            plain("x", file["flags"])


def test_tensors_frames_and_rows():
    expected = np.arange(6.0).reshape(2, 3)
    for holder in (
        torch.tensor(expected, requires_grad=True),
        pd.DataFrame(expected),
        pd.DataFrame(expected).convert_dtypes(),
        list(expected),
        expected.tolist(),
        [row * u.m for row in expected * 100],
        Table({"x": expected})["x"],
    ):
        np.testing.assert_array_equal(plain("x", holder, "hm"), expected)
    rows = [np.ma.array([1.0, 2.0], mask=[0, 1]), np.array([3.0, 4.0])]
    np.testing.assert_array_equal(plain("x", rows), [[1, np.nan], [3, 4]])


def test_plain_arrays_import_neither_astropy_nor_pandas():
    code = (
        "import sys, numpy as np; from xpsvae.arrays import plain; plain('x', np.ones(2)); plain('x', [1.0]);"
        "plain('x', np.ma.ones(2)); assert not {'astropy', 'pandas', 'torch'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    "given",
    [
        np.array([4295806720, 12], ">i8"),
        np.array([4295806720, 12], np.uint64),
        [4295806720, 12],
        pd.Series([4295806720, 12], dtype="Int64"),
        Column([4295806720, 12]),
        np.array([4295806720, 12], dtype=object),
    ],
)
def test_integers_of_any_kind_are_identifiers(given):
    found = identifiers("source_id", given)
    assert found.dtype == np.int64 and found.tolist() == [4295806720, 12]
    assert identifiers("source_id", []).tolist() == []


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ([4295806720.0], "source_id is float64, which need not hold all digits of a source_id: give 64-bit"),
        (np.array([1], "f4"), "float32"),
        (pd.Series([1, None], dtype="Int64"), "float64"),
        (np.array([2**63], np.uint64), "too large"),
        ([2**70], "objects: give 64-bit integers"),
        (np.ma.array([1, 2], mask=[0, 1]), "masked"),
        (["4295806720"], "source_id is text: give 64-bit integers"),
        ([True], "source_id is truth values"),
    ],
)
def test_other_identifiers_are_refused(given, says):
    with pytest.raises(InputError, match=says):
        identifiers("source_id", given)
