"""Training shared between processes that `torchrun` started: each holds the model and a part of every batch.

Batch normalisation takes the statistics of the whole batch, so that the curve is that of one process.
"""

import os
from contextlib import contextmanager

import torch
from torch import distributed, nn

from xpsvae.errors import InputError

__all__ = ["Processes"]


class Processes:
    """The processes of this run; one, if `torchrun` did not start it.

    Parameters
    ----------
    device : str, optional
        Kind of device: by default ``cuda`` where there is one, else ``cpu``.

    Attributes
    ----------
    rank, number : int
        Which of them this is, and how many there are.
    device : str
        Of this process: one GPU each on a machine with several.

    Raises
    ------
    InputError
        If a GPU is asked for and there is none.
    """

    def __init__(self, device=None):
        if device and device.startswith("cuda") and not torch.cuda.is_available():
            raise InputError("device is cuda but torch sees no GPU: leave it out to train on the CPU.")
        self.number = int(os.environ.get("WORLD_SIZE", 1))
        self.rank = int(os.environ.get("RANK", 0))
        self.device = device or ("cuda" if torch.cuda.is_available() else "cpu")
        if self.number > 1:
            backend = "gloo"
            if self.device == "cuda":
                backend, self.device = "nccl", f"cuda:{os.environ['LOCAL_RANK']}"
                torch.cuda.set_device(self.device)
            if not distributed.is_initialized():
                distributed.init_process_group(backend)

    @property
    def first(self):
        """True in the process that prints and writes files."""
        return self.rank == 0

    def share(self, model):
        """Make the normalisations of a model take their statistics from all processes."""
        if self.number > 1:
            for module in model.modules():
                if type(module) is nn.BatchNorm1d:
                    module.__class__ = _SharedBatchNorm
        return model

    def part(self, sequence):
        """Take this process's part of a tensor's first axis, or of a list: a stretch of it."""
        ends = (len(sequence) * number // self.number for number in (self.rank, self.rank + 1))
        return sequence[slice(*ends)]

    def gather(self, value):
        """List the values that the processes give, in their order."""
        values = [value] * self.number
        if self.number > 1:
            distributed.all_gather_object(values, value)
        return values

    @contextmanager
    def together(self):
        """Re-raise any process's InputError in all of them; no collective calls inside."""
        failed = None
        try:
            yield
        except InputError as error:
            failed = error
        for error in self.gather(failed and str(failed)):
            if error:
                raise InputError(error) from failed

    def average(self, tensor):
        """Replace a tensor by its mean over the processes."""
        if self.number > 1:
            distributed.all_reduce(tensor)
            tensor /= self.number

    @staticmethod
    def close():
        """Leave the process group, if there is one."""
        if distributed.is_initialized():
            distributed.destroy_process_group()


class _SharedBatchNorm(nn.BatchNorm1d):
    def forward(self, x):
        if not self.training:
            return super().forward(x)
        y, mean, variance = _Normalised.apply(x, self.eps)
        n_stars = len(x) * distributed.get_world_size()
        with torch.no_grad():
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(variance * (n_stars / (n_stars - 1)), self.momentum)
            self.num_batches_tracked.add_(1)
        return y * self.weight + self.bias


class _Normalised(torch.autograd.Function):
    """Standardise by whole-batch statistics: one all-gather forward, one all-reduce backward."""

    @staticmethod
    def forward(ctx, x, eps):
        own = torch.stack((x.mean(0), x.var(0, correction=0)))
        every = [torch.empty_like(own) for _ in range(distributed.get_world_size())]
        distributed.all_gather(every, own)
        means, variances = torch.stack(every, 1)
        mean, variance = means.mean(0), variances.mean(0) + means.var(0, correction=0)
        rstd = torch.rsqrt(variance + eps)
        y = (x - mean) * rstd
        ctx.save_for_backward(y, rstd)
        ctx.mark_non_differentiable(mean, variance)
        return y, mean, variance

    @staticmethod
    def backward(ctx, dy, *_):
        y, rstd = ctx.saved_tensors
        means = torch.stack((dy.mean(0), (dy * y).mean(0)))
        distributed.all_reduce(means)
        means /= distributed.get_world_size()
        return (dy - means[0] - y * means[1]) * rstd, None
