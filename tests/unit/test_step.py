"""A hundred fast steps against plain ones, and a step against torch's own pieces."""

import copy

import pytest
import torch

from xpsvae.model import ScatterVAE, compiled, loss
from xpsvae.model.step import Flat, adamw, by_autograd, stepper


def twins(n_inputs=20, n_latents=3, hidden=(12, 9, 5)):
    torch.manual_seed(0)
    model = ScatterVAE(n_inputs, n_latents, hidden)
    return Flat(model), Flat(copy.deepcopy(model))


def batches(number, n_stars, n_inputs, n_latents, dtype):
    generator = torch.Generator().manual_seed(1)
    for _ in range(number):
        yield (
            torch.randn(n_stars, n_inputs, generator=generator, dtype=dtype),
            torch.rand(n_stars, n_inputs, generator=generator, dtype=dtype),
            torch.randn(n_stars, n_latents, generator=generator, dtype=dtype),
        )


@pytest.fixture()
def double():
    torch.set_default_dtype(torch.float64)
    yield torch.float64
    torch.set_default_dtype(torch.float32)


@pytest.mark.skipif(not compiled.library(), reason="no C compiler")
def test_hundred_published_steps_give_the_losses_of_autograd_to_float_rounding():
    plain, fast = twins(110, 6, (90, 70, 50, 30, 10))
    optimisers = [torch.optim.AdamW([flat.parameters], lr=1e-4, fused=True) for flat in (plain, fast)]
    by = by_autograd(plain), compiled.gradient(fast)
    rows = torch.arange(256)
    for x, variance, noise in batches(100, 256, 110, 6, torch.float32):
        (rec, kl), (fast_rec, fast_kl) = (gradient(x, variance, rows, noise) for gradient in by)
        torch.testing.assert_close((rec, kl), (fast_rec, fast_kl), rtol=2e-5, atol=2e-5)
        scale = plain.gradient.abs().max()
        assert (plain.gradient - fast.gradient).abs().max() < 1e-3 * scale
        for optimiser in optimisers:
            optimiser.step()


def test_step_equals_a_loop_over_separate_tensors(double):
    """The plain loop of any textbook: modules, zero_grad, backward, AdamW over the list of parameters."""
    flat, _ = twins()
    model = copy.deepcopy(flat.model)
    for parameter in model.parameters():
        parameter.data, parameter.grad = parameter.data.clone(), None
    textbook = torch.optim.AdamW(model.parameters(), lr=1.0, fused=False, foreach=False)
    optimiser = adamw(flat)
    ((data, variance, noises),) = batches(1, 300, 20, 3, double)
    step = stepper(flat, optimiser, data, variance)
    for number in range(20):
        rows = torch.randperm(300)[:64]
        rate, kl_weight, noise = 1e-3 / (1 + number), 0.05 * number, noises[rows]
        textbook.param_groups[0]["lr"] = rate
        textbook.zero_grad()
        mean, log_var, x_hat, scatter = model(data[rows], noise)
        reconstruction = loss.reconstruction(data[rows], variance[rows], x_hat, scatter).mean()
        kl = loss.kl_divergence(mean, log_var).sum(1).mean()
        (reconstruction + kl_weight * kl).backward()
        textbook.step()
        terms = step(rows, noise, rate, kl_weight)
        torch.testing.assert_close(terms, (reconstruction.detach(), kl.detach()), rtol=1e-9, atol=0)
    for name, tensor in model.state_dict().items():
        torch.testing.assert_close(flat.model.state_dict()[name], tensor, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("gradient", [by_autograd, compiled.gradient])
def test_free_bits_leave_a_latent_alone_below_them(gradient):
    """With a decoder that ignores the latents only the divergence moves the encoder."""
    if gradient is compiled.gradient and not compiled.library():
        pytest.skip("no C compiler")
    flat, _ = twins()
    with torch.no_grad():
        for first in (flat.model.decoder[0], flat.model.scatter[0]):
            first.weight.zero_()
    ((x, variance, noise),) = batches(1, 64, 20, 3, torch.float32)
    mean, log_var, _, _ = flat.model(x, noise)
    kl = torch.distributions.kl_divergence(
        torch.distributions.Normal(mean, torch.exp(log_var / 2)), torch.distributions.Normal(0.0, 1.0)
    ).mean(0)
    between = float(kl.detach().sort().values[1:].mean())  # above two of the three, below one
    gradient(flat, between)(x, variance, torch.arange(64), noise)
    moved = flat.model.mu.bias.grad != 0
    assert torch.equal(moved, kl > between) and moved.any() and not moved.all()


def test_flat_vectors_are_the_models_own_tensors():
    flat, _ = twins()
    assert flat.parameters.numel() == sum(p.numel() for p in flat.model.parameters())
    with torch.no_grad():
        flat.parameters.fill_(0.25)
        flat.running_var.fill_(4)
        flat.batches.fill_(7)
    for name, tensor in flat.model.state_dict().items():
        if name.endswith("running_mean"):
            continue
        expected = 4 if name.endswith("running_var") else 7 if name.endswith("tracked") else 0.25
        assert (tensor == expected).all()
