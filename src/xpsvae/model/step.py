"""One training step, as fast as the device allows; `stepper` is the one place where the way is chosen.

The gradient comes by autograd or, on the CPU, by hand; both leave it in one vector and agree to rounding.
"""

import torch
from torch.nn import functional

from xpsvae.model import loss

__all__ = ["Flat", "by_autograd", "by_hand", "stepper"]

aten = torch.ops.aten


def stepper(flat, optimiser, data, variance, free_bits=0.0, processes=None):
    """Return the step for the device of ``flat``.

    Parameters
    ----------
    flat : Flat
    optimiser : torch.optim.Optimizer
        Of ``flat.parameters``.
    data, variance : Tensor (n_stars, n_inputs)
        Standardised coefficients and the squares of their errors, on the device.
    free_bits : float
        [nat] A latent whose divergence, averaged over the batch, is below this is not pushed further down
        (Kingma et al. 2016).
    processes : Processes, optional
        Those that share each batch; then ``rows`` and ``noise`` are this one's part of it.

    Returns
    -------
    function (rows, noise, learning_rate, kl_weight) -> reconstruction, kl
        Takes the stars' row numbers (batch_size,) and normal numbers (batch_size, n_latents), changes the
        model, and returns the mean terms of the loss as tensors.
    """
    on_gpu, shared = flat.parameters.is_cuda, processes is not None and processes.number > 1
    gradient = (by_autograd if on_gpu or shared else by_hand)(flat, free_bits)

    def step(rows, noise, learning_rate, kl_weight):
        optimiser.param_groups[0]["lr"] = learning_rate
        batch = (torch.index_select(tensor, 0, rows) for tensor in (data, variance))
        terms = gradient(*batch, noise, kl_weight)
        if shared:
            processes.average(flat.gradient)
        optimiser.step()
        return terms

    return _captured(step, flat, optimiser) if on_gpu and not shared else step


def _captured(step, flat, optimiser):
    """Record a step as a CUDA graph on its first call and replay it from then on: one launch for all kernels.

    The optimiser has to be capturable. What the graph reads stays where it was when it was recorded, so the
    arguments of each call are copied there.
    """
    graph, held, terms = torch.cuda.CUDAGraph(), [], []

    def record(rows, noise, learning_rate, kl_weight):
        device = flat.parameters.device
        held.extend((rows.clone(), noise.clone()))
        held.extend(torch.tensor(value, device=device) for value in (learning_rate, kl_weight))
        tensors = [*flat.tensors().values(), *optimiser.state[flat.parameters].values()]
        before = [tensor.clone() for tensor in tensors]
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):  # libraries set themselves up in the first steps: not while recording
            for _ in range(3):
                step(*held)
        torch.cuda.current_stream().wait_stream(side)
        for tensor, value in zip(tensors, before, strict=True):
            tensor.copy_(value)
        with torch.cuda.graph(graph):
            terms.extend(step(*held))

    def replay(rows, noise, learning_rate, kl_weight):
        if not terms:
            record(rows, noise, learning_rate, kl_weight)
        held[0].copy_(rows)
        held[1].copy_(noise)
        held[2].fill_(learning_rate)
        held[3].fill_(kl_weight)
        graph.replay()
        return terms

    return replay


