"""Everybody's XP spectra, block by block: each star is a row, and what cannot be used says why.

From files of the Gaia archive in any form, zip archives of datalink, Parquet, tables in memory. Coefficients are
read as they are; sampled spectra are turned into coefficients (`xpsvae.xp.inversion`).
"""

import re
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from xpsvae.errors import InputError
from xpsvae.unpack import extract_zip
from xpsvae.xp.basis import BAND_SIZES, BANDS, coefficients_to_flux, dr3_basis
from xpsvae.xp.binary import table_blocks
from xpsvae.xp.columns import ANY, FETCH_AGAIN, NO_ARRAY, one_line
from xpsvae.xp.forms import blocks
from xpsvae.xp.inversion import flux_to_coefficients
from xpsvae.xp.photometry import g_flux_from_magnitude, g_passband
from xpsvae.xp.read import examine, filled

__all__ = ["DR3_SIZES", "Spectra", "as_inverted", "complete_g_flux", "iter_spectra", "read"]

DR3_SIZES = BAND_SIZES[110]  # coefficients of the bands for which design matrices and passbands are public

_ROWS = 4096  # stars of a block at most
_PRODUCT = re.compile(r"(XP_CONTINUOUS|XP_SAMPLED|RVS|MCMC|EPOCH)(.*)\.\w+")  # how datalink names its files
_BAD_ZIP = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, OSError, ValueError, RuntimeError)
_SPREAD = 500.0  # largest ratio of a coefficient to its band's leading ones; below 2 for real stars

_GRID = "336 to 1020 nm in steps of 2 nm"
_OFF_GRID, _OTHER_LENGTH = (
    f"flux is not on the XP grid, {_GRID}",
    f"flux is not on the XP grid of 343 values, {_GRID}",
)
_LONGEST = 10000  # rows of one star beyond which they are no XP spectrum


@dataclass(frozen=True)
class Spectra:
    """Stars in the order of their file; those that cannot be used have NaN and a reason.

    Attributes
    ----------
    source_id : int64 array (n_stars,)
    coefficients, errors : float64 arrays (n_stars, n_bp + n_rp)
        BP then RP [e-/s].
    g_flux : float64 array (n_stars,)
        ``phot_g_mean_flux`` [e-/s] as given, or from the G magnitude; NaN where neither is given.
    sampled : bool array (n_stars,)
        Whether the coefficients come from a sampled spectrum.
    reason : object array (n_stars,) of str
        Why a spectrum cannot be used; empty where it can.
    band_sizes : tuple of two int
        n_bp, n_rp.
    """

    source_id: np.ndarray
    coefficients: np.ndarray
    errors: np.ndarray
    g_flux: np.ndarray
    sampled: np.ndarray
    reason: np.ndarray
    band_sizes: tuple

    def __len__(self):
        return len(self.source_id)

    @property
    def usable(self):
        """Whether a spectrum can be used, bool array (n_stars,)."""
        return self.reason == ""

    def __getitem__(self, rows):
        """Take some of the stars, by a slice, a list of rows or a mask."""
        arrays = {name: getattr(self, name)[rows] for name in _ARRAYS}
        return replace(self, **arrays)


_ARRAYS = ("source_id", "coefficients", "errors", "g_flux", "sampled", "reason")


def read(source, sampled_by="archive"):
    """Read XP spectra, whatever holds them.

    Parameters
    ----------
    source : path-like, table, or list of these
        A file of the Gaia archive (XP_CONTINUOUS or XP_SAMPLED as csv, ecsv, FITS or VOTable, also gzipped, or
        the zip archive of datalink), a Parquet file; or a DataFrame, an astropy Table, a dict of arrays, with
        the columns that such a file has: source_id, bp_coefficients, bp_coefficient_errors, rp_coefficients,
        rp_coefficient_errors, or flux and flux_error; phot_g_mean_flux or phot_g_mean_mag if known. Units that
        columns have are converted.
    sampled_by : {"archive", "gaiaxpy"}
        Who sampled the flux of sampled spectra; see `xpsvae.xp.flux_to_coefficients`.

    Returns
    -------
    Spectra

    Raises
    ------
    InputError
        If a file is missing, cut, of another kind or lacks columns.
    """
    return _joined(list(iter_spectra(source, sampled_by)))


