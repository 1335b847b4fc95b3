"""XP spectra in csv and ecsv, as a stream."""

import csv
import io
import re

from xpsvae.errors import InputError
from xpsvae.xp.columns import (
    FETCH_AGAIN,
    dtype_of,
    find_columns,
    identifier_of,
    in_unit,
    one_line,
    parse_text,
    unpacked,
)

__all__ = ["text_blocks"]

_BLOCK = 2 << 20  # bytes of text parsed at a time, some 50 spectra; pyarrow reads up to 40 blocks ahead
_PIECE = 1 << 20  # bytes of text that are looked through at a time for wanted lines
_LONGEST_HEAD = 1 << 20  # characters up to the end of the column names, far more than any table has
_LONGEST = 20  # characters of an identifier and the delimiter after it
_SEPARATORS = {"\t": "tabs", ";": "semicolons", "|": "bars", " ": "blanks"}


def text_blocks(path, wanted, product):
    """Rows of a csv or ecsv file, some at a time; see `xpsvae.xp.forms.blocks`."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.csv

    header, delimiter, names = _text_header(path)
    columns = find_columns(names, path, product)
    declared = _declared(header)
    single = None if "source_id" in columns else identifier_of(path, _said(header))
    datatype = declared.get(columns.get("source_id"), {}).get("datatype", "int64")
    if not datatype.startswith(("int", "uint", "string")):  # digits may be lost though all are written
        raise InputError(f"source_id in {path} is {datatype} by its header: give 64-bit integers.")
    with unpacked(path) as stream:
        if wanted is not None and names[0] == columns.get("source_id"):
            lines = _wanted_lines(stream, set(map(int, wanted)), len(header) + 1, delimiter.encode())
            stream = io.BufferedReader(_Pieces(lines), _PIECE)  # which fills the blocks that pyarrow asks for
        try:
            reader = pa.csv.open_csv(
                stream,
                pa.csv.ReadOptions(block_size=_BLOCK, skip_rows=len(header)),
                pa.csv.ParseOptions(delimiter=delimiter),
                pa.csv.ConvertOptions(
                    include_columns=list(columns.values()),
                    column_types=dict.fromkeys(columns.values(), pa.string()),
                    null_values=["", "null", "NULL", "nan", "NaN", "--"],
                    strings_can_be_null=True,
                ),
            )
            for batch in reader:
                if single is None:
                    source_id = _text_identifiers(batch[columns["source_id"]], path)
                else:
                    source_id = pa.repeat(pa.scalar(single, pa.int64()), batch.num_rows)
                if wanted is not None:
                    rows = pc.is_in(source_id, value_set=pa.array(wanted))
                    batch, source_id = batch.filter(rows), source_id.filter(rows)
                if batch.num_rows:
                    ragged = {}
                    for name, there in columns.items():
                        if name != "source_id":
                            where = f"{name} in {path}"
                            values, lengths = parse_text(batch[there], dtype_of(name), where)
                            unit = declared.get(there, {}).get("unit")
                            ragged[name] = in_unit(values, name, unit, where).astype(dtype_of(name)), lengths
                    yield source_id.to_numpy(), ragged
        except pa.ArrowInvalid as error:
            raise InputError(f"{path} is not a regular table ({one_line(error)}): {FETCH_AGAIN}.") from error


def _wanted_lines(stream, wanted, head, delimiter):
    """Yield the text without those lines, after its head, that begin with the source_id of another star.

    Of most lines of a bulk file nothing but the identifier is then ever looked at. What is not plainly a line with
    an identifier in front stays, for the parser to judge.
    """
    rest = b""
    while piece := stream.read(_PIECE):
        piece, start, kept = rest + piece, 0, []
        if b"\r" in piece or len(piece) > _PIECE + _BLOCK:  # lines end otherwise, or never
            yield piece
            yield from iter(lambda: stream.read(_PIECE), b"")
            return
        while end := piece.find(b"\n", start) + 1:
            cell = piece[start : max(start, piece.find(delimiter, start, start + _LONGEST))]
            if head or not cell.isdigit() or int(cell) in wanted:
                kept.append(piece[start:end])
            start, head = end, max(head - 1, 0)
        rest = piece[start:]
        yield b"".join(kept)
    yield rest  # a line that is cut has to be seen


class _Pieces(io.RawIOBase):
    """Pieces of bytes as a stream."""

    def __init__(self, pieces):
        self._pieces, self._rest = pieces, b""

    def readable(self):
        return True

    def readinto(self, buffer):
        piece = self._rest or next(filter(None, self._pieces), b"")
        count = min(len(buffer), len(piece))
        buffer[:count], self._rest = piece[:count], piece[count:]
        return count


def _text_identifiers(texts, path):
    import pyarrow as pa
    import pyarrow.compute as pc

    texts = pc.fill_null(pc.utf8_trim_whitespace(texts), "0")
    digits = pc.match_substring_regex(texts, "^-?[0-9]+$")  # pyarrow would read hexadecimal numbers as well
    if not pc.all(digits).as_py():
        other = texts.filter(pc.invert(digits))[0].as_py()
        raise InputError(
            f"{path} has '{one_line(other, 40)}' in column source_id, not an integer: "
            "give source_ids with all their digits."
        )
    try:
        return texts.cast(pa.int64())
    except pa.ArrowInvalid as error:
        raise InputError(
            f"{path} has a source_id that needs more than 64 bits ({one_line(error)}): give Gaia source_ids."
        ) from error


def _text_header(path):
    """Read the comment lines, the delimiter and the column names."""
    comments, delimiter, length = [], ",", 0
    with unpacked(path) as stream, io.TextIOWrapper(stream, encoding="utf-8-sig", newline="") as lines:
        try:
            while line := lines.readline(_LONGEST_HEAD + 1):
                length += len(line)
                if length > _LONGEST_HEAD:  # short lines take far more memory than their characters
                    break
                if not line.startswith("#"):
                    return comments, delimiter, _names(line, delimiter, path)
                comments.append(line)
                if line.startswith("# %ECSV"):
                    delimiter = " "  # what the format means if no line names it
                elif line.startswith("# delimiter:"):
                    delimiter = line.split(":", 1)[1].strip().strip("'\"") or " "
        except UnicodeDecodeError as error:
            raise InputError(f"{path} is not text ({error.reason}): {FETCH_AGAIN}.") from error
    within = f" in its first {length:,} characters" if length > _LONGEST_HEAD else ""
    raise InputError(f"{path} has no line with column names{within}: {FETCH_AGAIN}.")


def _names(line, delimiter, path):
    line = line.strip("\r\n")
    if delimiter not in (",", " "):
        raise InputError(
            f"{path} names '{one_line(delimiter, 20)}' as delimiter: give ecsv with commas or blanks."
        )
    if delimiter not in line and "source_id" in line.lower():
        for separator, what in _SEPARATORS.items():
            if separator in line:
                raise InputError(
                    f"{path} has its columns separated by {what}: give csv, separated by commas, or ecsv."
                )
    try:
        return next(csv.reader([line], delimiter=delimiter), [])
    except csv.Error as error:
        raise InputError(f"{path} has no line with column names ({error}): {FETCH_AGAIN}.") from error


def _said(header):
    """source_id in the meta of an ecsv file, as the archive writes it for one star's sampled spectrum."""
    found = re.search(r"^# +source_id: *'?(\d+)", "".join(header), re.MULTILINE)
    return found and found[1]


def _declared(header):
    """Datatype and unit of columns in the header of an ecsv file: {name: {"datatype": ..., "unit": ...}}."""
    found = {}
    for item in re.split(r"^# *- *", "".join(header), flags=re.MULTILINE)[1:]:
        item = item.split("description:")[0]
        pairs = re.findall(
            r"(?:^#?|[{,]) *(name|datatype|unit): *(\"[^\"]*\"|'[^']*'|[^,}\n]*)", item, re.MULTILINE
        )
        said = {key: value.strip().strip("\"'") for key, value in pairs}
        if "name" in said:
            found[said["name"]] = said
    return found
