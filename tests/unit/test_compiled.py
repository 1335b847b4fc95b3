"""The compiled gradient against autograd in double precision, and what happens without a compiler."""

import copy
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from xpsvae.model import ScatterVAE, compiled, fit
from xpsvae.model.step import Flat, adamw, by_autograd

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


class Rounded(torch.autograd.Function):
    """A product whose factors are rounded to bfloat16, forwards and backwards, and whose sums are not."""

    @staticmethod
    def forward(context, x, weight):
        x, weight = (tensor.bfloat16().double() for tensor in (x.float(), weight.float()))
        context.save_for_backward(x, weight)
        return x @ weight.T

    @staticmethod
    def backward(context, gradient):
        x, weight = context.saved_tensors
        gradient = gradient.float().bfloat16().double()
        return gradient @ weight, gradient.T @ x


class RoundedLinear(torch.nn.Linear):
    def forward(self, x):
        return Rounded.apply(x, self.weight) + self.bias


has_bf16 = pytest.mark.skipif(not compiled.multiplies_bf16(), reason="no bf16 on this processor")


@has_bf16
@pytest.mark.parametrize(
    ("shape", "n_stars"),
    [
        ((110, 6, (90, 70)), 1021),
        ((110, 6, (50, 10)), 256),
        ((20, 3, (12, 9, 5)), 5),
        ((33, 17, (41, 15)), 103),
    ],
)
def test_bf16_is_autograd_with_rounded_factors(shape, n_stars):
    """Odd numbers of stars and odd widths share places with nothing.

    A number between two bfloat16s may round either way, and moves all that follow: the network is not deep here.
    """
    fast, exact = twins(shape)
    arguments = batch(n_stars, *shape[:2])
    in_float, _ = twins(shape)
    compiled.gradient(in_float)(*arguments)
    found = torch.stack(compiled.gradient(fast, precision="bf16")(*arguments)).double()
    for module in exact.model.modules():
        if type(module) is torch.nn.Linear:
            module.__class__ = RoundedLinear
    expected = torch.stack(by_autograd(exact)(*in_double(arguments)))
    torch.testing.assert_close(found, expected, rtol=3e-5, atol=0)
    off = (fast.gradient - exact.gradient).norm()
    assert off < 0.2 * (in_float.gradient - exact.gradient).norm()


@pytest.mark.parametrize("precision", ["float32", pytest.param("bf16", marks=has_bf16)])
def test_bytes_do_not_depend_on_the_number_of_threads(precision):
    rng = np.random.default_rng(0)
    x = (rng.normal(size=(1500, 4)) @ rng.normal(size=(4, 110)) + rng.normal(size=(1500, 110))).astype(
        np.float32
    )
    validation, threads, results = (x[1000:], x[1000:] ** 2 + 0.1), torch.get_num_threads(), []
    try:
        for number in (1, 2, 3):
            torch.set_num_threads(number)
            fitted = fit(
                x[:1000], x[:1000] ** 2 + 0.1, validation, batch_size=300, epochs=4, precision=precision
            )
            results.append((fitted.history, [*fitted.model.state_dict().values()]))
    finally:
        torch.set_num_threads(threads)
    for history, tensors in results[1:]:
        assert all(torch.equal(a, b) for a, b in zip(results[0][1], tensors, strict=True))
        for row, first in zip(history, results[0][0], strict=True):
            for name in row:
                # with AVX-512, torch rounds a sigmoid otherwise at the end of each thread's share
                assert row[name] == (pytest.approx(first[name]) if name.startswith("val_") else first[name])


def test_adamw_is_that_of_torch():
    """With moments that have a history, and a rate and a decay that count."""
    flats = twins(PUBLISHED)[0], twins(PUBLISHED)[0]
    optimisers = [adamw(flat, weight_decay=0.3) for flat in flats]
    update = compiled.adamw(flats[1], optimisers[1])
    for number in range(30):
        gradient = torch.randn(len(flats[0].gradient), generator=torch.Generator().manual_seed(number))
        for flat in flats:
            flat.gradient.copy_(gradient * 10.0 ** (number % 5 - 4))
        optimisers[0].param_groups[0]["lr"] = 1e-3 * (1 + number)
        optimisers[0].step()
        update(1e-3 * (1 + number))
    torch.testing.assert_close(flats[1].parameters, flats[0].parameters, rtol=1e-6, atol=1e-7)
    states = [optimiser.state[flat.parameters] for optimiser, flat in zip(optimisers, flats, strict=True)]
    for name, expected in states[0].items():
        torch.testing.assert_close(states[1][name], expected, rtol=1e-6, atol=0, msg=name)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("precision", ["float32", pytest.param("bf16", marks=has_bf16)])
