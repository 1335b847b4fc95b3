"""Damaged products: each fault is one sentence from its reader, and any change is seen by its digest."""

import json
import struct
import zipfile

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import torch

from xpsvae import digests, products
from xpsvae.errors import InputError
from xpsvae.model import ScatterVAE, load, save
from xpsvae.shape import read_shape


def spliced(start, new):
    """Overwrite bytes from a place on; a negative one counts from the end."""

    def damage(path):
        content = bytearray(path.read_bytes())
        begin = start % len(content)
        content[begin : begin + len(new)] = new
        path.write_bytes(content)

    return damage


def cut(part):
    """Keep only a part of the bytes, or so many of them."""

    def damage(path):
        content = path.read_bytes()
        path.write_bytes(content[: part if isinstance(part, int) else int(part * len(content))])

    return damage


def holding(content):
    return lambda path: path.write_bytes(content)


def without(*names):
    return lambda path: pq.write_table(pq.read_table(path).drop_columns(list(names)), path)


def other_metadata(metadata):
    return lambda path: pq.write_table(pq.read_table(path).replace_schema_metadata(metadata), path)


PARQUET = {
    "empty": holding(b""),
    "text": holding(b"source_id,teff\n1,5000\n"),
    "magic alone": holding(b"PAR1PAR1"),
    "half": cut(0.5),
    "one byte short": cut(-1),
    "no end": spliced(-4, b"PAR2"),
    "length of the foot": spliced(-8, struct.pack("<I", 1 << 31)),
    "length nought": spliced(-8, bytes(4)),
    "foot of zeros": spliced(-200, bytes(150)),
    "foot of ones": spliced(-300, b"\xff" * 200),
    "pages of zeros": spliced(4, bytes(400)),
    "head of a page": spliced(4, b"\xff" * 12),
    "pandas metadata that is no JSON": other_metadata({b"pandas": b"{"}),
    "pandas metadata of another form": other_metadata({b"pandas": b'{"columns": 7, "index_columns": 3}'}),
    "without a column": without("teff"),
    "arrow schema that is none": other_metadata({b"ARROW:schema": b"!!!"}),
}


@pytest.fixture()
def table(tmp_path):
    frame = pd.DataFrame({"source_id": np.arange(500), "teff": np.linspace(4000, 6000, 500)})
    products.write_table(tmp_path / "stars.parquet", frame, units={"teff": "K"})
    digests.note(tmp_path / "stars.parquet")
    return tmp_path / "stars.parquet", frame


@pytest.mark.parametrize("fault", PARQUET)
@pytest.mark.parametrize("rows", [None, range(3, 9)])
def test_parquet(fault, rows, table):
    path, frame = table
    PARQUET[fault](path)
    changed(path)
    try:
        read = products.read_table(path, ["source_id", "teff"], rows)
    except InputError as error:
        one_sentence(error, path)
    else:  # what the library writes beside the numbers may be anything
        pd.testing.assert_frame_equal(read, frame if rows is None else frame[3:9].reset_index(drop=True))
        assert "metadata" in fault or "schema" in fault


def head(text, version=b"\x01\x00"):
    return b"\x93NUMPY" + version + struct.pack("<H", len(text)) + text


NPY = {
    "empty": holding(b""),
    "text": holding(b"1 2 3\n"),
    "magic alone": holding(b"\x93NUMPY"),
    "half": cut(0.5),
    "one byte short": cut(-1),
    "head cut": cut(40),
    "version": spliced(6, b"\x09\x09"),
    "head that is no dictionary": spliced(10, b"("),
    "head of zeros": spliced(10, bytes(50)),
    "more rows than there are": holding(
        head(b"{'descr': '<f4', 'fortran_order': False, 'shape': (99999999, 110), }\n") + bytes(440)
    ),
    "negative rows": holding(
        head(b"{'descr': '<f4', 'fortran_order': False, 'shape': (-5, 110), }\n") + bytes(4400)
    ),
    "pickled": lambda path: np.save(path, np.array([{"a": 1}], dtype=object), allow_pickle=True),
    "unknown type": holding(head(b"{'descr': 'zz9', 'fortran_order': False, 'shape': (1,), }\n") + bytes(8)),
    "deep": holding(head(b"(" * 5000 + b"\n") + bytes(8)),
}


