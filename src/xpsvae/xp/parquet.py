"""XP spectra in Parquet, as a stream: arrays as lists, or as the text that they are in a csv file."""

import numpy as np

from xpsvae.arrays import identifiers
from xpsvae.errors import InputError
from xpsvae.xp.columns import (
    FETCH_AGAIN,
    NO_ARRAY,
    dtype_of,
    find_columns,
    identifier_of,
    in_unit,
    one_line,
    parse_text,
)

__all__ = ["parquet_blocks"]

_ROWS = 2048  # at a time
_BUFFER = 1 << 20  # [byte] of a column held at a time; without it, all of a row group


def parquet_blocks(path, wanted, product):
    """Rows of a Parquet file, some at a time; see `xpsvae.xp.forms.blocks`."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path, buffer_size=_BUFFER, pre_buffer=False) as file:
            schema = file.schema_arrow
            columns = find_columns(schema.names, path, product)
            single = None if "source_id" in columns else identifier_of(path)
            units = _units(schema)
            names = list(columns.values())
            for batch in file.iter_batches(_ROWS, columns=names, use_threads=False):
                if single is not None:
                    source_id = np.full(batch.num_rows, single)
                else:
                    held = batch[columns["source_id"]]
                    held = held.fill_null(0) if pa.types.is_integer(held.type) else held
                    source_id = identifiers(f"source_id in {path}", held.to_numpy(zero_copy_only=False))
                if wanted is not None:
                    rows = np.isin(source_id, wanted)
                    batch, source_id = batch.filter(pa.array(rows)), source_id[rows]
                if batch.num_rows:
                    yield (
                        source_id,
                        {
                            name: _ragged(batch[there], name, units.get(there), f"{name} in {path}")
                            for name, there in columns.items()
                            if name != "source_id"
                        },
                    )
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{path} is not readable as Parquet ({one_line(error)}): {FETCH_AGAIN}.") from error


def _units(schema):
    """Find the unit of a column, in its own metadata or in astropy's."""
    fields = {field.name: (field.metadata or {}).get(b"unit", b"").decode() for field in schema}
    if b"table_meta_yaml" in (schema.metadata or {}):
        from astropy.table import meta

        said = meta.get_header_from_yaml(schema.metadata[b"table_meta_yaml"].decode().split("\n"))
        fields |= {each["name"]: each["unit"] for each in said["datatype"] if "unit" in each}
    return fields


def _ragged(column, name, unit, where):
    """Like `parse_text`, for a column of lists, of numbers or of text."""
    import pyarrow as pa
    import pyarrow.compute as pc

    dtype = dtype_of(name)
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        values, lengths = parse_text(column, dtype, where)
        return in_unit(values, name, unit, where).astype(dtype, copy=False), lengths
    if pa.types.is_fixed_size_list(column.type):  # a null row keeps its place among the values
        lengths = np.full(len(column), column.type.list_size)
        values = column.values.slice(
            column.offset * column.type.list_size, len(column) * column.type.list_size
        )
        if column.null_count:
            there = column.is_valid().to_numpy(zero_copy_only=False)
            lengths = np.where(there, lengths, NO_ARRAY)
            values = values.filter(pa.array(np.repeat(there, column.type.list_size)))
    elif pa.types.is_list(column.type) or pa.types.is_large_list(column.type):
        lengths = pc.fill_null(pc.list_value_length(column), NO_ARRAY).to_numpy(zero_copy_only=False)
        values = column.flatten()
    else:
        lengths, values = np.ones(len(column), dtype=np.int64), column
    if not (
        pa.types.is_floating(values.type) or pa.types.is_integer(values.type) or pa.types.is_null(values.type)
    ):
        raise InputError(f"{where} holds {values.type}: give real numbers.")
    values = values.cast(pa.float64()) if pa.types.is_null(values.type) else values
    numbers = values.to_numpy(zero_copy_only=False)
    with np.errstate(over="ignore"):
        return in_unit(numbers, name, unit, where).astype(dtype, copy=False), lengths.astype(np.int64)
