"""Two processes that share every batch, against one that holds it whole."""

import csv
import json
import subprocess
import sys

import numpy as np
import pytest

from xpsvae.model import load, train


def test_two_processes_train_as_one(tmp_path):
    rng = np.random.default_rng(0)
    causes, mixing = rng.normal(size=(200, 2)), rng.normal(size=(2, 14))
    np.save(tmp_path / "x_err.npy", np.full((200, 14), 0.2, np.float32))
    np.save(tmp_path / "x.npy", (causes @ mixing + 0.2 * rng.normal(size=(200, 14))).astype(np.float32))
    arrays = [str(tmp_path / name) for name in ("x.npy", "x_err.npy")]
    recipe = ["--device", "cpu", "--epochs", "10", "--batch-size", "40", "--n-latents", "2"]
    recipe += ["--validation", *arrays]
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    shared = [*torchrun, "-m", "xpsvae.model.train", *arrays, str(tmp_path / "two"), *recipe]
    subprocess.run(shared, check=True, capture_output=True)
    train.main([*arrays, str(tmp_path / "one"), *recipe])

    curves = []
    for name in ("one", "two"):
        with open(tmp_path / name / "history.csv", encoding="utf-8") as file:
            curves.append(np.array([[float(value) for value in row] for row in list(csv.reader(file))[1:]]))
    assert curves[0].shape == (10, 9)
    np.testing.assert_allclose(curves[1], curves[0], rtol=2e-4, atol=2e-4)
    one, two = (load(tmp_path / name).embed(np.load(tmp_path / "x.npy")) for name in ("one", "two"))
    np.testing.assert_allclose(two.mean, one.mean, atol=0.02)
    assert json.loads((tmp_path / "two/config.json").read_text())["training"]["batch_size"] == 40


def test_a_batch_that_cannot_be_shared_is_refused(monkeypatch):
    monkeypatch.setattr(train.Processes, "number", 3, raising=False)
    monkeypatch.setattr(train.Processes, "__init__", lambda self, device: setattr(self, "device", device))
    with pytest.raises(train.InputError, match="batch_size is 64, which 3 processes cannot share evenly"):
        train.fit(np.zeros((100, 4)), np.ones((100, 4)), batch_size=64)