@pytest.mark.parametrize("fault", NPY)
@pytest.mark.parametrize("memory_map", [False, True])
def test_npy(fault, memory_map, tmp_path):
    path = tmp_path / "coefficients.npy"
    products.write_array(path, np.ones((500, 110), np.float32))
    digests.note(path)
    NPY[fault](path)
    changed(path)
    with pytest.raises(InputError) as error:
        products.read_array(path, memory_map)
    one_sentence(error.value, path)


def member(name, content, **more):
    def damage(path):
        with zipfile.ZipFile(path, "w", **more) as file:
            file.writestr(name, content)

    return damage


def method(path):
    content = bytearray(path.read_bytes())
    for place in (content.find(b"PK\x03\x04") + 8, content.find(b"PK\x01\x02") + 10):
        content[place : place + 2] = struct.pack("<H", 97)
    path.write_bytes(content)


NPZ = {
    "empty": holding(b""),
    "half": cut(0.5),
    "one byte short": cut(-1),
    "directory of zeros": spliced(-60, bytes(40)),
    "numbers changed": spliced(300, b"\x07\x07"),
    "head of a member": spliced(0, b"PK\x05\x06"),
    "offset of the directory": spliced(-6, struct.pack("<I", 1 << 30)),
    "compressed by an unknown method": method,
    "member that is no array": member("mu.npy", b"text"),
    "member of a pickle": member(
        "mu.npy", head(b"{'descr': '|O', 'fortran_order': False, 'shape': (1,), }\n")
    ),
    "member cut": member("mu.npy", b"\x93NUMPY\x01"),
    "name of a member": spliced(30, b"\x00\xff\xfe"),
}


@pytest.mark.parametrize("fault", NPZ)
def test_npz(fault, tmp_path):
    path = tmp_path / "normalisation.npz"
    products.write_arrays(path, mu=np.ones(110), sigma=np.ones(110))
    digests.note(path)
    NPZ[fault](path)
    changed(path)
    with pytest.raises(InputError) as error:
        products.read_array(path)
    one_sentence(error.value, path)


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(2)
    return ScatterVAE(9, 2, (6, 4))


def header(change):
    def damage(path):
        content = path.read_bytes()
        (length,) = struct.unpack_from("<Q", content)
        text = json.loads(content[8 : 8 + length])
        text = json.dumps(change(text) or text).encode()
        path.write_bytes(struct.pack("<Q", len(text)) + text + content[8 + length :])

    return damage


FIRST = "encoder.0.0.weight"
WEIGHTS = {
    "empty": holding(b""),
    "half": cut(0.5),
    "one byte short": cut(-1),
    "a number too many": lambda path: path.write_bytes(path.read_bytes() + bytes(4)),
    "length of the head": spliced(0, struct.pack("<Q", 1 << 60)),
    "head that is no JSON": spliced(8, b"["),
    "head that is a list": holding(struct.pack("<Q", 2) + b"[]"),
    "deep head": holding(struct.pack("<Q", 100_000) + b"[" * 100_000),
    "unknown type": header(lambda text: text[FIRST].update(dtype="BF16")),
    "other shape": header(lambda text: text[FIRST].update(shape=[9, 6])),
    "shape of text": header(lambda text: text[FIRST].update(shape=["6", "9"])),
    "offsets backwards": header(lambda text: text[FIRST]["data_offsets"].reverse()),
    "offsets of another": header(lambda text: text[FIRST].update(data_offsets=[0, 24])),
    "tensor without offsets": header(lambda text: text[FIRST].pop("data_offsets")),
    "tensor missing": header(lambda text: text.pop(FIRST) and None),
    "tensor of another name": header(lambda text: text.update(extra=text.pop(FIRST))),
    "not a number": spliced(-4, np.float32(np.nan).tobytes()),
    "infinite": spliced(-4, np.float32(np.inf).tobytes()),
}


