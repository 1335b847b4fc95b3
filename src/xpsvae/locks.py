"""Locks that the kernel takes off a process however it ends; Snakemake's own stay when it is killed.

Where a file system has no such locks, nothing is done and nothing is removed.
"""

import contextlib
import errno
import fcntl
import os
import platform
import shutil
import time
from pathlib import Path

__all__ = ["clear_stale", "hold"]

_ALIVE = "xpsvae.alive"  # begins the name of a file that every Snakemake holds as long as it lives
_held = []  # the kernel closes it, and with that lets go of it, when the process ends


def clear_stale(folder=".snakemake"):
    """Remove Snakemake's locks of a folder if whoever set them is dead; count as alive from now on.

    To be called before Snakemake looks at its locks. Only one that finds no other alive removes them, and it
    counts before it sets its own, so that two in one folder still exclude each other. Nothing is removed
    where another machine has worked, since its processes cannot be seen from here.

    Parameters
    ----------
    folder : path-like
        Where Snakemake keeps its records.

    Returns
    -------
    bool
        Whether there were any.
    """
    host, boot = platform.node(), _boot()
    path, locks = Path(folder, f"{_ALIVE}.{boot}"), Path(folder, "locks")
    try:
        path.parent.mkdir(exist_ok=True)
        # locks from before the first such file, or of a machine under another name, are nobody's we know
        others = {each: each.read_text() for each in path.parent.glob(f"{_ALIVE}.*") if each != path}
        known = bool(path.exists() or others) and set(others.values()) <= {host}
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        os.ftruncate(handle, os.pwrite(handle, host.encode(), 0))
    except OSError:
        return False  # not ours to write into
    _held.append(handle)
    stale = False
    with contextlib.suppress(OSError):  # another is alive, or locks are not supported
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        stale = known and locks.is_dir() and any(locks.iterdir())
        if stale:
            shutil.rmtree(locks)
            for each in others:  # of this machine, before it was started anew
                each.unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        fcntl.flock(handle, fcntl.LOCK_SH)
    return stale


def _boot():
    """Name what all processes share whose locks can be seen: one run of one machine, in all its containers."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return platform.node()


def hold(path, patience):
    """Open a file that only one process may hold at a time.

    Parameters
    ----------
    path : path-like
    patience : float
        How long to wait for one that holds it [s].

    Returns
    -------
    int
        The open file; to close it lets go of it.

    Raises
    ------
    BlockingIOError
        With the number of the process that holds it as its text.
    """
    path, end = Path(path), time.monotonic() + patience
    while True:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in (errno.EAGAIN, errno.EACCES):
                return handle
            holder = os.pread(handle, 20, 0).decode(errors="replace")
            os.close(handle)
            if time.monotonic() > end:
                raise BlockingIOError(holder) from None
            time.sleep(0.2)
            continue
        # who held it before may have deleted the file while this one waited
        if path.exists() and os.path.samestat(os.fstat(handle), path.stat()):
            os.ftruncate(handle, os.pwrite(handle, str(os.getpid()).encode(), 0))
            return handle
        os.close(handle)
