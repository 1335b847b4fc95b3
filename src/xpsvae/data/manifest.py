"""Manifests: which files a dataset is made of, where they are, and by which checksum they are known.

An entry is valid once it exists. A record of Zenodo and a JSON file are read into entries; `verify` refuses
a file that is not its entry's. No network.
"""

import dataclasses
import hashlib
import os
import re
import shutil
from pathlib import Path
from urllib.parse import parse_qsl, urljoin

from xpsvae import products
from xpsvae.errors import InputError
from xpsvae.products import write_atomically

__all__ = [
    "Entry",
    "difference",
    "entry_of",
    "parse_zenodo_record",
    "place",
    "read_manifest",
    "verify",
    "verify_all",
]

_HEX_DIGITS = {"md5": 32, "sha1": 40, "sha256": 64}
_ADDRESS = re.compile(r"https?://[\w.-]+(:\d+)?(/|$)")
_SECRET = re.compile("token|api_?key|secret|password|signature", re.IGNORECASE)


@dataclasses.dataclass(frozen=True)
class Entry:
    """One file of a manifest: its name in our folder, and where and what it is.

    Parameters
    ----------
    name, url : str
    checksum : str
        ``algorithm:hexadecimal`` with md5, sha1 or sha256.
    size : int, optional
        Bytes, if the publisher tells.
    mirrors : sequence of str
        Other places of the same bytes, tried in order once ``url`` is given up.

    Raises
    ------
    InputError
        If a value is not of that form, or a URL carries a password or token.
    """

    name: str
    url: str
    checksum: str
    size: int | None = None
    mirrors: tuple[str, ...] = ()

    def __post_init__(self):
        object.__setattr__(self, "mirrors", tuple(self.mirrors))
        if not re.fullmatch(r"[^./\\\0][^/\\\0]*", str(self.name)):
            raise InputError(f"the manifest names a file {self.name!r}: give a plain name without folders.")
        if self.size is not None and (type(self.size) is not int or self.size < 0):
            raise InputError(f"the manifest gives {self.name} the size {self.size!r}: give it in bytes.")
        if not re.fullmatch("[0-9a-f]+", self.digest) or len(self.digest) != _HEX_DIGITS.get(self.algorithm):
            raise InputError(
                f"the manifest gives {self.name} the checksum {self.checksum!r}: "
                "write md5:, sha1: or sha256: and all its hexadecimal digits."
            )
        for url in self.urls:
            address, _, query = str(url).partition("?")
            if "@" in address or any(_SECRET.search(key) for key, _ in parse_qsl(query)):
                raise InputError(
                    f"a URL of {self.name} in the manifest carries a password or token: drop it."
                )
            if not _ADDRESS.match(address):
                raise InputError(f"the manifest gives {self.name} the URL {url!r}: give an http(s) one.")

    @property
    def urls(self):
        """The URL and its mirrors in order of trial, each once."""
        return tuple(dict.fromkeys((self.url, *self.mirrors)))

    @property
    def algorithm(self):
        """Name of the hash in `hashlib`."""
        return str(self.checksum).partition(":")[0]

    @property
    def digest(self):
        """Expected value of the hash, lower-case hexadecimal."""
        return str(self.checksum).partition(":")[2].lower()


def read_manifest(path):
    """Read a manifest: JSON, a list of objects with the fields of `Entry`.

    Raises
    ------
    InputError
        If the file is missing or not of that form, or an entry is not valid.
    """
    try:
        return [Entry(**fields) for fields in products.read_json(path)]
    except TypeError as error:
        fields = ", ".join(field.name for field in dataclasses.fields(Entry))
        raise InputError(f"{path} is not a list of objects with {fields} ({error}): mend it.") from error


def parse_zenodo_record(answer, names=None, base_url="https://zenodo.org"):
    """Turn an answer of Zenodo's records API into a manifest.

    Parameters
    ----------
    answer : dict
        The JSON of ``/api/records/<number>``.
    names : sequence of str, optional
        Files wanted; all of the record by default.
    base_url : str
        Site that was asked; a link without a host is one on it.

    Returns
    -------
    list of Entry
        In the order of ``names``.

    Raises
    ------
    InputError
        If the answer is of another form or lacks a file.
    """
    try:
        entries = {
            file["key"]: Entry(
                file["key"], urljoin(base_url, file["links"]["self"]), file["checksum"], file["size"]
            )
            for file in answer["files"]
        }
    except (TypeError, KeyError) as error:
        raise InputError(
            f"the answer of {base_url} is not a record with files, links, checksums and sizes ({error!r}): "
            "check the number of the record and that its files are public."
        ) from error
    if missing := [name for name in names or () if name not in entries]:
        raise InputError(
            f"the record at {base_url} has no file {', '.join(missing)} but {', '.join(entries) or 'none'}: "
            "correct the record or the names."
        )
    return [entries[name] for name in names or entries]


def verify(path, entry):
    """Check size and checksum of a finished file before it is used.

    Raises
    ------
    InputError
        If the file is missing or differs from its entry.
    """
    if not Path(path).is_file():
        raise InputError(f"{path} does not exist: run the rule that downloads it (snakemake {path}).")
    if wrong := difference(path, entry):
        raise InputError(f"{path} {wrong}: delete it and rerun, which downloads it again.")


def entry_of(manifest, name):
    """Read the entry of one file in a manifest.

    Raises
    ------
    InputError
        If the manifest has none of that name, or as `read_manifest` does.
    """
    entries = {entry.name: entry for entry in read_manifest(manifest)}
    if name not in entries:
        raise InputError(
            f"{manifest} has no file {name} but {', '.join(entries) or 'none'}: correct the name, or "
            "the record, and delete the manifest."
        )
    return entries[name]


def verify_all(manifest, paths):
    """Check each file against the entry of its name in a manifest, before any is used.

    Raises
    ------
    InputError
        If a file is missing, differs from its entry, or has none.
    """
    for path in map(Path, paths):
        verify(path, entry_of(manifest, path.name))


def place(files, products):
    """Give downloaded files a second name among the products, without a second copy where that is possible.

    A workflow deletes the products of a job that it repeats; what was downloaded is then still there.

    Parameters
    ----------
    files, products : sequence of path-like
        One of each for every file.
    """
    for file, product in zip(files, products, strict=True):
        with write_atomically(product) as temporary:
            try:
                os.link(file, temporary)
            except OSError:  # another file system
                shutil.copyfile(file, temporary)
            os.utime(temporary)  # newer than the manifest it was downloaded by


def difference(path, entry):
    """Say how a file differs from its entry, as the end of a sentence; the empty string if it does not."""
    size = Path(path).stat().st_size
    if entry.size is not None and size != entry.size:
        return f"has {size} bytes where {entry.size} were expected"
    with Path(path).open("rb") as file:
        found = hashlib.file_digest(file, entry.algorithm).hexdigest()
    return "" if found == entry.digest else f"has {entry.algorithm} {found} where {entry.digest} was expected"
