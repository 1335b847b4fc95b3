"""The JSON documents of an archive, which others may have written: refused unless they are well formed."""

import re
import reprlib
from pathlib import Path

from xpsvae.errors import InputError
from xpsvae.products import read_json

__all__ = ["check_reservation", "difference_in_form", "read_document", "read_reservation"]

_LARGEST = 64 << 20  # bytes
_TEXT = {"type": "string"}
_TEXTS = {"type": "array", "items": _TEXT}
_FILE = {
    "path": _TEXT,
    "size": {"type": "integer", "minimum": 0},
    "sha256": {"type": "string", "pattern": r"\A[0-9a-f]{64}\Z"},
}


def _table(**columns):
    return {"type": "array", "items": _object(**columns)}


def _object(**properties):
    return {"type": "object", "required": list(properties), "properties": properties}


_MANIFEST = _object(
    format={},
    commit=_TEXT,
    files=_table(**_FILE),
    products=_table(**_FILE, stored=_TEXT, rule={"type": ["string", "null"]}),
    rules=_table(
        rule=_TEXT,
        code={"type": "object", "additionalProperties": _TEXT},
        inputs=_TEXTS,
        outputs=_TEXTS,
        params={"type": "object"},
    ),
)
_SERVER = r"https?://[A-Za-z0-9.-]+(:\d{1,5})?(/[A-Za-z0-9._~/-]*)?"
_DOI = r"10\.\d{4,9}/[A-Za-z0-9._;()/:-]+"


def read_document(path):
    """Read a JSON document as `products.read_json` does; one that no program writes is refused too."""
    if Path(path).is_file() and Path(path).stat().st_size > _LARGEST:
        raise InputError(f"{path} has more than {_LARGEST} bytes, which no such file has: get it again.")
    try:
        return read_json(path)
    except InputError:
        raise
    except (ValueError, RecursionError, OSError) as error:
        raise InputError(f"{path} is not valid JSON ({type(error).__name__}): get it again.") from error


def difference_in_form(manifest):
    """Say how a manifest differs from the form of one, as the end of a sentence; "" if it does not."""
    import jsonschema

    error = next(jsonschema.Draft202012Validator(_MANIFEST).iter_errors(manifest), None)
    if error is None:
        return ""
    place = "".join(f" of {part}" for part in reversed(error.absolute_path))
    if error.validator == "required":
        missing = next(name for name in error.validator_value if name not in error.instance)
        return f"lacks {missing!r}{place}"
    found = reprlib.repr(error.instance)
    return f"has {found}{place or ' as a whole'} where {error.validator} {error.validator_value} belongs"


def read_reservation(path):
    """Read and check ``doi.json``; see `check_reservation`."""
    return check_reservation(read_document(path), path, "delete it and run snakemake reserve_doi")


def check_reservation(content, where, advice):
    """Refuse what is no reservation of a DOI: it stands in the paper and in requests to the server.

    Parameters
    ----------
    content : any
        Of JSON: server (an address), record (a number), doi, new_version_of (text or None).
    where, advice : str
        Beginning and end of the sentence.

    Returns
    -------
    dict
        The content.

    Raises
    ------
    InputError
        If a value is of another form.
    """
    found = content if isinstance(content, dict) else {}
    record, earlier = found.get("record"), found.get("new_version_of")
    good = {
        "server": _is_like(_SERVER, found.get("server")),
        "record": type(record) is int and 0 < record < 10**15,
        "doi": _is_like(_DOI, found.get("doi")),
        "new_version_of": earlier is None or _is_like(r"[\x21-\x7e]{1,200}", earlier),
    }
    if bad := [key for key, is_good in good.items() if not is_good]:
        value = reprlib.repr(found.get(bad[0]))
        raise InputError(f"{where} is no reservation of a DOI, its {bad[0]} is {value}: {advice}.")
    return content


def _is_like(pattern, value):
    return isinstance(value, str) and re.fullmatch(pattern, value) is not None
