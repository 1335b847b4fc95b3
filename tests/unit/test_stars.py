"""Windows over memory-mapped shards: every star once an epoch, and the same training as from memory."""

import numpy as np
import pytest
import torch

from xpsvae.errors import InputError
from xpsvae.model import fit, standardise, stars, train
from xpsvae.model.parallel import Processes
from xpsvae.model.stars import Stars


@pytest.fixture()
def shards(tmp_path):
    """Three files whose numbers tell star and column."""
    sizes, start, paths = (70, 5, 45), 0, []
    for number, size in enumerate(sizes):
        array = np.arange(start, start + size)[:, None] + np.array([0.0, 0.25, 0.5])
        np.save(tmp_path / f"{number}.npy", array.astype(np.float32))
        start, paths = start + size, [*paths, tmp_path / f"{number}.npy"]
    return [np.load(path, mmap_mode="r") for path in paths]


def processes(rank=0, number=1):
    """Stand in for one of several processes."""
    one = object.__new__(Processes)
    one.rank, one.number, one.device = rank, number, "cpu"
    return one


@pytest.mark.parametrize("number", [1, 2, 4])
def test_an_epoch_has_each_star_once_whoever_holds_it(shards, monkeypatch, number):
    """Batches of 8 from windows of 50, 50 and 20 stars: six, six and two steps, from 48 + 48 + 16 stars."""
    monkeypatch.setattr(stars, "BLOCK", 16)
    errors = [array + 1 for array in shards]
    held = [Stars(shards, errors, 50, 8, processes(rank, number)) for rank in range(number)]
    generators = [torch.Generator().manual_seed(0) for _ in held]
    epochs = []
    for _ in range(2):
        batches = []
        for windows in zip(*map(Stars.windows, held, generators), strict=True):
            parts = []
            for own, rows in zip(held, windows, strict=True):
                assert len(own.data) == 48 // number
                values = own.data[rows]
                first = values[..., :1].numpy()
                np.testing.assert_array_equal(values, first + np.array([0.0, 0.25, 0.5]))
                np.testing.assert_array_equal(own.variance[rows], (values.numpy() + 1) ** 2)
                for row, star in zip(rows.flatten(), first.flatten(), strict=True):
                    shard = 0 if star < 70 else 1 if star < 75 else 2
                    assert own.origin(row) == f"star {int(star) - (0, 70, 75)[shard]} of shard {shard}.npy"
                parts.append(first[..., 0])
            batches.append(np.concatenate(parts, 1))
        assert [len(batch) for batch in batches] == [6, 6, 2]
        assert sum(map(len, batches)) == held[0].steps()
        seen = np.concatenate([batch.ravel() for batch in batches])
        assert len(set(seen)) == 112
        epochs.append(np.concatenate(batches).tolist())
    assert epochs[0] != epochs[1]
    again = Stars(shards, errors, 50, 8, processes())
    generator, whole = torch.Generator().manual_seed(0), []
    for _ in range(2):
        whole.append(
            [again.data[rows][:, 0].tolist() for window in again.windows(generator) for rows in window]
        )
    assert epochs == whole


def test_a_last_window_smaller_than_a_batch_is_dropped(shards):
    held = Stars(shards, shards, 58, 8, processes())
    windows = list(held.windows(torch.Generator().manual_seed(0)))
    assert [len(rows) for rows in windows] == [7, 7, 0]
    assert held.steps() == 14


