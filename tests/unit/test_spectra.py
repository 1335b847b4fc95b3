"""Reading anybody's spectra: every form and product of a real star, tables in memory, rows that say why."""

import gzip
import zipfile

import numpy as np
import pytest
import real_star
from astropy import units as u
from astropy.table import Table

import xpsvae
from xpsvae.errors import InputError
from xpsvae.xp import flux_to_coefficients, g_flux_from_magnitude, read_spectra
from xpsvae.xp.gaiaxpy_module import gaiaxpy_module
from xpsvae.xp.photometry import g_passband
from xpsvae.xp.spectra import complete_g_flux, iter_spectra, read


@pytest.fixture(scope="module")
def truth(tmp_path_factory):
    """Coefficients and errors of the star by plain parsing of its csv file."""
    columns = real_star.columns()
    return tuple(
        np.concatenate([np.array(eval(columns[f"{band}_{name}"]), dtype) for band in ("bp", "rp")])
        for name, dtype in (("coefficients", float), ("coefficient_errors", np.float32))
    )


@pytest.mark.parametrize("form", real_star.FORMS)
def test_an_answer_of_datalink_is_one_row_in_every_form(form, truth):
    spectra = read(real_star.answer(form))  # XP_CONTINUOUS, XP_SAMPLED and MCMC samples
    assert spectra.source_id.tolist() == [real_star.SOURCE_ID]
    assert spectra.usable.all() and not spectra.sampled.any() and spectra.band_sizes == (55, 55)
    np.testing.assert_array_equal(spectra.coefficients[0], truth[0])
    np.testing.assert_array_equal(spectra.errors[0].astype(np.float32), truth[1])


@pytest.mark.parametrize("form", real_star.FORMS)
def test_sampled_spectra_become_the_same_coefficients_in_every_form(tmp_path, form):
    path = real_star.unpack(tmp_path, form, "XP_SAMPLED")
    spectra = read(path)
    assert spectra.source_id.tolist() == [real_star.SOURCE_ID] and spectra.sampled.all()
    rows = np.loadtxt(
        real_star.member("csv", "XP_SAMPLED")[1].decode().splitlines()[1:],
        delimiter=",",
        usecols=(4, 5, 6),
        dtype=np.float32,
    )
    expected, errors = flux_to_coefficients(rows[None, :, 1], rows[None, :, 2], "archive")
    np.testing.assert_array_equal(spectra.coefficients, expected)
    np.testing.assert_array_equal(spectra.errors, errors)


def test_sampled_coefficients_are_close_to_continuous_ones(tmp_path, truth):
    spectra = read(real_star.unpack(tmp_path, "csv", "XP_SAMPLED"))
    sigmas = np.abs(spectra.coefficients[0] - truth[0]) / truth[1]
    assert (sigmas < 1).mean() > 0.85 and sigmas.max() < 5


def test_gzipped_and_zipped_files(tmp_path, truth):
    for form in real_star.FORMS:
        name, content = real_star.member(form, "XP_CONTINUOUS")
        (tmp_path / f"{name}.gz").write_bytes(gzip.compress(content))
        np.testing.assert_array_equal(read(tmp_path / f"{name}.gz").coefficients[0], truth[0])


def test_of_a_zip_archive_sampled_spectra_stand_in_for_absent_continuous_ones(tmp_path):
    with zipfile.ZipFile(tmp_path / "both.zip", "w") as archive:
        for product, star in (("XP_CONTINUOUS", 0), ("XP_SAMPLED", 0), ("XP_SAMPLED", 1), ("RVS", 2)):
            name, content = real_star.member("csv", product if product != "RVS" else "MCMC_MSC")
            other = str(real_star.SOURCE_ID + star)
            name = name.replace("MCMC_MSC", product).replace(str(real_star.SOURCE_ID), other)
            archive.writestr(name, content.replace(str(real_star.SOURCE_ID).encode(), other.encode()))
    spectra = read(tmp_path / "both.zip")
    assert spectra.source_id.tolist() == [real_star.SOURCE_ID, real_star.SOURCE_ID + 1]
    assert spectra.sampled.tolist() == [False, True]


