"""Spectra of a list of stars from the Gaia archive, by datalink."""

from pathlib import Path

import numpy as np

from xpsvae.errors import InputError

__all__ = ["fetch_stars"]


def fetch_stars(path, folder, url="https://gea.esac.esa.int/data-server/data", **request):
    """Bring the XP_CONTINUOUS spectra of stars; what is there already is not asked for again.

    Parameters
    ----------
    path : path-like
        source_ids, one a line; or csv with a column of that name.
    folder : path-like
        Where the answers stay, zip archives of at most 5000 stars each.
    url, **request
        See `xpsvae.data.gaia_archive.fetch_datalink`.

    Returns
    -------
    list of pathlib.Path

    Raises
    ------
    InputError
        If the list is none, or the archive does not answer.
    """
    source_ids = _read_list(Path(path))
    try:
        from xpsvae.data.gaia_archive import LARGEST_REQUEST, divide, fetch_datalink
    except ModuleNotFoundError as error:
        raise InputError(
            f"the package {error.name} is missing, which downloads need: pip install requests urllib3 tqdm."
        ) from error
    parts = divide(source_ids, -(-len(np.unique(source_ids)) // LARGEST_REQUEST))
    return [fetch_datalink(url, part, folder, **request) for part in parts]


def _read_list(path):
    try:
        lines = path.read_text(encoding="utf-8-sig").split()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"{path} cannot be read as a list of source_ids ({error}): give one a line."
        ) from error
    lines = [line.strip(",") for line in lines]
    if lines and lines[0].lower() == "source_id":
        lines = lines[1:]
    if not lines:
        raise InputError(f"{path} holds no source_id: give one a line.")
    if bad := [line for line in lines if not (line.isdecimal() and 0 < int(line) < 2**63)]:
        raise InputError(
            f"{path} holds '{bad[0][:40]}', not a source_id: give one a line, with all its digits."
        )
    return np.array(lines, dtype=np.int64)
