"""The gradient of `compiled.c`: compiled for this processor on first use, kept, and called on tensors.

Nothing is compiled at installation, and nothing fails without a C compiler: `library` then returns None.
A kept library is loaded only if it is whole and nobody but the user can have written it; else it is compiled
anew. What was checked is what is loaded: a copy in memory, which no other process can change.
"""

import contextlib
import ctypes
import hashlib
import math
import os
import shlex
import signal
import stat
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

import torch

__all__ = ["adamw", "gradient", "library", "multiplies_bf16"]

SOURCE = Path(__file__).with_suffix(".c")
FLAGS = (
    "-std=gnu11",
    "-O3",
    "-march=native",
    "-fno-math-errno",
    "-shared",
    "-fPIC",
    "-fopenmp",
)  # one thread without the last
_LONGEST = 60.0  # s that a compiler may take; it needs a few
_DIGEST = hashlib.sha256().digest_size  # bytes at the end of a kept library, over all before them


class _Spec(ctypes.Structure):
    """A layer; see ``struct spec`` of `compiled.c`."""

    _fields_ = [
        (name, ctypes.c_int64)
        for name in ("copies", "n_in", "n_out", "apart", "weight", "scale", "shift", "statistics")
    ]


class _Running(ctypes.Structure):
    """See ``struct running`` of `compiled.c`."""

    _fields_ = [(name, ctypes.c_void_p) for name in ("mean", "variance", "shift")]
    _fields_ += [(name, ctypes.c_float) for name in ("momentum", "epsilon")]


class _AdamW(ctypes.Structure):
    """See ``struct adamw`` of `compiled.c`."""

    _fields_ = [
        ("n", ctypes.c_int64),
        *(
            (name, ctypes.c_float)
            for name in ("decay", "new_mean", "old_square", "new_square", "step", "correction", "epsilon")
        ),
    ]


@cache
def library():
    """Compile `compiled.c`, or take what an earlier call left, and load it.

    Returns
    -------
    ctypes.CDLL or None
        None where no compiler can; standard error says so in one line.
    """
    try:
        compiler = shlex.split(os.environ.get("CC", "")) or ["cc"]
        for flags in (FLAGS, FLAGS[:-1]):
            try:
                return _library([*compiler, *flags])
            except subprocess.CalledProcessError as error:
                said = error.stderr.decode(errors="replace").strip().rpartition("\n")[2]
                reason = said or f"{' '.join(compiler)} {_ended(error.returncode)}"
    except subprocess.TimeoutExpired as error:
        reason = f"{' '.join(compiler)} did not end within {error.timeout:g} s"
    except (OSError, ValueError, AttributeError) as error:  # the last: a library without our functions
        reason = str(error)
    print(f"No C compiler works here ({reason}): training takes several times as long.", file=sys.stderr)
    return None


def _ended(status):
    return f"was ended by {signal.Signals(-status).name}" if status < 0 else f"returned status {status}"


def multiplies_bf16():
    """Whether the compiled library can multiply bfloat16s: the processor and the compiler have to know how."""
    return bool(library()) and library().most_packed() == 2


