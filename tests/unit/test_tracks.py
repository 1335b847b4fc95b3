"""Tracks against stars placed on the relations and against brute-force loops."""

import numpy as np
import pandas as pd
import pytest

from xpsvae.analysis.sample import latent_columns, sample
from xpsvae.analysis.tracks import (
    giant_branch_teff,
    is_main_sequence,
    kiel_tracks,
    main_sequence_logg,
    metallicity_tracks,
    track_spectra,
    units,
)
from xpsvae.errors import InputError


@pytest.fixture
def frame():
    generator = np.random.default_rng(3)
    n = 6000
    teff = generator.uniform(3200, 6800, n)
    return pd.DataFrame(
        {
            "source_id": np.arange(n) * 7 + 1,
            "teff": teff,
            "logg": np.where(
                generator.random(n) < 0.5, generator.uniform(0, 4.7, n), main_sequence_logg(teff)
            ),
            "m_h": generator.normal(-0.2, 0.5, n),
            "alpha_m": generator.normal(0.1, 0.1, n),
            "z_1": generator.normal(size=n).astype(np.float32),
            "z_2": generator.normal(size=n).astype(np.float32),
        }
    )


@pytest.mark.parametrize(
    ("teff", "logg"), [(4000, 4.6), (5000, 4.6), (5400, 4.4), (6000, 4.1), (6300, 3.95), (7000, 3.95)]
)
def test_main_sequence_relation_at_hand_computed_points(teff, logg):
    assert main_sequence_logg(float(teff)) == pytest.approx(logg)


@pytest.mark.parametrize(
    ("logg", "teff"), [(3.65, 5200), (2.65, 4758.14), (1.65, 4316.28), (4.15, 5900), (3.9, 5550)]
)
def test_giant_branch_relation_at_hand_computed_points(logg, teff):
    assert giant_branch_teff(logg) == pytest.approx(teff)


def test_dividing_line_runs_through_its_hand_computed_points():
    assert is_main_sequence([5000, 5000, 6000, np.nan], [3.91, 3.89, 3.51, 4.0]).tolist() == [
        True,
        False,
        True,
        False,
    ]
    assert is_main_sequence(0.0, 5.9)  # on the line


def test_stars_on_the_relations_fall_into_their_own_bins():
    ms, gb = np.linspace(5000, 6300, 15), np.linspace(0, 3.65, 20)
    teff = np.concatenate([ms, giant_branch_teff(gb)])
    logg = np.concatenate([main_sequence_logg(ms), gb])
    table = kiel_tracks(
        pd.DataFrame(
            {"source_id": np.arange(35), "teff": teff, "logg": logg, "m_h": 0.0, "alpha_m": 0.0}
            | {"z_1": np.arange(35.0)}
        )
    )
    assert table["n"].tolist() == [1] * 35
    assert table["branch"].tolist() == ["ms"] * 15 + ["gb"] * 20
    assert np.concatenate(table["members"].to_numpy()).tolist() == list(range(35))
    np.testing.assert_allclose(table["teff"], table["teff_relation"])
    np.testing.assert_allclose(table["logg"], table["logg_relation"])
    assert table["z_1_se"].isna().all()  # one star has no standard error


def test_kiel_bins_equal_a_loop_over_stars(frame):
    table = kiel_tracks(
        frame, gb_teff_tolerance=150.0, solar_m_h=0.3, teff_half_width=60.0, logg_half_width=0.15
    )
    assert table["n"].min() < table["n"].max() > 5
    for row in table.itertuples():
        inside = []
        for star in frame.itertuples():
            main = star.logg >= 5.9 - 4 * star.teff / 1e4
            if row.branch == "ms":
                relation = 4.6 - 0.0005 * (min(max(star.teff, 5000), 6300) - 5000)
                keep = main and abs(star.logg - relation) < 0.2 and abs(star.teff - row.centre) < 60
            else:
                first = star.logg < 3.65
                relation = 5200 - 441.86 * (3.65 - star.logg) if first else 5900 - 1400 * (4.15 - star.logg)
                keep = not main and abs(star.teff - relation) < 150 and abs(star.logg - row.centre) < 0.15
            if keep and abs(star.m_h) < 0.3:
                inside.append(star.Index)
        stars = frame.loc[inside]
        assert row.n == len(inside)
        assert row.members.tolist() == stars["source_id"].tolist()
        if row.n > 1:
            assert row.teff == pytest.approx(stars["teff"].mean())
            assert row.z_2 == pytest.approx(stars["z_2"].astype(float).mean())
            assert row.z_2_se == pytest.approx(stars["z_2"].astype(float).sem())


def test_default_bins_share_no_star(frame):
    members = np.concatenate(kiel_tracks(frame)["members"].to_numpy())
    assert len(members) == len(set(members))


def test_metallicity_bins_equal_a_pandas_query(frame):
    table = metallicity_tracks(frame)
    assert len(table) == 2 * 9 * 8
    assert table["m_h_centre"].min() == pytest.approx(-2.5 + 1 / 3)
    for row in table.itertuples():
        side = ">=" if row.branch == "ms" else "<"
        stars = frame.query(
            f"logg {side} 5.9 - 4e-4 * teff and abs(m_h - {row.m_h_centre}) < 0.2 "
            f"and abs(teff - {row.teff_centre}) < 100"
        )
        assert row.n == len(stars)
        if row.n > 1:
            assert row.logg == pytest.approx(stars["logg"].mean())
            assert row.z_1_se == pytest.approx(stars["z_1"].astype(float).sem())


def test_empty_bins_keep_their_row_and_are_null(frame):
    table = metallicity_tracks(frame[frame["m_h"] > -1])
    empty = table[table["n"] == 0]
    assert len(empty) > 0
    columns = [name for name in table if name not in ("branch", "m_h_centre", "teff_centre", "n")]
    assert empty[columns].isna().all().all()


