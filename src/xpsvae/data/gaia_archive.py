"""XP continuous spectra of given stars from the Gaia archive: by datalink in parts, or out of the bulk files.

Each part is one job with its own file, so that a run goes on where it ended. Spectra that cannot be used are
dropped by name or refused (`xp.read`); memory is that of the wanted stars of one part.
"""

import hashlib
import re
import struct
import tempfile
import zipfile
import zlib
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from xpsvae.arrays import identifiers
from xpsvae.data.download import download, fetch
from xpsvae.data.manifest import Entry
from xpsvae.errors import InputError
from xpsvae.products import write_array, write_arrays, write_json
from xpsvae.unpack import extract_zip
from xpsvae.xp.read import iter_bulk

__all__ = [
    "LARGEST_REQUEST",
    "Selection",
    "bulk_entries",
    "bulk_pixels",
    "consumed",
    "divide",
    "fetch_bulk",
    "fetch_datalink",
    "fetch_selection",
    "pixel_of",
    "read_bulk_list",
    "read_sources",
    "select",
    "write_selection",
]

LARGEST_REQUEST = 5000  # sources that datalink answers for at once
_BULK_FILE = re.compile(r"XpContinuousMeanSpectrum_(\d+)-(\d+)\.csv\.gz")
# what reading a damaged zip archive may end in
_BAD_ZIP = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, OSError, ValueError, RuntimeError)
_PIXEL_SHIFT = 43  # bits of a source_id below the HEALPix number of level 8 that bulk files are named after


@dataclass(frozen=True)
class Selection:
    """The wanted stars of one file that can be used, in its order; arrays as in `xp.read.XPSpectra`.

    Coefficients are float32 as in the catalogue; ``dropped`` says why wanted stars were left out.
    """

    source_id: np.ndarray
    coefficients: np.ndarray
    errors: np.ndarray
    correlations: np.ndarray
    dropped: dict


def divide(source_ids, parts, largest=None):
    """Divide stars among a fixed number of parts, each star once, in order of source_id.

    Parameters
    ----------
    source_ids : array (n,) of int
    parts : int
    largest : int, optional
        Most stars a part may have.

    Returns
    -------
    list of int64 array
        Parts whose sizes differ by one at most.

    Raises
    ------
    InputError
        If a part would have more stars than that, or the source_ids are no integers.
    """
    unique = np.unique(identifiers("source_ids", source_ids))
    if largest and len(unique) > parts * largest:
        raise InputError(
            f"{len(unique)} stars in {parts} parts are more than {largest} a part: "
            f"set gaia_sdss.datalink.parts to {-(-len(unique) // largest)} or more."
        )
    return np.array_split(unique, parts)


def read_sources(path):
    """Read a list of source_ids, one a line.

    Raises
    ------
    InputError
        If the file is missing or holds anything else.
    """
    try:
        return np.array(Path(path).read_text(encoding="utf-8").split(), dtype=np.int64)
    except (OSError, ValueError) as error:
        raise InputError(f"{path} is not a list of source_ids ({error}): delete it and rerun.") from error


