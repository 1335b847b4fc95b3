"""Read and write products of the workflow: atomically, the same bytes each time, never by pickle.

Every product is written beside its final name and renamed, so that an interrupted job leaves nothing
half-written. Tables are Parquet with units and notes in the field metadata; they and LaTeX files say in their
head where they come from.
"""

import json
import os
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from xpsvae.errors import InputError
from xpsvae.provenance import current_mark

__all__ = [
    "read_array",
    "read_json",
    "read_table",
    "write_array",
    "write_arrays",
    "write_atomically",
    "write_json",
    "write_table",
    "write_text",
]


@contextmanager
def write_atomically(path):
    """Yield a temporary path in the folder of ``path``; rename it to ``path`` if the block succeeds.

    The temporary name keeps the suffix of ``path``, since writers choose their format by it.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_table(path, frame, units=None, notes=None):
    """Write a DataFrame as Parquet, without its index.

    Parameters
    ----------
    path : path-like
    frame : pandas.DataFrame
    units : dict of str to str, optional
        Unit of a column (FITS spelling, e.g. ``"K"``, ``"dex"``), stored as field metadata ``unit``.
    notes : dict of str to str, optional
        Where a column came from if its name does not say it, stored as field metadata ``note``.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    units, notes = units or {}, notes or {}
    unknown = [name for name in (*units, *notes) if name not in frame.columns]
    if unknown:
        raise KeyError(f"units or notes given for columns that the table lacks: {unknown}")
    table = pa.Table.from_pandas(frame, preserve_index=False)
    fields = []
    for field in table.schema:
        metadata = {}
        if field.name in units:
            metadata["unit"] = units[field.name]
        if field.name in notes:
            metadata["note"] = notes[field.name]
        fields.append(field.with_metadata(metadata) if metadata else field)
    mark = {"provenance": mark} if (mark := current_mark()) else {}
    table = table.cast(pa.schema(fields, metadata={**(table.schema.metadata or {}), **mark}))
    with write_atomically(path) as temporary:
        pq.write_table(table, temporary, compression="zstd")


def read_table(path, columns=None):
    """Read a Parquet table, or the named columns of it.

    Raises
    ------
    InputError
        If the file is missing or not readable, or a column is not there.
    """
    import pandas as pd
    import pyarrow as pa
    import pyarrow.parquet as pq

    _require_file(path)
    try:
        present = pq.read_schema(path).names
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{path} is not a readable Parquet file ({error}): delete it and rerun.") from error
    missing = [name for name in columns or () if name not in present]
    if missing:
        raise InputError(
            f"{path} has no column {', '.join(missing)}: delete it and rerun the rule that makes it."
        )
    try:
        return pd.read_parquet(path, columns=columns)
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{path} is not a readable Parquet file ({error}): delete it and rerun.") from error


def write_array(path, array):
    """Write one array as ``.npy``, which can be memory-mapped."""
    with write_atomically(path) as temporary:
        np.save(temporary, array, allow_pickle=False)


def write_arrays(path, **arrays):
    """Write named arrays as ``.npz``; no timestamp goes into it."""
    with write_atomically(path) as temporary:
        np.savez(temporary, allow_pickle=False, **arrays)


def read_array(path, memory_map=False):
    """Read an ``.npy`` array (optionally memory-mapped) or an ``.npz`` as a dict of arrays.

    Raises
    ------
    InputError
        If the file is missing, truncated, or holds pickled objects.
    """
    _require_file(path)
    try:
        loaded = np.load(path, mmap_mode="r" if memory_map else None, allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            return loaded
        with loaded:
            return {name: loaded[name] for name in loaded.files}
    except (ValueError, OSError, EOFError) as error:
        raise InputError(f"{path} is not a readable NumPy file ({error}): delete it and rerun.") from error


def write_json(path, content):
    """Write JSON with sorted keys and no NaN (use ``None`` for what is not known)."""
    write_text(path, json.dumps(content, indent=2, sort_keys=True, allow_nan=False) + "\n")


def read_json(path):
    """Read a JSON file.

    Raises
    ------
    InputError
        If the file is missing or not JSON.
    """
    _require_file(path)
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise InputError(f"{path} is not valid JSON ({error}): delete it and rerun.") from error


def write_text(path, text):
    """Write a text file in UTF-8; LaTeX gets a comment on top that says where it comes from."""
    if Path(path).suffix == ".tex" and (mark := current_mark()):
        text = f"% {mark}\n{text}"
    with write_atomically(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _require_file(path):
    if not Path(path).is_file():
        raise InputError(f"{path} does not exist: run the rule that makes it (snakemake {path}).")
