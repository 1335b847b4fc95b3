"""Two processes that share every batch, against one that holds it whole."""

import csv
import json
import os
import re
import subprocess
import sys

import numpy as np
import pytest
from torch import nn

from xpsvae.errors import InputError
from xpsvae.model import fit, load, train
from xpsvae.model.parallel import Processes

TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
# Posteriors of unit width: narrow ones amplify the rounding in which processes differ.
RECIPE = {
    "epochs": 6,
    "batch_size": 20,
    "n_latents": 2,
    "kl_warm_up": 0.0,
    "learning_rate": 3e-3,
    "first_sigma": 1.0,
}
CASES = {  # what differs from RECIPE, and which value of which star is spoilt how
    "resident": ({}, None),
    "windows": ({"window": 90}, None),
    "gone on": ({"window": 90, "checkpoint_every": 2}, None),
    "huge in the second shard": ({"window": 90}, ("x", 130, 1e25)),
    "no number": ({}, ("x", 181, np.nan)),
    "no error": ({"window": 90}, ("x_err", 3, 0.0)),
    "no batch": ({"window": 10}, None),
}
WORKER = """
import json, sys
from pathlib import Path
import numpy as np
from test_parallel import CASES, outcome, shards
from xpsvae.model.parallel import Processes

processes, folder = Processes("cpu"), Path(sys.argv[1])
answers = {name: outcome(case, folder) for name, case in CASES.items()}
(folder / f"{processes.rank}.json").write_text(json.dumps(answers))
Processes.close()
"""


