"""The compiled gradient against autograd in double precision, and what happens without a compiler."""

import copy
import os
import subprocess
import sys

import numpy as np
import pytest
import torch

from xpsvae.model import ScatterVAE, compiled, fit
from xpsvae.model.step import Flat, by_autograd

pytestmark = pytest.mark.skipif(not compiled.library(), reason="no C compiler")

PUBLISHED = (110, 6, (90, 70, 50, 30, 10))


def batch(n_stars, n_inputs, n_latents, seed=1):
    """Make data of more stars than the batch takes: data, variance, rows, noise."""
    generator = torch.Generator().manual_seed(seed)
    data = torch.randn(2 * n_stars, n_inputs, generator=generator)
    variance = torch.rand(2 * n_stars, n_inputs, generator=generator) + 0.01
    rows = torch.randperm(2 * n_stars, generator=generator)[:n_stars]
    return data, variance, rows, torch.randn(n_stars, n_latents, generator=generator)


def twins(shape, stretch=1.0):
    """Make a model with non-trivial normalisations, and its copy in double precision."""
    torch.manual_seed(0)
    model = ScatterVAE(*shape)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if ".1." in name:
                parameter.add_(0.3 * torch.randn_like(parameter))
            parameter.mul_(stretch)
    return Flat(model), Flat(copy.deepcopy(model).double())


def in_double(arguments):
    return [tensor.double() if tensor.is_floating_point() else tensor for tensor in arguments]


@pytest.mark.parametrize(
    ("shape", "n_stars"),
    [
        (PUBLISHED, 256),
        (PUBLISHED, 1021),  # parts of different size
        ((20, 3, (12, 9, 5)), 5),  # parts without a star
        ((33, 17, (40, 16)), 100),  # more latents than a register has places, widths with and without padding
        ((106, 4, (7, 5)), 64),  # the coefficients of DR4; the fewest layers
    ],
)
def test_gradient_loss_and_statistics_are_those_of_autograd(shape, n_stars):
    fast, exact = twins(shape)
    arguments = batch(n_stars, *shape[:2])
    found = compiled.gradient(fast, free_bits=0.1)(*arguments, kl_weight=0.7)
    expected = by_autograd(exact, free_bits=0.1)(*in_double(arguments), kl_weight=0.7)
    torch.testing.assert_close(torch.stack(found).double(), torch.stack(expected), rtol=1e-6, atol=0)
    scale = exact.gradient.abs().max()
    torch.testing.assert_close(fast.gradient.double() / scale, exact.gradient / scale, rtol=1e-4, atol=3e-6)
    for name in ("running_mean", "running_var", "batches"):
        torch.testing.assert_close(
            getattr(fast, name).double(), getattr(exact, name).double(), rtol=1e-5, atol=1e-7
        )


def test_large_activations_are_as_exact():
    """Far out on both sides of the activation, the sigmoid and the exponential."""
    fast, exact = twins(PUBLISHED, stretch=3)
    arguments = batch(200, 110, 6)
    found, expected = compiled.gradient(fast)(*arguments), by_autograd(exact)(*in_double(arguments))
    torch.testing.assert_close(torch.stack(found).double(), torch.stack(expected), rtol=1e-5, atol=0)
    scale = exact.gradient.abs().max()
    torch.testing.assert_close(fast.gradient.double() / scale, exact.gradient / scale, rtol=1e-3, atol=1e-5)


def test_bytes_do_not_depend_on_the_number_of_threads():
    rng = np.random.default_rng(0)
    x = (rng.normal(size=(1500, 4)) @ rng.normal(size=(4, 110)) + rng.normal(size=(1500, 110))).astype(
        np.float32
    )
    validation, threads, results = (x[1000:], x[1000:] ** 2 + 0.1), torch.get_num_threads(), []
    try:
        for number in (1, 2, 3):
            torch.set_num_threads(number)
            fitted = fit(x[:1000], x[:1000] ** 2 + 0.1, validation, batch_size=300, epochs=4)
            results.append((fitted.history, [*fitted.model.state_dict().values()]))
    finally:
        torch.set_num_threads(threads)
    for history, tensors in results[1:]:
        assert all(torch.equal(a, b) for a, b in zip(results[0][1], tensors, strict=True))
        for row, first in zip(history, results[0][0], strict=True):
            for name in row:
                # torch's CUDA build rounds a sigmoid differently at the end of each thread's share (2.13.0)
                assert row[name] == (pytest.approx(first[name]) if name.startswith("val_") else first[name])


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_is_not_finite_shows_in_the_loss(value):
    flat, _ = twins(PUBLISHED)
    data, *others = batch(64, 110, 6)
    data[others[1][10], 50] = value
    assert not torch.stack(compiled.gradient(flat)(data, *others)).isfinite().all()


def test_source_compiles_without_a_warning(tmp_path):
    flags = [*compiled.FLAGS, "-Wall", "-Wextra", "-Werror", "-o", str(tmp_path / "made.so"), "-lm"]
    compiler = os.environ.get("CC", "cc").split()
    made = subprocess.run([*compiler, str(compiled.SOURCE), *flags], capture_output=True, text=True)
    assert made.returncode == 0, made.stderr


def run_apart(program, **environment):
    return subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=True,
    )


TRAIN = """
import torch
from xpsvae.model import compiled, fit
torch.manual_seed(0)
x = torch.randn(256, 12).numpy()
print(fit(x, 0 * x + 0.3, batch_size=64, epochs=5, n_latents=2).history[-1]["loss"], bool(compiled.library()))
"""


def test_without_a_compiler_training_says_so_and_gives_the_same_to_rounding(tmp_path):
    torch.manual_seed(0)
    x = torch.randn(256, 12).numpy()
    ours = fit(x, 0 * x + 0.3, batch_size=64, epochs=5, n_latents=2).history[-1]["loss"]
    plain = run_apart(TRAIN, CC="no-such-compiler", XDG_CACHE_HOME=str(tmp_path))
    loss, there = plain.stdout.split()
    assert there == "False" and float(loss) == pytest.approx(ours, rel=1e-4)
    assert plain.stderr.count("No C compiler works here ([Errno 2] No such file") == 1


def test_library_is_compiled_once_and_kept(tmp_path):
    run_apart(TRAIN, XDG_CACHE_HOME=str(tmp_path))
    (kept,) = (tmp_path / "xpsvae").iterdir()
    before = kept.stat().st_mtime_ns
    run_apart(TRAIN, XDG_CACHE_HOME=str(tmp_path))
    assert [path.stat().st_mtime_ns for path in (tmp_path / "xpsvae").iterdir()] == [before]


def test_a_home_that_cannot_be_written_to_does_not_matter(tmp_path):
    (tmp_path / "xpsvae").write_text("a file where the folder would be")
    result = run_apart(TRAIN, XDG_CACHE_HOME=str(tmp_path))
    assert result.stdout.split()[1] == "True"
