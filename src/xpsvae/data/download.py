"""Fetch the files of a manifest over HTTP: each arrives whole and verified, or is refused in one sentence.

Bytes gather in ``<name>.part``, are resumed there across attempts and runs, and get their name once verified.
Not pooch: it starts every attempt at byte zero and knows no Retry-After, mirrors or concurrent files.
"""

import errno
import json
import re
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tqdm import tqdm

from xpsvae import products
from xpsvae.data import steady
from xpsvae.data.manifest import difference, parse_zenodo_record
from xpsvae.data.patience import Client, Failure, announced, pieces, read_json
from xpsvae.errors import InputError

__all__ = ["download", "fetch", "fetch_zenodo_manifest"]

_CHUNK = 1 << 20  # bytes
_GAIN = 1 << 20  # bytes beyond the furthest so far that make an attempt worth another
_WRONG_COPIES = 3  # complete files with a wrong checksum after which a URL is given up
_LARGEST_ANSWER = 2 << 30  # bytes of an answer that is made anew each time
_LARGEST_UNTOLD = 16 << 30  # bytes of a file whose size neither the manifest nor the server tells


def download(entries, folder, workers=3, attempts=8, timeout=60.0, client=None):
    """Bring the files of a manifest into a folder, with a progress bar where standard error is a terminal.

    A file that is there already is verified and kept. An attempt that brings a MiB beyond the furthest byte
    so far does not count as failed. Every other is followed by 1, 2, 4 … 60 s of rest, or by what the server
    asks for (``Retry-After``, ``X-RateLimit-Remaining`` and ``-Reset``), in which no file calls that server.

    Parameters
    ----------
    entries : sequence of Entry
    folder : path-like
        Made if missing.
    workers : int
        Largest number of files under way at once.
    attempts : int
        Failed attempts in a row after which a URL is given up for the next mirror.
    timeout : float
        Longest wait [s] for a connection, and for the next byte; a server that sends less than a kilobyte a
        second over that time is given up too.
    client : Client, optional
        In place of ``attempts`` and ``timeout``; one that holds a token.

    Returns
    -------
    list of pathlib.Path
        The verified files, in the order of ``entries``.

    Raises
    ------
    InputError
        If a file did not arrive; the others have been brought all the same.
    """
    entries, folder = list(entries), Path(folder)
    names, sizes = [entry.name for entry in entries], [entry.size for entry in entries]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise InputError(f"the manifest names {', '.join(twice)} twice: give each file a name of its own.")
    total = None if None in sizes else sum(sizes)
    client, failures = client or Client(attempts, timeout), []
    with (
        tqdm(total=total, unit="B", unit_scale=True, disable=None, desc="download") as bar,
        ThreadPoolExecutor(workers) as pool,
    ):
        futures = [pool.submit(_Transfer(entry, folder, client, bar).run) for entry in entries]
        try:
            for future in futures:
                try:
                    future.result()
                except InputError as error:
                    failures.append(str(error))
        finally:  # an interrupted run leaves quickly
            client.stop.set()
            pool.shutdown(wait=False, cancel_futures=True)
    if failures:
        others = f"{len(failures)} of {len(names)} files did not arrive; the first: " if failures[1:] else ""
        raise InputError(others + failures[0])
    return [folder / name for name in names]


def fetch(url, path, form=None, check=None, attempts=8, timeout=60.0):
    """Bring one answer whose checksum nobody knows beforehand: a list of checksums, the result of a query.

    Such an answer is made anew each time, so an attempt starts at its first byte.

    Parameters
    ----------
    url : str
    path : path-like
        Where to put it; nothing is there before it is whole.
    form : dict, optional
        Posted in the body of the request; without it the request is a GET.
    check : function of a path, optional
        Returns what is wrong with an answer, or the empty string.
    attempts, timeout
        See `download`.

    Raises
    ------
    InputError
        If no good answer comes.
    """
    client, path = Client(attempts, timeout), Path(path)

    def ask(url):
        with client.open(session, url, form) as response, products.write_atomically(path) as temporary:
            if response.status_code != 200:
                status = response.status_code
                raise Failure(f"HTTP status {status}", final=True, status=status)
            if "Content-Range" in response.headers:
                raise Failure("a part came where the whole was asked for", final=True)
            with temporary.open("wb") as file:
                for piece in pieces(response, _LARGEST_ANSWER):
                    file.write(piece)
            if wrong := check and check(temporary):
                raise Failure(wrong)

    with steady.session() as session:
        client.persist(path.name, [url], ask)


def fetch_zenodo_manifest(record, names=None, base_url="https://zenodo.org", attempts=8, timeout=60.0):
    """Ask Zenodo's records API what record number ``record`` holds.

    The other parameters are those of `manifest.parse_zenodo_record` and `download`.

    Raises
    ------
    InputError
        If no answer comes, or as `parse_zenodo_record` does.
    """
    client = Client(attempts, timeout)

    def ask(url):
        with client.open(session, url) as response:
            return read_json(response)

    with steady.session() as session:
        answer = client.persist(f"record {record}", [f"{base_url.rstrip('/')}/api/records/{record}"], ask)
    return parse_zenodo_record(answer, names, base_url)


