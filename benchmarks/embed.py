"""Time encoding and decoding of spectra, as `infer.embed` and `infer.reconstruct` do it.

python benchmarks/embed.py [--stars 200000] [--threads 2] [--output FILE.json]

`encode_file` encodes from a memory-mapped file in the page cache, the others from memory.
"""

import argparse
import tempfile
import time

import numpy as np
import torch
from common import count, machine, report

from xpsvae.model import ScatterVAE, infer

N_INPUTS = 110


def best(function, rounds):
    """Shortest of several times [s]."""
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return min(times)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--stars", type=count, default=200_000)
    parser.add_argument("--rounds", type=count, default=5)
    parser.add_argument("--threads", type=count, default=2)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--output", help="JSON file to write; default: print")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    model = ScatterVAE(N_INPUTS).to(given.device).eval()
    x = np.random.default_rng(0).standard_normal((given.stars, N_INPUTS), dtype=np.float32)
    latents = model.embed(x)
    with tempfile.NamedTemporaryFile(suffix=".npy") as file:
        np.save(file, x)
        file.flush()
        functions = {
            "encode": lambda: model.embed(x),
            "encode_file": lambda: model.embed(np.load(file.name, mmap_mode="r")),
            "decode": lambda: infer.reconstruct(model, latents.mean),
        }
        seconds = {name: best(function, given.rounds) for name, function in functions.items()}
    result = {
        "what": "spectra a second",
        "device": torch.cuda.get_device_name() if given.device == "cuda" else machine(),
        "threads": given.threads,
        "torch": torch.__version__,
        "spectra_per_second": {name: round(given.stars / value) for name, value in seconds.items()},
    }
    report(result, given.output)


if __name__ == "__main__":
    main()
