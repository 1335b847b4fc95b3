"""APOGEE DR17: the labels of allStar and of the astroNN catalogue, and its distances and orbits, as one table.

Both files are FITS and of the same stars row by row. What stands for "unknown" there is null here, and rows
without a Gaia source are left out and counted.
"""

import re
import warnings
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from xpsvae.data.download import fetch
from xpsvae.data.manifest import Entry
from xpsvae.data.unknown import unknown
from xpsvae.errors import InputError

__all__ = ["LABEL_UNITS", "entry", "parse_checksums", "read_labels"]

_LABELS = [
    f"{label}{error}"
    for label in ("teff", "logg", "m_h", "alpha_m", "fe_h", "mg_fe")
    for error in ("", "_err")
]
_MAGNITUDES = ("j", "h", "k")
# column of our table -> column of allStar
_ALL_STAR = {
    **{name: name.upper() for name in _LABELS},
    **{f"phot_{band}_mean_mag": f"GAIAEDR3_PHOT_{band.upper()}_MEAN_MAG" for band in ("g", "bp", "rp")},
    **{name: name.upper() for name in _MAGNITUDES},
    "a_k": "AK_TARG",
    "sfd_ebv": "SFD_EBV",
    "snr": "SNR",
    "parallax": "GAIAEDR3_PARALLAX",
    "parallax_error": "GAIAEDR3_PARALLAX_ERROR",
    "ra": "RA",
    "dec": "DEC",
    "pmra": "GAIAEDR3_PMRA",
    "pmdec": "GAIAEDR3_PMDEC",
    "radial_velocity": "VHELIO_AVG",
}
_FLAGS = {"starflag": "STARFLAG", "aspcapflag": "ASPCAPFLAG"}
# column of our table -> column of the astroNN catalogue
_ASTRONN = {"distance": "weighted_dist", "vac_j_r": "jr", "vac_l_z": "Lz", "vac_j_z": "jz"}
# labels that the paper takes from the astroNN catalogue
_ASTRONN_LABELS = {name: name.upper() for name in ("teff", "teff_err", "logg", "logg_err")}

LABEL_UNITS = {
    **dict.fromkeys(("teff", "teff_err"), "K"),
    **dict.fromkeys(_LABELS[2:], "dex"),
    **dict.fromkeys(("phot_g_mean_mag", "phot_bp_mean_mag", "phot_rp_mean_mag"), "mag"),
    **dict.fromkeys((*_MAGNITUDES, "a_k", "sfd_ebv"), "mag"),
    **dict.fromkeys(("parallax", "parallax_error"), "mas"),
    **dict.fromkeys(("ra", "dec"), "deg"),
    **dict.fromkeys(("pmra", "pmdec"), "mas yr-1"),
    "radial_velocity": "km s-1",
    "distance": "kpc",
    **dict.fromkeys(("vac_j_r", "vac_l_z", "vac_j_z"), "kpc km s-1"),
}

_PARSEC = 1e-3  # [kpc]
_SOURCE_ID_END = 12 * 4**12 << 35  # see xp.read


def read_labels(all_star, astronn, invalid="drop", label_source="astronn"):
    """Read the stars of both files that have a Gaia source.

    Gaia EDR3 and DR3 share their source_ids, so that of allStar names the star's DR3 spectrum.

    Parameters
    ----------
    all_star : path-like
        ``allStar-dr17-synspec_rev1.fits``, whole or in its lite form.
    astronn : path-like
        ``apogee_astroNN-DR17.fits``, of which weighted_dist and the actions are taken.
    label_source : {"astronn", "aspcap"}
        Whose effective temperature and surface gravity, with their errors: the astroNN catalogue's, as in the
        paper, or allStar's. All abundances are allStar's.
    invalid : {"drop", "refuse"}
        What to do about a source_id that is none, and about rows whose two source_ids differ, as those of DR2
        and DR3 may: such a star keeps its labels, which come from its APOGEE spectrum, but not the distance and
        the orbit of the other source.

    Returns
    -------
    labels : pandas.DataFrame
        One row a row of the file, in its order; units in `LABEL_UNITS`; NaN, or null in the flags, where
        unknown. ``vac_j_r`` and so on are the catalogue's own actions.
    report : dict
        Rows of the files, rows left out and why, nulls in each column.

    Raises
    ------
    InputError
        If a file is missing, cut, of another kind, without a needed column, with text in place of numbers; if
        the files are not of the same stars; if ``invalid`` is "refuse" and there is something to drop.
    """
    import pandas as pd

    with _table(
        all_star, ("APOGEE_ID", "GAIAEDR3_SOURCE_ID", *_ALL_STAR.values(), *_FLAGS.values())
    ) as table:
        columns = {"source_id": _integers(all_star, table, "GAIAEDR3_SOURCE_ID")}
        columns["apogee_id"] = np.char.strip(np.asarray(table.data["APOGEE_ID"], dtype=str))
        columns |= {name: _numbers(all_star, table, column, name) for name, column in _ALL_STAR.items()}
        flags = {name: _integers(all_star, table, column) for name, column in _FLAGS.items()}
    wanted = _ASTRONN | (_ASTRONN_LABELS if label_source == "astronn" else {})
    instead = "or set gaia_sdss.label_source to aspcap" if label_source == "astronn" else ""
    with _table(astronn, ("APOGEE_ID", "source_id", *wanted.values()), instead) as table:
        names = np.char.strip(np.asarray(table.data["APOGEE_ID"], dtype=str))
        other_id = _integers(astronn, table, "source_id")
        columns |= {name: _numbers(astronn, table, column, name) for name, column in wanted.items()}
    if not np.array_equal(names, columns["apogee_id"]):
        raise InputError(
            f"{astronn} ({len(names)} rows) does not list the stars of {all_star} "
            f"({len(columns['apogee_id'])} rows) in their order: take both from the same data release."
        )

    columns["distance"] *= _PARSEC
    labels = pd.DataFrame(columns)
    for name, values in flags.items():
        labels[name] = pd.array(values, dtype="Int64")
        labels.loc[unknown(values, name), name] = pd.NA

    source_id = labels.source_id.to_numpy()
    impossible, none = source_id >= _SOURCE_ID_END, source_id <= 0
    other = (other_id > 0) & ~none & (other_id != source_id)
    if invalid == "refuse" and (impossible | other).any():
        row = int((impossible | other).argmax())
        raise InputError(
            f"{all_star} and {astronn} have {int(impossible.sum())} rows with an impossible source_id and "
            f"{int(other.sum())} whose source_ids differ, first {labels.apogee_id[row]}: "
            "give files of one Gaia release, or let them be dropped."
        )
    labels.loc[other, list(_ASTRONN)] = np.nan
    kept = labels[~impossible & ~none].reset_index(drop=True)
    if kept.empty:
        raise InputError(f"{all_star} has no row with a Gaia source_id: give allStar of DR17.")
    report = {
        "rows": len(labels),
        "teff_and_logg": label_source,
        "left_out": {
            "no Gaia source": int(none.sum()),
            "source_id is not a Gaia identifier": int(impossible.sum()),
        },
        "orbit_of_another_source": int(other.sum()),
        "nulls": {name: int(count) for name, count in kept.isna().sum().items() if count},
    }
    return kept, report


