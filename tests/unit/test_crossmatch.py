"""The cross-match against pandas' own merge, and everything it must refuse."""

import numpy as np
import pandas as pd
import pytest
from astropy.coordinates import SkyCoord

from xpsvae import products
from xpsvae.catalog import crossmatch
from xpsvae.errors import InputError
from xpsvae.xp import dr3_basis, flux_to_coefficients

RNG = np.random.default_rng(11)


@pytest.fixture
def labels():
    source_id = np.array([70, 20, 20, 90, 30, 40, 40, 40, 10])
    n = len(source_id)
    frame = pd.DataFrame({"source_id": source_id, "apogee_id": [f"2M0{i}300000-0030000" for i in range(n)]})
    for name in ("teff", "teff_err", "logg", "logg_err", "fe_h", "fe_h_err", "alpha_m", "alpha_m_err"):
        frame[name] = RNG.uniform(1, 2, n)
    for name in ("phot_g_mean_mag", "phot_bp_mean_mag", "phot_rp_mean_mag", "j", "h", "k", "a_k"):
        frame[name] = RNG.uniform(8, 15, n)
    frame["snr"] = [50, 10, 30, 5, 5, 7, 9, 9, np.nan]
    return frame


@pytest.fixture
def spectra():
    source_id = np.array([20, 40, 30, 80, 20, 10, 70, 70])
    grid = dr3_basis().wavelengths
    shape = np.exp(-(((grid - 650) / 200) ** 2))
    flux = 1e-15 * shape * RNG.uniform(1, 2, (len(source_id), 1))
    error = flux / np.array([10, 20, 30, 40, 50, 60, 80, 70])[:, None]
    return pd.DataFrame({"source_id": source_id, "flux": list(flux), "flux_error": list(error)})


def test_joins_as_pandas_does(labels, spectra):
    stars, coefficients, errors, report = crossmatch.build_catalog(labels, spectra, "gaiaxpy")
    spectra["snr"] = [np.median(f / e) for f, e in zip(spectra.flux, spectra.flux_error, strict=True)]
    best = [
        table.sort_values("snr", ascending=False, kind="stable").drop_duplicates("source_id")
        for table in (labels, spectra)
    ]
    expected = best[0].merge(best[1], on="source_id").sort_values("source_id").reset_index(drop=True)
    assert stars.source_id.tolist() == [10, 20, 30, 40, 70]
    for name in ("source_id", "apogee_id", "teff", "logg_err", "a_k"):
        assert stars[name].tolist() == expected[name].tolist()
    of_expected = flux_to_coefficients(np.stack(expected.flux), np.stack(expected.flux_error))
    np.testing.assert_allclose(coefficients, of_expected[0], rtol=1e-6)
    np.testing.assert_allclose(errors, of_expected[1], rtol=1e-6)
    assert coefficients.dtype == errors.dtype == np.float32
    assert report["labels"] == {"rows": 9, "duplicates_dropped": 3, "sources": 6, "unmatched": 1}
    assert report["spectra"] == {"rows": 8, "duplicates_dropped": 2, "sources": 6, "unmatched": 1}
    assert report["matched"] == 5


def test_ties_go_to_the_first_in_the_file(labels, spectra):
    stars, *_ = crossmatch.build_catalog(labels, spectra)
    assert stars.apogee_id[stars.source_id == 40].item() == labels.apogee_id[6]


def test_a_row_without_signal_to_noise_loses_against_any(labels, spectra):
    labels.loc[6, "snr"] = np.nan
    labels.loc[7, "snr"] = np.nan
    stars, *_ = crossmatch.build_catalog(labels, spectra)
    assert stars.apogee_id[stars.source_id == 40].item() == labels.apogee_id[5]


def test_what_the_dataset_lacks_is_null_and_said(labels, spectra, tmp_path):
    stars, *_, report = crossmatch.build_catalog(labels, spectra)
    absent = ["sfd_ebv", "starflag", "aspcapflag", "parallax", "parallax_error", "j_r", "l_z", "j_z"]
    assert report["null_columns"] == absent
    assert stars[absent].isna().all(axis=None)
    assert stars.starflag.dtype == stars.aspcapflag.dtype == "Int64"
    assert stars.m_h.tolist() == stars.fe_h.tolist() and stars.mg_fe.tolist() == stars.alpha_m.tolist()
    assert report["substituted_columns"]["mg_fe"] == "alpha_m"
    np.testing.assert_allclose(
        stars.phot_g_mean_flux, 10 ** ((25.6873668671 - stars.phot_g_mean_mag) / 2.5), rtol=1e-12
    )
    path = tmp_path / "stars.parquet"
    products.write_table(path, stars, units=crossmatch.STAR_UNITS, notes=crossmatch.STAR_NOTES)
    assert products.read_table(path)[absent].isna().all(axis=None)


