"""Time training from windows over memory-mapped shards beside resident data, and the reading alone.

    python benchmarks/stream.py [--stars 2000000] [--output FILE.json]
    python benchmarks/stream.py --dr3 FILE.json     # the table of docs/dr3.md, from that file

Random data of the paper's width, written to a temporary folder and deleted. Set-ups take turns; within one,
windows and resident data do. Files lie in the page cache, but for `read_cold`, when the system is asked to
drop them first.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from common import count, machine, report

from xpsvae.model import ScatterVAE
from xpsvae.model.parallel import Processes
from xpsvae.model.recipe import RECIPES
from xpsvae.model.standardise import examine
from xpsvae.model.stars import Stars
from xpsvae.model.step import Flat, stepper

N_INPUTS, N_LATENTS, N_SHARDS = 110, 6, 8
SET_UPS = {"one process": (1, 1), "one process, two threads": (1, 2), "two processes": (2, 1)}
BYTES = 2 * 4 * N_INPUTS  # of a star: coefficients and errors
DR3 = 220e6  # spectra
LIBRARY, PAPER = 35_865, 452_079  # training stars of dataset library, and of the paper
SMALL = 12 + 4 * N_LATENTS  # bytes of a star in a window that each process holds: order and noise


def write(folder, n_stars):
    """Write shards of random spectra."""
    rng = np.random.default_rng(0)
    for name, draw in (("x", rng.standard_normal), ("x_err", rng.random)):
        (folder / name).mkdir()
        for number, rows in enumerate(np.array_split(np.arange(n_stars), N_SHARDS)):
            array = draw((len(rows), N_INPUTS), dtype=np.float32)
            np.save(folder / name / f"{number}.npy", array if name == "x" else array + np.float32(0.1))


def read(folder):
    """Memory-map the shards of coefficients and errors."""
    paths = (sorted((folder / name).glob("*.npy")) for name in ("x", "x_err"))
    return [[np.load(path, mmap_mode="r") for path in some] for some in paths]


def forget(folder):
    """Ask the system to drop files from its page cache; it keeps those that are mapped."""
    for path in folder.glob("*/*.npy"):
        with path.open("rb") as file:
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def seconds(function):
    """Time one call."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def trainer(stars, processes, batch_size):
    """Return a function that takes as many training steps as a window has."""
    flat = Flat(processes.share(ScatterVAE(N_INPUTS, N_LATENTS).to(processes.device)))
    optimiser = torch.optim.AdamW([flat.parameters], fused=True, capturable=processes.device != "cpu")
    step = stepper(flat, optimiser, stars.data, stars.variance, 0.0, processes)
    flat.model.train()
    generator = torch.Generator(processes.device).manual_seed(0)

    def endless():
        while True:
            for order in stars.windows(generator):
                shape = len(order), batch_size, N_LATENTS
                noise = torch.randn(shape, generator=generator, device=processes.device)
                for rows, numbers in zip(order, noise, strict=True):
                    yield rows, processes.part(numbers)

    batches = endless()

    def run(steps):
        for _ in range(steps):
            step(*next(batches), 1e-4, 1.0)
        if processes.device != "cpu":
            torch.cuda.synchronize()

    return run


def train(folder, given):
    """Measure a set-up, alone or as one of its processes: spectra a second from windows, and resident."""
    torch.set_num_threads(given.threads)
    processes = Processes(given.device)
    arrays, steps = read(folder), given.window // given.batch_size
    runs = {
        name: trainer(Stars(*arrays, window, given.batch_size, processes), processes, given.batch_size)
        for name, window in (("windows", given.window), ("resident", 0))
    }
    rates = {name: [] for name in runs}
    for round_number in range(given.rounds + 1):  # the first warms up
        for name, run in runs.items():
            rate = steps * given.batch_size / seconds(lambda run=run: run(steps))
            if round_number:
                rates[name].append(rate)
    if processes.first:
        print(json.dumps(rates))
    Processes.close()


def launch(folder, set_up, given):
    """Start a set-up as processes of its own; return what `train` prints."""
    number, threads = SET_UPS[set_up]
    python = [sys.executable]
    if number > 1:
        python += ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(number)]
    arguments = ["--train", str(folder), "--threads", str(threads), "--window", str(given.window)]
    arguments += ["--rounds", str(given.rounds), "--batch-size", str(given.batch_size)]
    arguments += ["--device", given.device]
    environment = os.environ | {"OMP_NUM_THREADS": str(threads)}
    done = subprocess.run(
        [*python, __file__, *arguments], check=True, stdout=subprocess.PIPE, text=True, env=environment
    )
    return json.loads(done.stdout)


def reading(folder, given):
    """Measure what one core reads and examines, in bytes a second, and encodes, in spectra a second."""
    torch.set_num_threads(1)
    processes, total = Processes("cpu"), given.stars * BYTES
    rates = {"read_cold": [], "read": [], "examine": [], "encode": []}
    model = ScatterVAE(N_INPUTS, N_LATENTS).eval()
    for _ in range(given.rounds):
        forget(folder)
        x, x_err = read(folder)
        stars = Stars(x, x_err, given.window, given.batch_size, processes)
        for name in ("read_cold", "read"):
            generator = torch.Generator().manual_seed(0)
            rates[name].append(total / seconds(lambda s=stars, g=generator: list(s.windows(g))))
        arrays = list(zip(map(str, range(N_SHARDS)), x, x_err, strict=True))
        rates["examine"].append(total / seconds(lambda some=arrays: examine(some, processes)))
        rates["encode"].append(given.stars / seconds(lambda some=x: [model.embed(shard) for shard in some]))
        del x, x_err, stars, arrays  # unmapped
    return rates


