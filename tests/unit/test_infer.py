"""Latents and reconstructions against one call of the model, star by star statistics against torch's."""

import numpy as np
import pytest
import torch
from torch.distributions import Normal, kl_divergence

from xpsvae.errors import InputError
from xpsvae.model import ScatterVAE, infer


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


def test_divergence_and_who_is_alive():
    rng = np.random.default_rng(6)
    mean = rng.normal(size=(500, 3)) * [2, 0.01, 0]
    sigma = rng.uniform(0.1, 1, size=(500, 3)) ** [1, 0, 0]
    latents = infer.Latents(mean.astype(np.float32), sigma.astype(np.float32))
    expected = kl_divergence(
        Normal(*(torch.tensor(array) for array in (mean, sigma))), Normal(0.0, 1.0)
    ).mean(0)
    np.testing.assert_allclose(infer.kl_per_latent(latents), expected, rtol=1e-5, atol=1e-7)
    chosen = np.arange(500) < 100
    summary = infer.summary(latents, chosen)
    assert (summary["n_latents"], summary["live"], summary["dead"]) == (3, [1], [2, 3])
    few = infer.Latents(latents.mean[:100], latents.sigma[:100])
    assert summary["kl"] == infer.kl_per_latent(few).tolist()
    assert summary["kl"][1] < summary["live_threshold"] < summary["kl"][0]


def test_wrong_width_and_values_are_refused(model, x):
    with pytest.raises(InputError, match=r"\(n_stars, 9\) but was given \(23, 5\)"):
        infer.embed(model, x[:, :5])
    with pytest.raises(InputError, match=r"\(n_stars, 3\) but was given \(23, 9\)"):
        infer.reconstruct(model, x)
    x[17, 2] = np.inf
    with pytest.raises(InputError, match="star 17 "):
        infer.embed(model, x)
    with pytest.raises(InputError, match="no stars"):
        infer.embed(model, x[:0])
