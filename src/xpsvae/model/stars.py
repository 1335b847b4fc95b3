"""Training stars on the device: all of them, or window after window for data that do not fit.

Windows are filled with blocks of neighbouring rows in random order, so that a disk is read in long strides;
within a window stars are shuffled freely.
"""

import numpy as np
import torch

__all__ = ["Stars"]

BLOCK = 4096  # neighbouring rows read together


class Stars:
    """Stars to train on.

    Parameters
    ----------
    x, x_err : sequence of arrays (n_stars, n_inputs)
        Shards of standardised coefficients and of their errors; may be memory-mapped.
    window : int
        Stars held on the device at a time; 0 holds them all.
    device : str

    Attributes
    ----------
    data, variance : Tensor (window, n_inputs)
        Coefficients and squares of the errors of the stars that are on the device now.
    """

    def __init__(self, x, x_err, window, device):
        self.x, self.x_err, self.device = x, x_err, device
        self.number = sum(map(len, x))
        self.resident = not 0 < window < self.number
        if self.resident:
            self.window = self.number
            self.data, errors = (_joined(shards).to(device) for shards in (x, x_err))
            self.variance = errors**2
            return
        self.window = window
        self.data, self.variance = (torch.empty(window, x[0].shape[1], device=device) for _ in range(2))
        self._blocks = [
            (shard, start, min(start + BLOCK, len(array)))
            for shard, array in enumerate(x)
            for start in range(0, len(array), BLOCK)
        ]
        self._firsts = np.cumsum([0, *map(len, x)])
        self._origins = np.zeros(window, dtype=np.int64)

    def steps(self, batch_size):
        """Full batches in an epoch."""
        return self.number // self.window * (self.window // batch_size) + (
            self.number % self.window // batch_size
        )

    def windows(self, generator):
        """Put one window after the other on the device; yield how many stars each has."""
        if self.resident:
            yield self.number
        else:
            order = torch.randperm(len(self._blocks), generator=generator, device=generator.device)
            yield from self._fill(order.tolist())

    def origin(self, row):
        """Tell which star of all shards lies in a row of the window."""
        return int(row) if self.resident else int(self._origins[row])

    def _fill(self, order):
        filled = 0
        for shard, start, stop in map(self._blocks.__getitem__, order):
            while start < stop:
                taken = min(stop - start, self.window - filled)
                here, there = slice(filled, filled + taken), slice(start, start + taken)
                self.data[here] = torch.from_numpy(np.array(self.x[shard][there], dtype=np.float32))
                errors = torch.from_numpy(np.array(self.x_err[shard][there], dtype=np.float32))
                self.variance[here] = errors.to(self.device) ** 2
                self._origins[here] = np.arange(start, start + taken) + self._firsts[shard]
                filled, start = filled + taken, start + taken
                if filled == self.window:
                    yield filled
                    filled = 0
        if filled:
            yield filled


def _joined(shards):
    array = shards[0] if len(shards) == 1 else np.concatenate(shards)
    return torch.from_numpy(np.require(array, requirements="W"))  # a read-only file becomes a copy in memory