@pytest.mark.parametrize("fault", WEIGHTS)
@pytest.mark.parametrize("noted", [False, True])
def test_weights(fault, noted, model, tmp_path):
    path = tmp_path / "svae.safetensors"
    save(tmp_path, model)
    if noted:
        digests.note(path)
    WEIGHTS[fault](path)
    with pytest.raises(InputError) as error:
        load(tmp_path)
    one_sentence(error.value, path)
    assert ("has changed since its job wrote it" in str(error.value)) == noted


CONFIG = {
    "empty": b"",
    "cut": b'{"model": {"n_inputs": 9',
    "list": b"[]",
    "number": b"9",
    "null": b"null",
    "no model": b"{}",
    "model is text": b'{"model": "9, 2"}',
    "text for a number": b'{"model": {"n_inputs": "9", "n_latents": 2}}',
    "true for a number": b'{"model": {"n_inputs": 9, "n_latents": true}}',
    "fraction": b'{"model": {"n_inputs": 9.5, "n_latents": 2}}',
    "negative": b'{"model": {"n_inputs": 9, "n_latents": -2}}',
    "huge": b'{"model": {"n_inputs": 9000000000, "n_latents": 2}}',
    "hidden is a number": b'{"model": {"n_inputs": 9, "n_latents": 2, "hidden": 6}}',
    "hidden is nothing": b'{"model": {"n_inputs": 9, "n_latents": 2, "hidden": []}}',
    "hidden of text": b'{"model": {"n_inputs": 9, "n_latents": 2, "hidden": ["6", "4"]}}',
    "not UTF-8": b'{"model": "\xff"}',
    "deep": b"[" * 100_000,
}


@pytest.mark.parametrize("fault", CONFIG)
def test_config(fault, model, tmp_path):
    save(tmp_path, model)
    path = tmp_path / "config.json"
    path.write_bytes(CONFIG[fault])
    for read in (lambda: load(tmp_path), lambda: read_shape(path)):
        with pytest.raises(InputError) as error:
            read()
        one_sentence(error.value, path)


@pytest.mark.parametrize(
    "arrays",
    [
        {},
        {"mu": np.ones(9)},
        {"mu": np.ones(8), "sigma": np.ones(8)},
        {"mu": np.ones(9), "sigma": np.zeros(9)},
        {"mu": np.full(9, np.nan), "sigma": np.ones(9)},
        {"mu": np.ones(9, int), "sigma": np.ones(9, int)},
        {"mu": np.array(["a"] * 9), "sigma": np.ones(9)},
        {"mu": np.array(1.0), "sigma": np.array(1.0)},
    ],
)
def test_normalisation(arrays, model, tmp_path):
    save(tmp_path, model)
    products.write_arrays(tmp_path / "normalisation.npz", **arrays)
    with pytest.raises(InputError) as error:
        load(tmp_path)
    one_sentence(error.value, tmp_path / "normalisation.npz")


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_model_that_is_not_finite_is_not_saved(value, tmp_path):
    model = ScatterVAE(9, 2, (6, 4))
    with torch.no_grad():
        next(model.parameters())[0, 0] = value
    with pytest.raises(InputError, match="not all finite"):
        save(tmp_path, model)
    with pytest.raises(InputError, match="'sigma'"):
        save(tmp_path, ScatterVAE(9, 2, (6, 4)), (np.ones(9), np.full(9, value)))
    assert not list(tmp_path.iterdir())


def test_rows_that_are_missing(table, tmp_path):
    path, frame = table
    products.write_array(tmp_path / "one.npy", np.ones((500, 2)))
    products.write_array(tmp_path / "two.npy", np.ones((499, 2)))
    products.require_aligned([path, tmp_path / "one.npy"])
    with pytest.raises(InputError, match=r"two\.npy has 499 rows, but .*stars\.parquet 500") as error:
        products.require_aligned([path, tmp_path / "one.npy", tmp_path / "two.npy"])
    one_sentence(error.value, tmp_path / "two.npy")


def changed(path):
    with pytest.raises(InputError, match="has changed since its job wrote it") as error:
        digests.verify(path)
    one_sentence(error.value, path)


def one_sentence(error, path):
    assert "\n" not in str(error) and str(error).endswith(".") and str(path) in str(error)
    assert len(str(error)) < 500 + 2 * len(str(path))
