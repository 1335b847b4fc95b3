"""Divergence of posteriors against torch's distributions, and who is called live."""

import numpy as np
import torch
from torch.distributions import Normal, kl_divergence

from xpsvae.analysis import latents


def test_divergence_is_torchs():
    rng = np.random.default_rng(6)
    mean = rng.normal(size=(500, 3)) * [2, 0.01, 0]
    sigma = rng.uniform(0.1, 1, size=(500, 3)) ** [1, 0, 0]
    expected = kl_divergence(Normal(*(torch.tensor(array) for array in (mean, sigma))), Normal(0.0, 1.0))
    np.testing.assert_allclose(latents.divergence(mean, sigma), expected, rtol=1e-6, atol=1e-12)
    np.testing.assert_array_equal(latents.divergence(0 * mean, 0 * sigma + 1), 0)


def test_live_and_dead_are_counted_from_one():
    summary = latents.summary(np.array([2.0, 0.049, 0.051, 0.0]))
    assert summary == {
        "n_latents": 4,
        "kl": [2.0, 0.049, 0.051, 0.0],
        "live": [1, 3],
        "dead": [2, 4],
        "live_threshold": 0.05,
    }