class _Transfer:
    """One file on its way: ``.part`` holds its first bytes, ``.part.json`` which version of which URL."""

    def __init__(self, entry, folder, client, bar):
        self.entry, self.client, self.bar = entry, client, bar
        self.path, self.part = folder / entry.name, folder / f"{entry.name}.part"
        self.version = folder / f"{entry.name}.part.json"
        self.furthest, self.wrong_copies = 0, dict.fromkeys(entry.urls, 0)
        self.encoding = ""

    def run(self):
        """Leave the verified file under its name."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            if self.path.is_file() and not difference(self.path, self.entry):
                return self._count(self.path.stat().st_size)
            self.furthest = self._arrived()
            self._count(self.furthest)
            # a run may have ended between the last byte and the new name
            if not self.part.is_file() or difference(self.part, self.entry):
                with steady.session() as session:
                    self.client.persist(
                        self.entry.name, self.entry.urls, lambda url: self._attempt(session, url)
                    )
            self.part.replace(self.path)
            self.version.unlink(missing_ok=True)
        except OSError as error:
            raise InputError(
                f"{self.part} cannot be written ({error.strerror}): free the disk or mend its "
                "permissions, then rerun."
            ) from error

    def _attempt(self, session, url):
        try:
            self._receive(session, url)
            if wrong := difference(self.part, self.entry):
                if self.entry.size is None or self._arrived() == self.entry.size:
                    self._discard()
                    self.wrong_copies[url] += 1
                raise Failure(
                    f"what came{self.encoding} {wrong}", final=self.wrong_copies[url] >= _WRONG_COPIES
                )
        except Failure as failure:
            arrived = self._arrived()
            failure.advanced = arrived >= self.furthest + _GAIN
            self.furthest = max(self.furthest, arrived)
            raise

    def _receive(self, session, url):
        size = self.entry.size
        if size is not None and self._arrived() >= size:
            self._discard()
        have, headers = self._arrived(), {}
        version = self._known_version(url) if have else None
        if have:
            headers["Range"] = f"bytes={have}-"
        if version:
            headers["If-Range"] = version
        with self.client.open(session, url, **headers) as response:
            if response.status_code == 200:
                have = self._discard()
            elif not self._continues(response, have, version):
                self._discard()
                raise Failure(f"it did not continue at byte {have} of the same file")
            if encoding := response.headers.get("Content-Encoding"):
                self.encoding = f", with Content-Encoding {encoding[:20]!r},"
            if not have:
                products.write_json(self.version, {url: _version(response)})
            self._require_room(response, have)
            with self.part.open("ab") as file:
                while size is None or have < size:
                    wanted = _CHUNK if size is None else min(_CHUNK, size - have)
                    # read1, since read would lose what came before a stall
                    chunk = response.raw.read1(wanted, decode_content=False)
                    if not chunk:
                        break
                    file.write(chunk)
                    have += len(chunk)
                    self._count(len(chunk))
                    if have > _LARGEST_UNTOLD and size is None and announced(response) is None:
                        self._discard()
                        raise Failure(f"{have} bytes came where no size was announced", final=True)
                    if self.client.stop.is_set():
                        raise Failure("interrupted", final=True)

    def _require_room(self, response, have):
        """Refuse what the disk cannot take before it is full."""
        needed = announced(response) if self.entry.size is None else self.entry.size - have
        free = shutil.disk_usage(self.part.parent).free
        if needed is not None and needed > free:
            raise OSError(errno.ENOSPC, f"{needed} bytes are to come and {free} are free")

    def _continues(self, response, have, version):
        """Whether a 206 brings the bytes after ours, of the same version and a file of the right size."""
        place = response.headers.get("Content-Range", "")
        got = re.fullmatch(r"bytes (\d{1,18})-\d{1,18}/(\d{1,18}|\*)", place)
        return (
            response.status_code == 206
            and got is not None
            and int(got[1]) == have
            and (self.entry.size is None or got[2] in ("*", str(self.entry.size)))
            and (not version or _version(response) in (None, version))
        )

    def _known_version(self, url):
        try:
            version = json.loads(self.version.read_text(encoding="utf-8")).get(url)
        except (FileNotFoundError, ValueError, RecursionError, AttributeError):
            return None
        return version if isinstance(version, str) and re.fullmatch(r"[\x20-\x7e]+", version) else None

    def _arrived(self):
        return self.part.stat().st_size if self.part.is_file() else 0

    def _discard(self):
        self._count(-self._arrived())
        self.part.unlink(missing_ok=True)
        self.version.unlink(missing_ok=True)
        return 0

    def _count(self, n_bytes):
        with self.client.lock:
            self.bar.update(n_bytes)


def _version(response):
    """Return what If-Range may name: a strong ETag, or else the date of the last change."""
    tag = response.headers.get("ETag", "W/")
    return response.headers.get("Last-Modified") if tag.startswith("W/") else tag