def test_parquet_as_lists_arrays_and_text(tmp_path, truth):
    frame = real_star.frame(3)
    frame.to_parquet(tmp_path / "lists.parquet")
    table = Table(
        {
            name: np.stack(frame[name]) if frame[name].dtype == object else frame[name].to_numpy()
            for name in frame
        }
    )
    table["bp_coefficients"].unit = "electron / s"
    table.write(tmp_path / "arrays.parquet")
    text = frame.assign(**{n: frame[n].map(str) for n in frame if frame[n].dtype == object})
    text.to_parquet(tmp_path / "text.parquet")
    for name in ("lists", "arrays", "text"):
        spectra = read(tmp_path / f"{name}.parquet")
        np.testing.assert_array_equal(spectra.coefficients, [truth[0]] * 3)


def test_units_of_parquet_are_converted(tmp_path, truth):
    table = Table.from_pandas(real_star.frame().drop(columns=[]))
    for name in ("bp_coefficients", "rp_coefficients", "bp_coefficient_errors", "rp_coefficient_errors"):
        table[name] = np.stack(table[name]) * 60
        table[name].unit = u.electron / u.min
    table.write(tmp_path / "minutes.parquet")
    np.testing.assert_allclose(read(tmp_path / "minutes.parquet").coefficients[0], truth[0], rtol=1e-14)


def test_tables_in_memory(truth):
    frame = real_star.frame(2)
    arrays = {name: np.stack(frame[name]) for name in frame if frame[name].dtype == object}
    quantities = {name: (values * u.electron / u.s).to(u.electron / u.h) for name, values in arrays.items()}
    ids = {"source_id": frame["source_id"].to_numpy()}
    for source in (frame, Table(ids | arrays), ids | arrays, Table(ids | quantities), ids | quantities):
        np.testing.assert_allclose(read(source).coefficients, [truth[0]] * 2, rtol=1e-14)
    with pytest.raises(InputError, match="in km, but must be in electron / s"):
        read(ids | {name: values * u.km for name, values in arrays.items()})
    with pytest.raises(InputError, match="come as int"):
        read(3)


def test_stars_that_cannot_be_used_are_rows_with_a_reason(truth):
    frame = real_star.frame(8, phot_g_mean_flux=[5e4, -1.0, 5e4, 5e4, 5e4, np.nan, 5e4, np.inf])
    frame["bp_coefficients"] = [
        None if row == 2 else [np.nan] * 55 if row == 3 else value[:54] if row == 4 else value
        for row, value in enumerate(frame["bp_coefficients"])
    ]
    frame.at[6, "source_id"] = 0
    spectra = read(frame)
    assert len(spectra) == 8
    assert spectra.reason.tolist() == [
        "",
        "phot_g_mean_flux is not positive",
        "BP is missing",
        "BP is missing",
        "bp_coefficients does not have 55 values",
        "",
        "source_id is not a Gaia identifier",
        "phot_g_mean_flux is not finite",
    ]
    assert np.isnan(spectra.coefficients[~spectra.usable]).all()


def test_standardised_coefficients_are_no_spectrum():
    frame = real_star.frame(1)
    for name in ("bp_coefficients", "rp_coefficients"):
        values = np.array(frame[name][0])
        frame[name] = [((values - values.mean()) / values.std() * 0).tolist()]
        frame.at[0, name] = [1e-9] + [1.0] * 54
    assert "are expected" in read(frame).reason[0]


def test_g_flux_of_the_spectrum_is_gaiaxpys(tmp_path, truth):
    path = real_star.unpack(tmp_path, "csv", "XP_CONTINUOUS")
    gaiaxpy = gaiaxpy_module()
    system = gaiaxpy.PhotometricSystem.Gaia_DR3_Vega
    made = gaiaxpy.generate(str(path), photometric_system=system, save_file=False)
    expected = g_flux_from_magnitude(made["GaiaDr3Vega_mag_G"])
    np.testing.assert_allclose(truth[0] @ g_passband(), expected, rtol=1e-12)
    g_flux, reason, synthetic = complete_g_flux(read(path))
    np.testing.assert_allclose(g_flux, expected, rtol=1e-12)
    assert synthetic.all() and reason.tolist() == [""]


