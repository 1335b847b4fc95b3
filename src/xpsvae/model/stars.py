"""Training stars on the device: all of them, or window after window for data that do not fit.

An epoch puts blocks of neighbouring rows into random order. A window is a stretch of them, and each place in
a batch takes its stars from a stretch of the window, shuffled by itself. A process loads the stretches of its
own places: memory and reading are divided, disks are read in long strides, and the batches are the same for
any number of processes. (Stars drawn freely from the window would make each process read all of it, as a page
of a file holds stars of several.)
"""

from pathlib import Path

import numpy as np
import torch

__all__ = ["Stars", "shard_names"]

BLOCK = 4096  # neighbouring rows read together


class Stars:
    """Stars to train on.

    Parameters
    ----------
    x, x_err : sequence of arrays (n_stars, n_inputs)
        Shards of standardised coefficients and of their errors; may be memory-mapped.
    window : int
        Stars held at a time, by all processes together; 0 holds all stars in each.
    batch_size : int
        Stars of a batch, by all processes together.
    processes : Processes

    Attributes
    ----------
    data, variance : Tensor (n_held, n_inputs)
        Coefficients and squares of the errors of the stars that are on the device now.
    """

    def __init__(self, x, x_err, window, batch_size, processes):
        self.x, self.x_err, self.batch_size, self.processes = x, x_err, batch_size, processes
        self.device = processes.device
        self._firsts = np.cumsum([0, *map(len, x)])
        self.number = int(self._firsts[-1])
        self.resident, self.window = not window, min(window or self.number, self.number)
        if self.resident:
            self.data, errors = (_joined(shards).to(self.device) for shards in (x, x_err))
            self.variance = errors**2
            return
        held = self.window // batch_size * len(processes.part(range(batch_size)))
        self.data, self.variance = (torch.empty(held, x[0].shape[1], device=self.device) for _ in range(2))
        self._origins = np.zeros(held, dtype=np.int64)
        self._blocks = np.array(
            [
                (shard, min(start + BLOCK, len(array)), min(BLOCK, len(array) - start))
                for shard, array in enumerate(x)
                for start in range(0, len(array), BLOCK)
            ]
        )

    def windows(self, generator):
        """Draw the batches of an epoch; put one window after the other on the device.

        Yields
        ------
        Tensor (n_steps, n_rows)
            This process's rows of ``data`` in each batch of the window.
        """
        if self.resident:
            steps = self.number // self.batch_size
            order = torch.randperm(self.number, generator=generator, device=self.device)
            order = order[: steps * self.batch_size].view(steps, self.batch_size)
            yield self.processes.part(order.T).T
            return
        order = torch.randperm(len(self._blocks), generator=generator, device=self.device)
        blocks = self._blocks[order.cpu().numpy()]
        for start in range(0, self.number, self.window):
            steps = min(self.window, self.number - start) // self.batch_size
            order = torch.rand(self.batch_size, steps, generator=generator, device=self.device).argsort(1)
            places = self.processes.part(range(self.batch_size))
            self._load(blocks, start + places[0] * steps, len(places) * steps)
            firsts = torch.arange(len(places), device=self.device) * steps
            yield (self.processes.part(order).T + firsts).contiguous()

    def steps(self):
        """Full batches in an epoch."""
        windows, left = divmod(self.number, self.window)
        return windows * (self.window // self.batch_size) + left // self.batch_size

    def origin(self, row):
        """Tell in words which star of which shard lies in a row of ``data``."""
        star = int(row) if self.resident else int(self._origins[row])
        if len(self.x) == 1:
            return f"star {star}"
        shard = int(np.searchsorted(self._firsts, star, side="right")) - 1
        return f"star {star - self._firsts[shard]} of shard {shard_names(self.x)[shard]}"

    def _load(self, blocks, start, count):
        """Fill the device with a stretch of an epoch's blocks, ``count`` stars from the one at ``start``."""
        ends, filled = blocks[:, 2].cumsum(), 0
        number = int(np.searchsorted(ends, start, side="right"))
        while filled < count:
            shard, stop, _ = blocks[number]
            left = ends[number] - start - filled  # of the block
            first, taken = stop - left, min(left, count - filled)
            here, there = slice(filled, filled + taken), slice(first, first + taken)
            self.data[here] = torch.from_numpy(np.array(self.x[shard][there], dtype=np.float32))
            errors = torch.from_numpy(np.array(self.x_err[shard][there], dtype=np.float32))
            self.variance[here] = errors.to(self.device) ** 2
            self._origins[here] = np.arange(first, first + taken) + self._firsts[shard]
            filled, number = filled + taken, number + 1


def shard_names(shards):
    """Call the shards by the files that they are memory-mapped from, else by their numbers."""
    return [
        Path(array.filename).name if getattr(array, "filename", None) else str(number)
        for number, array in enumerate(shards)
    ]


def _joined(shards):
    array = shards[0] if len(shards) == 1 else np.concatenate(shards)
    return torch.from_numpy(np.require(array, requirements="W"))  # a read-only file becomes a copy in memory