def iter_spectra(source, sampled_by="archive", sizes=None):
    """Read XP spectra block by block, in bounded memory where the form of the file allows; see `read`.

    Parameters
    ----------
    source, sampled_by
        See `read`.
    sizes : tuple of two int, optional
        Coefficients of BP and of RP that are wanted; a file whose spectra have others is refused. Those of a file
        are what most spectra of its first block have; other spectra of it cannot be used.

    Yields
    ------
    Spectra
        At most some thousand stars; at least one block.
    """
    if sampled_by not in ("archive", "gaiaxpy"):
        raise InputError(f"sampled_by is {sampled_by!r}: give 'archive' or 'gaiaxpy'.")
    found = [0, 0]
    for one in source if isinstance(source, list | tuple) else [source]:
        if isinstance(one, Spectra):
            blocks_of_one = [one]
        else:
            blocks_of_one = _iter_one(one, sampled_by, found)
        for block in blocks_of_one:
            if sizes and block.band_sizes != tuple(sizes) and block.usable.any():
                raise InputError(
                    f"{_called(one)} has spectra of {_sizes(block.band_sizes)} coefficients where the model takes "
                    f"{_sizes(sizes)}: use a model of such spectra (xpsvae train)."
                )
            for start in range(0, len(block), _ROWS):
                yield block[start : start + _ROWS]


def complete_g_flux(spectra):
    """G flux of all stars that can be used: as given, or else that of the spectrum in the DR3 passband.

    Parameters
    ----------
    spectra : Spectra

    Returns
    -------
    g_flux : float64 array (n_stars,)
        [e-/s]
    reason : object array (n_stars,) of str
        That of ``spectra``, and why there is no G flux.
    synthetic : bool array (n_stars,)
        Whether it is that of the spectrum.
    """
    g_flux, reason = spectra.g_flux.copy(), spectra.reason.copy()
    unknown = np.isnan(g_flux) & spectra.usable
    synthetic = unknown & (spectra.band_sizes == DR3_SIZES)
    if synthetic.any():
        g_flux[synthetic] = spectra.coefficients[synthetic] @ g_passband()
        reason[synthetic & ~(g_flux > 0)] = "the G flux of the spectrum is not positive"
    reason[unknown & ~synthetic] = (
        "no G flux, and the passbands of this data release are not out: add phot_g_mean_flux"
    )
    return g_flux, reason, synthetic


def as_inverted(spectra):
    """Coefficients as if all spectra had been sampled and turned back.

    A model that was trained on coefficients of sampled spectra is then asked about its own kind: the inversion
    leaves what flux does not fix to its prior, so that continuous coefficients differ from it (`xp.inversion`).

    Parameters
    ----------
    spectra : Spectra
        Of DR3.

    Returns
    -------
    float64 array (n_stars, n_coefficients)
        [e-/s]; those of sampled spectra as they are.
    """
    coefficients, which = spectra.coefficients.copy(), spectra.usable & ~spectra.sampled
    if which.any():
        flux = coefficients_to_flux(coefficients[which], sampled_by="archive")
        coefficients[which], _ = flux_to_coefficients(flux, sampled_by="archive")
    return coefficients


def _iter_one(source, sampled_by, found):
    if isinstance(source, str | Path):
        with _members(Path(source)) as members:
            for path, name in members:
                try:
                    yield from _blocks(blocks(path, product=ANY), name, sampled_by, found)
                except InputError as error:
                    raise InputError(str(error).replace(str(path), name)) from error
                except (MemoryError, KeyboardInterrupt):
                    raise
                except Exception as error:  # a damaged file may make a library raise anything
                    reason = one_line(error) or type(error).__name__
                    raise InputError(f"{name} is damaged ({reason}): {FETCH_AGAIN}.") from error
    else:
        yield from _blocks(table_blocks(_table(source)), "the table", sampled_by, found)


def _table(source):
    """Columns by name: of a DataFrame, a Table or a dict."""
    if hasattr(source, "colnames"):
        return {name: source[name] for name in source.colnames}
    if hasattr(source, "iloc") and hasattr(source, "columns"):
        return {str(name): source[name] for name in source.columns}
    if isinstance(source, Mapping):
        return dict(source)
    raise InputError(
        f"spectra come as {type(source).__name__}: give a path, a DataFrame, a Table or a dict of arrays."
    )


