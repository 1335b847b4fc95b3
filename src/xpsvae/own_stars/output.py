"""Tables of stars to Parquet, ECSV or FITS, by suffix, with units; as a stream, whole or not at all.

Blocks come as lists of (`xpsvae.own_stars.tables.Column`, array). What astropy and TOPCAT need to know of units is in
the heads of all three forms.
"""

import io
import os
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from xpsvae import parquet_units
from xpsvae.errors import InputError
from xpsvae.products import write_atomically

__all__ = ["SUFFIXES", "require_output", "write_blocks", "write_text"]

_ROW_GROUP = 8192  # rows of a Parquet row group, which are held until they are written: 30 MB
_FITS_CODES = {"int64": "K", "float64": "D", "float32": "E"}
_FITS_BLOCK = 2880  # [byte]


def require_output(path, overwrite=False):
    """See that a table can be written, before any work is done.

    Raises
    ------
    InputError
        If the suffix is none of `SUFFIXES`, the folder is missing or may not be written to, or there is a file
        already that must not be overwritten.
    """
    path = Path(path)
    if path.suffix not in SUFFIXES:
        raise InputError(
            f"{path} has the suffix '{path.suffix}': give one of {', '.join(SUFFIXES)}, by which the form is chosen."
        )
    if not path.parent.is_dir():
        raise InputError(f"the folder {path.parent} of {path} does not exist: make it, or give another one.")
    if path.is_dir():
        raise InputError(f"{path} is a folder: give the name of a file in it.")
    if path.exists() and not overwrite:
        raise InputError(f"{path} exists: give another name, or --overwrite.")
    if not os.access(path.parent, os.W_OK) or (path.exists() and not os.access(path, os.W_OK)):
        raise InputError(f"{path} may not be written: give a folder of your own, or mend the permissions.")


def write_blocks(path, blocks, progress=None):
    """Write a table block by block.

    Parameters
    ----------
    path : path-like
        Its suffix says the form.
    blocks : iterable of list of (Column, array)
    progress : function (n_rows), optional
        Called after each block with the rows so far.

    Returns
    -------
    int
        Rows that were written.

    Raises
    ------
    InputError
        If the disk is full or the file cannot be written.
    """
    path, count = Path(path), 0
    try:
        with write_atomically(path) as temporary, SUFFIXES[path.suffix](temporary) as append:
            for block in blocks:
                append(block)
                count += len(block[0][1])
                if progress:
                    progress(count)
    except OSError as error:  # of writing alone: those of reading are sentences already
        raise InputError(f"{path} could not be written ({error.strerror}): give another folder.") from error
    return count


def write_text(stream, blocks):
    """Write the columns of one number a star as csv to a stream of text."""
    for number, block in enumerate(blocks):
        columns = [(column, values) for column, values in block if not column.shape]
        if number == 0:
            print(",".join(column.name for column, _ in columns), file=stream)
        formats = ["{:.7g}" if column.dtype.startswith("f") else "{}" for column, _ in columns]
        for row in zip(*(values for _, values in columns), strict=True):
            cells = (form.format(value) for form, value in zip(formats, row, strict=True))
            print(",".join("" if cell == "nan" else _quoted(cell) for cell in cells), file=stream)


def _quoted(cell):
    return f'"{cell}"' if "," in cell else cell


@contextmanager
def _parquet(path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    writer, held = None, []

    def flush():
        nonlocal writer, held
        table = pa.concat_tables(held)
        if writer is None:
            scalars = [field.name for field in table.schema if not pa.types.is_fixed_size_list(field.type)]
            texts = [name for name in table.schema.names if pa.types.is_string(table.schema.field(name).type)]
            writer = pq.ParquetWriter(
                path, table.schema, compression="snappy", use_dictionary=texts, write_statistics=scalars
            )
        writer.write_table(table)
        held = []

    def append(block):
        held.append(_arrow(block))
        if sum(map(len, held)) >= _ROW_GROUP:
            flush()

    try:
        yield append
        if held:
            flush()
    finally:
        if writer:
            writer.close()


def _arrow(block):
    import pyarrow as pa

    arrays, fields, lengths = [], [], {}
    for column, values in block:
        if column.dtype.startswith("U"):
            array, lengths[column.name] = pa.array(values, pa.string()), int(column.dtype[1:])
        elif column.shape:
            # NaN, not null: astropy makes no array of rows of which some are null
            flat = pa.array(np.ascontiguousarray(values, column.dtype).ravel())
            array = pa.FixedSizeListArray.from_arrays(flat, column.shape[0])
        else:
            array = pa.array(np.asarray(values, column.dtype), from_pandas=True)
        metadata = {"description": column.description} | ({"unit": column.unit} if column.unit else {})
        arrays.append(array)
        fields.append(pa.field(column.name, array.type, metadata=metadata))
    return pa.Table.from_arrays(
        arrays, schema=pa.schema(fields, metadata=parquet_units.metadata(fields, lengths))
    )


@contextmanager
def _ecsv(path):
    from xpsvae.own_stars.tables import to_astropy

    with path.open("w", encoding="utf-8") as file:
        first = True

        def append(block):
            nonlocal first
            text = io.StringIO()
            to_astropy([block]).write(text, format="ascii.ecsv", delimiter=",")
            lines = text.getvalue().splitlines(keepends=True)
            if not first:  # the head is that of the first block
                lines = lines[next(n for n, line in enumerate(lines) if not line.startswith("#")) + 1 :]
            file.writelines(lines)
            first = False

        yield append


@contextmanager
def _fits(path):
    from astropy.io import fits

    with path.open("wb") as file:
        file.write(fits.PrimaryHDU().header.tostring().encode())
        start, count, dtype, header = file.tell(), 0, None, None

        def append(block):
            nonlocal count, dtype, header
            if dtype is None:
                dtype = np.dtype([(column.name, *_fits_type(column)) for column, _ in block])
                header = _fits_header([column for column, _ in block], dtype)
                file.write(header.tostring().encode())
            rows = np.empty(len(block[0][1]), dtype)
            for column, values in block:
                rows[column.name] = (
                    np.char.encode(values.astype(str), "ascii") if "U" in column.dtype else values
                )
            file.write(rows.tobytes())
            count += len(rows)

        yield append
        file.write(bytes(-file.tell() % _FITS_BLOCK))
        header["NAXIS2"] = count
        file.seek(start)
        file.write(header.tostring().encode())


def _fits_type(column):
    if column.dtype.startswith("U"):
        return (f"S{column.dtype[1:]}",)
    return np.dtype(column.dtype).newbyteorder(">"), column.shape


def _fits_header(columns, dtype):
    from astropy.io import fits

    header = fits.Header(
        [
            ("XTENSION", "BINTABLE"), ("BITPIX", 8), ("NAXIS", 2), ("NAXIS1", dtype.itemsize), ("NAXIS2", 0),
            ("PCOUNT", 0), ("GCOUNT", 1), ("TFIELDS", len(columns)),
        ]
    )  # fmt: skip
    for number, column in enumerate(columns, 1):
        text = column.dtype.startswith("U")
        code = "A" if text else _FITS_CODES[column.dtype]
        count = column.dtype[1:] if text else column.shape[0] if column.shape else ""
        header[f"TTYPE{number}"] = column.name
        header[f"TFORM{number}"] = f"{count}{code}"
        if column.unit:
            header[f"TUNIT{number}"] = column.unit
        header[f"TCOMM{number}"] = column.description
    return header


SUFFIXES = {".parquet": _parquet, ".ecsv": _ecsv, ".fits": _fits}