def shards(spoilt):
    """200 stars in shards of 120 and 80."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 2)) @ rng.normal(size=(2, 14)) + 0.2 * rng.normal(size=(200, 14))
    arrays = {"x": x.astype(np.float32), "x_err": np.full((200, 14), 0.2, np.float32)}
    if spoilt:
        name, star, value = spoilt
        arrays[name][star, 3] = value
    return [[array[:120], array[120:]] for array in arrays.values()]


def outcome(case, checkpoints):
    """Train; return losses, how many stars the process held and the last weights; or the sentence."""
    recipe, spoilt = case
    held = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("xpsvae.model.stars.BLOCK", 16)
        made = train.Stars
        patch.setattr(train, "Stars", lambda *given: held.append(made(*given)) or held[0])
        try:
            fitted = fit(*shards(spoilt), device="cpu", checkpoints=checkpoints, **RECIPE | recipe)
        except InputError as error:
            return str(error)
    weights = nn.utils.parameters_to_vector(fitted.model.parameters()).tolist()
    return [row["loss"] for row in fitted.history], len(held[0].data), weights


def torchrun(*arguments):
    """Start two processes; a hang is a failure."""
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    run = [*TORCHRUN, *map(str, arguments)]
    return subprocess.run(run, capture_output=True, text=True, timeout=120, env=environment)


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """Ask two processes, and one; the two find a checkpoint of one that was stopped after four epochs."""
    folder = tmp_path_factory.mktemp("two")
    with pytest.MonkeyPatch.context() as patch:

        def stop(self, row):
            if row["epoch"] == 4:
                raise KeyboardInterrupt

        patch.setattr("xpsvae.model.progress.Progress.__call__", stop)
        with pytest.raises(KeyboardInterrupt):
            outcome(CASES["gone on"], folder)
    (folder / "worker.py").write_text(WORKER)
    run = torchrun(folder / "worker.py", folder)
    assert run.returncode == 0, run.stderr
    assert run.stderr.count("Going on from") == 1
    two = [json.loads((folder / f"{rank}.json").read_text()) for rank in (0, 1)]
    return two, {name: outcome(case, None) for name, case in CASES.items()}


@pytest.mark.parametrize("case", ["resident", "windows", "gone on"])
def test_two_processes_train_as_one(both, case):
    """Same losses, same weights, the same in both processes; a window is divided, resident data are not."""
    (first, second), one = ([answers[case] for answers in both[0]], both[1][case])
    assert first == second
    np.testing.assert_allclose(first[0], one[0], rtol=1e-5)
    np.testing.assert_allclose(first[2], one[2], atol=1e-4)
    assert (first[1], one[1]) == ((200, 200) if case == "resident" else (40, 80))
    assert one[0][-1] < one[0][0]


@pytest.mark.parametrize(
    ("case", "sentence"),
    [
        ("huge in the second shard", "most of all by training star 10 of shard 1 "),
        ("no number", "the training shard 1's coefficient of star 61, column 3, is nan"),
        ("no error", "the training shard 0's error of star 3, column 3, is 0.0"),
        ("no batch", "window is 10.* but a batch has 20"),
    ],
)
def test_all_processes_stop_with_the_sentence_of_one(both, case, sentence):
    first, second = (answers[case] for answers in both[0])
    assert first == second == both[1][case]
    assert re.search(sentence, first)


def test_command_line_is_shared(tmp_path):
    """Three shards, two processes: the same history as one process, and a sentence that is said once."""
    x, x_err = (np.concatenate(pair) for pair in shards(None))
    for name, array in (("x", x), ("x_err", x_err)):
        (tmp_path / name).mkdir()
        for number, rows in enumerate(np.split(array, [90, 95])):
            np.save(tmp_path / name / f"{number}.npy", rows)
    arrays = [str(tmp_path / name) for name in ("x", "x_err")]
    recipe = ["--device", "cpu", "--epochs", "3", "--batch-size", "40", "--n-latents", "2", "--window", "120"]
    recipe += ["--first-sigma", "1"]
    recipe += ["--validation", *(f"{folder}/0.npy" for folder in arrays)]
    done = torchrun("-m", "xpsvae.model.train", *arrays, tmp_path / "two", *recipe)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("Training on the CPU") == 1
    train.main([*arrays, str(tmp_path / "one"), *recipe])
    curves = []
    for name in ("one", "two"):
        with open(tmp_path / name / "history.csv", encoding="utf-8") as file:
            curves.append(np.array([[float(value) for value in row] for row in list(csv.reader(file))[1:]]))
    assert curves[0].shape == (3, 9)
    np.testing.assert_allclose(curves[1], curves[0], rtol=1e-4, atol=1e-5)
    one, two = (load(tmp_path / name).embed(x) for name in ("one", "two"))
    np.testing.assert_allclose(two.mean, one.mean, atol=1e-3)

    content = (tmp_path / "x/1.npy").read_bytes()
    (tmp_path / "x/1.npy").write_bytes(content[: len(content) // 2])
    failed = torchrun("-m", "xpsvae.model.train", *arrays, tmp_path / "two", *recipe)
    assert failed.returncode != 0 and "terminate" not in failed.stderr
    (sentence,) = re.findall(r"^Error: .*$", failed.stderr, re.MULTILINE)
    assert f"{tmp_path}/x/1.npy is not a readable NumPy file" in sentence


def test_a_batch_that_cannot_be_shared_is_refused(monkeypatch):
    monkeypatch.setattr(Processes, "number", 3, raising=False)
    monkeypatch.setattr(Processes, "__init__", lambda self, device: setattr(self, "device", device))
    with pytest.raises(InputError, match="batch_size is 64, which 3 processes cannot share evenly"):
        fit(np.zeros((100, 4)), np.ones((100, 4)), batch_size=64)


@pytest.mark.parametrize("number", [1, 2, 3, 7])
def test_parts_are_neighbouring_stretches_of_the_whole(number):
    processes = [object.__new__(Processes) for _ in range(number)]
    for rank, process in enumerate(processes):
        process.rank, process.number = rank, number
    assert [row for process in processes for row in process.part(list(range(10)))] == list(range(10))
    assert {len(process.part(range(14 * 3))) for process in processes} == {42 // number}