class Flat:
    """A model's weights, gradients and running statistics as a few vectors that the model's tensors view.

    One vector makes the optimiser one kernel and a checkpoint a handful of arrays. Tensors of the decoder
    and of the scatter estimator lie next to each other, so that both are one batched product.

    Attributes
    ----------
    parameters, gradient : Tensor (n_parameters,)
    running_mean, running_var : Tensor (n_features,)
        Statistics of all batch normalisations, in the order of the data's way through the model.
    batches : Tensor (n_layers,), int64
        Batches that each normalisation has seen.
    shifts : slice
        Of the parameters: biases in front of normalisations, in the order of the running statistics.
    idle : slice
        These and the biases of the first layer after the latents, which meet no activation before a
        normalisation removes them: parameters without effect on the loss.
    """

    def __init__(self, model):
        self.model = model
        pairs = list(zip(model.decoder, model.scatter, strict=True))
        self.encoder = [(block[0], block[1]) for block in model.encoder]
        self.heads = model.mu, model.log_var
        self.first = pairs[0]
        self.mirrors = [((d[0], s[0]), (d[1], s[1])) for d, s in pairs[1:-1]]
        self.last = tuple(block[0] for block in pairs[-1])

        tensors = [linear.weight for linear, _ in self.encoder]
        for group in (self.heads, self.first, *(linears for linears, _ in self.mirrors), self.last):
            tensors += [linear.weight for linear in group]
        for group in (self.heads, self.last, self.first):
            tensors += [linear.bias for linear in group]
        normalised = list(self.encoder)
        for linears, norms in self.mirrors:
            normalised += zip(linears, norms, strict=True)
        norms = [norm for _, norm in normalised]
        for group in (
            [linear.bias for linear, _ in normalised],
            [norm.weight for norm in norms],
            [norm.bias for norm in norms],
        ):
            tensors += group
        self.parameters = torch.cat([tensor.detach().reshape(-1) for tensor in tensors]).requires_grad_()
        self.gradient = self.parameters.grad = torch.zeros_like(self.parameters)
        self._offsets, start = {}, 0
        for tensor in tensors:
            stop = start + tensor.numel()
            self._offsets[tensor] = start
            tensor.data = self.parameters.detach()[start:stop].view(tensor.shape)
            tensor.grad = self.gradient[start:stop].view(tensor.shape)
            start = stop

        self.running_mean = torch.cat([norm.running_mean for norm in norms])
        self.running_var = torch.cat([norm.running_var for norm in norms])
        self.batches = torch.stack([norm.num_batches_tracked for norm in norms])
        start = 0
        for number, norm in enumerate(norms):
            stop = start + norm.num_features
            norm.running_mean, norm.running_var = self.running_mean[start:stop], self.running_var[start:stop]
            norm.num_batches_tracked = self.batches[number]
            start = stop
        first_shift = self._offsets[normalised[0][0].bias]
        self.shifts = slice(first_shift, first_shift + start)
        self.idle = slice(self._offsets[self.first[0].bias], first_shift + start)
        self.eps, self.momentum = norms[0].eps, norms[0].momentum

    def views(self, tensors, *shape):
        """Weights and gradients of neighbouring ``tensors`` as one tensor each, of the given shape."""
        start, size = self._offsets[tensors[0]], sum(tensor.numel() for tensor in tensors)
        return tuple(
            vector[start : start + size].view(shape) for vector in (self.parameters.detach(), self.gradient)
        )

    def tensors(self):
        """Return the tensors that make up the state, by name."""
        return {
            "parameters": self.parameters.detach(),
            "running_mean": self.running_mean,
            "running_var": self.running_var,
            "batches": self.batches,
        }


def by_autograd(flat, free_bits=0.0):
    """Plain forward and backward pass through the modules.

    Parameters without effect on the loss get rounding noise as their gradient, of which Adam would make
    steps as long as any other: it is set to the zero that it is.
    """

    def gradient(x, variance, noise, kl_weight=1.0):
        flat.gradient.zero_()
        mean, log_var, x_hat, scatter = flat.model(x, noise)
        reconstruction = loss.reconstruction(x, variance, x_hat, scatter).mean()
        kl = loss.kl_divergence(mean, log_var).mean(0)
        (reconstruction + kl_weight * kl.clamp(min=free_bits).sum()).backward()
        flat.gradient[flat.idle] = 0
        return reconstruction.detach(), kl.detach().sum()

    return gradient


