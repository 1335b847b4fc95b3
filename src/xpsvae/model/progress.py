"""How far training has come, on standard error: a bar on a terminal, else a line now and then.

The only place of the model that looks at a clock; nothing of it goes into a product.
"""

import sys
import time

__all__ = ["Progress"]

WIDTH = 30  # characters of the bar
EVERY = 20.0  # [s] between two lines where there is no terminal


class Progress:
    """Report epochs as they end.

    Parameters
    ----------
    epochs : int
        Of the whole run.
    done : int
        Of them, before this start.
    """

    def __init__(self, epochs, done=0):
        self.epochs, self.before = epochs, done
        self.start = self.told = time.monotonic()

    def __call__(self, row):
        """Report one row of the history."""
        now, done = time.monotonic(), row["epoch"]
        left = (now - self.start) / (done - self.before) * (self.epochs - done)
        text = f"epoch {done}/{self.epochs}  loss {row['loss']:.3f}"
        if "val_loss" in row:
            text += f"  validation {row['val_loss']:.3f}"
        text += f"  {left:.0f} s left"
        if sys.stderr.isatty():
            filled = WIDTH * done // self.epochs
            bar = "#" * filled + "." * (WIDTH - filled)
            print(f"\r[{bar}] {text}  ", end="\n" if done == self.epochs else "", file=sys.stderr, flush=True)
        elif done == self.epochs or now - self.told >= EVERY:
            self.told = now
            print(text, file=sys.stderr, flush=True)
