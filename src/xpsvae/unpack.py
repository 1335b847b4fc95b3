"""Streams that are unpacked: a small file may hold more than any disk or memory."""

import gzip
import io
import os
import zipfile
from pathlib import Path

from xpsvae.errors import InputError

__all__ = ["Bounded", "extract_zip", "open_gzip"]

_RATIO = 100  # unpacked bytes a packed one; tables of numbers in text have up to 20, a bomb some 1000
_SMALL = 256 << 20  # bytes that may be unpacked in any case


class Bounded(io.RawIOBase):
    """A stream that is refused once more than so many bytes were read.

    Parameters
    ----------
    stream : file object
        Read from its place on; closed with this one.
    largest : int
        Bytes.
    refusal : str
        The sentence of the `InputError`.
    """

    def __init__(self, stream, largest, refusal):
        self._stream, self._left, self._refusal = stream, largest, refusal

    def readable(self):
        """Tell `io` that it can be read."""
        return True

    def readinto(self, buffer):
        """Fill a buffer as far as one read of the stream does.

        Raises
        ------
        InputError
            If there is more than was allowed.
        """
        content = self._stream.read(min(len(buffer), self._left + 1))
        self._left -= len(content)
        if self._left < 0:
            raise InputError(self._refusal)
        buffer[: len(content)] = content
        return len(content)

    def close(self):
        """Close the stream too."""
        if not self.closed:
            self._stream.close()
        super().close()


def open_gzip(path):
    """Open a gzipped file for reading bytes; an `InputError` once it unpacks to far more than it holds.

    Parameters
    ----------
    path : path-like
    """
    return io.BufferedReader(Bounded(gzip.open(path, "rb"), _largest(path), _refusal(path)))


def extract_zip(path, folder, names=None):
    """Extract members of a zip file; return their paths.

    Parameters
    ----------
    path, folder : path-like
    names : list of str, optional
        Which, in this order; by default all, in the order of their names.

    Raises
    ------
    InputError
        If they would take far more room than the file does; nothing is extracted then.
    """
    with zipfile.ZipFile(path) as archive:
        names = sorted(archive.namelist()) if names is None else names
        members = [archive.getinfo(name) for name in names]
        # no member gives more than it announces: zipfile stops there
        if sum(member.file_size for member in members) > _largest(path):
            raise InputError(_refusal(path))
        return [Path(archive.extract(member, folder)) for member in members]


def _largest(path):
    return max(_SMALL, _RATIO * os.path.getsize(path))


def _refusal(path):
    return (
        f"{path} unpacks to more than {_largest(path)} bytes: it is no table of spectra; get the file again."
    )
