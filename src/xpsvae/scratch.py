"""The folder for temporary files, told from that of the results when a disk is full."""

import shutil
import tempfile

from xpsvae.errors import InputError

__all__ = ["require_space"]

_LEAST = 1 << 20  # [byte] free where a file could not be written for another reason


def require_space():
    """See that temporary files have room.

    Raises
    ------
    InputError
        If their folder has less than 1 MiB left.
    """
    folder = tempfile.gettempdir()
    if shutil.disk_usage(folder).free < _LEAST:
        raise InputError(
            f"{folder}, the folder for temporary files, is full: free some of it or set TMPDIR to another one."
        )
