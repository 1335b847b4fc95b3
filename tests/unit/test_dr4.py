"""Gaia DR4: spectra of 51 BP and 55 RP coefficients are read, trained on, encoded, and drawn in coefficients."""

import runpy
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import xpsvae
from xpsvae.cli import main
from xpsvae.compare import residuals
from xpsvae.compare.registry import Prediction
from xpsvae.data import library as packaged
from xpsvae.errors import InputError
from xpsvae.xp import coefficients_to_flux, flux_to_coefficients, g_flux_from_magnitude
from xpsvae.xp.basis import band_slices

ROOT = Path(__file__).parents[2]
SIZES = (51, 55)


@pytest.fixture(scope="module")
def stars(settings):
    """Real DR3 spectra without the last four BP coefficients: the shape of DR4's, for want of such."""
    labels, spectra = packaged.read(packaged.locate(), settings["library"]["sha256"], limit=600)
    flux, flux_error = (np.stack(spectra[name]) for name in ("flux", "flux_error"))
    coefficients, errors = flux_to_coefficients(flux, flux_error, "archive")
    table = {"source_id": 4 * 2**35 + np.arange(len(flux))}
    for name, values in (("coefficients", coefficients), ("coefficient_errors", errors)):
        table[f"bp_{name}"], table[f"rp_{name}"] = values[:, :51], values[:, 55:]
    return table | {"phot_g_mean_flux": g_flux_from_magnitude(labels["phot_g_mean_mag"].to_numpy())}


@pytest.fixture(scope="module")
def model(stars, tmp_path_factory):
    folder = tmp_path_factory.mktemp("dr4") / "model"
    return xpsvae.load(xpsvae.train(stars, folder, epochs=3, batch_size=64, n_latents=3), "cpu")


def test_training_and_encoding_follow_the_data(stars, model):
    assert model.n_inputs == 106 and model.reference.band_sizes == SIZES and not model.reference.inverted
    table = xpsvae.describe(stars, model)
    assert (table["reason"] == "").all() and np.isfinite(table["chi2"]).all()
    assert table["bp_coefficients"].shape == (len(table), 51)
    assert table["rp_coefficients"].shape == (len(table), 55)
    assert "flux" not in table.colnames  # whose matrices are not out
    x = np.hstack([stars["bp_coefficients"], stars["rp_coefficients"]]) / stars["phot_g_mean_flux"][:, None]
    x = ((x - model.normalisation[0]) / model.normalisation[1]).astype(np.float32)
    mean, _ = model.encode(x)
    np.testing.assert_allclose(table["mean_1"], mean[:, 0].detach(), atol=1e-5)
    decoded = xpsvae.decode(np.stack([table[f"mean_{k}"] for k in (1, 2, 3)], axis=1), model=model)
    np.testing.assert_allclose(
        decoded["bp_coefficients"] * table["phot_g_mean_flux"][:, None], table["bp_coefficients"], rtol=1e-4
    )


def test_files_follow_the_data(stars, model, tmp_path):
    from astropy.table import Table

    path, output = tmp_path / "dr4.fits", tmp_path / "out.parquet"
    Table(stars).write(path)
    assert xpsvae.read(path).band_sizes == SIZES
    run = CliRunner().invoke(main, ["describe", str(path), "-o", str(output), "--model", str(model.folder)])
    assert run.exit_code == 0, run.output
    assert len(Table.read(output)) == len(stars["source_id"])


def test_a_model_of_other_band_sizes_is_refused(stars, model, tmp_path):
    from astropy.table import Table

    path, output = tmp_path / "dr4.parquet", tmp_path / "out.parquet"
    Table(stars).write(path)
    run = CliRunner().invoke(main, ["describe", str(path), "-o", str(output)])
    assert run.exit_code == 1 and not output.exists()
    (sentence,) = run.output.splitlines()
    assert "51 BP and 55 RP coefficients where the model takes 55 BP and 55 RP" in sentence


def test_without_a_g_flux_it_is_asked_for(stars, model):
    bare = {name: values for name, values in stars.items() if name != "phot_g_mean_flux"}
    table = xpsvae.describe(bare, model)
    assert set(table["reason"]) == {
        "no G flux, and the passbands of this data release are not out: add phot_g_mean_flux"
    }


def test_columns_follow_the_data():
    assert band_slices(106) == (slice(0, 51), slice(51, 106))
    assert residuals.leading_columns("rp", 106).tolist() == [0, 1, 2, 3, 4, 51, 52, 53, 54, 55]
    assert residuals.coefficient_columns(106).tolist() == [*range(32), *range(51, 83)]
    with pytest.raises(InputError, match="111 coefficients"):
        band_slices(111)
    with pytest.raises(InputError, match="not out"):
        coefficients_to_flux(np.zeros((2, 106)))


def test_figures_of_coefficients_are_drawn_and_those_of_flux_say_why_not():
    generator = np.random.default_rng(0)
    x, x_err = generator.normal(size=(400, 106)), np.full((400, 106), 0.5)
    known = np.ones(400, dtype=bool)
    predictions = {
        name: Prediction(known, x + width * generator.normal(size=x.shape))
        for name, width in (("svae", 0.5), ("pca", 1.0))
    }
    leading, flux, per_star, summary = residuals.measure(predictions, x, x_err, np.zeros(106), np.ones(106))
    assert flux == {} and set(per_star) == {"rmse_coefficient_svae", "rmse_coefficient_pca"}
    expected = (predictions["svae"].coefficients - x)[:, [0, 51]] / 0.5
    np.testing.assert_allclose(leading["svae"][:, [0, 5]], expected)
    look = {"color": "#004488", "linestyle": "-", "marker": "o", "cmap": "Blues"}
    cards = [{"model": name, "label": name, "look": look, "knows_labels": False} for name in predictions]
    comparison = summary | {"models": cards}
    draw = {name: runpy.run_path(str(ROOT / f"src/figures/{name}.py"))["draw"] for name in (
        "lam_coeff_errs", "compare_lam", "zgr_rel_errs", "compare_zgr")}  # fmt: skip
    assert draw["lam_coeff_errs"](leading, comparison).axes
    panels = draw["compare_lam"](comparison).axes
    np.testing.assert_allclose(np.median(panels[0].lines[0].get_ydata()), 2.0, rtol=0.1)
    with pytest.raises(InputError, match="DR4"):
        draw["compare_zgr"](comparison)
    with pytest.raises(InputError, match="DR4"):
        draw["zgr_rel_errs"](residuals.WAVELENGTHS, {}, comparison)
