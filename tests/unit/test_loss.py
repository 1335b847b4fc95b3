"""The loss against torch.distributions and against sums written out."""

import math

import numpy as np
import pytest
import torch
from torch.distributions import Normal, kl_divergence

from xpsvae.model import loss


@pytest.fixture()
def batch():
    generator = torch.Generator().manual_seed(3)
    x, x_hat = torch.randn(2, 7, 11, generator=generator, dtype=torch.float64)
    variance, scatter = torch.rand(2, 7, 11, generator=generator, dtype=torch.float64) + 0.01
    mean, log_var = torch.randn(2, 7, 4, generator=generator, dtype=torch.float64)
    return x, variance, x_hat, scatter, mean, log_var


def test_reconstruction_is_a_normal_likelihood_without_its_constant(batch):
    x, variance, x_hat, scatter, _, _ = batch
    likelihood = Normal(x_hat, torch.sqrt(variance + scatter**2)).log_prob(x).sum(1)
    constant = 0.5 * math.log(2 * math.pi) * x.shape[1]
    torch.testing.assert_close(loss.reconstruction(x, variance, x_hat, scatter), -likelihood - constant)


def test_divergence_is_that_of_two_normals(batch):
    *_, mean, log_var = batch
    expected = kl_divergence(Normal(mean, torch.exp(0.5 * log_var)), Normal(0.0, 1.0))
    torch.testing.assert_close(loss.kl_divergence(mean, log_var), expected)


def test_loss_of_a_batch_as_the_equations_are_written(batch):
    x, variance, x_hat, scatter, mean, log_var = (tensor.numpy() for tensor in batch)
    total = 0.0
    for i in range(len(x)):
        for j in range(x.shape[1]):
            v = variance[i, j] + scatter[i, j] ** 2
            total += 0.5 * (x[i, j] - x_hat[i, j]) ** 2 / v + 0.5 * np.log(v)
        for k in range(mean.shape[1]):
            total -= 0.5 * (1 + log_var[i, k] - mean[i, k] ** 2 - np.exp(log_var[i, k]))
    ours = loss.reconstruction(*batch[:4]).mean() + loss.kl_divergence(*batch[4:]).sum(1).mean()
    assert float(ours) == pytest.approx(total / len(x), rel=1e-12)