def _blocks(found, name, sampled_by, sizes):
    """Stars of the rows that a reader yields."""
    pending = None  # rows of a star whose other wavelengths may be in the next block
    empty = True
    for source_id, columns in found:
        if "flux" not in columns:
            yield _continuous(source_id, columns, sizes)
        elif "wavelength" in columns and (columns["flux"][1] <= 1).all():
            rows = _long_rows(source_id, columns)
            rows = rows if pending is None else np.concatenate([pending, rows])
            starts = np.flatnonzero(np.r_[True, rows["source_id"][1:] != rows["source_id"][:-1]])
            if len(starts) > 1:
                yield _from_long(rows[: starts[-1]], sampled_by)
            elif empty and len(rows) > _LONGEST:
                _refuse_other(name)
            pending = rows[starts[-1] :]
        else:
            stars = _sampled(source_id, columns, sampled_by)
            if empty and (stars.reason == _OTHER_LENGTH).all():
                _refuse_other(name)
            yield stars
        empty = False
    if pending is not None:
        stars = _from_long(pending, sampled_by)
        if len(pending) != len(dr3_basis().wavelengths):
            _refuse_other(name)
        yield stars
    if empty:
        raise InputError(f"{name} has no spectrum: give a file with at least one star.")


def _refuse_other(name):
    raise InputError(
        f"{name} holds flux on other wavelengths than an XP spectrum's, {_GRID}: give XP_CONTINUOUS or XP_SAMPLED "
        "(RVS spectra look alike)."
    )


def _continuous(source_id, columns, sizes):
    spectra = {name: pair for name, pair in columns.items() if name.split("_")[0] in BANDS}
    matrices, reason = examine(source_id, spectra, sizes)
    both = {
        quantity: np.hstack([matrices[f"{band}_{quantity}"] for band in BANDS]).astype(float)
        for quantity in ("coefficients", "coefficient_errors")
    }
    return _stars(
        source_id, *both.values(), _g_flux(source_id, columns), np.zeros(len(source_id), bool), reason, sizes
    )


def _sampled(source_id, columns, sampled_by):
    """Stars with an array of flux each."""
    grid = dr3_basis().wavelengths
    reason = np.full(len(source_id), "", dtype=object)
    flux, flux_error = (filled(*columns[name], len(grid)) for name in ("flux", "flux_error"))
    for name in ("flux", "flux_error"):
        lengths = columns[name][1]
        reason[(lengths == NO_ARRAY) & (reason == "")] = f"{name} is missing"
        reason[(lengths != len(grid)) & (reason == "")] = _OTHER_LENGTH
    if "wavelength" in columns:
        there = filled(*columns["wavelength"], len(grid))
        reason[~(np.abs(there - grid) < 1e-6).all(axis=1) & (reason == "")] = _OFF_GRID
    return _inverted(source_id, flux, flux_error, _g_flux(source_id, columns), reason, sampled_by)


def _long_rows(source_id, columns):
    """Rows of one wavelength each, as a record array."""
    names = ("wavelength", "flux", "flux_error")
    rows = np.empty(
        len(source_id), [("source_id", np.int64), *((name, float) for name in (*names, "g_flux"))]
    )
    rows["source_id"], rows["g_flux"] = source_id, _g_flux(source_id, columns)
    for name in names:
        rows[name] = filled(*columns[name], 1)[:, 0]
    return rows


def _from_long(rows, sampled_by):
    """Stars of which each wavelength is a row."""
    grid = dr3_basis().wavelengths
    starts = np.flatnonzero(np.r_[True, rows["source_id"][1:] != rows["source_id"][:-1]])
    counts = np.diff(np.r_[starts, len(rows)])
    reason = np.full(len(starts), "", dtype=object)
    flux, flux_error, there = (np.full((len(starts), len(grid)), np.nan) for _ in range(3))
    for star, (start, count) in enumerate(zip(starts, counts, strict=True)):
        if count == len(grid):
            mine = np.sort(rows[start : start + count], order="wavelength")
            flux[star], flux_error[star], there[star] = (
                mine[name] for name in ("flux", "flux_error", "wavelength")
            )
    reason[~(np.abs(there - grid) < 1e-6).all(axis=1)] = _OFF_GRID
    return _inverted(rows["source_id"][starts], flux, flux_error, rows["g_flux"][starts], reason, sampled_by)


def _inverted(source_id, flux, flux_error, g_flux, reason, sampled_by):
    """Turn the flux that can be used into coefficients."""
    basis = dr3_basis()

    def mark(bad, why):
        reason[bad & (reason == "")] = why

    mark((source_id <= 0), "source_id is not a Gaia identifier")
    mark(~np.isfinite(flux).all(axis=1), "flux is not finite")
    with np.errstate(invalid="ignore"):
        mark(~((flux_error > 0) & np.isfinite(flux_error)).all(axis=1), "flux_error is not positive")
        mark(~(np.median(np.abs(flux), axis=1) > 0), "flux is zero")
    good = reason == ""
    coefficients, errors = (np.full((len(source_id), basis.n_coefficients), np.nan) for _ in range(2))
    if good.any():
        if sampled_by == "archive":  # which stores float32: all forms of a file give the same numbers
            flux, flux_error = flux.astype(np.float32), flux_error.astype(np.float32)
        coefficients[good], errors[good] = flux_to_coefficients(flux[good], flux_error[good], sampled_by)
    sizes = [part.stop - part.start for part in basis.slices]
    return _stars(source_id, coefficients, errors, g_flux, np.ones(len(source_id), bool), reason, sizes)