def measure(given):
    """Measure everything; return what is reported."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        write(folder, given.stars)
        rates = reading(folder, given)
        train_rates = {name: {"windows": [], "resident": []} for name in SET_UPS}
        for _ in range(given.launches):
            for name, found in train_rates.items():
                for kind, values in launch(folder, name, given).items():
                    found[kind] += values
    median = {name: float(np.median(values)) for name, values in rates.items()}
    return {
        "what": "medians; files in the page cache but for read_cold; one thread but where said",
        "command": "python benchmarks/stream.py",
        "machine": machine() if given.device == "cpu" else torch.cuda.get_device_name(),
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "torch": torch.__version__,
        "stars": given.stars,
        "window": given.window,
        "batch_size": given.batch_size,
        "gigabytes_per_second": {name: median[name] / 1e9 for name in ("read_cold", "read", "examine")},
        "encoded_per_second": median["encode"],
        "trained_per_second": {
            name: {kind: float(np.median(values)) for kind, values in found.items()}
            for name, found in train_rates.items()
        },
    }


def dr3(result):
    """Return the lines of the table of what DR3 costs, and how each number follows from a measured one."""
    window, batch = 4_194_304, result["batch_size"]
    rates, encoded = result["trained_per_second"], result["encoded_per_second"]
    one, threads, processes = (rates[name]["windows"] for name in SET_UPS)
    speed, size = result["gigabytes_per_second"], DR3 * BYTES / 1e9
    fast, published = (
        RECIPES[name]["epochs"] * (n_stars // RECIPES[name]["batch_size"])
        for name, n_stars in (("fast", LIBRARY), ("published", PAPER))
    )
    wide = RECIPES["published"]["batch_size"]
    rows = [
        ("files", f"{size:.0f} GB", f"220 million × {BYTES} B: coefficients and errors, float32"),
        (
            "memory of a node",
            f"{window * BYTES / 1e9:.1f} GB / nodes + {window * SMALL / 1e9:.2f} GB",
            f"`--window {window}` × {BYTES} B, divided; order and noise of all its stars, {SMALL} B each",
        ),
        (
            "check and fingerprint, once",
            f"{size / speed['examine'] / 60:.1f} core-minutes",
            f"{speed['examine']:.2f} GB/s a core; divided between nodes",
        ),
        (
            "reading, an epoch",
            " or ".join(f"{size / speed[name] / 60:.1f} min" for name in ("read_cold", "read")),
            f"{speed['read_cold']:.2f} GB/s from disk, {speed['read']:.1f} GB/s from the page cache; divided",
        ),
        (
            "training, an epoch",
            f"{DR3 / one / 3600:.2f} core-hours",
            f"{one:,.0f} spectra/s from windows, one thread; {DR3 // batch:,.0f} steps of {batch}",
        ),
        (
            "the same without windows",
            f"{DR3 / rates['one process']['resident'] / 3600:.2f} core-hours",
            f"{rates['one process']['resident']:,.0f} spectra/s from resident data",
        ),
        ("the same on two threads", f"{DR3 / threads / 3600:.2f} h", f"{threads:,.0f} spectra/s"),
        (
            "the same in two processes",
            f"{DR3 / processes / 3600:.1f} h",
            f"{processes:,.0f} spectra/s: {1e3 * batch / processes:.0f} ms a step, most of it exchange",
        ),
        (
            "training, recipe `fast`'s steps",
            f"{fast * batch / one / 60:.1f} core-minutes",
            f"{fast:,} steps of {batch}: {fast * batch / DR3:.1%} of an epoch",
        ),
        (
            "training, recipe `published`'s spectra",
            f"{published * wide / one / 3600:.1f} core-hours",
            f"{published:,} steps of {wide}: {published * wide / DR3:.1f} epochs",
        ),
        (
            "nodes for a day",
            "1",
            f"one core passes {86400 * one / DR3:.0f} times over all spectra in that time",
        ),
        (
            "encoding",
            f"{DR3 / encoded / 60:.1f} core-minutes",
            f"{encoded:,.0f} spectra/s a core; mean and deviation of six latents: {DR3 * 48 / 1e9:.1f} GB",
        ),
        (
            "published loop, RTX 4070 Ti, an epoch",
            f"{DR3 // wide * 9.8e-3 / 60:.0f} min",
            f"9.8 ms a step of {wide}, as published",
        ),
        ("ours on a GPU", "", "not measured"),
    ]
    return ["| what | cost | from |", "|---|---|---|", *(f"| {' | '.join(row)} |" for row in rows)]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--stars", type=count, default=2_000_000)
    parser.add_argument("--window", type=count, default=131_072)
    parser.add_argument("--batch-size", type=count, default=512)
    parser.add_argument("--rounds", type=count, default=2)
    parser.add_argument("--launches", type=count, default=2, help="of each set-up, taking turns")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--output", help="JSON file to write; default: print")
    parser.add_argument("--dr3", metavar="FILE.json", help="print the table from an earlier --output")
    parser.add_argument("--train", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--threads", type=count, default=1, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.dr3:
        print("\n".join(dr3(json.loads(Path(given.dr3).read_text(encoding="utf-8")))))
    elif given.train:
        train(given.train, given)
    else:
        report(measure(given), given.output)


if __name__ == "__main__":
    main()
