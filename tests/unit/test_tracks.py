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
    plausible,
    track_spectra,
    units,
    used_for,
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


def test_stars_on_the_relations_fall_into_their_own_bins(settings):
    ms, gb = np.linspace(5000, 6300, 15), np.linspace(0, 3.65, 20)
    teff = np.concatenate([ms, giant_branch_teff(gb)])
    logg = np.concatenate([main_sequence_logg(ms), gb])
    table = kiel_tracks(
        pd.DataFrame(
            {"source_id": np.arange(35), "teff": teff, "logg": logg, "m_h": 0.0, "alpha_m": 0.0}
            | {"z_1": np.arange(35.0)}
        ),
        **settings["tracks"]["kiel"],
    )
    assert set(table["use"]) == {"all"}
    assert table["n"].tolist() == [1] * 35
    assert table["branch"].tolist() == ["ms"] * 15 + ["gb"] * 20
    assert np.concatenate(table["members"].to_numpy()).tolist() == list(range(35))
    np.testing.assert_allclose(table["teff"], table["teff_relation"])
    np.testing.assert_allclose(table["logg"], table["logg_relation"])
    assert table["z_1_se"].isna().all()  # one star has no standard error


def test_kiel_bins_equal_a_loop_over_stars(frame, settings):
    widths = {"solar_m_h": 0.3, "teff_half_width": 60.0, "logg_half_width": 0.15}
    table = kiel_tracks(frame, gb_teff_tolerance=150.0, **settings["tracks"]["kiel"] | widths)
    assert table["n"].min() < table["n"].max() > 5
    for row in table.itertuples():
        inside = _in_kiel_bin(frame, row.branch, row.centre, 60, 0.15, 150, 0.3)
        stars = frame.loc[inside]
        assert row.n == len(inside)
        assert row.members.tolist() == stars["source_id"].tolist()
        if row.n > 1:
            assert row.teff == pytest.approx(stars["teff"].mean())
            assert row.z_2 == pytest.approx(stars["z_2"].astype(float).mean())
            assert row.z_2_se == pytest.approx(stars["z_2"].astype(float).sem())


def _in_kiel_bin(frame, branch, centre, teff_half_width, logg_half_width, gb_tolerance, solar_m_h):
    """Index of the stars of a bin, star by star; a metallicity of None asks for none."""
    inside = []
    for star in frame.itertuples():
        main = star.logg >= 5.9 - 4 * star.teff / 1e4
        if branch == "ms":
            relation = 4.6 - 0.0005 * (min(max(star.teff, 5000), 6300) - 5000)
            keep = main and abs(star.logg - relation) < 0.2 and abs(star.teff - centre) < teff_half_width
        else:
            first = star.logg < 3.65
            relation = 5200 - 441.86 * (3.65 - star.logg) if first else 5900 - 1400 * (4.15 - star.logg)
            keep = not main and abs(star.teff - relation) < gb_tolerance
            keep = keep and abs(star.logg - centre) < logg_half_width
        if keep and (solar_m_h is None or abs(star.m_h) < solar_m_h):
            inside.append(star.Index)
    return inside


def test_the_published_tolerance_of_the_giant_branch_is_a_fifth_of_a_kelvin(frame, settings):
    on_relation = frame.iloc[:40].assign(logg=np.linspace(0.05, 3.6, 40), m_h=0.0)
    offset = np.where(np.arange(40) % 2, 0.19, -0.21)
    on_relation["teff"] = giant_branch_teff(on_relation["logg"]) + offset
    kiel = settings["tracks"]["kiel"]
    members = kiel_tracks(on_relation, gb_teff_tolerance=0.2, **kiel)["members"]
    assert sorted(np.concatenate(members.to_list())) == on_relation["source_id"][1::2].tolist()
    members = kiel_tracks(on_relation, gb_teff_tolerance=100.0, **kiel)["members"]
    assert sorted(np.concatenate(members.to_list())) == on_relation["source_id"].tolist()


