"""Leung & Bovy's code in a process of its own: ``python lb23_process.py CLONE MODE FOLDER``.

It imports nothing of this project, since the clone goes first on the path. ``FOLDER`` holds the stars, and
gets an array of answers for each `BATCH` of them; those that are there already are not asked again. Progress
goes to stderr; a refusal is the last line of stdout and exit status 2.
"""

import inspect
import os
import sys
import time

import numpy as np

STARS = "stars.npy"
BATCH = 256  # stars a call: the model holds stars x 64 x 1024 numbers, and a killed run loses half a minute
REFUSED = "refused: "
EVERY = 20.0  # [s] between two lines of progress
COEFFICIENTS = [f"{band}{number}" for band in ("bp", "rp") for number in range(32)]
LABELS = ["teff", "logg", "m_h", "jh", "jk"]


class Refusal(Exception):
    """A model that is not what was expected."""


def load(clone):
    """Load the model of a clone on the CPU, after its weights were seen to be no more than tensors."""
    import torch

    sys.path.insert(0, clone)
    folder = os.path.join(clone, "model_torch")
    try:
        torch.load(os.path.join(folder, "weights.pt"), map_location="cpu", weights_only=True)
    except Exception as error:  # whatever a damaged file makes it raise
        raise Refusal(f"its weights cannot be read as tensors, {type(error).__name__}") from error
    from stellarperceptron.model import StellarPerceptron

    calls = {
        "load": ((folder,), {"device": "cpu"}),
        "perceive": ((None, None, None), {}),
        "request": ((None, None), {}),
        "clear_perception": ((None,), {}),
    }
    for name, (arguments, named) in calls.items():
        method = getattr(StellarPerceptron, name, None)
        try:
            inspect.signature(method).bind(*arguments, **named)
        except (TypeError, ValueError) as error:
            raise Refusal(f"StellarPerceptron.{name} is not there or takes other arguments") from error
    return StellarPerceptron.load(folder, device="cpu")


def ask(model, values, names, wanted):
    """Show the model values under their names and ask for others; float64 array (n_stars, n_wanted)."""
    model.perceive(values, names)
    answer = model.request(wanted)
    model.clear_perception()
    missing = [name for name in wanted if name not in getattr(answer, "columns", ())]
    if missing:
        raise Refusal(f"its answer has no column {missing[0]}")
    answer = answer[wanted].to_numpy(dtype=float, copy=True)
    if len(answer) != len(values):
        raise Refusal(f"it answers for {len(answer)} stars where {len(values)} were shown")
    if not np.isfinite(answer).all():
        stars = np.count_nonzero(~np.isfinite(answer).all(axis=1))
        raise Refusal(f"its answer is not finite for {stars} of {len(answer)} stars")
    return answer


def answer(model, values, mode):
    """Coefficients of stars from their coefficients, or from the labels that these tell."""
    if mode == "coefficients":
        return ask(model, values, COEFFICIENTS, COEFFICIENTS)
    return ask(model, ask(model, values, COEFFICIENTS, LABELS), LABELS, COEFFICIENTS)


def main(clone, mode, folder):
    """Answer for all stars of a folder."""
    stars = np.load(os.path.join(folder, STARS), allow_pickle=False)
    model, told, parent = load(clone), time.monotonic(), os.getppid()
    for start in range(0, len(stars), BATCH):
        path = os.path.join(folder, f"{start:08d}.npy")
        if os.path.exists(path):
            continue
        np.save(f"{path}.part.npy", answer(model, stars[start : start + BATCH].copy(), mode))
        os.replace(f"{path}.part.npy", path)
        if os.getppid() != parent:
            return  # who asked was killed
        done = min(start + BATCH, len(stars))
        if time.monotonic() - told >= EVERY or done == len(stars):
            told = time.monotonic()
            print(f"LB23 ({mode}): {done}/{len(stars)} stars", file=sys.stderr, flush=True)


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except Refusal as refusal:
        print(f"{REFUSED}{refusal}", flush=True)
        sys.exit(2)
