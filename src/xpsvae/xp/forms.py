"""The forms that XP spectra come in, told by their content: csv, ecsv, FITS, VOTable and Parquet."""

from xpsvae.errors import InputError
from xpsvae.xp.binary import fits_blocks, votable_blocks
from xpsvae.xp.columns import CONTINUOUS, FETCH_AGAIN, one_line, read_bytes
from xpsvae.xp.parquet import parquet_blocks
from xpsvae.xp.text import text_blocks

__all__ = ["blocks"]

_OTHER_FORMS = {
    b"PK\x03\x04": "a zip archive: unpack it",
    b"\x89HDF": "an HDF5 file",
    b"\x93NUMPY": "a numpy file",
    b"Obj\x01": "an Avro file",
    b"\x1f\x8b": "gzipped twice: unpack it once",
    b"BZh": "a bzip2 file: unpack it",
    b"\xfd7zXZ": "an xz file: unpack it",
    b"\x28\xb5\x2f\xfd": "a Zstandard file: unpack it",
    b"{": "JSON",
    b"%PDF": "a PDF file",
}


_READERS = {"csv": text_blocks, "fits": fits_blocks, "votable": votable_blocks, "parquet": parquet_blocks}


def blocks(path, wanted=None, product=CONTINUOUS):
    """Rows of a file, some at a time.

    Parameters
    ----------
    path : path-like
    wanted : int64 array (n,), optional
        source_ids of the rows to keep; all if not given.
    product : {CONTINUOUS, ANY}
        What the file may hold; see `xpsvae.xp.columns.find_columns`.

    Yields
    ------
    source_id : int64 array (n_rows,)
        0 where the file has none.
    columns : dict of str to (values, lengths)
        Numbers of all rows one after the other, and how many are whose: `NO_ARRAY` where there is none,
        `NOT_NUMERIC` where there are others than real numbers.

    Raises
    ------
    InputError
        If the file is cut, of another kind or an error message, lacks a column or has one twice, has a
        source_id that is no integer, or tables that do not fit together.
    """
    return _READERS[_kind(path)](path, wanted, product)


def _kind(path):
    head = read_bytes(path, 4096)
    if not head:
        raise InputError(f"{path} is empty: {FETCH_AGAIN}.")
    head = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    if head.startswith(b"SIMPLE  ="):
        return "fits"
    if head.startswith(b"PAR1"):
        return "parquet"
    if head.startswith(b"<"):
        if b"VOTABLE" in head.upper():
            return "votable"
        raise InputError(f"{path} is a web page or other XML, not a VOTable: {FETCH_AGAIN}.")
    found = next((form for magic, form in _OTHER_FORMS.items() if head.startswith(magic)), "")
    if found == "JSON":
        found += f" ({one_line(head.decode(errors='replace'))})"
    if found or b"\0" in head or not head:
        raise InputError(
            f"{path} is not csv, ecsv, FITS, VOTable or Parquet{', but ' * bool(found)}{found}: "
            "give an XP_CONTINUOUS file in one of these formats."
        )
    return "csv"
