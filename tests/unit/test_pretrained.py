"""The model that ships is what the workflow gives, and small; README's five lines run."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import real_star
import torch

import xpsvae
from xpsvae import products
from xpsvae.data import library as packaged
from xpsvae.own_stars.pretrained import SHIPPED
from xpsvae.own_stars.reference import build_reference, read_reference
from xpsvae.xp import flux_to_coefficients, g_flux_from_magnitude

ROOT = Path(__file__).parents[2]
BUILT = ROOT / "results/library/model"


def test_it_is_small_and_whole():
    assert sorted(path.name for path in SHIPPED.iterdir()) == [
        "config.json", "normalisation.npz", "reference.json", "svae.safetensors",
    ]  # fmt: skip
    assert sum(path.stat().st_size for path in SHIPPED.iterdir()) < 1 << 20
    safetensors = pytest.importorskip("safetensors.torch")
    tensors = safetensors.load_file(SHIPPED / "svae.safetensors")
    assert all(torch.equal(tensors[name], value) for name, value in xpsvae.load().cpu().state_dict().items())


def test_recipe_is_the_default(settings):
    trained = json.loads((SHIPPED / "config.json").read_text())["training"]
    name = settings["training"]["recipe"]
    assert trained["recipe"] == name and trained["seed"] == settings["training"]["seed"]
    for key, value in settings["recipes"][name].items():
        assert trained[key] == value
    card = (ROOT / "docs/model_card.md").read_text()
    assert f"Recipe `{name}`, seed {trained['seed']}" in card


@pytest.mark.skipif(not (BUILT / "reference.json").is_file(), reason="dataset library is not built here")
def test_it_is_what_the_workflow_gives():
    """To 1e-3 of the largest weight: other processors round differently, and training amplifies it."""
    stars = products.count_rows(ROOT / "results/library/catalog/stars.parquet")
    if stars < 39851:
        pytest.skip("dataset library is built of some of its stars alone")
    built, shipped = xpsvae.load(BUILT, "cpu"), xpsvae.load(device="cpu")
    np.testing.assert_allclose(built.normalisation, shipped.normalisation, rtol=1e-9)
    for name, value in built.state_dict().items():
        largest = value.abs().max() if value.numel() else 0
        assert (value - shipped.state_dict()[name]).abs().max() <= 1e-3 * largest, name
    ours, theirs = (read_reference(folder / "reference.json", 110, 6) for folder in (BUILT, SHIPPED))
    for name in ("chi2", "distance", "latent_covariance"):
        np.testing.assert_allclose(getattr(ours, name), getattr(theirs, name), rtol=0.05, atol=0.01)
    assert (ours.n_stars, ours.band_sizes, ours.inverted) == (
        theirs.n_stars,
        theirs.band_sizes,
        theirs.inverted,
    )


def test_reference_and_normalisation_are_of_the_librarys_spectra(settings):
    """From the spectra, without the workflow: one star in ten is enough to know the quantiles to some per cent."""
    labels, spectra = packaged.read(packaged.locate(), settings["library"]["sha256"])
    rows = slice(None, None, 10)
    flux, flux_error = (np.stack(spectra[name].to_numpy()[rows]) for name in ("flux", "flux_error"))
    coefficients, errors = flux_to_coefficients(flux, flux_error, "archive")
    g_flux = g_flux_from_magnitude(labels["phot_g_mean_mag"].to_numpy()[rows])
    model = xpsvae.load(device="cpu")
    ratio = coefficients / g_flux[:, None]
    assert np.abs((ratio.mean(axis=0) - model.normalisation[0]) / model.normalisation[1]).max() < 0.1
    few, reference = build_reference(model, coefficients, errors, g_flux, (55, 55), True), model.reference
    for percentile in (10, 50, 90):
        assert few.chi2[percentile] == pytest.approx(reference.chi2[percentile], rel=0.05)
        assert few.distance[percentile] == pytest.approx(reference.distance[percentile], rel=0.05)
    assert reference.g_flux_range[0] <= few.g_flux_range[0]
    np.testing.assert_allclose(
        np.diag(few.latent_covariance), np.diag(reference.latent_covariance), rtol=0.15
    )


def test_five_lines_of_the_readme(tmp_path, monkeypatch):
    text = (ROOT / "README.md").read_text()
    (code,) = re.findall(r"```python\n(import xpsvae\n.*?)```", text, re.DOTALL)
    assert len([line for line in code.splitlines() if line]) == 5
    monkeypatch.chdir(tmp_path)
    (tmp_path / "stars.csv").write_bytes(real_star.member("csv", "XP_CONTINUOUS")[1])
    found = {}
    exec(code, found)
    assert found["table"]["source_id"].tolist() == [real_star.SOURCE_ID]
    assert (tmp_path / "described.parquet").is_file()
