"""What a file holds, in one line for the log of the job that read or wrote it."""

import json
import os
import zipfile
from pathlib import Path

__all__ = ["describe"]

_MOST = 12  # numbers of a JSON file that are shown


def describe(path):
    """Say what a product holds: rows and columns, shapes, leading numbers, or else its size.

    Parameters
    ----------
    path : path-like
        A file or folder. One that is damaged is described by its size: saying so is its reader's part.

    Returns
    -------
    str
    """
    path = Path(path)
    if path.is_dir():
        return f"{path}: folder of {sum(1 for each in path.rglob('*') if each.is_file())} files"
    if not path.exists():
        return f"{path}: not there"
    try:
        told = _KINDS[path.suffix](path)
    except Exception:
        told = None
    return f"{path}: {told or f'{os.path.getsize(path):,} bytes'}"


def _parquet(path):
    import pyarrow.parquet as pq

    head = pq.read_metadata(path)
    return f"{head.num_rows:,} rows, {len(head.schema.to_arrow_schema().names)} columns"


def _array(path):
    import numpy as np

    return _shape(np.load(path, mmap_mode="r", allow_pickle=False))


def _arrays(path):
    import numpy as np

    with zipfile.ZipFile(path) as archive, np.load(path, allow_pickle=False) as arrays:
        large = sum(member.file_size for member in archive.infolist()) > 64 << 20
        names = arrays.files
        return ", ".join(names) if large else "; ".join(f"{name} {_shape(arrays[name])}" for name in names)


def _shape(array):
    return f"{' x '.join(f'{n:,}' for n in array.shape) or 'one'} {array.dtype}"


def _json(path):
    numbers = list(_numbers(json.loads(path.read_text(encoding="utf-8"))))
    more = f", and {len(numbers) - _MOST} more" if len(numbers) > _MOST else ""
    return ", ".join(f"{name} {value:.6g}" for name, value in numbers[:_MOST]) + more


def _numbers(value, name=""):
    """Names and values of all numbers in an object of objects; lists are passed over."""
    for key, item in value.items() if isinstance(value, dict) else ():
        if isinstance(item, dict):
            yield from _numbers(item, f"{name}{key}.")
        elif isinstance(item, int | float) and not isinstance(item, bool):
            yield f"{name}{key}", item


def _lines(path):
    with path.open("rb") as stream:
        return f"{sum(1 for _ in stream):,} lines"


_KINDS = {
    ".parquet": _parquet,
    ".npy": _array,
    ".npz": _arrays,
    ".json": _json,
    **dict.fromkeys((".csv", ".tex", ".md", ".bib"), _lines),
}