def entry(url, checksum, folder, attempts=8, timeout=60.0):
    """Say where a file is and how it is verified.

    Parameters
    ----------
    url : str
    checksum : str
        ``algorithm:hexadecimal``, or the URL of SDSS's list of SHA-1 sums of the file's folder.
    folder : path-like
        Where that list is put.
    attempts, timeout
        See `xpsvae.data.download.download`.

    Returns
    -------
    xpsvae.data.manifest.Entry

    Raises
    ------
    InputError
        If the list does not come or does not name the file.
    """
    name = url.rstrip("/").rsplit("/", 1)[-1]
    if checksum.startswith(("http://", "https://")):
        path = Path(folder) / f"{name}.sha1sum"
        fetch(checksum, path, attempts=attempts, timeout=timeout)
        checksum = parse_checksums(path.read_text(encoding="utf-8", errors="replace"), name)
    return Entry(name, url, checksum)


def parse_checksums(text, name):
    """Find a file in a list of checksums as SDSS gives beside its files: digest, blanks, path.

    Returns
    -------
    str
        ``sha1:hexadecimal``.

    Raises
    ------
    InputError
        If the list does not name the file.
    """
    for line in text.splitlines():
        parts = line.split()
        if len(parts) == 2 and re.split(r"[/*]", parts[1])[-1] == name:
            return f"sha1:{parts[0].lower()}"
    raise InputError(f"the list of checksums does not name {name}: give its checksum in config.yaml.")


@contextmanager
def _table(path, columns, instead=""):
    """Open the table of a FITS file that has the columns; what is read of it is read from disk."""
    from astropy.io import fits

    if not Path(path).is_file():
        raise InputError(f"{path} does not exist: run the rule that downloads it (snakemake {path}).")
    again = "delete it and rerun, which downloads it again"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a cut file, which is refused below
            hdus = fits.open(path, memmap=True, lazy_load_hdus=False)
    except (OSError, ValueError, TypeError) as error:
        raise InputError(f"{path} is not a readable FITS file ({error}): {again}.") from error
    with hdus:
        size = Path(path).stat().st_size
        spans = [hdu.fileinfo() for hdu in hdus]
        if any(span["datLoc"] + span["datSpan"] > size for span in spans):
            raise InputError(f"{path} is cut short ({size} bytes): {again}.")
        tables = [hdu for hdu in hdus if isinstance(hdu, fits.BinTableHDU)]
        if not tables:
            raise InputError(f"{path} has no binary table: give the catalogue itself.")
        present = [{name.lower() for name in table.columns.names} for table in tables]  # as FITS means them
        missing = [[name for name in columns if name.lower() not in names] for names in present]
        best = min(range(len(tables)), key=lambda number: len(missing[number]))
        if missing[best]:
            raise InputError(
                f"{path} has no table with column {', '.join(missing[best][:5])}: give the file of DR17"
                f"{', ' + instead if instead else ''}."
            )
        yield tables[best]


def _numbers(path, table, column, name):
    """One column as float64, NaN where unknown."""
    values = np.asarray(table.data[column])
    if values.dtype.kind not in "fiu" or values.ndim != 1:
        raise InputError(
            f"{path} has {values.dtype.name} in column {column}, not a number a row: give DR17's file."
        )
    absent = unknown(values, name)
    if values.dtype.kind != "f":
        absent |= _masked(table, column, values)
    values = values.astype(float)
    values[absent] = np.nan
    return values


def _integers(path, table, column):
    """One column as int64, -1 where unknown."""
    values = np.asarray(table.data[column])
    if values.dtype.kind not in "iu" or values.ndim != 1:
        raise InputError(
            f"{path} has {values.dtype.name} in column {column}, not a whole number a row: give DR17's file."
        )
    absent = _masked(table, column, values)
    values = values.astype(np.int64)
    values[absent | (values < 0)] = -1
    return values


def _masked(table, column, values):
    null = table.columns[column].null
    return np.zeros(len(values), dtype=bool) if null is None else values == null
