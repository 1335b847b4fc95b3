"""How long a dry run of `snakemake dr3_latents` takes, beside that of a bare Snakefile with as many jobs.

    python benchmarks/planning.py

CPU time, since other work may share the cores, and wall-clock time; medians of interleaved runs in a folder without
products. What a dry run prints is counted, too.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from resource import RUSAGE_CHILDREN, getrusage
from time import perf_counter

from common import count, machine

ROOT = Path(__file__).resolve().parents[1]
BARE = """
rule all:
    input:
        expand("{{n}}.parquet", n=range({files})),

rule one:
    output:
        "{{n}}.parquet",
    shell:
        "touch {{output}}"
"""


def main(files, repeats):
    """Print a line a workflow."""
    with tempfile.TemporaryDirectory() as folder:
        bare = Path(folder, "Snakefile")
        bare.write_text(BARE.format(files=files), encoding="utf-8")
        limit = [] if files == 3386 else ["--config", f"dr3={{limit: {files}}}"]
        calls = {
            "dr3_latents": ["dr3_latents", "--snakefile", str(ROOT / "Snakefile"), *limit],
            "bare": ["--snakefile", str(bare)],
        }
        found = {name: [] for name in calls}
        for _ in range(repeats):
            for name, words in calls.items():
                found[name].append(_timed(words, folder))
    print(f"{machine()}, {files} files, median of {repeats}")
    for name, runs in found.items():
        cpu, wall, printed = map(statistics.median, zip(*runs, strict=True))
        print(f"{name:12} {cpu:.1f} CPU-s, {wall:.1f} s, {printed / 1000:.0f} kB printed")
    ratio = statistics.median(ours[0] / bare[0] for ours, bare in zip(*found.values(), strict=True))
    print(f"ratio of CPU times {ratio:.2f}")


def _timed(words, folder):
    usage, start = getrusage(RUSAGE_CHILDREN), perf_counter()
    command = [sys.executable, "-m", "snakemake", "--dry-run", "--directory", folder, *words]
    run = subprocess.run(command, capture_output=True, check=True)
    wall, after = perf_counter() - start, getrusage(RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - usage.ru_utime - usage.ru_stime
    return cpu, wall, len(run.stdout) + len(run.stderr)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--files", type=count, default=3386)
    parser.add_argument("--repeats", type=count, default=5)
    given = parser.parse_args()
    main(given.files, given.repeats)
