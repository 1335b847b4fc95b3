"""Time one training step beside its floor and beside a plain loop, interleaved in one run.

    python benchmarks/train_step.py [--batch-size 1024] [--authors CLONE] [--output FILE.json]

Each has its turns, some steps in a row as in training, so that a step finds in the caches what the one before left
there. Random data of the paper's shape. `bf16` is ours with bfloat16 products, where there are such. `floor` is the
matrix products of the step and nothing else; `plain` is the published loop written with modules, autograd and AdamW
over a list of tensors, data on the host; `authors` is the authors' own model and generator, if the path of a clone of
their repository is given.
"""

import argparse
import sys
import time

import numpy as np
import torch
from common import count, machine, report

from xpsvae.model import ScatterVAE, compiled, loss
from xpsvae.model.step import Flat, adamw, stepper

N_STARS, N_INPUTS, N_LATENTS = 36_000, 110, 6


def ours(x, x_err, batch_size, device, precision="float32"):
    """Return our step on data that lie on the device, with the draw of rows and noise that `fit` makes."""
    data, variance = torch.from_numpy(x).to(device), torch.from_numpy(x_err).to(device) ** 2
    flat = Flat(ScatterVAE(N_INPUTS, N_LATENTS).to(device))
    step = stepper(flat, adamw(flat), data, variance, precision=precision)
    steps = len(x) // batch_size
    state = {"number": steps}

    def run():
        if state["number"] == steps:  # as at the start of an epoch
            state["order"] = torch.randperm(len(x), device=device)
            state["noise"] = torch.randn(steps, batch_size, N_LATENTS, device=device)
            state["number"] = 0
        number = state["number"]
        rows = state["order"][number * batch_size : (number + 1) * batch_size]
        step(rows, state["noise"][number], 1e-4, 1.0)
        state["number"] += 1

    return run


def plain(x, x_err, batch_size, device):
    """Return a step of the published loop: batch from the host, autograd, AdamW, three losses read back."""
    model = ScatterVAE(N_INPUTS, N_LATENTS).to(device)
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-4)
    rng = np.random.default_rng(0)

    def run():
        rows = rng.integers(len(x), size=batch_size)
        batch, errors = torch.from_numpy(x[rows]).to(device), torch.from_numpy(x_err[rows]).to(device)
        optimiser.zero_grad()
        mean, log_var, x_hat, scatter = model(batch, torch.randn(batch_size, N_LATENTS, device=device))
        reconstruction = loss.reconstruction(batch, errors**2, x_hat, scatter).mean()
        kl = loss.kl_divergence(mean, log_var).sum(1).mean()
        total = reconstruction + kl
        total.backward()
        optimiser.step()
        return total.item(), reconstruction.item(), kl.item()

    return run


def authors(clone, x, x_err, batch_size, device):
    """Return a step of the authors' own classes, driven as their `fit` drives them."""
    sys.path.insert(0, clone)
    from xp_vae.model import ScatterVAE as Theirs
    from xp_vae.utils import DataGenerator

    model = Theirs(device=device).to(device)
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-4)
    scaler = torch.amp.GradScaler(enabled=device == "cuda")
    generator = DataGenerator(batch_size=batch_size, xp=x, xp_err=x_err)
    state = {"batches": iter(generator)}

    def run():
        batch = next(state["batches"], None)
        if batch is None:
            generator.epoch_end()
            state["batches"] = iter(generator)
            batch = next(state["batches"])
        optimiser.zero_grad()
        forward = model.forward(*(torch.from_numpy(array).to(device) for array in batch))
        total, reconstruction, kl = model.get_loss(*forward)
        scaler.scale(total).backward()
        scaler.step(optimiser)
        scaler.update()
        return total.item(), reconstruction.item(), kl.item()

    return run


def floor(batch_size, device):
    """Return the matrix products of one step: forward, and both gradients of every layer but the input's."""
    widths = (N_INPUTS, 90, 70, 50, 30, 10)
    layers = [*zip(widths, widths[1:], strict=False), (10, 2 * N_LATENTS), (N_LATENTS, 20)]
    mirrored = [*zip(widths[::-1], widths[-2::-1], strict=False)] * 2
    products = []
    for number, (before, after) in enumerate(layers + mirrored):
        h, g = (torch.randn(batch_size, width, device=device) for width in (before, after))
        weight = torch.randn(after, before, device=device)
        products += [(h, weight.T), (g.T, h)] + ([(g, weight)] if number else [])
    products = [(a, b, torch.empty(len(a), b.shape[1], device=device)) for a, b in products]

    def run():
        for a, b, out in products:
            torch.mm(a, b, out=out)

    return run


def interleaved(functions, rounds, in_a_row, device):
    """Time every function some times in a row, round after round; return minimum, median [ms] of each."""
    times = {name: [] for name in functions}
    for round_number in range(rounds + 1):  # the first warms up
        for name, function in functions.items():
            for _ in range(in_a_row):
                start = time.perf_counter()
                function()
                if device == "cuda":
                    torch.cuda.synchronize()
                if round_number:
                    times[name].append(1e3 * (time.perf_counter() - start))
    return {name: {"min": min(values), "median": float(np.median(values))} for name, values in times.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--batch-size", type=count, default=1024)
    parser.add_argument("--rounds", type=count, default=40)
    parser.add_argument("--in-a-row", type=count, default=10, metavar="STEPS", help="of a turn; default: 10")
    parser.add_argument("--threads", type=count, default=2)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--authors", metavar="CLONE", help="folder of a clone of the authors' repository")
    parser.add_argument("--output", help="JSON file to write; default: print")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    rng = np.random.default_rng(0)
    x = rng.standard_normal((N_STARS, N_INPUTS), dtype=np.float32)
    x_err = rng.uniform(0.01, 0.5, size=x.shape).astype(np.float32)
    arguments = x, x_err, given.batch_size, given.device
    functions = {
        "ours": ours(*arguments),
        "plain": plain(*arguments),
        "floor": floor(given.batch_size, given.device),
    }
    if given.device == "cpu" and compiled.multiplies_bf16():
        functions["bf16"] = ours(*arguments, "bf16")
    if given.authors:
        functions["authors"] = authors(given.authors, *arguments)
    times = interleaved(functions, given.rounds, given.in_a_row, given.device)
    result = {
        "what": "milliseconds a training step",
        "batch_size": given.batch_size,
        "device": torch.cuda.get_device_name() if given.device == "cuda" else machine(),
        "threads": given.threads,
        "torch": torch.__version__,
        "times": times,
        "ours_over_floor": times["ours"]["median"] / times["floor"]["median"],
        "speed_up": {
            mine: {
                name: times[name]["median"] / times[mine]["median"]
                for name in ("plain", "authors")
                if name in times
            }
            for mine in ("ours", "bf16")
            if mine in times
        },
    }
    report(result, given.output)


if __name__ == "__main__":
    main()