def test_what_the_dataset_has_is_kept(labels, spectra):
    labels["m_h"], labels["starflag"], labels["phot_g_mean_flux"] = -0.5, 4, 1e5
    stars, *_, report = crossmatch.build_catalog(labels, spectra)
    assert stars.m_h.tolist() == [-0.5] * 5 and stars.starflag.tolist() == [4] * 5
    assert stars.phot_g_mean_flux.tolist() == [1e5] * 5
    assert "m_h" not in report["substituted_columns"] and "starflag" not in report["null_columns"]


def test_coordinates_equal_astropy(labels, spectra):
    ra, dec = crossmatch.coordinates(
        ["2M14300843-6315371", "2M00000001-0000009", "AP23595999+8959599", "VESTA"]
    )
    for index, text in enumerate(
        ["14h30m08.43s -63d15m37.1s", "0h0m0.01s -0d0m0.9s", "23h59m59.99s +89d59m59.9s"]
    ):
        expected = SkyCoord(text)
        np.testing.assert_allclose([ra[index], dec[index]], [expected.ra.deg, expected.dec.deg], rtol=1e-12)
    assert np.isnan(ra[3]) and np.isnan(dec[3])
    labels.loc[0, "apogee_id"] = "VESTA"
    assert crossmatch.build_catalog(labels, spectra)[3]["without_coordinates"] == 1


@pytest.mark.parametrize("table", ["labels", "spectra"])
@pytest.mark.parametrize("bad", [-9999, 0])
def test_source_ids_that_are_not_positive_are_refused(labels, spectra, table, bad):
    {"labels": labels, "spectra": spectra}[table].loc[[2, 3], "source_id"] = bad
    with pytest.raises(
        InputError, match=f"{table} have 2 rows whose source_id is not positive, first .* {bad}: drop"
    ):
        crossmatch.build_catalog(labels, spectra)


def test_source_ids_read_as_floats_are_refused(labels, spectra):
    labels["source_id"] = labels.source_id.astype(float)
    with pytest.raises(InputError, match="source_id of the labels is float64: give 64-bit integers"):
        crossmatch.build_catalog(labels, spectra)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_flux_that_is_not_finite_is_refused(labels, spectra, bad):
    spectra.flux[3][17] = bad
    with pytest.raises(InputError, match="1 rows whose flux is NaN or infinite, first at source_id 80: drop"):
        crossmatch.build_catalog(labels, spectra)


@pytest.mark.parametrize("bad", [0.0, -1e-18, np.nan, np.inf])
def test_flux_errors_that_are_not_positive_are_refused(labels, spectra, bad):
    spectra.flux_error[1][0] = spectra.flux_error[5][342] = bad
    with pytest.raises(
        InputError, match="2 rows whose flux_error is not positive and finite, first at source_id 40"
    ):
        crossmatch.build_catalog(labels, spectra)


def test_a_missing_magnitude_is_refused_only_where_it_is_needed(labels, spectra):
    labels.loc[3, "phot_g_mean_mag"] = np.nan  # source 90 has no spectrum
    assert len(crossmatch.build_catalog(labels, spectra)[0]) == 5
    labels.loc[0, "phot_g_mean_mag"] = np.nan
    with pytest.raises(
        InputError, match="1 rows whose phot_g_mean_mag is NaN or infinite, first at source_id 70"
    ):
        crossmatch.build_catalog(labels, spectra)


def test_missing_columns_are_named(labels, spectra):
    with pytest.raises(InputError, match="the labels have no column phot_g_mean_mag, snr: add"):
        crossmatch.build_catalog(labels.drop(columns=["snr", "phot_g_mean_mag"]), spectra)
    with pytest.raises(InputError, match="the spectra have no column flux_error: add"):
        crossmatch.build_catalog(labels, spectra.drop(columns="flux_error"))


def test_spectra_of_several_lengths_are_refused(labels, spectra):
    spectra.at[2, "flux"] = spectra.flux[2][:-1]
    with pytest.raises(InputError, match="column flux holds arrays of several lengths"):
        crossmatch.build_catalog(labels, spectra)


def test_nothing_in_common_is_refused(labels, spectra):
    labels["source_id"] += 1000
    with pytest.raises(InputError, match="no source_id in common"):
        crossmatch.build_catalog(labels, spectra)


def test_coordinates_and_errors_that_are_given_are_not_replaced(labels):
    """Right ascension and declination win over the name; no label's error stands for that of one that is there."""
    stars = crossmatch.star_table(
        labels.assign(ra=np.arange(len(labels)), dec=-1.0, mg_fe=0.1, alpha_m_err=0.02)
    )
    assert stars.ra.tolist() == list(range(len(labels))) and (stars.dec == -1).all()
    assert (stars.mg_fe == 0.1).all() and stars.mg_fe_err.isna().all()
    assert (crossmatch.star_table(labels.assign(alpha_m=0.1, alpha_m_err=0.02)).mg_fe_err == 0.02).all()
