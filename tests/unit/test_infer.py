"""Latents and reconstructions against one call of the model; shards against the whole, bit for bit."""

import numpy as np
import pandas as pd
import pytest
import torch
from astropy import units as u
from astropy.table import MaskedColumn

from xpsvae.errors import InputError
from xpsvae.model import ScatterVAE, infer, standardise
from xpsvae.xp import read_spectra


@pytest.fixture()
def model():
    torch.manual_seed(4)
    model = ScatterVAE(9, 3, (6, 4))
    model(torch.randn(64, 9), torch.randn(64, 3))
    return model


@pytest.fixture()
def x():
    return np.random.default_rng(5).normal(size=(23, 9)).astype(np.float32)


def test_chunks_are_invisible(model, x, monkeypatch):
    whole = infer.embed(model, x)
    monkeypatch.setattr(infer, "CHUNK", 5)
    for ours, theirs in zip(infer.embed(model, x), whole, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)


def test_latents_and_reconstruction_are_the_models(model, x):
    latents = model.embed(x)
    assert not model.training  # the running statistics, not those of the chunk
    with torch.no_grad():
        mean, log_var = model.encode(torch.from_numpy(x))
        np.testing.assert_allclose(latents.mean, mean, rtol=1e-6)
        np.testing.assert_allclose(latents.sigma**2, torch.exp(log_var), rtol=1e-5)
        x_hat, scatter = infer.reconstruct(model, latents.mean)
        np.testing.assert_allclose(x_hat, model.decode(mean), rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(scatter, model.estimate_scatter(mean), rtol=1e-5)
    assert latents.mean.dtype == latents.sigma.dtype == x_hat.dtype == scatter.dtype == np.float32


def test_a_memory_mapped_file_will_do(model, x, tmp_path):
    np.save(tmp_path / "x.npy", x)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    np.testing.assert_array_equal(infer.embed(model, mapped).mean, infer.embed(model, x).mean)


def test_draws_are_seeded_and_have_the_posteriors_moments():
    latents = infer.Latents(
        np.full((40000, 2), [1, -2], np.float32), np.full((40000, 2), [0.1, 3], np.float32)
    )
    first = infer.draw(latents, 7)
    np.testing.assert_array_equal(first, infer.draw(latents, 7))
    assert not np.array_equal(first, infer.draw(latents, 8))
    np.testing.assert_allclose(first.mean(0), [1, -2], atol=5 * 3 / 200)
    np.testing.assert_allclose(first.std(0), [0.1, 3], rtol=0.02)


@pytest.mark.parametrize("shards", [1, 3, 5, 6, 100])
def test_shards_are_whole_chunks_and_every_star_is_in_one(shards, monkeypatch):
    monkeypatch.setattr(infer, "CHUNK", 5)
    ranges = [infer.shard(23, number + 1, shards) for number in range(shards)]
    assert [row for rows in ranges for row in rows] == list(range(23))
    assert all(rows.start % 5 == 0 for rows in ranges if rows)
    chunks = [-(-len(rows) // 5) for rows in ranges]
    assert max(chunks) - min(chunks) <= 1


@pytest.mark.parametrize("shards", [2, 3, 100])
def test_no_bit_depends_on_the_shards(model, x, shards, monkeypatch):
    monkeypatch.setattr(infer, "CHUNK", 4)
    whole = np.hstack(infer.encode_and_reconstruct(model, x, 7))
    ranges = [infer.shard(23, number + 1, shards) for number in range(shards)]
    parts = [
        np.hstack(infer.encode_and_reconstruct(model, x[rows.start : rows.stop], 7, rows.start))
        for rows in ranges
        if rows
    ]
    assert len(parts) == min(shards, 6)
    np.testing.assert_array_equal(np.concatenate(parts), whole)


def test_everything_is_what_the_model_says_side_by_side(model, x):
    mean, sigma, drawn, x_hat, scatter = np.split(
        np.hstack(infer.encode_and_reconstruct(model, x, 7)), [3, 6, 9, 18], axis=1
    )
    latents = infer.embed(model, x)
    for ours, theirs in zip((mean, sigma), latents, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    np.testing.assert_array_equal(drawn, infer.draw(latents, 7))
    for ours, theirs in zip((x_hat, scatter), infer.reconstruct(model, latents.mean), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_a_draw_depends_on_seed_and_row_alone(monkeypatch):
    monkeypatch.setattr(infer, "CHUNK", 10)
    unit = infer.Latents(np.zeros((25, 2), np.float32), np.ones((25, 2), np.float32))
    drawn = infer.draw(unit, 3)
    for chunk in range(3):
        noise = np.random.default_rng([3, chunk]).standard_normal((10, 2), dtype=np.float32)
        np.testing.assert_array_equal(drawn[10 * chunk : 10 * chunk + 10], noise[: len(drawn) - 10 * chunk])
    later = infer.Latents(unit.mean[10:17], unit.sigma[10:17])
    np.testing.assert_array_equal(infer.draw(later, 3, 10), drawn[10:17])


def test_wrong_width_and_values_are_refused(model, x):
    with pytest.raises(InputError, match=r"\(n_stars, 9\) but was given \(23, 5\)"):
        infer.embed(model, x[:, :5])
    with pytest.raises(InputError, match=r"\(n_stars, 3\) but was given \(23, 9\)"):
        infer.reconstruct(model, x)
    x[17, 2] = np.inf
    with pytest.raises(InputError, match="star 17 "):
        infer.embed(model, x)
    with pytest.raises(InputError, match="star 40017 "):
        infer.encode_and_reconstruct(model, x, 0, first=40000)
    with pytest.raises(InputError, match="no stars"):
        infer.embed(model, x[:0])


def test_masks_units_and_other_holders(model, x):
    model.eval()
    mean, log_var = model.encode(torch.from_numpy(x))
    masked = np.ma.array(x, mask=False)
    masked[17, 2] = np.ma.masked
    for holder in (x, x.tolist(), x * u.one, MaskedColumn(x), pd.DataFrame(x)):
        torch.testing.assert_close(model.encode(holder), (mean, log_var))
        np.testing.assert_allclose(model.embed(holder).mean, model.embed(x).mean, rtol=1e-6)
    with pytest.raises(InputError, match="star 17 has a value that is not finite"):
        model.embed(masked)
    found = model.encode(masked)
    assert torch.isnan(found[0][17]).all() and not torch.isnan(found[0][:17]).any()
    for function in (model.embed, model.encode):
        with pytest.raises(InputError, match="x is in electron / s, but must be a number without unit"):
            function(x * u.electron / u.s)
        with pytest.raises(InputError, match="x holds complex numbers"):
            function(x * 1j)
        with pytest.raises(InputError, match=r"\(n_stars, 9\) but was given \(23, 5\)"):
            function(x[:, :5])
    with pytest.raises(InputError, match="z holds text"):
        infer.reconstruct(model, [["a"] * 3])


def xp_like(n_stars, rng):
    """Coefficients [e-/s] whose leading ones are large and together the G flux, and that flux."""
    colour = rng.uniform(0.2, 0.8, n_stars)
    shape = rng.normal(0, 1, (n_stars, 110)) / (1 + np.tile(np.arange(55), 2)) ** 2 / 4
    shape[:, 0], shape[:, 55] = colour, 1 - colour + rng.normal(0, 0.01, n_stars)
    flux = 10.0 ** rng.uniform(3, 7, n_stars)
    return 0.14 * shape * flux[:, None], flux


@pytest.mark.parametrize("stars", [1, 2, 300, 5000])
@pytest.mark.parametrize("what", ["coefficients", "over the flux", "large"])
def test_unstandardised_coefficients_are_refused(stars, what):
    coefficients, flux = xp_like(5000, np.random.default_rng(1))
    mu, sigma = standardise.normalisation(coefficients, flux)
    model = ScatterVAE(110)
    good = standardise.inputs(coefficients[:stars], flux[:stars], mu, sigma)
    assert len(model.embed(good).mean) == stars  # and not refused
    outlier = good[:1] + 60
    assert len(model.embed(outlier).mean) == 1
    bad = {"coefficients": coefficients, "over the flux": coefficients / flux[:, None], "large": good * 1e3}
    for function in (model.embed, model.encode, lambda x: infer.encode_and_reconstruct(model, x, 1)):
        with pytest.raises(InputError, match="not standardised: give .c / F_G - mu. / sigma"):
            function(bad[what][:stars])


def test_real_coefficients_are_refused_one_by_one(shared):
    real = read_spectra(shared("reference/gaiaxpy/XP_CONTINUOUS_RAW.csv")).coefficients
    for row in real:
        for scale in (1, 1e-3, 1e-6):
            with pytest.raises(InputError, match="not standardised"):
                ScatterVAE(110).embed(scale * row[None])


def test_tensors_in_training_are_not_looked_at(model, monkeypatch):
    monkeypatch.setattr(infer, "as_input", None)
    monkeypatch.setattr(infer, "_require_standardised", None)
    model(torch.randn(8, 9) * 1e6, torch.randn(8, 3))
