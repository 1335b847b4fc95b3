"""Units and descriptions in the head of a Parquet file, as astropy and TOPCAT look for them.

astropy's ``QTable.read`` takes them from the key ``table_meta_yaml``, in which its own writer puts them; TOPCAT, and
astropy's format ``parquet.votable``, from a VOTable without data under ``IVOA.VOTable-Parquet.content`` (the VOParquet
convention, version 1.0). Neither looks at the metadata of single fields, which other readers show.
"""

import json
from xml.sax.saxutils import quoteattr

__all__ = ["metadata"]

_VOTABLE = {
    "bool": "boolean",
    "uint8": "unsignedByte",
    "int16": "short",
    "int32": "int",
    "int64": "long",
    "float32": "float",
    "float64": "double",
}
_WIDER = {"int8": "int16", "uint16": "int32", "uint32": "int64", "uint64": "int64", "float16": "float32"}


def metadata(schema, lengths):
    """Key-value metadata for a schema of Arrow.

    Parameters
    ----------
    schema : pyarrow.Schema or list of pyarrow.Field
        With ``unit`` and ``description`` or ``note`` in their metadata, where they have such.
    lengths : dict of str to int
        Characters that astropy has to make room for in each column of text; else it looks at all of them.

    Returns
    -------
    dict of str to str
    """
    columns, fields = [], []
    for field in schema:
        said = {key.decode(): value.decode() for key, value in (field.metadata or {}).items()}
        unit, words = said.get("unit", ""), said.get("description", said.get("note", ""))
        dtype, size = _type(field.type)
        column = {"name": field.name, "datatype": "string" if dtype == "str" else dtype}
        column |= ({"unit": unit} if unit else {}) | ({"description": words} if words else {})
        columns.append(column)
        size = str(lengths.get(field.name, size))
        datatype = "char" if dtype == "str" else _VOTABLE[_WIDER.get(dtype, dtype)]
        attributes = {"name": field.name, "datatype": datatype}
        attributes |= ({"arraysize": size} if size else {}) | ({"unit": unit} if unit else {})
        text = " ".join(f"{name}={quoteattr(value)}" for name, value in attributes.items())
        fields.append(f"<FIELD {text}><DESCRIPTION>{_escaped(words)}</DESCRIPTION></FIELD>")
    votable = (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<VOTABLE version="1.4" xmlns="http://www.ivoa.net/xml/VOTable/v1.3">\n<RESOURCE type="results">\n<TABLE>\n'
        + "\n".join(fields)
        + "\n</TABLE>\n</RESOURCE>\n</VOTABLE>\n"
    )
    return {
        "table_meta_yaml": json.dumps({"datatype": columns}),  # JSON is YAML
        "IVOA.VOTable-Parquet.version": "1.0",
        "IVOA.VOTable-Parquet.content": votable,
    } | {f"table::len::{name}": str(length) for name, length in lengths.items()}


def _type(type_):
    """Name of numpy's type of a column's values, and arraysize as VOTable writes it."""
    import pyarrow as pa

    size = ""
    if pa.types.is_fixed_size_list(type_):
        type_, size = type_.value_type, str(type_.list_size)
    elif pa.types.is_list(type_) or pa.types.is_large_list(type_):
        type_, size = type_.value_type, "*"
    if pa.types.is_string(type_) or pa.types.is_large_string(type_):
        return "str", "*"
    return ("float64" if pa.types.is_null(type_) else str(type_.to_pandas_dtype().__name__)).rstrip("_"), size


def _escaped(text):
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
