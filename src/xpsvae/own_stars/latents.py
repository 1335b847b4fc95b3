"""Tables of latents to decode: Parquet, ECSV, csv or FITS, as `xpsvae encode` writes them or made by hand."""

from pathlib import Path

import numpy as np

from xpsvae.errors import InputError
from xpsvae.xp.columns import one_line

__all__ = ["read_latents"]

_FORMATS = {".parquet": "parquet", ".ecsv": "ascii.ecsv", ".csv": "ascii.csv", ".fits": "fits"}
_ROWS = 4096  # at a time


def read_latents(path, n_latents):
    """Read a table of latents.

    Parameters
    ----------
    path : path-like
    n_latents : int
        Of the model.

    Yields
    ------
    latents : array (n_stars, n_latents)
    g_flux : array (n_stars,) or None
        [e-/s], where the table has phot_g_mean_flux.
    source_id : int64 array (n_stars,) or None

    Raises
    ------
    InputError
        If the file cannot be read or lacks a latent, or has more of them than the model.
    """
    from astropy.table import Table

    path = Path(path)
    if path.suffix not in _FORMATS:
        raise InputError(
            f"{path} is not {', '.join(_FORMATS)} by its suffix: give a table of latents as one of these."
        )
    if not path.is_file():
        raise InputError(f"{path} does not exist: give a table with the columns mean_1, mean_2, …")
    try:
        table = Table.read(path, format=_FORMATS[path.suffix])
    except Exception as error:  # a damaged file may make a library raise anything
        raise InputError(f"{path} is not a readable table ({one_line(error)}): write it again.") from error
    names = [f"mean_{k + 1}" for k in range(n_latents)]
    if missing := [name for name in names if name not in table.colnames]:
        raise InputError(
            f"{path} has no column {', '.join(missing)}: give the {n_latents} latents of the model as mean_1, mean_2, …"
        )
    if f"mean_{n_latents + 1}" in table.colnames:
        raise InputError(
            f"{path} has more latents than the {n_latents} of the model: give the model that made them."
        )
    for name in names:
        if table[name].dtype.kind not in "fi" or table[name].ndim != 1:
            raise InputError(f"{path}: {name} is not a column of numbers: give one number a star.")
    for start in range(0, len(table), _ROWS):
        part = table[start : start + _ROWS]
        latents = np.stack(
            [np.ma.filled(np.ma.asarray(part[name], dtype=float), np.nan) for name in names], axis=1
        )
        yield (
            latents,
            *(part[name] if name in part.colnames else None for name in ("phot_g_mean_flux", "source_id")),
        )