def test_tracks_of_all_metallicities_leave_no_star_out_for_its_own(frame, settings):
    table = kiel_tracks(frame, solar_only=False, **settings["tracks"]["kiel"])
    solar = kiel_tracks(frame, **settings["tracks"]["kiel"])
    assert table["n"].sum() > 2 * solar["n"].sum()
    for row in table.itertuples():
        inside = _in_kiel_bin(frame, row.branch, row.centre, 46, 0.096, 100, None)
        assert row.members.tolist() == frame.loc[inside, "source_id"].tolist()


def test_published_half_widths_give_each_use_rows_of_its_own(frame, settings):
    widths = {"kiel": (10.0, 0.3), "corner": (40.0, 0.05)}
    table = kiel_tracks(frame, half_widths=widths, **settings["tracks"]["kiel"])
    assert table["use"].unique().tolist() == ["kiel", "corner"]
    for use, (teff_half_width, logg_half_width) in widths.items():
        rows = used_for(table, use)
        assert len(rows) == 35 and set(rows["use"]) == {use}
        for row in rows.itertuples():
            inside = _in_kiel_bin(frame, row.branch, row.centre, teff_half_width, logg_half_width, 100, 0.1)
            assert row.members.tolist() == frame.loc[inside, "source_id"].tolist()


def test_one_half_width_serves_every_use(frame, settings):
    table = kiel_tracks(frame, **settings["tracks"]["kiel"])
    for use in ("kiel", "latent", "spectra", "corner"):
        pd.testing.assert_frame_equal(used_for(table, use), table)


def test_default_bins_share_no_star(frame, settings):
    members = np.concatenate(kiel_tracks(frame, **settings["tracks"]["kiel"])["members"].to_numpy())
    assert len(members) == len(set(members))


def test_metallicity_bins_equal_a_pandas_query(frame, settings):
    table = metallicity_tracks(frame, **settings["tracks"]["metallicity"])
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


def test_empty_bins_keep_their_row_and_are_null(frame, settings):
    table = metallicity_tracks(frame[frame["m_h"] > -1], **settings["tracks"]["metallicity"])
    empty = table[table["n"] == 0]
    assert len(empty) > 0
    columns = [name for name in table if name not in ("branch", "m_h_centre", "teff_centre", "n")]
    assert empty[columns].isna().all().all()


def test_units_name_only_columns_that_are_there(frame, settings):
    known = units(kiel_tracks(frame, **settings["tracks"]["kiel"]))
    assert known["teff"] == "K"
    assert known["logg_se"] == "dex"
    assert "flux" not in known


@pytest.fixture
def spectra():
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
    kiel["use"] = "all"
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


def test_a_giant_bin_is_shown_by_its_median_as_published(spectra):
    from xpsvae.xp import dr3_basis, flux_errors

    kiel, stars, coefficients, errors, standardised, scatter, normalisation = spectra
    stars = stars.assign(teff=np.arange(12.0), logg=np.arange(12.0) ** 2, m_h=-np.arange(12.0))
    given = kiel, stars, coefficients, errors, 1.1 * standardised, scatter, normalisation
    star, median = track_spectra(*given, seed=4), track_spectra(*given, seed=4, giants="median")
    dwarf, giant = median.iloc[0], median.iloc[1]
    assert dwarf["source_id"] == star["source_id"][0]  # the same draw: dwarfs are as they were
    for column in ("flux", "flux_reconstructed", "flux_error", "flux_scatter", "residual"):
        np.testing.assert_array_equal(dwarf[column], star[column][0])
    assert pd.isna(giant["source_id"])
    assert (giant["teff"], giant["logg"], giant["m_h"]) == (9, 81, -9)  # of stars 8, 9 and 11
    design, parts = dr3_basis().design, {name: [] for name in ("flux", "made", "residual", "error", "width")}
    for member in (11, 8, 9):
        g_flux = stars["phot_g_mean_flux"][member]
        flux = design @ coefficients[member]
        made = design @ ((1.1 * standardised[member] * normalisation["sigma"] + normalisation["mu"]) * g_flux)
        width = scatter[member] * normalisation["sigma"] * g_flux
        values = flux, made, made / flux - 1, flux_errors(errors[member][None])[0]
        for name, value in zip(parts, (*values, np.sqrt(width**2 @ _squared_design())), strict=True):
            parts[name].append(value)
    columns = "flux", "flux_reconstructed", "residual", "flux_error", "flux_scatter"
    for column, values in zip(columns, parts.values(), strict=True):
        np.testing.assert_allclose(
            giant[column], np.median(values, axis=0), rtol=1e-7, atol=1e-8 * (column == "residual")
        )


