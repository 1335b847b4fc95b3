"""Read and write products of the workflow: atomically, the same bytes each time, never by pickle.

Every product is written beside its final name and renamed, so that an interrupted job leaves nothing
half-written. Tables are Parquet with units and notes, for astropy and TOPCAT in the head of the file
(`xpsvae.parquet_units`); they and LaTeX files say in their head where they come from.
"""

import errno
import json
import math
import os
import re
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np

from xpsvae import parquet_units
from xpsvae.errors import InputError
from xpsvae.provenance import current_mark

__all__ = [
    "BLOCK",
    "clear_leftovers",
    "count_rows",
    "open_array",
    "open_table",
    "read_array",
    "read_blocks",
    "read_json",
    "read_table",
    "refusal",
    "require_aligned",
    "write_array",
    "write_arrays",
    "write_atomically",
    "write_json",
    "write_table",
    "write_text",
]

BLOCK = 32768  # rows at a time where a product is joined or read piece by piece


@contextmanager
def write_atomically(path):
    """Yield a temporary path in the folder of ``path``; rename it to ``path`` if the block succeeds.

    The temporary name keeps the suffix of ``path``, since writers choose their format by it.

    Raises
    ------
    InputError
        If the disk is full.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
    try:
        yield temporary
        temporary.replace(path)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise InputError(
            f"{path} could not be written ({error.strerror}): free some space and run the same command again."
        ) from error
    finally:
        temporary.unlink(missing_ok=True)


def clear_leftovers(path):
    """Delete the temporary files of processes that were killed while they wrote ``path``.

    Only its one writer may call this, before it begins.
    """
    path = Path(path)
    name = re.compile(rf"\.{re.escape(path.stem)}\.\d+{re.escape(path.suffix)}")
    if path.parent.is_dir():
        for each in path.parent.iterdir():
            if name.fullmatch(each.name):
                each.unlink(missing_ok=True)


@contextmanager
def open_array(path, shape, dtype=np.float32):
    """Yield a function that appends rows to an ``.npy`` file; the bytes are those of `write_array`.

    Parameters
    ----------
    path : path-like
    shape : tuple of int
        Of the whole array.
    dtype : dtype

    Raises
    ------
    ValueError
        If rows are missing, or there are too many.
    """
    header = {"descr": np.dtype(dtype).str, "fortran_order": False, "shape": tuple(shape)}
    with write_atomically(path) as temporary, temporary.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        end = file.tell() + np.dtype(dtype).itemsize * math.prod(shape)
        yield lambda rows: file.write(np.ascontiguousarray(rows, dtype=dtype))
        if file.tell() != end:
            raise ValueError(f"{path} was to hold {shape}, but has {file.tell()} bytes instead of {end}")


@contextmanager
def open_table(path, units=None, notes=None):
    """Yield a function that appends a DataFrame to a Parquet table, as a row group of its own.

    Parameters
    ----------
    path, units, notes
        As for `write_table`.
    """
    import pyarrow.parquet as pq

    with write_atomically(path) as temporary, ExitStack() as stack:
        writer = None

        def append(frame):
            nonlocal writer
            table = _to_arrow(frame, units or {}, notes or {})
            writer = writer or stack.enter_context(
                pq.ParquetWriter(temporary, table.schema, compression="zstd")
            )
            writer.write_table(table)

        yield append


def write_table(path, frame, units=None, notes=None):
    """Write a DataFrame as Parquet, without its index.

    Parameters
    ----------
    path : path-like
    frame : pandas.DataFrame
    units : dict of str to str, optional
        Unit of a column (FITS spelling, e.g. ``"K"``, ``"dex"``), stored as field metadata ``unit`` and where
        astropy and TOPCAT read it.
    notes : dict of str to str, optional
        Where a column came from if its name does not say it, stored as field metadata ``note``.
    """
    with open_table(path, units, notes) as append:
        append(frame)


def _to_arrow(frame, units, notes):
    import pyarrow as pa

    unknown = [name for name in (*units, *notes) if name not in frame.columns]
    if unknown:
        raise KeyError(f"units or notes given for columns that the table lacks: {unknown}")
    table = pa.Table.from_pandas(frame, preserve_index=False)
    fields = []
    for field in map(_of_one_length, table.schema, table.columns):
        metadata = {}
        if field.name in units:
            metadata["unit"] = units[field.name]
        if field.name in notes:
            metadata["note"] = notes[field.name]
        fields.append(field.with_metadata(metadata) if metadata else field)
    mark = {"provenance": mark} if (mark := current_mark()) else {}
    kinds = pa.types.is_string, pa.types.is_large_string
    texts = [field.name for field in fields if any(kind(field.type) for kind in kinds)]
    lengths = {name: _longest(table[name]) for name in texts}
    named = parquet_units.metadata(fields, lengths)
    return table.cast(pa.schema(fields, metadata={**(table.schema.metadata or {}), **named, **mark}))


def _of_one_length(field, column):
    """Say that lists have one length where they do: astropy makes an array with a unit of these alone."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if not (pa.types.is_list(field.type) or pa.types.is_large_list(field.type)) or column.null_count:
        return field
    lengths = pc.unique(pc.list_value_length(column)).to_pylist()
    return field.with_type(pa.list_(field.type.value_type, lengths[0])) if len(lengths) == 1 else field


