"""The network against its published description and a layer-by-layer recomputation."""

import math
import subprocess
import sys

import numpy as np
import pytest
import torch

from xpsvae.model import ScatterVAE


def test_published_size_and_widths():
    model = ScatterVAE(110)
    assert sum(p.numel() for p in model.parameters()) == 67_182
    mean, log_var = model.encode(torch.zeros(3, 110))
    assert mean.shape == log_var.shape == (3, 6)
    assert model.decode(mean).shape == model.estimate_scatter(mean).shape == (3, 110)


def test_torch_is_imported_with_the_network_and_not_before():
    """Two dozen jobs only standardise, and torch takes a second."""
    code = """
import sys
import xpsvae.audit.headline, xpsvae.audit.load, xpsvae.compare.residuals, xpsvae.paper.numbers
from xpsvae import model
from xpsvae.model import recipe, standardise
assert {"ScatterVAE", "embed", "fit", "load", "load_published", "save"} <= set(dir(model))
before = "torch" in sys.modules
from xpsvae.model import ScatterVAE, embed, fit, load, load_published, save
print(before, "torch" in sys.modules, load.__module__, save.__module__)
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["False", "True", "xpsvae.model.storage", "xpsvae.model.storage"]
    with pytest.raises(ImportError, match="nothing"):
        from xpsvae.model import nothing  # noqa: F401


def test_other_widths_come_from_the_arguments():
    model = ScatterVAE(106, n_latents=4, hidden=(20, 8))
    mean, log_var, x_hat, scatter = model(torch.randn(5, 106), torch.randn(5, 4))
    assert mean.shape == log_var.shape == (5, 4)
    assert x_hat.shape == scatter.shape == (5, 106)
    assert scatter.min() > 0 and scatter.max() < 1


def numpy_block(state, name, h):
    """Linear, batch normalisation in evaluation, GELU in its erf form; in float64."""
    w = {key: value.double().numpy() for key, value in state.items()}
    h = h @ w[f"{name}.0.weight"].T + w[f"{name}.0.bias"]
    h = (h - w[f"{name}.1.running_mean"]) / np.sqrt(w[f"{name}.1.running_var"] + 1e-5)
    h = h * w[f"{name}.1.weight"] + w[f"{name}.1.bias"]
    return 0.5 * h * (1 + np.vectorize(math.erf)(h / np.sqrt(2)))


def affine(state, name, h):
    return h @ state[f"{name}.weight"].double().numpy().T + state[f"{name}.bias"].double().numpy()


@pytest.fixture()
def model():
    torch.manual_seed(1)
    model = ScatterVAE(12, 3, (9, 7, 5))
    model(torch.randn(64, 12) * 3 + 1, torch.randn(64, 3))  # gives the running statistics values of their own
    return model.eval()


def test_every_layer_against_numpy(model):
    state, x = model.state_dict(), torch.randn(4, 12)
    h = x.double().numpy()
    for number in range(3):
        h = numpy_block(state, f"encoder.{number}", h)
    mean, log_var = model.encode(x)
    np.testing.assert_allclose(mean.detach(), affine(state, "mu", h), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(log_var.detach(), affine(state, "log_var", h), rtol=1e-5, atol=1e-6)

    z = torch.randn(4, 3)
    for name, method in (("decoder", model.decode), ("scatter", model.estimate_scatter)):
        h = affine(state, f"{name}.0", z.double().numpy())  # the first layer: no normalisation, no activation
        for number in (1, 2):
            h = numpy_block(state, f"{name}.{number}", h)
        h = affine(state, f"{name}.3.0", h)
        if name == "scatter":
            h = 1 / (1 + np.exp(-h))
        np.testing.assert_allclose(method(z).detach(), h, rtol=1e-5, atol=1e-6)


def test_forward_draws_with_the_noise_it_is_given(model):
    x, noise = torch.randn(4, 12), torch.randn(4, 3)
    mean, log_var, x_hat, scatter = model(x, noise)
    z = mean + torch.sqrt(torch.exp(log_var)) * noise
    torch.testing.assert_close(x_hat, model.decode(z))
    torch.testing.assert_close(scatter, model.estimate_scatter(z))
