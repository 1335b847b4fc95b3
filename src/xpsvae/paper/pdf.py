"""Whether a figure's PDF is whole: LaTeX passes over some damage, and of other names something else."""

import re
import zlib
from pathlib import Path

from xpsvae.products import refusal

__all__ = ["require_whole"]


def require_whole(path):
    """See that a PDF as matplotlib writes it has all of its objects, and that their streams unpack.

    Parameters
    ----------
    path : path-like

    Raises
    ------
    InputError
        If the file is missing or damaged.
    """
    with refusal(path, "a whole PDF"):
        content = Path(path).read_bytes()
        end = re.search(rb"startxref\s+(\d+)\s+%%EOF\s*\Z", content)
        if not content.startswith(b"%PDF-") or not end:
            raise ValueError("its beginning or its end is missing")
        table = content[int(end[1]) :]
        if not table.startswith(b"xref"):
            raise ValueError("its table of objects is missing")
        starts = [int(offset) for offset in re.findall(rb"^(\d{10}) \d{5} n", table, re.MULTILINE)]
        for start, stop in zip(sorted(starts), [*sorted(starts)[1:], int(end[1])], strict=True):
            _require_object(content[start:stop])


def _require_object(text):
    if not re.match(rb"\d+ \d+ obj\b", text) or not text.rstrip().endswith(b"endobj"):
        raise ValueError("an object of it is incomplete")
    head, stream, data = text.partition(b"stream\n")
    if stream and b"/FlateDecode" in head:
        unpacked = zlib.decompressobj()
        unpacked.decompress(data)
        if not unpacked.eof:
            raise ValueError("a stream of it is incomplete")
