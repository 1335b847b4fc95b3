"""Training: schedules, bytes, resuming after a kill, and what it refuses."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import asdict

import numpy as np
import pytest
import torch

from xpsvae.errors import InputError
from xpsvae.model import compiled, fit, loss, train
from xpsvae.model.recipe import RECIPES, Recipe, choose
from xpsvae.model.train import COLUMNS, Fitted, history_csv, learning_rate, save

SMALL = {"batch_size": 64, "n_latents": 2, "learning_rate": 3e-3, "kl_warm_up": 0.0}


@pytest.fixture(scope="module")
def data():
    """Spectra with two hidden causes, noise and known errors."""
    rng = np.random.default_rng(0)
    causes, mixing = rng.normal(size=(300, 2)), rng.normal(size=(2, 14))
    errors = rng.uniform(0.05, 0.2, size=(300, 14)).astype(np.float32)
    return (causes @ mixing + errors * rng.normal(size=errors.shape)).astype(np.float32), errors


@pytest.fixture(scope="module")
def files(data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("arrays")
    np.save(folder / "x.npy", data[0])
    np.save(folder / "x_err.npy", data[1])
    return [str(folder / "x.npy"), str(folder / "x_err.npy")]


def options(files, folder, *more):
    return [*files, str(folder), "--batch-size", "64", "--n-latents", "2", "--device", "cpu", *more]


def contents(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_training_learns_the_hidden_causes(data):
    fitted = fit(*data, (data[0][:100], data[1][:100]), epochs=60, **SMALL)
    first, last = fitted.history[0], fitted.history[-1]
    assert last["loss"] < first["loss"] - 10
    assert last["val_loss"] == pytest.approx(last["val_reconstruction"] + last["val_kl"])
    assert last["step"] == 60 * (300 // 64)
    assert not fitted.model.training
    latents = fitted.model.embed(data[0])
    assert latents.mean.shape == (300, 2)


def test_validation_is_the_loss_of_the_model_returned(data):
    """An estimate with other noise: it agrees within its scatter over 300 stars and 50 draws."""
    fitted = fit(*data, data, epochs=20, **SMALL)
    x, variance = torch.from_numpy(data[0]), torch.from_numpy(data[1]) ** 2
    draws = []
    for seed in range(50):
        noise = torch.randn(300, 2, generator=torch.Generator().manual_seed(seed + 1))
        with torch.no_grad():
            mean, log_var, x_hat, scatter = fitted.model(x, noise)
            draws.append(float(loss.reconstruction(x, variance, x_hat, scatter).mean()))
    kl = float(loss.kl_divergence(mean, log_var).sum(1).mean())
    assert fitted.history[-1]["val_kl"] == pytest.approx(kl, rel=1e-5)
    distance = abs(fitted.history[-1]["val_reconstruction"] - np.mean(draws))
    assert distance < 5 * np.std(draws)


def test_one_cycle_is_torchs():
    recipe = choose(epochs=7, learning_rate=3e-3, warm_up=0.25)
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimiser = torch.optim.AdamW([parameter], lr=1.0)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, max_lr=3e-3, total_steps=7 * 13, pct_start=0.25, cycle_momentum=False
    )
    for step in range(7 * 13):
        assert learning_rate(recipe, step, 13) == pytest.approx(scheduler.get_last_lr()[0], rel=1e-9)
        optimiser.step()
        if step < 7 * 13 - 1:
            scheduler.step()


def test_one_cycle_of_two_steps_has_no_way_up():
    recipe = choose(epochs=1, learning_rate=3e-3, warm_up=0.5)
    assert [learning_rate(recipe, step, 2) for step in (0, 1)] == pytest.approx([3e-3, 3e-3 / 25e4])


def test_cosine_is_torchs_warm_restarts_per_epoch():
    recipe = choose("published", epochs=25, restart_every=10)
    optimiser = torch.optim.AdamW([torch.nn.Parameter(torch.zeros(1))], lr=1e-4)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingWarmRestarts(optimiser, 10, eta_min=1e-10)
    for epoch in range(25):
        for step in range(3):
            expected = scheduler.get_last_lr()[0]
            assert learning_rate(recipe, 3 * epoch + step, 3) == pytest.approx(expected, rel=1e-9)
        optimiser.step()
        scheduler.step()


def test_history_has_no_clock_and_leaves_missing_validations_empty(data):
    fitted = fit(*data, data, epochs=3, validate_every=2, **SMALL)
    lines = history_csv(fitted.history).splitlines()
    assert lines[0] == "epoch,step,lr,loss,reconstruction,kl,val_loss,val_reconstruction,val_kl"
    assert len(lines) == 4
    assert lines[1].endswith(",,,") and not lines[2].endswith(",") and not lines[3].endswith(",")
    assert float(lines[3].split(",")[COLUMNS.index("lr")]) < 1e-6


def test_same_bytes_twice(data, tmp_path):
    for name in ("a", "b"):
        save(tmp_path / name, fit(*data, data, epochs=5, **SMALL), (np.zeros(14), np.ones(14)))
    first = contents(tmp_path / "a")
    assert sorted(first) == ["config.json", "history.csv", "normalisation.npz", "svae.safetensors"]
    assert first == contents(tmp_path / "b")
    save(tmp_path / "c", fit(*data, data, epochs=5, seed=1, **SMALL))
    assert first["svae.safetensors"] != contents(tmp_path / "c")["svae.safetensors"]


def test_killed_run_goes_on_to_the_same_bytes(files, tmp_path):
    """SIGKILL as soon as a checkpoint is there; then to the end."""
    recipe = ("--epochs", "60", "--checkpoint-every", "2")
    train.main(options(files, tmp_path / "whole", *recipe))
    arguments = options(files, tmp_path / "parts", *recipe, "--checkpoints", str(tmp_path / "kept"))
    run = [sys.executable, "-m", "xpsvae.model.train", *arguments]
    environment = os.environ | {"OMP_NUM_THREADS": str(torch.get_num_threads())}
    process = subprocess.Popen(run, env=environment, stderr=subprocess.DEVNULL)
    while not list(tmp_path.glob("kept/*/epoch-*.npz")):
        assert process.poll() is None, "the run ended before it could be killed"
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert not list((tmp_path / "parts").iterdir())
    last = subprocess.run(run, env=environment, check=True, capture_output=True, text=True)
    assert "Going on from" in last.stderr
    assert contents(tmp_path / "parts") == contents(tmp_path / "whole")
    assert not list(tmp_path.glob("kept/*/epoch-*.npz"))


def test_a_second_training_on_one_folder_says_so(data, tmp_path, monkeypatch):
    """The lock is the kernel's: it goes with the process, and with the end of training."""
    monkeypatch.setattr("xpsvae.model.checkpoint.PATIENCE", 0.3)
    script = (
        "import sys, time\nfrom xpsvae import locks\n"
        "handle = locks.hold(sys.argv[1], 0)\nprint('held', flush=True)\ntime.sleep(600)"
    )
    fit(*data, checkpoints=tmp_path, epochs=2, **SMALL)
    (folder,) = tmp_path.iterdir()
    (folder / ".epoch-000001.4194303.npz").write_text("half")
    command = [sys.executable, "-c", script, str(folder / ".lock")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout.readline() == "held\n"
        with pytest.raises(InputError, match=rf"process {other.pid} trains the same model .* wait until"):
            fit(*data, checkpoints=tmp_path, epochs=2, **SMALL)
        other.kill()
    fitted = fit(*data, checkpoints=tmp_path, epochs=2, **SMALL)
    assert [path.name for path in folder.glob(".epoch*")] == []
    save(tmp_path / "model", fitted)
    assert not folder.exists()


def test_three_trainings_at_once_on_one_folder(data, tmp_path):
    """Each ends with the model, or with a sentence; none with FileNotFoundError."""
    names = []
    for name, array in zip(("x.npy", "x_err.npy"), data, strict=False):
        np.save(tmp_path / name, array)
        names.append(str(tmp_path / name))
    options = ["--batch-size", "64", "--n-latents", "2", "--epochs", "40", "--checkpoint-every", "1"]
    command = [sys.executable, "-m", "xpsvae.model.train", *names]
    runs = [
        subprocess.Popen(
            [*command, str(tmp_path / f"out{number}"), "--checkpoints", str(tmp_path / "kept"), *options],
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in range(3)
    ]
    ends = [(run.communicate()[1], run.returncode) for run in runs]
    made = {
        (tmp_path / f"out{number}/svae.safetensors").read_bytes()
        for number in range(3)
        if not ends[number][1]
    }
    assert len(made) == 1
    for said, code in ends:
        assert "Traceback" not in said
        assert code == 0 or "trains the same model" in said
    assert not list(tmp_path.glob("kept/*/*"))


def stop_after(monkeypatch, epochs):
    """Make training raise once ``epochs`` epochs are done."""

    def stop(self, row):
        if row["epoch"] == epochs:
            raise KeyboardInterrupt

    monkeypatch.setattr("xpsvae.model.progress.Progress.__call__", stop)


@pytest.mark.parametrize("damage", ["truncated", "flipped", "empty"])
def test_damaged_checkpoint_falls_back_to_the_one_before(data, tmp_path, monkeypatch, capsys, damage):
    whole = fit(*data, epochs=8, checkpoint_every=2, **SMALL)
    with monkeypatch.context() as patch:
        stop_after(patch, 6)
        with pytest.raises(KeyboardInterrupt):
            fit(*data, checkpoints=tmp_path, epochs=8, checkpoint_every=2, **SMALL)
    kept = sorted(tmp_path.glob("*/epoch-*.npz"))
    assert [path.name for path in kept] == ["epoch-000004.npz", "epoch-000006.npz"]
    content = bytearray(kept[-1].read_bytes())
    if damage == "flipped":
        content[len(content) // 2] ^= 1
    kept[-1].write_bytes(content[: {"truncated": len(content) // 2, "empty": 0}.get(damage)])
    again = fit(*data, checkpoints=tmp_path, epochs=8, checkpoint_every=2, **SMALL)
    said = capsys.readouterr().err
    assert "epoch-000006.npz is damaged" in said and "Going on from" in said and "epoch-000004" in said
    assert again.history == whole.history
    for name, tensor in whole.model.state_dict().items():
        assert torch.equal(tensor, again.model.state_dict()[name])


def test_checkpoint_of_other_data_or_recipe_is_left_alone(data, tmp_path, capsys):
    fit(*data, checkpoints=tmp_path, epochs=2, **SMALL)
    (kept,) = tmp_path.glob("*/epoch-*.npz")
    before = kept.read_bytes()
    other = fit(*data, checkpoints=tmp_path, epochs=2, **SMALL | {"n_latents": 3})
    fit(data[0] + 1, data[1], checkpoints=tmp_path, epochs=2, **SMALL)
    assert "Going on" not in capsys.readouterr().err
    assert len(list(tmp_path.glob("*/epoch-*.npz"))) == 3
    assert kept.read_bytes() == before
    fresh = fit(*data, epochs=2, **SMALL | {"n_latents": 3})
    assert fresh.history == other.history


def test_explosion_names_step_rate_and_star_and_keeps_the_checkpoint(data, tmp_path):
    x, x_err = data[0].copy(), data[1].copy()
    x[123, 5] = 1e25  # finite, but its square is not
    with pytest.raises(InputError) as caught:
        fit(x, x_err, **SMALL | {"epochs": 3, "batch_size": 100})
    order = torch.randperm(300, generator=torch.Generator().manual_seed(0)).tolist()
    step = order.index(123) // 100 + 1
    rate = learning_rate(choose(epochs=3, learning_rate=3e-3), step - 1, 3)
    assert f"in step {step} of epoch 1 at learning rate {rate:.3g}" in str(caught.value)
    assert "training star 123 " in str(caught.value)

    folder = tmp_path / "kept"
    recipe = SMALL | {"epochs": 40, "learning_rate": 1e30, "checkpoint_every": 1, "warm_up": 0.99}
    with pytest.raises(InputError, match="lower learning_rate"):
        fit(*data, checkpoints=folder, **recipe)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda x, e: (x[:, :7], e), r"shapes \(300, 7\) and \(300, 14\)"),
        (lambda x, e: (x[0], e[0]), r"shape \(n_stars, n_inputs\)"),
        (lambda x, e: (x.astype(str) + "a", e), "training array of coefficients holds text"),
        (
            lambda x, e: (np.where(np.arange(14) == 3, np.nan, x), e),
            "coefficient of star 0, column 3, is nan",
        ),
        (lambda x, e: (x.astype(float) * 1e300, e), "is -?inf"),
        (lambda x, e: (x, np.where(np.arange(14) == 2, 0, e)), "error of star 0, column 2, is 0.0"),
        (lambda x, e: (x, -e), "error of star 0, column 0, is -"),
        (lambda x, e: (x[:63], e[:63]), "63 training stars .* but a batch has 64"),
    ],
)
@pytest.mark.filterwarnings("ignore:overflow")
def test_bad_arrays_stop_before_the_first_step(data, tmp_path, change, sentence):
    with pytest.raises(InputError, match=sentence):
        fit(*change(*data), checkpoints=tmp_path / "none", epochs=1, **SMALL)
    assert not (tmp_path / "none").exists()


def test_bad_validation_and_recipes_are_refused(data):
    with pytest.raises(InputError, match=r"validation arrays .*\(n_stars, 14\)"):
        fit(*data, (data[0][:, :5], data[1][:, :5]), epochs=1, **SMALL)
    for recipe, name in (
        ({"schedule": "step"}, "schedule"),
        ({"epochs": 0}, "epochs"),
        ({"learning_rate": -1}, "learning_rate"),
        ({"batch_size": 1}, "batch_size"),
        ({"warm_up": 1}, "warm_up"),
        ({"schedule": "cosine"}, "restart_every"),
        ({"recipe": "publised"}, "recipe"),
    ):
        with pytest.raises(InputError, match=f"^training: {name} is "):
            fit(*data, **SMALL | recipe)


def test_unwritable_checkpoint_folder_is_refused(data, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InputError, match="cannot be written to"):
        fit(*data, checkpoints=tmp_path / "file", epochs=1, **SMALL)


def test_full_disk_is_refused(data, tmp_path, monkeypatch):
    usage = type("usage", (), {"free": 1 << 20})
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage)
    with pytest.raises(InputError, match="less than 32 MiB left"):
        fit(*data, checkpoints=tmp_path / "kept", epochs=1, **SMALL)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there_is_refused(data):
    with pytest.raises(InputError, match="sees no GPU"):
        fit(*data, device="cuda", epochs=1, **SMALL)


def test_command_line_refuses_in_one_sentence(files, tmp_path):
    with pytest.raises(SystemExit, match=r"^Error: .*no\.npy does not exist.*$"):
        train.main(options([files[0], str(tmp_path / "no.npy")], tmp_path / "out"))
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(SystemExit, match=r"^Error: the folder .*file cannot be written to.*$"):
        train.main(options(files, tmp_path / "file"))


def test_training_needs_only_torch_and_numpy(files, tmp_path):
    """Run with every other installed package out of reach, and look at what was imported."""
    script = (
        "import sys\n"
        "for name in ('pandas', 'pyarrow', 'astropy', 'safetensors', 'tqdm', 'scipy', 'sklearn'):\n"
        "    sys.modules[name] = None\n"
        "from xpsvae.model.train import main\n"
        "main(sys.argv[1:])\n"
    )
    arguments = options(files, tmp_path / "out", "--epochs", "1")
    subprocess.run([sys.executable, "-c", script, *arguments], check=True, capture_output=True)
    assert json.loads((tmp_path / "out/config.json").read_text())["training"]["epochs"] == 1


@pytest.mark.parametrize("name", RECIPES)
def test_recipes_by_name(data, name):
    fitted = fit(*data, recipe=name, epochs=1, **SMALL)
    assert isinstance(fitted, Fitted)
    assert asdict(fitted.recipe) == asdict(choose(name)) | {"recipe": name, "epochs": 1} | SMALL
    assert RECIPES[name].items() <= asdict(choose(name)).items()


def test_a_recipe_of_ones_own_has_to_be_whole():
    own = RECIPES["published"] | {"epochs": 7}
    assert choose("mine", **own) == Recipe("mine", **own)
    del own["epochs"], own["schedule"]
    with pytest.raises(
        InputError, match="recipe is 'mine': .*published, quick, fast, .*epochs, schedule, too"
    ):
        choose("mine", **own)


def test_command_line_takes_a_recipe_and_what_to_change(files, tmp_path):
    words = ("--recipe", "published", "--epochs", "2", "--kl-warm-up", "0.5")
    train.main(options(files, tmp_path / "out", *words))
    recipe = json.loads((tmp_path / "out/config.json").read_text())["training"]
    given = {"epochs": 2, "kl_warm_up": 0.5, "batch_size": 64, "n_latents": 2}
    assert recipe == asdict(choose("published")) | given


def test_rows_are_reported_as_epochs_end(data):
    rows = []
    fitted = fit(*data, data, report=rows.append, epochs=3, **SMALL)
    assert rows == fitted.history and [row["epoch"] for row in rows] == [1, 2, 3]


@pytest.mark.parametrize("compiler", ["cc", "/nowhere/cc"])
def test_scatter_may_depend_on_the_coefficient_alone_or_be_none(data, compiler, monkeypatch):
    """With the compiled gradient and with autograd; a stored model needs no word about it."""
    compiled.library.cache_clear()
    monkeypatch.setenv("CC", compiler)
    z = torch.randn(50, 2, generator=torch.Generator().manual_seed(1))
    fitted = fit(*data, data, epochs=10, **SMALL | {"scatter": "constant"})
    with torch.no_grad():
        scatter = fitted.model.estimate_scatter(z)
    assert torch.equal(scatter, scatter[:1].expand_as(scatter))
    assert scatter.std(1).min() > 0.005  # each coefficient has learned its own
    model = fit(*data, data, epochs=10, **SMALL | {"scatter": "none"}).model
    with torch.no_grad():
        assert (model.estimate_scatter(100 * z) == 0).all()
    compiled.library.cache_clear()


def test_an_autoencoder_has_neither_noise_nor_divergence(data):
    """Its validation is the residual of the decoded means; a plain VAE of the same seed has both."""
    plain = SMALL | {"scatter": "none", "epochs": 10}
    fitted = fit(*data, data, **plain | {"latents": "means"})
    x = torch.from_numpy(data[0])
    with torch.no_grad():
        x_hat = fitted.model.decode(fitted.model.encode(x)[0])
    variance = data[1].astype(float) ** 2
    expected = 0.5 * ((data[0] - x_hat.numpy()) ** 2 / variance + np.log(variance)).sum(1).mean()
    last = fitted.history[-1]
    assert last["val_kl"] == last["kl"] == 0
    assert last["val_reconstruction"] == pytest.approx(expected, rel=1e-5)
    assert fit(*data, data, **plain).history[-1]["val_kl"] > 1


def test_the_divergence_grows_by_a_power_and_posteriors_start_narrow(data, monkeypatch):
    taken = []
    step = train.stepper

    def spied(*arguments):
        inner = step(*arguments)
        return lambda rows, noise, rate, weight: taken.append(weight) or inner(rows, noise, rate, weight)

    monkeypatch.setattr(train, "stepper", spied)
    fit(*data, epochs=5, **SMALL | {"kl_warm_up": 0.5, "kl_power": 3.0})
    steps = 5 * (300 // 64)
    assert taken == pytest.approx([min(1, (number + 1) / (0.5 * steps)) ** 3 for number in range(steps)])
    idle = {"epochs": 1, "learning_rate": 1e-12}
    wide, narrow = (
        fit(*data, **SMALL | idle | {"first_sigma": sigma}).model.embed(data[0]).sigma
        for sigma in (1.0, 0.05)
    )
    np.testing.assert_allclose(narrow, 0.05 * wide, rtol=1e-4)