def _longest(texts):
    """Characters of the longest text, with room for what is appended later."""
    import pyarrow.compute as pc

    return -(-(pc.max(pc.utf8_length(texts)).as_py() or 1) // 16) * 16


def read_table(path, columns=None, rows=None):
    """Read a Parquet table, or the named columns of it.

    Parameters
    ----------
    path : path-like
    columns : list of str, optional
    rows : range, optional
        Consecutive rows; only the row groups that hold them are read.

    Raises
    ------
    InputError
        If the file is missing or not readable, or a column is not there.
    """
    import pandas as pd
    import pyarrow.parquet as pq

    with refusal(path, "a readable Parquet file"):
        present = pq.read_schema(path).names
    missing = [name for name in columns or () if name not in present]
    if missing:
        raise InputError(
            f"{path} has no column {', '.join(missing)}: delete it and rerun the rule that makes it."
        )
    with refusal(path, "a readable Parquet file"):
        return pd.read_parquet(path, columns=columns) if rows is None else _read_rows(path, columns, rows)


def _read_rows(path, columns, rows):
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        groups, first, end = [], 0, 0
        for number in range(file.num_row_groups):
            start, end = end, end + file.metadata.row_group(number).num_rows
            if start < rows.stop and end > rows.start:
                first = first if groups else start
                groups.append(number)
        table = file.read_row_groups(groups, columns)
    return table.slice(rows.start - first, len(rows)).to_pandas()


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
    with refusal(path, "a readable NumPy file"):
        loaded = np.load(path, mmap_mode="r" if memory_map else None, allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            return loaded
        with loaded:
            arrays = {name: loaded[name] for name in loaded.files}
        if other := [name for name, array in arrays.items() if not isinstance(array, np.ndarray)]:
            raise ValueError(f"{other[0]} is no array")
        return arrays


def read_blocks(paths, size=BLOCK):
    """Yield rows of ``.npy`` arrays that follow each other, ``size`` at a time wherever one file ends.

    Each block is a copy and nothing stays mapped, so that memory does not grow with the files.
    """
    pieces, wanted = [], size
    for path in paths:
        start, length = 0, len(read_array(path, memory_map=True))
        while start < length:
            piece = np.array(read_array(path, memory_map=True)[start : start + wanted])
            pieces.append(piece)
            start, wanted = start + len(piece), wanted - len(piece)
            if not wanted:
                yield np.concatenate(pieces)
                pieces, wanted = [], size
    if pieces:
        yield np.concatenate(pieces)


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
    with refusal(path, "valid JSON"):
        return json.loads(Path(path).read_text(encoding="utf-8"))


def write_text(path, text):
    """Write a text file in UTF-8; LaTeX gets a comment on top that says where it comes from."""
    if Path(path).suffix == ".tex" and (mark := current_mark()):
        text = f"% {mark}\n{text}"
    with write_atomically(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def count_rows(path):
    """Count the rows of an ``.npy`` array or of a Parquet table, from its head alone."""
    if Path(path).suffix == ".npy":
        return len(read_array(path, memory_map=True))
    import pyarrow.parquet as pq

    with refusal(path, "a readable Parquet file"):
        return pq.read_metadata(path).num_rows


def require_aligned(paths):
    """See that products with one row a star have as many rows as each other.

    Parameters
    ----------
    paths : list of path-like
        ``.npy`` arrays and Parquet tables; the first is the measure.

    Raises
    ------
    InputError
        For the first that has more or fewer, or cannot be read.
    """
    counts = {path: count_rows(path) for path in paths}
    for path, count in counts.items():
        if count != counts[paths[0]]:
            raise InputError(
                f"{path} has {count} rows, but {paths[0]} {counts[paths[0]]}: delete the one that is wrong "
                "and run the same command again."
            )


@contextmanager
def refusal(path, what):
    """Say in one sentence that a file is missing or damaged, whatever that makes the block raise.

    Parameters
    ----------
    path : path-like
    what : str
        What the file should be: "a readable Parquet file".

    Raises
    ------
    InputError
    """
    if not Path(path).is_file():
        raise InputError(f"{path} does not exist: run the rule that makes it (snakemake {path}).")
    try:
        yield
    except InputError:
        raise
    except Exception as error:  # from BadZipFile to RecursionError: libraries do not say which
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise InputError(f"{path} is not {what} ({reason}): delete it and rerun.") from error
