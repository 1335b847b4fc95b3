"""The gradient of `compiled.c`: compiled for this processor on first use, kept, and called on tensors.

Nothing is compiled at installation, and nothing fails without a C compiler: `library` then returns None.
"""

import ctypes
import hashlib
import os
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

import torch

from xpsvae.products import write_atomically

__all__ = ["gradient", "library"]

SOURCE = Path(__file__).with_suffix(".c")
FLAGS = ("-std=gnu11", "-O3", "-march=native", "-shared", "-fPIC", "-fopenmp")  # one thread without the last


class _Spec(ctypes.Structure):
    """A layer; see ``struct spec`` of `compiled.c`."""

    _fields_ = [
        (name, ctypes.c_int64)
        for name in ("copies", "n_in", "n_out", "apart", "weight", "scale", "shift", "statistics")
    ]


@cache
def library():
    """Compile `compiled.c`, or take what an earlier call left, and load it.

    Returns
    -------
    ctypes.CDLL or None
        None where no compiler can; standard error says so in one line.
    """
    compiler = os.environ.get("CC", "cc").split()
    for flags in (FLAGS, FLAGS[:-1]):
        try:
            return _loaded([*compiler, *flags])
        except subprocess.CalledProcessError as error:
            reason = error.stderr.decode(errors="replace").strip().rpartition("\n")[2] or str(error)
        except OSError as error:
            reason = str(error)
    print(f"No C compiler works here ({reason}): training takes several times as long.", file=sys.stderr)
    return None


def gradient(flat, free_bits=0.0):
    """Do the work of `xpsvae.model.step.by_autograd` in the compiled library, which has to be there.

    Parameters
    ----------
    flat : Flat
        float32, on the CPU; of a model with at least two hidden layers.
    free_bits : float
        [nat] See `xpsvae.model.step.stepper`.
    """
    call, specs, n_encoder = library(), _specs(flat), len(flat.encoder)
    moments = torch.empty(2, len(flat.running_mean))
    shifts = flat.parameters.detach()[flat.shifts]
    workspaces = {}

    def gradient(data, variance, rows, noise, kl_weight=1.0):
        n_stars = len(rows)
        if n_stars not in workspaces:
            size = call.workspace_size(specs, len(specs), n_encoder, n_stars)
            workspaces[n_stars] = torch.zeros(size // 4)
        terms = torch.empty(2)
        batch = rows.contiguous(), noise.contiguous()
        inputs = workspaces[n_stars], flat.parameters, data, variance, *batch
        call.loss_gradient(
            specs, len(specs), n_encoder, n_stars, torch.get_num_threads(),
            *(tensor.data_ptr() for tensor in inputs),
            kl_weight, free_bits, flat.eps,
            flat.gradient.data_ptr(), moments[0].data_ptr(), moments[1].data_ptr(), terms.data_ptr(),
        )  # fmt: skip
        flat.running_mean.lerp_(moments[0] + shifts, flat.momentum)
        flat.running_var.lerp_(moments[1], flat.momentum)
        flat.batches.add_(1)
        return terms.unbind()

    return gradient


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


def _loaded(compile):
    """Load the library that a command compiles; its macros tell compilers and processors apart."""
    macros = _run([*compile, "-dM", "-E", "-x", "c", os.devnull])
    name = hashlib.sha256(" ".join(compile).encode() + macros + SOURCE.read_bytes()).hexdigest()[:16]
    path = _folder() / f"{name}.so"
    if not path.exists():
        with write_atomically(path) as temporary:
            _run([*compile, str(SOURCE), "-o", str(temporary), "-lm"])
    functions = ctypes.CDLL(str(path))
    integer, pointer, number = ctypes.c_int64, ctypes.c_void_p, ctypes.c_float
    functions.workspace_size.argtypes = [pointer, *[integer] * 3]
    functions.workspace_size.restype = integer
    functions.loss_gradient.argtypes = [
        pointer,
        *[integer] * 4,
        *[pointer] * 6,
        *[number] * 3,
        *[pointer] * 4,
    ]
    functions.loss_gradient.restype = None
    return functions


@cache
def _folder():
    """Where compiled libraries are kept; a folder of this process where the user's cannot be written to."""
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "xpsvae")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return Path(_own_folder().name)
    return folder if os.access(folder, os.W_OK) else Path(_own_folder().name)


@cache
def _own_folder():
    return tempfile.TemporaryDirectory(prefix="xpsvae-")


def _run(command):
    return subprocess.run(command, check=True, capture_output=True).stdout