def test_what_is_not_finite_shows_in_the_loss(value, precision):
    flat, _ = twins(PUBLISHED)
    data, *others = batch(64, 110, 6)
    data[others[1][10], 50] = value
    assert not torch.stack(compiled.gradient(flat, precision=precision)(data, *others)).isfinite().all()


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


def test_without_bf16_training_says_so_once_and_is_that_of_float32(monkeypatch, capfd):
    monkeypatch.setattr(compiled, "multiplies_bf16", lambda: False)
    x = torch.randn(256, 12, generator=torch.Generator().manual_seed(0)).numpy()
    settings = {"batch_size": 64, "epochs": 5, "n_latents": 2}
    runs = [fit(x, 0 * x + 0.3, precision=name, **settings).history for name in ("float32", "bf16")]
    assert runs[0] == runs[1]
    said = [line for line in capfd.readouterr().err.splitlines() if "bf16" in line]
    assert said == ["Precision bf16 is not available with this processor or C compiler: training in float32."]


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


@pytest.mark.skipif(platform.machine() != "x86_64", reason="processors of another kind")
@pytest.mark.parametrize("processor", ["x86-64", "x86-64-v3", "x86-64-v4"])
def test_processors_without_the_newest_instructions_have_the_next_slower_path(
    processor, tmp_path, monkeypatch
):
    """Without AVX, with AVX2, with AVX-512 but no bf16: the same gradient, and the step of AdamW."""
    if processor not in processors():
        pytest.skip(f"this processor is no {processor}")
    flags = [flag.replace("native", processor) for flag in compiled.FLAGS]
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    slower = compiled._library(["cc", *flags])
    assert slower.most_packed() == 1
    arguments, flats = batch(203, 110, 6), (twins(PUBLISHED)[0], twins(PUBLISHED)[0])
    for flat, library in zip(flats, (compiled.library(), slower), strict=True):
        monkeypatch.setattr(compiled, "library", lambda library=library: library)
        compiled.gradient(flat)(*arguments)
        compiled.adamw(flat, adamw(flat))(1e-3)
    scale = flats[0].gradient.abs().max()
    torch.testing.assert_close(flats[1].gradient / scale, flats[0].gradient / scale, rtol=1e-4, atol=3e-6)
    torch.testing.assert_close(flats[1].running_var, flats[0].running_var, rtol=1e-5, atol=1e-7)
    moved = torch.isclose(flats[1].parameters, flats[0].parameters, rtol=1e-4, atol=1e-5)
    assert (
        moved.float().mean() > 0.999
    )  # the first step goes by the sign of the gradient, which near 0 is noise


def processors():
    """Which levels of x86-64 this processor has."""
    known = Path("/proc/cpuinfo").read_text().partition("flags")[2].partition("\n")[0].split()
    levels = {
        "x86-64": set(),
        "x86-64-v3": {"avx2", "fma", "bmi2"},
        "x86-64-v4": {"avx512f", "avx512vl", "avx512bw"},
    }
    return {name for name, needed in levels.items() if needed <= set(known)}


LOAD = "from xpsvae.model import compiled; print(bool(compiled.library()))"
TRUTH = 'case "$*" in *-E*) exec cc "$@";; esac; '  # macros are told, as by a real one
OUTPUT = 'while [ "$1" != -o ]; do shift; done; '  # of the arguments the name of the library is left in $2