def test_stars_of_a_batch_come_from_all_over_the_window(tmp_path):
    """One from each of the stretches that the places of a batch have: none next to another."""
    x = [np.arange(6400, dtype=np.float32)[:, None]]
    held = Stars(x, x, 6400, 64, processes())
    ((first, *_),) = held.windows(torch.Generator().manual_seed(0))
    numbers = np.sort(held.data[first, 0].numpy())
    assert len(np.unique(numbers // 100)) > 60
    assert len(np.unique(np.diff(numbers))) > 20


def test_without_a_window_all_stars_stay(shards):
    errors = [array + 1 for array in shards]
    held = Stars(shards, errors, 0, 8, processes())
    (rows,) = held.windows(torch.Generator().manual_seed(0))
    assert rows.flatten().tolist() == torch.randperm(120, generator=torch.Generator().manual_seed(0)).tolist()
    np.testing.assert_array_equal(held.data, np.concatenate(shards))
    np.testing.assert_array_equal(held.variance, np.concatenate(errors) ** 2)
    assert held.origin(77) == "star 2 of shard 2.npy"
    assert Stars(shards[:1], errors[:1], 0, 8, processes()).origin(7) == "star 7"


@pytest.fixture()
def spectra():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(320, 2)) @ rng.normal(size=(2, 14)) + 0.1 * rng.normal(size=(320, 14))
    return x.astype(np.float32), np.full((320, 14), 0.1, np.float32)


def test_training_from_shards_equals_training_from_memory(spectra, tmp_path):
    recipe = {"epochs": 3, "batch_size": 64, "n_latents": 2}
    pieces = [[array[:100], array[100:]] for array in spectra]
    assert fit(*pieces, spectra, **recipe).history == fit(*spectra, spectra, **recipe).history


def test_windows_train_and_resume_to_the_same_numbers(spectra, tmp_path, monkeypatch):
    monkeypatch.setattr(stars, "BLOCK", 16)
    recipe = {"epochs": 30, "batch_size": 32, "n_latents": 2, "window": 100, "learning_rate": 3e-3}
    for name, array in zip(("x", "x_err"), spectra, strict=True):
        (tmp_path / name).mkdir()
        np.save(tmp_path / name / "0.npy", array[:150])
        np.save(tmp_path / name / "1.npy", array[150:])
    x, x_err = (train._read_shards(tmp_path / name) for name in ("x", "x_err"))
    assert isinstance(x[0], np.memmap)
    whole = fit(x, x_err, spectra, **recipe)
    assert whole.history[-1]["step"] == 30 * 9
    assert whole.history[-1]["val_loss"] < whole.history[0]["val_loss"] - 10
    with monkeypatch.context() as patch:

        def stop(self, row):
            if row["epoch"] == 15:
                raise KeyboardInterrupt

        patch.setattr("xpsvae.model.progress.Progress.__call__", stop)
        with pytest.raises(KeyboardInterrupt):
            fit(x, x_err, spectra, checkpoints=tmp_path / "kept", **recipe)
    assert fit(x, x_err, spectra, checkpoints=tmp_path / "kept", **recipe).history == whole.history


def test_the_star_of_an_explosion_is_named_across_shards_and_windows(spectra, monkeypatch):
    monkeypatch.setattr(stars, "BLOCK", 16)
    x = [spectra[0][:150].copy(), spectra[0][150:].copy()]
    x[1][60, 3] = 1e25
    with pytest.raises(InputError, match="training star 60 of shard 1 "):
        fit(x, [spectra[1][:150], spectra[1][150:]], epochs=2, batch_size=25, n_latents=2, window=75)


def test_shards_that_do_not_fit_together_are_refused(spectra):
    x, x_err = spectra
    with pytest.raises(InputError, match="2 shards of coefficients and 1 of errors"):
        fit([x, x], [x_err], batch_size=32)
    with pytest.raises(InputError, match=r"training shard 1's arrays .* \(n_stars, 14\)"):
        fit([x, x[:, :5]], [x_err, x_err[:, :5]], batch_size=32)
    with pytest.raises(InputError, match="window is 20.* but a batch has 32"):
        fit(x, x_err, batch_size=32, window=20)


def test_damaged_shards_are_named(spectra, tmp_path):
    folders = [tmp_path / "x", tmp_path / "x_err"]

    def refused(sentence):
        with pytest.raises(SystemExit, match=f"^Error: {sentence}"):
            train.main([*map(str, folders), str(tmp_path / "out"), "--batch-size", "32"])

    for folder in folders:
        folder.mkdir()
    refused(rf"the folder {folders[0]} holds no \.npy file: .*\.$")
    for folder, array in zip(folders, spectra, strict=True):
        np.save(folder / "a.npy", array[:100])
        np.save(folder / "b.npy", array[100:])
    np.save(folders[1] / "b.npy", spectra[1][101:])
    refused(r"the training shard b\.npy's arrays .*\(220, 14\).*\(219, 14\)")
    np.save(folders[1] / "b.npy", np.where(np.arange(14) == 2, np.inf, spectra[1][100:]))
    refused(r"the training shard b\.npy's error of star 0, column 2, is inf")
    np.save(
        folders[0] / "b.npy",
        np.where(np.arange(14) + 14 * np.arange(220)[:, None] == 87, 1e25, 1).astype("f4"),
    )
    np.save(folders[1] / "b.npy", spectra[1][100:])
    refused(r"the loss exploded in .* most of all by training star 6 of shard b\.npy ")
    with (folders[1] / "b.npy").open("r+b") as file:
        file.truncate(5000)
    refused(rf"{folders[1]}/b\.npy is not a readable NumPy file")
    (folders[1] / "b.npy").unlink()
    refused("there are 2 shards of coefficients and 1 of errors")
    assert not list((tmp_path / "out").glob("*"))


@pytest.mark.parametrize("changed", [(0, 0, 0), (0, 319, 13), (1, 40, 7)])
def test_fingerprint_changes_with_any_value_and_not_with_processes_or_threads(spectra, monkeypatch, changed):
    monkeypatch.setattr(standardise, "CHUNK", 50)
    data = [array.copy() for array in spectra]

    def digits(number=1, threads=1):
        """Of several processes: gather what each would give."""
        gathered, ranks = [], [processes(rank, number) for rank in range(number)]
        for one in ranks:
            one.gather = lambda value: gathered.append(value) or gathered if value else [value]
            found = standardise.examine([("training", *data)], one, threads)
        return found

    before = digits()
    assert before == digits(threads=3) == digits(number=3) == digits(number=2, threads=2)
    which, star, column = changed
    data[which][star, column] = np.nextafter(data[which][star, column], np.float32(9))
    assert digits() != before


def test_the_first_bad_value_is_named(spectra, monkeypatch):
    monkeypatch.setattr(standardise, "CHUNK", 50)
    x, x_err = (array.copy() for array in spectra)
    x[[70, 260], 5] = np.nan
    for threads in (1, 3):
        with pytest.raises(InputError, match="the training coefficient of star 70, column 5, is nan"):
            standardise.examine([("training", x, x_err)], processes(), threads)