def test_units_name_only_columns_that_are_there(frame):
    known = units(kiel_tracks(frame))
    assert known["teff"] == "K"
    assert known["logg_se"] == "dex"
    assert "flux" not in known


@pytest.fixture
def spectra():
    pytest.importorskip("gaiaxpy")
    from xpsvae.xp import dr3_basis

    n, width = 12, dr3_basis().n_coefficients
    generator = np.random.default_rng(5)
    scale = 1 / (1 + np.arange(width) % (width // 2))
    stars = pd.DataFrame(
        {"source_id": np.arange(100, 100 + n), "phot_g_mean_flux": generator.uniform(1e4, 1e5, n)}
        | {"teff": 5000.0, "logg": 4.6, "m_h": 0.0}
    )
    coefficients = (
        generator.normal(1, 0.1, (n, width)) * scale * stars["phot_g_mean_flux"].to_numpy()[:, None]
    )
    normalisation = {"mu": 0.5 * scale, "sigma": 0.2 * scale}
    kiel = pd.DataFrame(
        {"branch": ["ms", "ms", "gb"], "bin": [0, 1, 0], "centre": [5000.0, 5100.0, 1.0], "n": [7, 0, 3]}
        | {"members": [np.arange(100, 107), np.array([], dtype=int), np.array([111, 108, 109])]}
    )
    standardised = coefficients / stars["phot_g_mean_flux"].to_numpy()[:, None]
    standardised = (standardised - normalisation["mu"]) / normalisation["sigma"]
    return (
        kiel,
        stars,
        coefficients,
        0.01 * coefficients,
        standardised,
        0.1 * np.ones_like(standardised),
        normalisation,
    )


def test_a_perfect_reconstruction_has_no_residual(spectra):
    table = track_spectra(*spectra)
    assert table["bin"].tolist() == [0, 0]  # the empty bin has no spectrum
    for row in table.itertuples():
        np.testing.assert_allclose(row.flux_reconstructed, row.flux, rtol=1e-9)
        assert np.abs(row.residual).max() < 1e-6


def test_track_spectra_equal_gaiaxpy_matrices_for_the_star_shown(spectra):
    from xpsvae.xp import dr3_basis, flux_errors

    kiel, stars, coefficients, errors, standardised, scatter, normalisation = spectra
    table = track_spectra(
        kiel, stars, coefficients, errors, 1.1 * standardised, scatter, normalisation, seed=4
    )
    design = dr3_basis().design
    for row, members in zip(table.itertuples(), (range(7), (11, 8, 9)), strict=True):
        assert row.source_id - 100 in members
        residuals = []
        for star in members:
            g_flux = stars["phot_g_mean_flux"][star]
            model = design @ (
                (1.1 * standardised[star] * normalisation["sigma"] + normalisation["mu"]) * g_flux
            )
            residuals.append(model / (design @ coefficients[star]) - 1)
            if star == row.source_id - 100:
                np.testing.assert_allclose(row.flux, design @ coefficients[star], rtol=1e-9)
                np.testing.assert_allclose(row.flux_reconstructed, model, rtol=1e-9)
                np.testing.assert_allclose(row.residual, residuals[-1], atol=1e-8)
                np.testing.assert_allclose(row.flux_error, flux_errors(errors[star][None])[0])
                width = scatter[star] * normalisation["sigma"] * g_flux
                np.testing.assert_allclose(row.flux_scatter, np.sqrt(width**2 @ _squared_design()), rtol=1e-9)
        np.testing.assert_allclose(row.residual_median, np.median(residuals, axis=0), atol=1e-8)


def _squared_design():
    from xpsvae.xp import dr3_basis

    return (dr3_basis().design ** 2).T


def test_another_seed_shows_other_stars(spectra):
    shown = {tuple(track_spectra(*spectra, seed=seed)["source_id"]) for seed in range(8)}
    assert len(shown) > 1
    assert track_spectra(*spectra, seed=2).equals(track_spectra(*spectra, seed=2))


def test_spectra_refuse_tracks_without_stars_or_with_unknown_ones(spectra):
    kiel, stars, *rest = spectra
    with pytest.raises(InputError, match="no bin of the Kiel tracks has a star"):
        track_spectra(kiel[kiel["n"] == 0], stars, *rest)
    with pytest.raises(InputError, match="stars that the catalogue lacks"):
        track_spectra(kiel, stars.assign(source_id=stars["source_id"] + 1000), *rest)


def test_sample_joins_by_row_and_refuses_other_orders(frame):
    stars, latents = frame.drop(columns=["z_1", "z_2"]), frame[["source_id", "z_2", "z_1"]]
    subsets = pd.DataFrame(
        {"source_id": frame["source_id"], "pristine": frame["m_h"] > 0, "test": frame["m_h"] > 1}
    )
    joined = sample(stars, subsets, latents)
    assert joined.index.tolist() == np.flatnonzero(frame["m_h"] > 0).tolist()
    assert joined["z_1"].tolist() == frame["z_1"][frame["m_h"] > 0].tolist()
    assert joined["test"].sum() == (frame["m_h"] > 1).sum()
    with pytest.raises(InputError, match="same source_id"):
        sample(stars, subsets, latents[::-1])
    with pytest.raises(InputError, match="no star is pristine"):
        sample(stars, subsets.assign(pristine=False), latents)


def test_latent_columns_are_ordered_by_number_and_kind():
    table = pd.DataFrame(columns=["source_id", "z_10", "z_2", "z_2_se", "draw_1", "z_1"])
    assert latent_columns(table) == ["z_1", "z_2", "z_10"]
    assert latent_columns(table, "draw") == ["draw_1"]