def _stars(source_id, coefficients, errors, g_flux, sampled, reason, sizes):
    """Last looks at a block: what is no spectrum though it is numbers."""
    with np.errstate(invalid="ignore", over="ignore"):
        leading = np.abs(coefficients[:, [0, sizes[0]]]).max(axis=1) if all(sizes) else np.zeros(len(reason))
        largest = np.abs(coefficients).max(axis=1, initial=0.0)
        # Coefficients over F_G pass here and give nonsense by the G flux; standardised ones have no leading one.
        reason[(largest > _SPREAD * leading) & (reason == "")] = (
            "the leading coefficients are no larger than others: coefficients [e-/s] are expected"
        )
        reason[~(g_flux > 0) & ~np.isnan(g_flux) & (reason == "")] = "phot_g_mean_flux is not positive"
        reason[np.isinf(g_flux) & (reason == "")] = "phot_g_mean_flux is not finite"
    bad = reason != ""
    coefficients[bad] = errors[bad] = np.nan
    return Spectra(source_id, coefficients, errors, g_flux, sampled, reason, tuple(sizes))


def _g_flux(source_id, columns):
    flux = np.full(len(source_id), np.nan)
    if "phot_g_mean_mag" in columns:
        flux = g_flux_from_magnitude(filled(*columns["phot_g_mean_mag"], 1)[:, 0])
    if "phot_g_mean_flux" in columns:
        given = filled(*columns["phot_g_mean_flux"], 1)[:, 0]
        flux = np.where(np.isnan(given), flux, given)
    return flux


def _joined(parts):
    sizes = {part.band_sizes for part in parts if part.usable.any()}
    if len(sizes) > 1:
        raise InputError(
            f"the files have spectra of {' and '.join(map(_sizes, sorted(sizes)))} coefficients: read them one by one."
        )
    own = sizes.pop() if sizes else parts[0].band_sizes
    width = sum(own)
    parts = [
        part
        if part.coefficients.shape[1] == width
        else replace(
            part, coefficients=np.full((len(part), width), np.nan), errors=np.full((len(part), width), np.nan)
        )
        for part in parts
    ]
    return Spectra(*(np.concatenate([getattr(part, name) for part in parts]) for name in _ARRAYS), own)


@contextmanager
def _members(path):
    """Give the files to read of a path: itself, or of a zip archive those with spectra, one row a star."""
    if not path.is_file():
        raise InputError(f"{path} does not exist: give the path of a file of XP spectra.")
    if path.open("rb").read(4) != b"PK\x03\x04":
        yield [(path, str(path))]
        return
    with tempfile.TemporaryDirectory() as folder:
        try:
            with zipfile.ZipFile(path) as archive:
                names = [name for name in archive.namelist() if not name.endswith("/")]
            chosen = _spectra_of(names, path)
            files = extract_zip(path, folder, chosen)
        except InputError:
            raise
        except _BAD_ZIP as error:
            raise InputError(
                f"{path} is a cut or damaged zip archive ({one_line(error)}): {FETCH_AGAIN}."
            ) from error
        yield [(file, f"{name} in {path}") for file, name in zip(files, chosen, strict=True)]


def _spectra_of(names, path):
    """Names of the members that hold spectra, one a star: the sampled ones where there is no continuous one."""
    found = {}
    for name in sorted(names):
        match = _PRODUCT.match(Path(name).name)
        product, star = match.groups() if match else ("", name)
        found.setdefault(product, {})[star] = name
    chosen = found.get("XP_SAMPLED", {}) | found.get("XP_CONTINUOUS", {}) or found.get("", {})
    if not chosen:
        said = f" ({', '.join(sorted(found))})" if found else ""
        raise InputError(
            f"{path} holds no XP spectra{said}: ask the archive for XP_CONTINUOUS or XP_SAMPLED."
        )
    return sorted(chosen.values())


def _called(source):
    return str(source) if isinstance(source, str | Path) else "the input"


def _sizes(sizes):
    return f"{sizes[0]} BP and {sizes[1]} RP"