def by_hand(flat, free_bits=0.0):
    """Forward and backward pass written out for two CPU cores.

    Activations are kept feature by feature (n_features, n_stars): batch normalisation is then a group
    normalisation with one feature a group, for which torch has much the faster kernels, and decoder and
    scatter estimator are one batched product.
    """
    n_inputs, n_latents = flat.model.n_inputs, flat.model.n_latents
    encoder = [_layer(flat, (linear,), (norm,)) for linear, norm in flat.encoder]
    mirrors = [_layer(flat, linears, norms) for linears, norms in flat.mirrors]
    heads, heads_bias = _affine(flat, flat.heads, 2 * n_latents)
    first, (first_bias, _) = _affine(flat, flat.first, 2 * flat.first[0].out_features)
    last, last_gradient = flat.views([linear.weight for linear in flat.last], 2, n_inputs, -1)
    last_bias, last_bias_gradient = flat.views([linear.bias for linear in flat.last], 2, 1, n_inputs)
    shifts = flat.parameters.detach()[flat.shifts]
    means, rstds = torch.empty_like(flat.running_mean), torch.empty_like(flat.running_var)

    def forward(layers, h, start, saved):
        for weight, _, gamma, _, beta, _ in layers:
            y = torch.bmm(weight, h)
            n_stars, width = y.shape[2], y.shape[0] * y.shape[1]
            flatly = y.view(1, width, n_stars)
            n, mean, rstd = torch.native_group_norm(flatly, gamma, beta, 1, width, n_stars, width, flat.eps)
            means[start : start + width], rstds[start : start + width] = mean[0], rstd[0]
            saved.append((h, flatly, n, mean, rstd))
            h = functional.gelu(n).view(y.shape)
            start += width
        return h, start

    def backward(layers, saved, dh, to_input=True):
        for number in reversed(range(len(layers))):
            weight, weight_gradient, gamma, gamma_gradient, _, beta_gradient = layers[number]
            h, y, n, mean, rstd = saved[number]
            width, n_stars = y.shape[1:]
            dn = aten.gelu_backward(dh.view(y.shape), n)
            dy, dgamma, dbeta = aten.native_group_norm_backward(
                dn, y, mean, rstd, gamma, 1, width, n_stars, width, (True, True, True)
            )
            gamma_gradient.copy_(dgamma)
            beta_gradient.copy_(dbeta)
            dy = dy.view(len(weight), -1, n_stars)
            torch.bmm(dy, h.transpose(1, 2), out=weight_gradient)
            if number or to_input:
                dh = torch.bmm(weight.transpose(1, 2), dy)
        return dh

    @torch.no_grad()
    def gradient(x, variance, noise, kl_weight=1.0):
        n_stars = len(x)
        noise = noise.t()
        inner, outer = [], []
        top, start = forward(encoder, x.t().unsqueeze(0), 0, inner)
        top = top[0]
        latent = torch.addmm(heads_bias[0], heads[0], top)
        mean, log_var = latent[:n_latents], latent[n_latents:]
        sigma = torch.exp(0.5 * log_var)
        z = torch.addcmul(mean, sigma, noise)
        h = torch.addmm(first_bias, first[0], z).view(2, -1, n_stars)
        h, _ = forward(mirrors, h, start, outer)
        out = torch.baddbmm(last_bias, h.transpose(1, 2), last.transpose(1, 2))
        scatter = out[1].sigmoid_()

        total = torch.addcmul(variance, scatter, scatter)
        residual = out[0].sub_(x)
        weighted = residual / total
        chi2 = residual * weighted
        reconstruction = 0.5 * (chi2.sum() + torch.log(total).sum()) / n_stars
        spread = sigma.square().sub_(1)
        kl = 0.5 * (mean.square().add_(spread).sub_(log_var)).mean(1, keepdim=True)

        dout = torch.empty_like(out)
        torch.mul(weighted, 1 / n_stars, out=dout[0])
        dscatter = chi2.neg_().add_(1).div_(total).mul_(scatter).mul_(1 / n_stars)
        aten.sigmoid_backward.grad_input(dscatter, scatter, grad_input=dout[1])
        torch.bmm(dout.transpose(1, 2), h.transpose(1, 2), out=last_gradient)
        torch.sum(dout, 1, keepdim=True, out=last_bias_gradient)
        dh = torch.bmm(last.transpose(1, 2), dout.transpose(1, 2))
        dh = backward(mirrors, outer, dh).view(-1, n_stars)
        torch.mm(dh, z.t(), out=first[1])
        dz = torch.mm(first[0].t(), dh)
        dlatent = torch.empty_like(latent)
        pull = (kl > free_bits) * kl_weight / n_stars
        torch.addcmul(dz, mean, pull, out=dlatent[:n_latents])
        dlog_var = torch.mul(dz, noise, out=dlatent[n_latents:]).mul_(sigma).mul_(0.5)
        dlog_var.addcmul_(spread, pull, value=0.5)
        torch.mm(dlatent, top.t(), out=heads[1])
        torch.sum(dlatent, 1, keepdim=True, out=heads_bias[1])
        backward(encoder, inner, torch.mm(heads[0].t(), dlatent), to_input=False)

        rate = flat.momentum
        flat.running_mean.lerp_(means + shifts, rate)
        variances = rstds.pow(-2).sub_(flat.eps).mul_(n_stars / (n_stars - 1))  # unbiased, as torch keeps it
        flat.running_var.lerp_(variances, rate)
        flat.batches.add_(1)
        return reconstruction, kl.sum()

    return gradient


def _affine(flat, linears, width):
    weight = flat.views([linear.weight for linear in linears], width, -1)
    return weight, flat.views([linear.bias for linear in linears], width, 1)


def _layer(flat, linears, norms):
    weight = flat.views([linear.weight for linear in linears], len(linears), *linears[0].weight.shape)
    gamma = flat.views([norm.weight for norm in norms], -1)
    return *weight, *gamma, *flat.views([norm.bias for norm in norms], -1)
