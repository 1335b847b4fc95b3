"""Windows over memory-mapped shards: every star once an epoch, and the same training as from memory."""

import numpy as np
import pytest
import torch

from xpsvae.errors import InputError
from xpsvae.model import fit, stars, train
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


def test_each_window_holds_other_stars_and_an_epoch_all(shards, monkeypatch):
    monkeypatch.setattr(stars, "BLOCK", 16)
    errors = [array + 1 for array in shards]
    held = Stars(shards, errors, 50, "cpu")
    generator = torch.Generator().manual_seed(0)
    epochs = []
    for _ in range(2):
        seen, counts = [], []
        for count in held.windows(generator):
            counts.append(count)
            numbers = held.data[:count, 0].int().tolist()
            assert [held.origin(row) for row in range(count)] == numbers
            expected = np.array(numbers)[:, None] + np.array([0.0, 0.25, 0.5])
            np.testing.assert_array_equal(held.data[:count], expected)
            np.testing.assert_array_equal(held.variance[:count], (expected + 1) ** 2)
            seen += numbers
        assert counts == [50, 50, 20]
        assert sorted(seen) == list(range(120))
        epochs.append(seen)
    assert epochs[0] != epochs[1] != list(range(120))
    assert held.steps(16) == 50 // 16 * 2 + 20 // 16


def test_a_window_that_holds_all_is_the_resident_case(shards):
    errors = [array + 1 for array in shards]
    held = Stars(shards, errors, 0, "cpu")
    assert held.resident and list(held.windows(torch.Generator())) == [120]
    np.testing.assert_array_equal(held.data, np.concatenate(shards))
    np.testing.assert_array_equal(held.variance, np.concatenate(errors) ** 2)
    assert held.origin(77) == 77


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
    x, x_err = (train._read_shards(tmp_path / name, memory_map=True) for name in ("x", "x_err"))
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
    with pytest.raises(InputError, match="training star 210 "):
        fit(x, [spectra[1][:150], spectra[1][150:]], epochs=2, batch_size=25, n_latents=2, window=75)


def test_shards_that_do_not_fit_together_are_refused(spectra):
    x, x_err = spectra
    with pytest.raises(InputError, match="2 shards of coefficients and 1 of errors"):
        fit([x, x], [x_err], batch_size=32)
    with pytest.raises(InputError, match=r"training shard 1's arrays .* \(n_stars, 14\)"):
        fit([x, x[:, :5]], [x_err, x_err[:, :5]], batch_size=32)
    with pytest.raises(InputError, match="window is 20.* but a batch has 32"):
        fit(x, x_err, batch_size=32, window=20)