@pytest.fixture
def load(tmp_path, monkeypatch):
    """Load the library as a new process would; not optimised, since compiling that takes seconds."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(compiled, "FLAGS", ("-std=gnu11", "-O0", "-shared", "-fPIC", "-fopenmp"))
    return compiled.library.__wrapped__


def compiler(folder, script, name="compiler"):
    """Write an executable shell script and return its path."""
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("exit 3", "compiler returned status 3)"),
        ("echo 'no licence for this host' >&2; exit 1", "no licence for this host"),
        ("exit 0", "made no library"),
        (TRUTH + "exit 0", "made no library"),
        (TRUTH + OUTPUT + ': > "$2"', "file too short"),
        (TRUTH + OUTPUT + 'head -c 9999 /dev/zero > "$2"', "invalid ELF header"),
        (TRUTH + OUTPUT + 'exec cc -shared -x c /dev/null -o "$2"', "undefined symbol: workspace_size"),
        ("kill -9 $$", "compiler was ended by SIGKILL)"),
    ],
)
def test_a_compiler_that_fails_is_one_line(script, reason, load, tmp_path, monkeypatch, capfd):
    monkeypatch.setenv("CC", str(compiler(tmp_path / "bin", script)))
    assert load() is None
    said = capfd.readouterr().err
    assert said.count("\n") == 1 and "No C compiler works here" in said and reason in said
    assert not list((tmp_path / "cache").glob("xpsvae/*"))


@pytest.mark.parametrize("words", ["'gcc", '"', "cc '-DX=1"])
def test_quotes_that_do_not_close_are_one_line(words, load, monkeypatch, capfd):
    monkeypatch.setenv("CC", words)
    assert load() is None and "No closing quotation" in capfd.readouterr().err


@pytest.mark.parametrize("where", ["", TRUTH])
def test_a_compiler_that_hangs_is_given_up_with_what_it_started(where, load, tmp_path, monkeypatch, capfd):
    noted = tmp_path / "children"
    script = f"{where}sleep 600 & echo $! >> {noted}; wait"  # the child holds the pipes open
    monkeypatch.setenv("CC", str(compiler(tmp_path / "bin", script)))
    monkeypatch.setattr(compiled, "_LONGEST", 1.0)
    assert load() is None
    said = capfd.readouterr().err
    assert said.count("\n") == 1 and "did not end within 1 s" in said
    for child in noted.read_text().split():
        for _ in range(100):  # a busy machine takes its time to end what was killed
            if ended(child):
                break
            time.sleep(0.1)
        assert ended(child)


def ended(process):
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def test_a_compiler_of_several_words_works(load, tmp_path, monkeypatch, capfd):
    ccache = compiler(tmp_path / "two words", 'exec "$@"', "ccache")
    for words in (f"'{ccache}' cc", f"  '{ccache}'  cc -DUNUSED='a b' ", " "):
        monkeypatch.setenv("CC", words)
        assert load()
    assert capfd.readouterr().err == ""
    assert len(list((tmp_path / "cache/xpsvae").iterdir())) == 3


@pytest.fixture
def kept(load, tmp_path):
    """Compile once; return the kept file."""
    assert load()
    (path,) = (tmp_path / "cache/xpsvae").iterdir()
    return path


def is_ours(functions):
    return (
        functions.workspace_size((compiled._Spec * 1)(compiled._Spec(1, 4, 4, 0, 0, -1, 0, -1)), 1, 0, 5, 1)
        > 0
    )


FOREIGN = "".join(
    f"int {name}(void) {{ return 0; }}"
    for name in ("workspace_size", "most_packed", "loss_gradient", "adamw")
)


def foreign(folder):
    """Compile another library with the same functions."""
    source, made = folder / "foreign.c", folder / "foreign.so"
    source.write_text(FOREIGN)
    subprocess.run(["cc", "-shared", "-fPIC", str(source), "-o", str(made)], check=True)
    return made.read_bytes()


DAMAGE = {
    "empty": lambda path, _: path.write_bytes(b""),
    "one byte": lambda path, _: path.write_bytes(b"x"),
    "cut to a page": lambda path, _: os.truncate(path, 4096),
    "cut by a byte": lambda path, _: os.truncate(path, path.stat().st_size - 1),
    "longer": lambda path, _: path.write_bytes(path.read_bytes() + b"x"),
    "one bit": lambda path, _: path.write_bytes(flipped(path.read_bytes(), 5000)),
    "one bit of the hash": lambda path, _: path.write_bytes(flipped(path.read_bytes(), -1)),
    "text": lambda path, _: path.write_text("no library\n" * 99),
    "another library": lambda path, folder: path.write_bytes(foreign(folder)),
    "writable by the group": lambda path, _: path.chmod(0o620),
    "writable by all": lambda path, _: path.chmod(0o602),
    "folder writable by the group": lambda path, _: path.parent.chmod(0o770),
    "folder writable by all": lambda path, _: path.parent.chmod(0o1777),
    "link": lambda path, folder: path.symlink_to(path.rename(folder / "elsewhere")),
    "pipe": lambda path, _: (path.unlink(), os.mkfifo(path)),
    "folder": lambda path, _: (path.unlink(), path.mkdir()),
}


def flipped(content, place):
    content = bytearray(content)
    content[place] ^= 1
    return bytes(content)


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_kept_library_that_cannot_be_trusted_is_compiled_anew(damage, load, kept, tmp_path):
    content = kept.read_bytes()
    DAMAGE[damage](kept, tmp_path)
    assert is_ours(load())
    assert list(kept.parent.iterdir()) == [kept] and kept.parent.stat().st_mode & 0o77 == 0
    if damage != "folder":  # one of that name stays
        assert kept.read_bytes() == content
        assert kept.is_file() and not kept.is_symlink() and kept.stat().st_mode & 0o77 == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
@pytest.mark.parametrize("given", ["file", "folder"])
def test_a_library_of_another_user_is_not_loaded(given, load, kept, tmp_path):
    theirs = foreign(tmp_path)
    theirs += hashlib.sha256(theirs).digest()
    kept.write_bytes(theirs)
    os.chown(kept if given == "file" else kept.parent, 12345, 12345)
    assert is_ours(load())
    # in the folder of another user nothing is written
    assert (kept.read_bytes() == theirs) == (given == "folder")


def test_a_kept_library_is_checked_in_the_memory_that_is_loaded(load, kept, tmp_path, monkeypatch):
    """Whoever replaces the file after its check changes nothing."""
    check = compiled._kept

    def replaced_after(path):
        content = check(path)
        path.write_bytes(foreign(tmp_path))
        return content

    monkeypatch.setattr(compiled, "_kept", replaced_after)
    assert is_ours(load())


def test_without_memory_files_it_is_loaded_too(load, kept, monkeypatch):
    monkeypatch.delattr(os, "memfd_create")
    assert is_ours(load())


def test_several_processes_may_compile_at_once(tmp_path):
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path)}
    started = [
        subprocess.Popen([sys.executable, "-c", LOAD], env=environment, stdout=subprocess.PIPE)
        for _ in range(3)
    ]
    assert [process.communicate()[0].split() for process in started] == [[b"True"]] * 3
    (path,) = (tmp_path / "xpsvae").iterdir()
    assert compiled._kept(path)


WITHOUT = """
import os, sys, tempfile
from xpsvae.model import compiled  # Python may lie where that user may not look
for name in ("HOME", "XDG_CACHE_HOME", "USER", "LOGNAME"):
    os.environ.pop(name, None)
os.setgroups([])
os.setgid(12345)
os.setuid(12345)
compiled.SOURCE = __import__("pathlib").Path(sys.argv[1])
print(bool(compiled.library()))
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become a user without an entry")
def test_a_user_without_home_or_entry_has_the_library():
    with tempfile.TemporaryDirectory() as folder:
        source = Path(shutil.copy(compiled.SOURCE, folder))
        Path(folder).chmod(0o755)
        command = [sys.executable, "-c", WITHOUT, str(source)]
        made = subprocess.run(command, cwd="/", capture_output=True, text=True)
    assert made.returncode == 0, made.stderr
    assert made.stdout.split() == ["True"] and made.stderr == ""


@pytest.mark.parametrize("value", ["relative/cache", ""])
def test_a_relative_cache_is_that_of_the_home(value, load, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", value)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert load()
    assert [path.name for path in tmp_path.iterdir()] == [".cache"]
