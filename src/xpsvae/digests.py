"""SHA-256 of each product: noted when its job ends, verified before another job reads it.

The note of ``catalog/stars.parquet`` is ``catalog/.sha256/stars.parquet``, in the form that ``sha256sum``
writes and checks. What has no note (products of earlier versions, files of the user) is taken as it is.
"""

import contextlib
import hashlib
from pathlib import Path

from xpsvae.errors import InputError
from xpsvae.products import clear_leftovers, write_atomically

__all__ = ["FOLDER", "forget", "note", "sha256", "verify"]

FOLDER = ".sha256"


def sha256(path):
    """SHA-256 of a file, or of the names and digests of all files in a folder; hexadecimal."""
    path = Path(path)
    if path.is_dir():
        # Snakemake keeps the time of a folder in a hidden file
        files = sorted(each for each in path.rglob("*") if each.is_file() and each.name[0] != ".")
        lines = [f"{sha256(each)}  {each.relative_to(path).as_posix()}\n" for each in files]
        return hashlib.sha256("".join(lines).encode()).hexdigest()
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def note(path, digest=None):
    """Note what a product is, once it is complete.

    Parameters
    ----------
    path : path-like
        A file or folder.
    digest : str, optional
        Its SHA-256, where that is known.
    """
    with write_atomically(_note(path)) as temporary:
        temporary.write_text(f"{digest or sha256(path)}  {Path(path).name}\n", encoding="utf-8")


def forget(path):
    """Delete the note of a product that is made anew or deleted, and what a killed job left of it."""
    note = _note(path)
    clear_leftovers(note)
    note.unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        note.parent.rmdir()  # if it was the last


def verify(path, digest=None):
    """See that a product is what its job wrote.

    Parameters
    ----------
    path : path-like
    digest : str, optional
        Its SHA-256, where that is known.

    Raises
    ------
    InputError
        If it has a note and another SHA-256.
    """
    try:
        noted = _note(path).read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, NotADirectoryError):
        return
    if Path(path).exists() and noted.split(" ")[0] != (digest or sha256(path)):
        raise InputError(
            f"{path} has changed since its job wrote it (its SHA-256 is not that in {_note(path)}): delete "
            "it and run the same command again."
        )


def _note(path):
    path = Path(path)
    return path.parent / FOLDER / path.name
