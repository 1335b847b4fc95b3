"""One training step, as fast as the device allows; `stepper` is the one place where the way is chosen.

The gradient comes by autograd or, on the CPU, from `compiled`; both leave it in one vector and agree to
rounding.
"""

import sys

import torch

from xpsvae.model import compiled, loss

__all__ = ["Flat", "adamw", "by_autograd", "stepper"]


def adamw(flat, weight_decay=0.01):
    """Return torch's fused AdamW over the one vector of parameters, with the state that it has before its first step.

    Parameters
    ----------
    flat : Flat
    weight_decay : float

    Returns
    -------
    torch.optim.AdamW
        `stepper` sets its learning rate. On a GPU a CUDA graph can hold it.
    """
    at = flat.parameters
    optimiser = torch.optim.AdamW([at], weight_decay=weight_decay, fused=True, capturable=at.is_cuda)
    moments = {name: torch.zeros_like(flat.gradient) for name in ("exp_avg", "exp_avg_sq")}
    optimiser.state[at] = moments | {"step": torch.zeros((), device=at.device)}
    return optimiser


def stepper(flat, optimiser, data, variance, free_bits=0.0, precision="float32", processes=None):
    """Return the step for the device of ``flat``.

    Parameters
    ----------
    flat : Flat
    optimiser : torch.optim.AdamW
        As `adamw` returns it.
    data, variance : Tensor (n_stars, n_inputs)
        Standardised coefficients and the squares of their errors, on the device.
    free_bits : float
        [nat] A latent whose divergence, averaged over the batch, is below this is not pushed further down
        (Kingma et al. 2016).
    precision : str
        Of the factors of matrix products: "float32"; or "bf16", numbers of 8 significant bits, whose products
        are summed as float32. Only the compiled step knows bf16, on processors that multiply it; elsewhere this
        says so in a line on standard error, and takes float32.
    processes : Processes, optional
        Those that share each batch; then ``rows`` and ``noise`` are this one's part of it.

    Returns
    -------
    function (rows, noise, learning_rate, kl_weight) -> reconstruction, kl
        Takes the stars' row numbers (batch_size,) and normal numbers (batch_size, n_latents), changes the
        model, and returns the mean terms of the loss as tensors.
    """
    on_gpu, shared = flat.parameters.is_cuda, processes is not None and processes.number > 1
    plain = on_gpu or shared or flat.parameters.dtype != torch.float32
    plain = plain or not compiled.library()
    if plain and not on_gpu:
        torch.set_num_threads(
            1
        )  # the sums of torch's products depend on how many there are; `compiled`'s do not
    if precision == "bf16" and (plain or not compiled.multiplies_bf16()):
        print(
            f"Precision bf16 is not available {_where(on_gpu, shared)}: training in float32.", file=sys.stderr
        )
        precision = "float32"
    if plain:
        gradient, update = by_autograd(flat, free_bits), _by_torch(flat, optimiser)
    else:
        gradient, update = compiled.gradient(flat, free_bits, precision), compiled.adamw(flat, optimiser)

    def step(rows, noise, learning_rate, kl_weight):
        terms = gradient(data, variance, rows, noise, kl_weight)
        if shared:
            processes.average(flat.gradient)
        update(learning_rate)
        return terms

    return _captured(step, flat, optimiser) if on_gpu and not shared else step


def _where(on_gpu, shared):
    if on_gpu or shared:
        return "on GPUs" if on_gpu else "where processes share a batch"
    return "with this processor or C compiler"


def _by_torch(flat, optimiser):
    def update(learning_rate):
        optimiser.param_groups[0]["lr"] = learning_rate
        optimiser.step()

    return update


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
        Parameters whose gradient is zero: biases before a batch norm, those of the first layer after the
        latents among them, since no activation lies between.
    frozen : slice
        Parameters whose gradient counts as zero: the weights of the scatter estimator's last layer where the
        scatter may not depend on the latents.

    Parameters
    ----------
    model : ScatterVAE
    scatter : str
        See `ScatterVAE`.
    """

    def __init__(self, model, scatter="estimated"):
        self.model = model
        pairs = list(zip(model.decoder, model.scatter, strict=True))
        self.encoder = [(block[0], block[1]) for block in model.encoder]
        self.heads = model.mu, model.log_var
        self.first = pairs[0]
        self.mirrors = [((d[0], s[0]), (d[1], s[1])) for d, s in pairs[1:-1]]
        self.last = tuple(block[0] for block in pairs[-1])

        normalised = list(self.encoder)
        for linears, norms in self.mirrors:
            normalised += zip(linears, norms, strict=True)
        norms = [norm for _, norm in normalised]
        self._join_parameters(normalised)
        self._join_statistics(norms)
        first_shift = self._places[normalised[0][0].bias]
        self.shifts = slice(first_shift, first_shift + len(self.running_mean))
        self.idle = slice(self._places[self.first[0].bias], self.shifts.stop)
        last = self.last[1].weight
        start = self._places[last]
        self.frozen = slice(start, start + (0 if scatter == "estimated" else last.numel()))
        self.eps, self.momentum = norms[0].eps, norms[0].momentum

    def _join_parameters(self, normalised):
        """Put all weights, then all biases, into one vector, and let the model's tensors view it."""
        tensors = [linear.weight for linear, _ in self.encoder]
        for group in (self.heads, self.first, *(linears for linears, _ in self.mirrors), self.last):
            tensors += [linear.weight for linear in group]
        for group in (self.heads, self.last, self.first):
            tensors += [linear.bias for linear in group]
        tensors += [linear.bias for linear, _ in normalised]
        tensors += [norm.weight for _, norm in normalised]
        tensors += [norm.bias for _, norm in normalised]
        self.parameters = torch.cat([tensor.detach().reshape(-1) for tensor in tensors]).requires_grad_()
        self.gradient = self.parameters.grad = torch.zeros_like(self.parameters)
        self._places, start = {}, 0
        for tensor in tensors:
            stop = start + tensor.numel()
            self._places[tensor] = start
            tensor.data = self.parameters.detach()[start:stop].view(tensor.shape)
            tensor.grad = self.gradient[start:stop].view(tensor.shape)
            start = stop

    def _join_statistics(self, norms):
        """Put the running statistics of all normalisations into vectors that these view."""
        self.running_mean = torch.cat([norm.running_mean for norm in norms])
        self.running_var = torch.cat([norm.running_var for norm in norms])
        self.batches = torch.stack([norm.num_batches_tracked for norm in norms])
        start = 0
        for number, norm in enumerate(norms):
            stop = start + norm.num_features
            norm.running_mean, norm.running_var = self.running_mean[start:stop], self.running_var[start:stop]
            norm.num_batches_tracked = self.batches[number]
            start = stop

    def place(self, tensor):
        """Tell where in the vectors a weight or bias of the model starts."""
        return self._places[tensor]

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

    def gradient(data, variance, rows, noise, kl_weight=1.0):
        x, own = (torch.index_select(tensor, 0, rows) for tensor in (data, variance))
        flat.gradient.zero_()
        mean, log_var, x_hat, scatter = flat.model(x, noise)
        reconstruction = loss.reconstruction(x, own, x_hat, scatter).mean()
        kl = loss.kl_divergence(mean, log_var).mean(0)
        (reconstruction + kl_weight * kl.clamp(min=free_bits).sum()).backward()
        flat.gradient[flat.idle] = 0
        flat.gradient[flat.frozen] = 0
        return reconstruction.detach(), kl.detach().sum()

    return gradient