def fetch_datalink(url, source_ids, folder, release="Gaia DR3", attempts=8, timeout=60.0):
    """Ask the datalink service for the XP continuous spectra of some stars, once: the answer is kept.

    The request is that of astroquery's ``Gaia.load_data`` (raw data structure, csv, always zipped). That
    function is not used: its connections have no timeout, it never tries again nor heeds ``Retry-After``, an
    answer cut short is noticed by the unzipping alone, and files are named by the time of day.

    Parameters
    ----------
    url : str
        ``https://gea.esac.esa.int/data-server/data``.
    source_ids : array (n,) of int
        At most 5000.
    folder : path-like
        Where the answer lies, named by the request, so that the same request is not sent twice.
    release, attempts, timeout
        Data release as the archive names it; the others as in `xpsvae.data.download.download`.

    Returns
    -------
    pathlib.Path
        A zip archive, whole by its own checksums.

    Raises
    ------
    InputError
        If there are too many stars or no whole archive came.
    """
    if len(source_ids) > LARGEST_REQUEST:
        raise InputError(
            f"{len(source_ids)} stars are more than {LARGEST_REQUEST} at once: raise gaia_sdss.datalink.parts."
        )
    form = {
        "ID": ",".join(map(str, source_ids)),
        "RELEASE": release,
        "RETRIEVAL_TYPE": "XP_CONTINUOUS",
        "DATA_STRUCTURE": "RAW",
        "FORMAT": "csv",
        "VALID_DATA": "false",
        "USE_ZIP_ALWAYS": "true",
    }
    request = hashlib.sha256(repr((url, form)).encode()).hexdigest()[:16]
    path = Path(folder) / f"datalink-{request}.zip"
    if not path.is_file() or _broken_zip(path):
        fetch(url, path, form, check=_broken_zip, attempts=attempts, timeout=timeout)
    return path


def bulk_entries(checksums, url, parts):
    """Read the archive's list of bulk files and their MD5 sums.

    Parameters
    ----------
    checksums : str
        Content of ``_MD5SUM.txt``: digest, blanks, name.
    url : str
        Folder of the files.
    parts : int
        How many files there must be, so that a cut list is noticed.

    Returns
    -------
    list of xpsvae.data.manifest.Entry
        In the order of their names.

    Raises
    ------
    InputError
        If the list is of another form or length, or names a file twice.
    """
    lines = [line.split() for line in checksums.splitlines() if line.strip()]
    lines = [line for line in lines if not (len(line) == 2 and line[1].lstrip("*").startswith("_"))]
    if bad := [line for line in lines if len(line) != 2 or not _BULK_FILE.fullmatch(line[1].lstrip("*"))]:
        raise InputError(
            f"the list of MD5 sums holds the line '{' '.join(bad[0])[:60]}', not a digest and the name of a "
            "file of XP continuous spectra: check gaia_sdss.bulk.url."
        )
    if len(lines) != parts:
        raise InputError(
            f"the list of MD5 sums names {len(lines)} files where gaia_sdss.bulk.files is {parts}: correct it, "
            "or rerun if the list came cut."
        )
    digests = sorted((name.lstrip("*"), digest.lower()) for digest, name in lines)
    names = Counter(name for name, _ in digests)
    if twice := [name for name, count in names.items() if count > 1]:
        raise InputError(f"the list of MD5 sums names {twice[0]} twice: check gaia_sdss.bulk.url.")
    return [Entry(name, f"{url.rstrip('/')}/{name}", f"md5:{digest}") for name, digest in digests]


def read_bulk_list(path, url, parts):
    """Read a file with the archive's list of MD5 sums; see `bulk_entries`."""
    text = Path(path).read_text(encoding="utf-8-sig", errors="replace")  # another answer may be of any bytes
    return bulk_entries(text, url, parts)


def bulk_pixels(name):
    """First and last HEALPix pixel of level 8 of the stars that a bulk file holds, by its name."""
    return tuple(map(int, _BULK_FILE.fullmatch(Path(name).name).groups()))


def pixel_of(source_id):
    """HEALPix pixel of level 8 of stars, by which they are divided among the bulk files."""
    return source_id >> _PIXEL_SHIFT


def fetch_bulk(entry, source_ids, folder, attempts=8, timeout=60.0):
    """Bring one bulk file into a folder, unless its name says that it holds none of the stars.

    Returns
    -------
    pathlib.Path or None
    """
    first, last = bulk_pixels(entry.name)
    pixels = pixel_of(identifiers("source_ids", source_ids))
    if not ((pixels >= first) & (pixels <= last)).any():
        return None
    return download([entry], folder, attempts=attempts, timeout=timeout)[0]


