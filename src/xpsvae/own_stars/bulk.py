"""A bulk file of Gaia's XP spectra in, a table of its stars' latents out, which is read again before it counts."""

from pathlib import Path

import numpy as np

from xpsvae.data.gaia_archive import bulk_pixels, pixel_of
from xpsvae.errors import InputError
from xpsvae.own_stars.output import write_blocks
from xpsvae.own_stars.tables import iter_table
from xpsvae.products import read_table

__all__ = ["describe_file"]


def describe_file(path, output, model):
    """Describe all stars of a bulk file, in memory that does not grow with it.

    Parameters
    ----------
    path : path-like
        ``XpContinuousMeanSpectrum_<first>-<last>.csv.gz``.
    output : path-like
        ``.parquet``: the columns of `xpsvae.describe` but for the spectra. Deleted again if it is refused.
    model : ScatterVAE
        As `xpsvae.load` returns it.

    Returns
    -------
    int
        Stars.

    Raises
    ------
    InputError
        If the file is damaged or holds stars of another part of the sky, or the table is not what was written.
    """
    count = write_blocks(output, iter_table("describe", path, model, spectra=False))
    try:
        _verify(output, count, path)
    except InputError:
        Path(output).unlink()
        raise
    return count


def _verify(output, count, path):
    """See that the table on the disk has each star once, all of them where the file's name says they are."""
    stars = read_table(output)  # every column, so that none is damaged
    first, last = bulk_pixels(path)
    source_id = stars["source_id"].to_numpy()
    pixels = pixel_of(source_id)
    if len(stars) != count:
        raise InputError(
            f"{output} has {len(stars)} stars where {count} were written: mend the disk and rerun."
        )
    if len(np.unique(source_id)) != count:
        raise InputError(f"{path} has a star twice: fetch it again.")
    if not ((pixels >= first) & (pixels <= last)).all():
        raise InputError(
            f"{path} has stars outside of the HEALPix pixels {first} to {last} that it is named after: fetch it again."
        )
    described = (stars["reason"] == "").to_numpy()
    numbers = stars.loc[described, [name for name in stars if stars[name].dtype.kind == "f"]]
    if numbers.isna().any(axis=None):
        raise InputError(f"{output} has stars without numbers and without a reason: delete {path} and rerun.")
