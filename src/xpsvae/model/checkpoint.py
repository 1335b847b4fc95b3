"""The state of a training run, and its copies on disk from which a killed run goes on bit for bit.

A checkpoint is an ``.npz`` (no pickle, a checksum per array) in a folder named by a fingerprint of data and
recipe, so that no run ever meets the checkpoint of another.
"""

import contextlib
import hashlib
import json
import os
import shutil
import sys
import zipfile
import zlib
from pathlib import Path

import numpy as np
import torch

from xpsvae import locks
from xpsvae.errors import InputError
from xpsvae.products import write_arrays

__all__ = ["Checkpoints", "State", "fingerprint", "require_writable"]

ROOM = 32 << 20  # [byte] more than checkpoints and products of a run take
KEPT = 2  # the newest, and the one before in case it is damaged
LOCK = ".lock"
PATIENCE = 10  # [s] in which a run that has been killed, or ends, lets go of the lock
DAMAGE = (zipfile.BadZipFile, zlib.error, OSError, EOFError, KeyError, ValueError, RuntimeError)


class State:
    """All that a training step changes: tensors by name, and the random generator.

    Parameters
    ----------
    tensors : dict of str to Tensor
        Changed in place by training; `restore` writes into them.
    generator : torch.Generator
    """

    def __init__(self, tensors, generator):
        self.tensors, self.generator = tensors, generator

    def snapshot(self):
        """Copy the state; a dict of tensors on the CPU."""
        copy = {name: tensor.detach().clone().cpu() for name, tensor in self.tensors.items()}
        return copy | {"generator": self.generator.get_state()}

    def restore(self, snapshot):
        """Return to a state that `snapshot` gave."""
        with torch.no_grad():
            for name, tensor in self.tensors.items():
                tensor.copy_(snapshot[name])
        self.generator.set_state(snapshot["generator"])


class Checkpoints:
    """The checkpoints of one run, which are this process's until they are closed.

    Parameters
    ----------
    folder : path-like or None
        Of all runs' checkpoints; None keeps none.
    run : str
        Fingerprint of the run.

    Raises
    ------
    InputError
        If the folder cannot be written to, or another process trains the same.
    """

    def __init__(self, folder, run):
        self.folder = None if folder is None else Path(folder) / run
        self._lock = None
        if self.folder is not None:
            require_writable(self.folder)
            self._lock = self._hold()
            for left in self.folder.glob(".epoch-*.npz"):  # half-written by a run that was killed
                left.unlink()

    def save(self, state, history):
        """Write a checkpoint after ``len(history)`` epochs; keep it and the one before."""
        if self.folder is None:
            return
        arrays = {name: tensor.numpy() for name, tensor in state.snapshot().items()}
        write_arrays(self._path(len(history)), history=np.array(json.dumps(history)), **arrays)
        for path in self._newest_first()[KEPT:]:
            path.unlink()

    def resume(self, state):
        """Bring ``state`` to the newest checkpoint that can be read; return its history, or an empty one."""
        for path in self._newest_first():
            try:
                with np.load(path, allow_pickle=False) as arrays:
                    history = json.loads(str(arrays["history"]))
                    snapshot = {
                        name: torch.from_numpy(arrays[name]) for name in (*state.tensors, "generator")
                    }
                state.restore(snapshot)
            except DAMAGE as error:
                print(f"Checkpoint {path} is damaged ({error}): taking the one before it.", file=sys.stderr)
                continue
            print(f"Going on from {path}.", file=sys.stderr)
            return history
        return []

    def discard(self):
        """Delete the run's checkpoints, once its products are written."""
        if self.folder is not None:
            for path in self._newest_first():
                path.unlink(missing_ok=True)
            (self.folder / LOCK).unlink(missing_ok=True)
            with contextlib.suppress(OSError):
                self.folder.rmdir()

    def close(self):
        """Let another process train from these checkpoints."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _hold(self):
        try:
            return locks.hold(self.folder / LOCK, PATIENCE)
        except BlockingIOError as error:
            raise InputError(
                f"process {error} trains the same model with checkpoints in {self.folder}: wait until it has "
                "ended, or stop it."
            ) from None

    def _path(self, epoch):
        return self.folder / f"epoch-{epoch:06d}.npz"

    def _newest_first(self):
        return sorted(self.folder.glob("epoch-*.npz"), reverse=True) if self.folder else []


def require_writable(folder):
    """Make a folder and see that files can be written into it, before hours are spent.

    Raises
    ------
    InputError
        If not, or if its disk is full.
    """
    probe = Path(folder) / f".probe.{os.getpid()}"
    try:
        probe.parent.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise InputError(
            f"the folder {folder} cannot be written to ({error.strerror}): name another or mend it."
        ) from error
    if shutil.disk_usage(folder).free < ROOM:
        raise InputError(
            f"the disk of {folder} has less than {ROOM >> 20} MiB left: free some or name another folder."
        )


def fingerprint(choices):
    """Sixteen hexadecimal digits that change with a JSON-able object."""
    return hashlib.sha256(json.dumps(choices, sort_keys=True).encode()).hexdigest()[:16]