@contextmanager
def consumed(path):
    """Delete a downloaded file once the block has used it, or has failed: thousands of files would fill a disk.

    An interruption leaves it to the next run. ``path`` may be None.
    """
    try:
        yield
    except Exception:
        if path:
            Path(path).unlink(missing_ok=True)
        raise
    if path:
        Path(path).unlink()


def select(path, source_ids, invalid="drop"):
    """Read the wanted stars of a bulk file, or of a zip archive of datalink; of no file if ``path`` is None.

    Parameters
    ----------
    path : path-like or None
    source_ids : array (n,) of int
    invalid : {"drop", "refuse"}
        See `xpsvae.xp.read.read_spectra`.

    Returns
    -------
    Selection

    Raises
    ------
    InputError
        If a file is cut or of another kind, lacks the correlations, or holds a wanted star that cannot be
        used while ``invalid`` is "refuse".
    """
    blocks = []
    with _unzipped(path) as files:
        for file in files:
            try:
                blocks += iter_bulk(file, source_ids, invalid)
            except InputError as error:  # a file of an archive is gone when this is read
                inside = path if file == path else f"{file.name} in {path}"
                raise InputError(str(error).replace(str(file), str(inside))) from error
    dropped = {}
    for block in blocks:
        for why, ids in block.dropped.items():
            dropped.setdefault(why, []).extend(map(int, ids))
    blocks = [block for block in blocks if len(block)]
    if any(block.correlations is None for block in blocks):
        raise InputError(f"{path} has no correlations of the coefficients: ask for XP_CONTINUOUS in full.")

    def joined(name, empty, dtype):
        arrays = [getattr(block, name) for block in blocks] or [np.empty(empty)]
        return np.concatenate(arrays).astype(dtype, copy=False)

    return Selection(
        joined("source_id", 0, np.int64),
        joined("coefficients", (0, 0), np.float32),
        joined("errors", (0, 0), np.float32),
        joined("correlations", (0, 2, 0), np.float32),
        dropped,
    )


def fetch_selection(source_ids, invalid="drop", **request):
    """Ask datalink for any number of stars, as many requests as it takes; each answer is kept.

    Parameters
    ----------
    source_ids : array (n,) of int
    invalid
        See `select`.
    **request
        ``url``, ``folder`` and the rest of `fetch_datalink`.

    Returns
    -------
    Selection
        In order of the requests, each with the stars of a range of source_ids.
    """
    parts = divide(source_ids, -(-len(np.unique(source_ids)) // LARGEST_REQUEST))
    found = [select(fetch_datalink(source_ids=part, **request), part, invalid) for part in parts]
    found = [part for part in found if len(part.source_id)] or found[:1]
    arrays = (
        np.concatenate([getattr(part, name) for part in found])
        for name in ("source_id", "coefficients", "errors", "correlations")
    )
    dropped = {}
    for part in found:
        for why, ids in part.dropped.items():
            dropped.setdefault(why, []).extend(ids)
    return Selection(*arrays, dropped)


def write_selection(selection, spectra, correlations, dropped):
    """Write a `Selection` as ``.npz`` (source_id, coefficients, errors), ``.npy`` and ``.json``."""
    arrays = {name: getattr(selection, name) for name in ("source_id", "coefficients", "errors")}
    write_arrays(spectra, **arrays)
    write_array(correlations, selection.correlations)
    write_json(dropped, selection.dropped)


def _broken_zip(path):
    """Say what is wrong with a zip archive; the empty string if nothing is."""
    try:
        with zipfile.ZipFile(path) as archive:
            broken = archive.testzip()
    except _BAD_ZIP:
        return f"the answer is no whole zip archive ({path.stat().st_size} bytes)"
    return f"{broken} in the answer is damaged" if broken else ""


@contextmanager
def _unzipped(path):
    if path is None or not zipfile.is_zipfile(path):
        yield [path] if path is not None else []
        return
    with tempfile.TemporaryDirectory(dir=Path(path).parent) as folder:
        yield extract_zip(path, folder)
