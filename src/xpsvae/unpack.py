"""Streams that are unpacked: a small file may hold more than any disk or memory."""

import gzip
import io
import os
import zipfile
import zlib
from pathlib import Path

from isal import igzip, isal_zlib

from xpsvae.errors import InputError

__all__ = ["DAMAGED_GZIP", "Bounded", "extract_zip", "open_gzip"]

DAMAGED_GZIP = (EOFError, gzip.BadGzipFile, zlib.error, isal_zlib.error)  # what reading one may end in

_RATIO = 100  # unpacked bytes a packed one; tables of numbers in text have up to 20, a bomb some 1000
_SMALL = 256 << 20  # bytes that may be unpacked in any case
_PIECE = 1 << 20  # bytes read at a time where no number is asked for


class Bounded(io.BufferedIOBase):
    """A stream that is refused once more than so many bytes were read.

    Parameters
    ----------
    stream : buffered file object
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

    def read(self, size=-1):
        """Read so many bytes, fewer only at the end; all that are left if ``size`` is negative.

        Raises
        ------
        InputError
            If there is more than was allowed.
        """
        if size is None or size < 0:
            return b"".join(iter(lambda: self.read(_PIECE), b""))
        return self._counted(self._stream.read(min(size, self._left + 1)))

    def read1(self, size=-1):
        """Read as `read` does, but no more than the stream has at hand."""
        return self._counted(self._stream.read1(_PIECE if size < 0 else min(size, self._left + 1)))

    def _counted(self, content):
        self._left -= len(content)
        if self._left < 0:
            raise InputError(self._refusal)
        return content

    def close(self):
        """Close the stream too."""
        if not self.closed:
            self._stream.close()
        super().close()


def open_gzip(path):
    """Open a gzipped file for reading bytes; an `InputError` once it unpacks to far more than it holds.

    Intel's igzip unpacks tables of numbers three times as fast as zlib, and reading them is mostly that. What a
    damaged file makes it raise is one of `DAMAGED_GZIP`.

    Parameters
    ----------
    path : path-like
    """
    return Bounded(igzip.open(path, "rb"), _largest(path), _refusal(path))


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