def gradient(flat, free_bits=0.0, precision="float32"):
    """Do the work of `xpsvae.model.step.by_autograd` in the compiled library, which has to be there.

    Parameters
    ----------
    flat : Flat
        float32, on the CPU; of a model with at least two hidden layers.
    free_bits : float
        [nat] See `xpsvae.model.step.stepper`.
    precision : str
        Of the factors of matrix products: "float32"; or "bf16", where `multiplies_bf16`.
    """
    call, specs, n_encoder = library(), _specs(flat), len(flat.encoder)
    packed = 2 if precision == "bf16" else 1
    shifts = flat.parameters.detach()[flat.shifts]
    followed = (tensor.data_ptr() for tensor in (flat.running_mean, flat.running_var, shifts))
    running = _Running(*followed, flat.momentum, flat.eps)
    workspaces = {}

    def gradient(data, variance, rows, noise, kl_weight=1.0):
        n_stars = len(rows)
        if n_stars not in workspaces:
            size = call.workspace_size(specs, len(specs), n_encoder, n_stars, packed)
            workspaces[n_stars] = torch.zeros(size // 4)
        terms = torch.empty(2)
        batch = rows.contiguous(), noise.contiguous()
        inputs = workspaces[n_stars], flat.parameters, data, variance, *batch
        call.loss_gradient(
            specs, len(specs), n_encoder, n_stars, packed, torch.get_num_threads(),
            *(tensor.data_ptr() for tensor in inputs),
            kl_weight, free_bits, ctypes.byref(running), flat.gradient.data_ptr(), terms.data_ptr(),
        )  # fmt: skip
        flat.gradient[flat.frozen] = 0
        flat.batches.add_(1)
        return terms.unbind()

    return gradient


def adamw(flat, optimiser):
    """Do the work of torch's fused AdamW on the vectors of a model, on the threads that the gradient has, too.

    Parameters
    ----------
    flat : Flat
    optimiser : torch.optim.AdamW
        Of ``flat.parameters``, with its state; neither ``amsgrad`` nor ``maximize``.

    Returns
    -------
    function (learning_rate)
    """
    call, group, state = library(), optimiser.param_groups[0], optimiser.state[flat.parameters]
    beta1, beta2 = group["betas"]
    vectors = flat.parameters.detach(), flat.gradient, state["exp_avg"], state["exp_avg_sq"]

    def update(learning_rate):
        state["step"] += 1
        taken = state["step"].item()
        given = _AdamW(
            n=len(flat.parameters),
            decay=1 - learning_rate * group["weight_decay"],
            new_mean=1 - beta1,
            old_square=beta2,
            new_square=1 - beta2,
            step=-learning_rate / (1 - beta1**taken),
            correction=math.sqrt(1 - beta2**taken),
            epsilon=group["eps"],
        )
        call.adamw(ctypes.byref(given), torch.get_num_threads(), *(vector.data_ptr() for vector in vectors))

    return update


def _specs(flat):
    """Describe the layers from the input to the output, with what lies side by side as copies of one."""
    groups = [((linear,), (norm,), False) for linear, norm in flat.encoder]
    groups += [(flat.heads, None, False), (flat.first, None, False)]
    groups += [(linears, norms, True) for linears, norms in flat.mirrors]
    groups += [(flat.last, None, True)]
    specs, statistics = (_Spec * len(groups))(), 0
    for number, (linears, norms, apart) in enumerate(groups):
        linear = linears[0]
        if norms:
            places = flat.place(norms[0].weight), flat.place(norms[0].bias), statistics
            statistics += len(linears) * linear.out_features
        else:
            places = -1, flat.place(linear.bias), -1
        sizes = len(linears), linear.in_features, linear.out_features
        specs[number] = _Spec(*sizes, apart, flat.place(linear.weight), *places)
    return specs


def _library(compile):
    """Load the library that a command compiles; its macros tell compilers and processors apart."""
    macros = _run([*compile, "-dM", "-E", "-x", "c", os.devnull])
    name = hashlib.sha256(" ".join(compile).encode() + macros + SOURCE.read_bytes()).hexdigest()[:16]
    folder = _folder()
    if folder and (content := _kept(folder / f"{name}.so")):
        with contextlib.suppress(OSError, AttributeError):
            return _load(content)
    with tempfile.TemporaryDirectory(prefix="xpsvae-") as temporary:
        made = Path(temporary, "made.so")
        _run([*compile, str(SOURCE), "-o", str(made), "-lm"])
        if not made.is_file():
            raise OSError(f"{compile[0]} made no library")
        content = made.read_bytes()
    functions = _load(content)
    if folder:
        _keep(folder / f"{name}.so", content)
    return functions


def _load(content):
    functions = _open_library(content)
    integer, pointer, number = ctypes.c_int64, ctypes.c_void_p, ctypes.c_float
    functions.workspace_size.argtypes = [pointer, *[integer] * 4]
    functions.workspace_size.restype = integer
    functions.most_packed.argtypes = []
    functions.most_packed.restype = integer
    functions.loss_gradient.argtypes = [
        pointer,
        *[integer] * 5,
        *[pointer] * 6,
        *[number] * 2,
        *[pointer] * 3,
    ]
    functions.loss_gradient.restype = None
    functions.adamw.argtypes = [pointer, integer, *[pointer] * 4]
    functions.adamw.restype = None
    return functions


def _open_library(content):
    """Open a library from memory; from a file of this process where the system cannot."""
    with contextlib.suppress(AttributeError, OSError):
        # left open: the loader knows libraries by name, and another file could get this number
        descriptor = os.memfd_create("xpsvae")
        with open(descriptor, "wb", closefd=False) as file:
            file.write(content)
        return ctypes.CDLL(f"/proc/self/fd/{descriptor}")
    with tempfile.NamedTemporaryFile(prefix="xpsvae-", suffix=".so") as file:
        file.write(content)
        file.flush()
        return ctypes.CDLL(file.name)


def _folder():
    """Where compiled libraries are kept; None where there is no folder that is the user's alone."""
    try:
        above = Path(os.environ.get("XDG_CACHE_HOME", ""))
        folder = (above if above.is_absolute() else Path.home() / ".cache") / "xpsvae"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = folder.stat()
        if found.st_uid != os.geteuid():
            return None
        if _writable_by_others(found):
            folder.chmod(0o700)
            for left in folder.glob("*.so"):
                left.unlink()
        return folder
    except (OSError, RuntimeError):  # RuntimeError: there is no HOME, nor an entry for the user
        return None


def _kept(path):
    """Content of a kept library; None unless it is whole and was written by this user."""
    try:
        with open(path, "rb", opener=_neither_link_nor_pipe) as file:
            found = os.fstat(file.fileno())
            foreign = found.st_uid != os.geteuid() or _writable_by_others(found)
            if foreign or not stat.S_ISREG(found.st_mode):
                return None
            content = file.read()
    except OSError:
        return None
    content, digest = content[:-_DIGEST], content[-_DIGEST:]
    return content if hashlib.sha256(content).digest() == digest else None


def _neither_link_nor_pipe(name, flags):
    return os.open(name, flags | os.O_NOFOLLOW | os.O_NONBLOCK)


def _keep(path, content):
    """Keep a library for later processes, if that is possible; several may do so at once."""
    with contextlib.suppress(OSError):
        # a name by process number would be the same in two containers
        descriptor, temporary = tempfile.mkstemp(prefix=".", dir=path.parent)
        try:
            with open(descriptor, "wb") as file:
                file.write(content + hashlib.sha256(content).digest())
            os.replace(temporary, path)
        except OSError:
            os.unlink(temporary)
            raise


def _writable_by_others(found):
    return bool(found.st_mode & (stat.S_IWGRP | stat.S_IWOTH))


def _run(command):
    """Output of a command, which is ended with all that it started if it takes too long."""
    pipes = dict.fromkeys(("stdout", "stderr"), subprocess.PIPE)
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True, **pipes) as process:
        try:
            output, errors = process.communicate(timeout=_LONGEST)
        except BaseException:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            raise
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command, output, errors)
    return output
