"""Weights on disk against the safetensors library, and folders that do not fit together."""

import json
import struct

import numpy as np
import pytest
import torch

from xpsvae.errors import InputError
from xpsvae.model import ScatterVAE, load, save
from xpsvae.model.storage import read_weights, write_weights

safetensors = pytest.importorskip("safetensors.torch")


@pytest.fixture()
def model():
    torch.manual_seed(2)
    model = ScatterVAE(9, 2, (6, 4))
    model(torch.randn(32, 9), torch.randn(32, 2))
    return model


def test_library_reads_what_we_write_and_we_read_what_it_writes(model, tmp_path):
    state = model.state_dict()
    write_weights(tmp_path / "ours.safetensors", state)
    safetensors.save_file(state, tmp_path / "theirs.safetensors", metadata={"format": "pt"})
    for tensors in (
        safetensors.load_file(tmp_path / "ours.safetensors"),
        read_weights(tmp_path / "theirs.safetensors"),
    ):
        assert tensors.keys() == state.keys()
        for name, tensor in state.items():
            assert tensors[name].dtype == tensor.dtype and torch.equal(tensors[name], tensor)


def test_load_gives_the_model_that_was_saved(model, tmp_path):
    save(tmp_path, model, (np.arange(9.0), np.ones(9)), {"epochs": 3})
    again = load(tmp_path)
    assert not again.training
    x = torch.randn(5, 9)
    torch.testing.assert_close(again.encode(x), model.eval().encode(x), rtol=0, atol=0)
    np.testing.assert_array_equal(again.normalisation[0], np.arange(9.0))
    (tmp_path / "normalisation.npz").unlink()
    assert load(tmp_path).normalisation is None


@pytest.mark.parametrize("cut", [0, 4, 50, -1])
def test_damaged_weights_are_refused(model, tmp_path, cut):
    save(tmp_path, model)
    path = tmp_path / "svae.safetensors"
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(InputError, match=r"svae\.safetensors is not a readable"):
        load(tmp_path)


def test_header_of_something_else_is_refused(tmp_path):
    path = tmp_path / "w.safetensors"
    for header in ([1], {"a": 3}, {"a": {"dtype": "F16", "shape": [1], "data_offsets": [0, 2]}}):
        text = json.dumps(header).encode()
        path.write_bytes(struct.pack("<Q", len(text)) + text + b"00")
        with pytest.raises(InputError, match="not a readable"):
            read_weights(path)


def test_weights_and_configuration_have_to_belong_together(model, tmp_path):
    save(tmp_path, model)
    config = json.loads((tmp_path / "config.json").read_text())
    config["model"]["n_latents"] = 3
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(InputError, match=r"another architecture.*\(.*\) there and \(.*\) in the model"):
        load(tmp_path)
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(InputError, match="does not describe a model"):
        load(tmp_path)
    (tmp_path / "config.json").unlink()
    with pytest.raises(InputError, match="does not exist"):
        load(tmp_path)
