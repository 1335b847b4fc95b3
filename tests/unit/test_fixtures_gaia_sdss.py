"""The files that stand for the archives: repeatable, one truth in all forms, kinematics as promised."""

import fixtures_gaia_sdss as archive
import numpy as np
import pandas as pd
import pytest
from astropy.io import fits
from astropy.table import Table

from xpsvae.analysis.alpha import gaia_enceladus
from xpsvae.catalog.actions import cylindrical
from xpsvae.xp import read_spectra


@pytest.fixture(scope="module")
def survey():
    """Survey a few hundred made-up stars of the form of ``stars.parquet``."""
    rng = np.random.default_rng(11)
    n = 400
    names = [name.lower() for name in archive.LABELS] + list("jhk") + ["a_k", "snr"]
    stars = pd.DataFrame({name: rng.uniform(0.01, 0.1, n) for name in names})
    stars["source_id"] = np.sort(rng.integers(1 << 35, 6 << 60, n))
    stars["apogee_id"] = [f"2M0000{i:04d}+0000000" for i in range(n)]
    stars["ra"], stars["dec"] = rng.uniform(0, 360, n), np.degrees(np.arcsin(rng.uniform(-1, 1, n)))
    stars["fe_h"], stars["logg"] = rng.uniform(-2, 0.4, n), rng.uniform(0, 5, n)
    stars["teff"] = rng.uniform(3500, 7000, n)
    for name in archive.MAGNITUDES.values():
        stars[name] = rng.uniform(9, 15, n)
    stars["phot_g_mean_flux"] = 10 ** (0.4 * (25.6873668671 - stars.phot_g_mean_mag))
    stars.loc[3, ["j", "mg_fe"]] = np.nan
    coefficients = rng.normal(0, 1e3, (n, 110)).astype(np.float32)
    return archive.make_survey(stars, coefficients, rng.uniform(1, 9, (n, 110)).astype(np.float32))


def test_velocities_are_those_of_a_disc_and_a_radial_halo(survey):
    stars = survey.stars
    observed = (stars[n] for n in ("ra", "dec", "distance", "pmra", "pmdec", "radial_velocity"))
    radius, v_r, v_t, z, v_z = cylindrical(*observed, **archive.SUN)
    halo = stars.halo.to_numpy()
    assert 100 < halo.sum() < 250
    for group, mean, spreads in ((halo, 0, (150, 45, 60)), (~halo, 205, (35, 25, 18))):
        error = 1 / np.sqrt(group.sum())
        assert abs(v_t[group].mean() - mean) < 4 * spreads[1] * error
        for velocity, spread in zip((v_r, v_t, v_z), spreads, strict=True):
            assert velocity[group].std() == pytest.approx(spread, rel=3 * error)
    actions = [stars[name].to_numpy() for name in ("j_r", "l_z", "j_z", "parallax", "parallax_error")]
    np.testing.assert_allclose(actions[1], radius * v_t, rtol=1e-9)
    enceladus = gaia_enceladus(*actions)
    assert enceladus[halo].sum() > 3 and not enceladus[~halo].any()


def test_errors_of_astronn_leave_giants_only(survey):
    """The pristine cuts remove all dwarfs and few giants, the good ones few stars (PAPER section 1)."""
    stars = survey.stars
    dwarf = stars.logg >= 5.9 - 4e-4 * stars.teff
    ratio, error = stars.nn_teff / stars.nn_teff_err, stars.nn_logg_err
    pristine = (ratio > 100) & (error < 0.1)
    assert not pristine[dwarf].any() and 0.75 < pristine[~dwarf].mean() < 0.95
    good = (ratio > 20) & (error < 0.4)
    assert 0.8 < good[dwarf].mean() < 0.95 and good[pristine].all()


def test_files_hold_the_same_stars(survey, tmp_path):
    stars = survey.stars
    archive.write_bulk(tmp_path / "bulk.csv.gz", survey.spectra)
    archive.write_all_star(tmp_path / "all.fits", survey, duplicates=5, unmatched=7)
    archive.write_vac(tmp_path / "vac.fits", survey, duplicates=5, unmatched=7)
    archive.write_authors(tmp_path, survey)
    n = len(stars)
    spectra = read_spectra(tmp_path / "bulk.csv.gz")
    np.testing.assert_array_equal(spectra.coefficients, survey.coefficients)
    all_star, vac = (fits.getdata(tmp_path / name, 1) for name in ("all.fits", "vac.fits"))
    authors = Table.read(tmp_path / "xp_apogee_cat.h5", path="__astropy_table__")
    assert len(all_star) == len(vac) == n + 12
    np.testing.assert_array_equal(all_star["APOGEE_ID"], vac["APOGEE_ID"])
    for ids in (all_star["GAIAEDR3_SOURCE_ID"], vac["source_id"], np.r_[authors["ids"], np.zeros(12)]):
        np.testing.assert_array_equal(ids[:n], stars.source_id)
        assert not ids[n + 5 :].any()
    np.testing.assert_array_equal(all_star["EXTRATARG"], np.r_[np.zeros(n), np.full(5, 16), np.zeros(7)])
    assert all_star["J"][3] == np.float32(99.999) and np.isnan(all_star["MG_FE"][3])
    for name in archive.LABELS:
        same = vac if name in archive.ASTRONN else all_star
        np.testing.assert_array_equal(same[name][:n], authors[name])
    for name, ours in (("jr", "j_r"), ("Lz", "l_z"), ("jz", "j_z")):
        np.testing.assert_array_equal(vac[name][:n], stars[ours])
        np.testing.assert_array_equal(authors[name], stars[ours].astype(np.float32))
    np.testing.assert_array_equal(authors["coeffs"], survey.coefficients)
    for bit in (2, 3, 19, 23):
        assert ((authors["ASPCAPFLAG"] >> bit) & 1).any()
    np.testing.assert_array_equal(all_star["STARFLAG"][:n] != 0, authors["STARFLAG"] != 0)
    correlations = np.load(tmp_path / "xp_corrs.npz")
    assert correlations["bp_corrs"].shape == correlations["rp_corrs"].shape == (n // 10, 1485)


def test_files_are_the_same_bytes_each_time(survey, tmp_path):
    few = survey.stars[:30], survey.coefficients[:30], survey.errors[:30]
    contents = []
    for name in ("first", "second"):
        given = archive.make_survey(*few)
        folder = tmp_path / name
        folder.mkdir()
        archive.write_bulk(folder / "bulk.csv.gz", given.spectra)
        for suffix in ("csv", "fits", "xml"):
            archive.write_datalink(folder / f"datalink.{suffix}", given.spectra)
        archive.write_all_star(folder / "all.fits", given)
        archive.write_vac(folder / "vac.fits", given)
        archive.write_authors(folder, given)
        contents.append({path.name: path.read_bytes() for path in sorted(folder.iterdir())})
    assert len(contents[0]) == 9
    assert contents[0] == contents[1]
