"""Training shared between processes that `torchrun` started: each holds the model and a part of every batch.

Batch normalisation takes the statistics of the whole batch, so that the curve is that of one process.
"""

import os

import torch
from torch import distributed, nn
from torch.distributed.nn.functional import all_reduce

__all__ = ["Processes"]


class Processes:
    """The processes of this run; one, if `torchrun` did not start it.

    Attributes
    ----------
    rank, number : int
        Which of them this is, and how many there are.
    device : str
        For this process, given the kind of device: one GPU each on a machine with several.
    """

    def __init__(self, device):
        self.number = int(os.environ.get("WORLD_SIZE", 1))
        self.rank = int(os.environ.get("RANK", 0))
        self.device = device
        if self.number > 1:
            if device == "cuda":
                self.device = f"cuda:{os.environ['LOCAL_RANK']}"
                torch.cuda.set_device(self.device)
            if not distributed.is_initialized():
                distributed.init_process_group("nccl" if device == "cuda" else "gloo")

    @property
    def first(self):
        """True in the process that speaks and writes."""
        return self.rank == 0

    def share(self, model):
        """Make the normalisations of a model take their statistics from all processes."""
        if self.number > 1:
            for module in model.modules():
                if type(module) is nn.BatchNorm1d:
                    module.__class__ = _SharedBatchNorm
        return model

    def part(self, tensor):
        """Take this process's part of a batch: every ``number``-th row."""
        return tensor[self.rank :: self.number]

    def average(self, tensor):
        """Replace a tensor by its mean over the processes."""
        if self.number > 1:
            distributed.all_reduce(tensor)
            tensor /= self.number

    def close(self):
        """Part from the others."""
        if self.number > 1:
            distributed.destroy_process_group()


class _SharedBatchNorm(nn.BatchNorm1d):
    def forward(self, x):
        if not self.training:
            return super().forward(x)
        n_stars = len(x) * distributed.get_world_size()
        mean = all_reduce(x.sum(0)) / n_stars
        centred = x - mean
        variance = all_reduce(centred.square().sum(0)) / n_stars
        with torch.no_grad():
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(variance * (n_stars / (n_stars - 1)), self.momentum)
            self.num_batches_tracked.add_(1)
        return centred * torch.rsqrt(variance + self.eps) * self.weight + self.bias