def test_spectra_are_of_the_bins_made_for_spectra(spectra):
    kiel, *rest = spectra
    both = pd.concat([kiel.assign(use="spectra"), kiel.assign(use="corner", n=[0, 0, 3])])
    pd.testing.assert_frame_equal(track_spectra(both, *rest), track_spectra(kiel, *rest))


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
    stars = frame.drop(columns=["z_1", "z_2"])
    latents = frame[["source_id", "z_2", "z_1"]].rename(columns=lambda name: name.replace("z", "mean"))
    subsets = pd.DataFrame({"source_id": frame["source_id"], "pristine": frame["m_h"] > 0})
    split = pd.DataFrame({"source_id": frame["source_id"], "test": frame["m_h"] > 1})
    split["train"] = ~split["test"]
    joined = sample(stars, subsets, latents, split=split)
    assert joined.index.tolist() == np.flatnonzero(frame["m_h"] > 0).tolist()
    assert joined["z_1"].tolist() == frame["z_1"][frame["m_h"] > 0].tolist()
    assert joined["test"].sum() == (frame["m_h"] > 1).sum()
    assert not (joined["test"] == joined["train"]).any()
    assert not {"test", "train"} & set(sample(stars, subsets, latents))
    with pytest.raises(InputError, match="same source_id"):
        sample(stars, subsets, latents[::-1])
    with pytest.raises(InputError, match="stars and split do not hold the same source_id"):
        sample(stars, subsets, latents, split=split[::-1])
    with pytest.raises(InputError, match="no star is pristine"):
        sample(stars, subsets.assign(pristine=False), latents)


@pytest.mark.parametrize("latent", ["mean", "draw"])
def test_latents_are_the_mean_of_the_posterior_or_the_stored_draw(frame, latent):
    stars = frame[["source_id", "teff"]]
    latents = frame[["source_id"]].assign(
        mean_1=frame["z_1"], mean_2=frame["z_2"], sigma_1=0.5, sigma_2=0.2, draw_1=-frame["z_2"], draw_2=1.0
    )
    subsets = frame[["source_id"]].assign(pristine=frame["m_h"] > 0)
    joined = sample(stars, subsets, latents, latent=latent)
    kept = latents[frame["m_h"] > 0]
    assert latent_columns(joined) == ["z_1", "z_2"]
    for number in (1, 2):
        assert joined[f"z_{number}"].tolist() == kept[f"{latent}_{number}"].tolist()
        for kind in ("mean", "sigma", "draw"):  # still there under their own names
            assert joined[f"{kind}_{number}"].tolist() == kept[f"{kind}_{number}"].tolist()


def test_latent_columns_are_ordered_by_number_and_kind():
    table = pd.DataFrame(columns=["source_id", "z_10", "z_2", "z_2_se", "draw_1", "z_1"])
    assert latent_columns(table) == ["z_1", "z_2", "z_10"]
    assert latent_columns(table, "draw") == ["draw_1"]


@pytest.mark.parametrize(
    ("n", "error", "shown"),
    [(30, 0.1, True), (29, 0.05, False), (500, 0.1001, False), (0, np.nan, False), (40, np.nan, False)],
)
def test_bins_of_many_stars_of_one_kind_are_plausible(n, error, shown):
    assert plausible(pd.DataFrame({"n": [n], "logg_se": [error]})).tolist() == [shown]