def test_g_flux_comes_from_the_file_first():
    frame = real_star.frame(3, phot_g_mean_flux=[5e4, np.nan, np.nan], phot_g_mean_mag=[10.0, 13.9, np.nan])
    g_flux, _, synthetic = complete_g_flux(read(frame))
    assert g_flux[0] == 5e4 and synthetic.tolist() == [False, False, True]
    np.testing.assert_allclose(g_flux[1], g_flux_from_magnitude([13.9])[0], rtol=1e-12)


def test_blocks_are_small_and_in_order():
    frame = real_star.frame(9000)
    frame["source_id"] += np.arange(9000)
    blocks = list(iter_spectra(frame))
    assert max(map(len, blocks)) <= 4096 and len(blocks) == 3
    assert (np.concatenate([block.source_id for block in blocks]) == frame["source_id"]).all()


def test_fits_of_many_rows_is_read_in_parts(tmp_path, truth):
    """Both orders of a heap: the archive's, star by star, and astropy's, column by column."""
    frame = real_star.frame(5000)
    frame["source_id"] += np.arange(5000)
    arrays = {}
    for name in frame:
        if frame[name].dtype == object:
            arrays[name] = np.stack(frame[name]) * (1 + np.arange(5000)[:, None] / 5000)
    arrays["source_id"] = frame["source_id"].to_numpy()
    from astropy.io import fits

    columns = [
        fits.Column(
            name, "K" if name == "source_id" else "PD()", array=values if values.ndim == 1 else _rows(values)
        )
        for name, values in arrays.items()
    ]
    fits.BinTableHDU.from_columns(columns).writeto(tmp_path / "many.fits")
    spectra = read(tmp_path / "many.fits")
    expected = np.hstack([arrays["bp_coefficients"], arrays["rp_coefficients"]])
    np.testing.assert_array_equal(spectra.coefficients, expected)
    np.testing.assert_array_equal(read_spectra(tmp_path / "many.fits").coefficients, expected)


def _rows(values):
    rows = np.empty(len(values), dtype=object)
    rows[:] = list(values)
    return rows


def test_shared_files_of_gaiaxpy(shared):
    for form in ("csv", "ecsv"):
        spectra = read(shared(f"reference/gaiaxpy/XP_CONTINUOUS_RAW_with_missing_BP.{form}"))
        assert spectra.reason.tolist() == ["", "BP is missing", ""]
    fits = read(shared("reference/gaiaxpy/XP_CONTINUOUS_RAW.fits"))
    text = read(shared("reference/gaiaxpy/XP_CONTINUOUS_RAW.csv"))
    np.testing.assert_array_equal(fits.coefficients, text.coefficients)
    sampled = read(shared("reference/gaiaxpy/calibrator_solution_default.csv"), sampled_by="gaiaxpy")
    close = np.abs(sampled.coefficients - text.coefficients) < 3 * text.errors
    assert close.mean() > 0.95


def test_import_of_the_package_is_cheap():
    import subprocess
    import sys

    code = "import sys, xpsvae; dir(xpsvae); print([n for n in ('torch', 'numpy', 'astropy') if n in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
    with pytest.raises(AttributeError):
        xpsvae.nothing  # noqa: B018


def test_spectra_of_a_wavelength_a_row_of_several_stars(tmp_path):
    """One that is cut, last or not, is a row with a reason; the block of the reader ends anywhere."""
    lines = real_star.member("csv", "XP_SAMPLED")[1].decode().splitlines()
    old, text = str(real_star.SOURCE_ID), [lines[0]]
    for star in range(120):
        rows = lines[1:] if star != 50 else lines[1:100]
        text += [row.replace(old, str(real_star.SOURCE_ID + star)) for row in rows]
    (tmp_path / "stars.csv").write_text("\n".join(text) + "\n")
    spectra = read(tmp_path / "stars.csv")
    assert (spectra.source_id == real_star.SOURCE_ID + np.arange(120)).all()
    assert np.flatnonzero(~spectra.usable).tolist() == [50]
    assert "not on the XP grid" in spectra.reason[50]
    good = spectra.coefficients[spectra.usable]
    assert (np.abs(good - good[0]) < 1e-6 * spectra.errors[0]).all()  # sums of another order


def test_rvs_spectra_of_an_array_a_row_are_refused(tmp_path):
    frame = Table({"source_id": [1, 2], "flux": np.ones((2, 2401)), "flux_error": np.ones((2, 2401))})
    with pytest.raises(InputError, match="RVS spectra look alike"):
        read(frame)
