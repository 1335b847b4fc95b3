"""What `snakemake dr3_latents` costs: a bulk file of the real form described, and all of DR3 by its measure.

    OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 python benchmarks/bulk.py --output benchmarks/bulk.json
    python benchmarks/bulk.py --dr3 benchmarks/bulk.json

The file has copies of a real star with all that the archive has of it. CPU time, since other work may share the cores;
medians of runs on one file, in which the checksum, reading, the model, writing and the last look at the table are
measured apart from the start of a job. The download is not measured, only how much it is.
"""

import argparse
import datetime
import hashlib
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import common

FILES, STARS = 3386, 220e6  # of DR3
ROOT = Path(__file__).resolve().parents[1]
START = "from xpsvae.own_stars import bulk; from xpsvae.own_stars.pretrained import load; model = load(device='cpu')"
DESCRIBE = f"""{START}
import pathlib, re, sys
bulk.describe_file(sys.argv[1], sys.argv[2], model)
# not ru_maxrss, which begins with that of the process that started this one
print(int(re.search(r"VmHWM:\\s*(\\d+)", pathlib.Path("/proc/self/status").read_text())[1]) / 1024)
"""


def measure(n_stars, repeats):
    """Describe a file of so many stars a few times; return rates and sizes as a dict."""
    sys.path.insert(0, str(ROOT / "tests"))
    import bulk_files

    import xpsvae
    from xpsvae.own_stars.bulk import describe_file

    with tempfile.TemporaryDirectory() as folder:
        pixels = bulk_files.PIXELS[:1]
        tables = bulk_files.spectra(n_stars, pixels=pixels)
        path = Path(folder, f"XpContinuousMeanSpectrum_{pixels[0][0]:06d}-{pixels[0][1]:06d}.csv.gz")
        bulk_files.archive.write_bulk(path, tables[0])
        del tables
        model, output = xpsvae.load(device="cpu"), Path(folder, "latents.parquet")
        spent = {"checksum": [], "describe": []}
        for _ in range(repeats):
            start = time.process_time()
            with path.open("rb") as file:
                hashlib.file_digest(file, "md5")
            middle = time.process_time()
            describe_file(path, output, model)
            spent["checksum"].append(middle - start)
            spent["describe"].append(time.process_time() - middle)
        found = {name: n_stars / statistics.median(seconds) for name, seconds in spent.items()}
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, "-c", START], check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        command = [sys.executable, "-c", DESCRIBE, path, output]
        peak = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        return {
            "machine": common.machine(),
            "date": datetime.date.today().isoformat(),
            "stars": n_stars,
            "stars_per_cpu_second": found,
            "start_cpu_seconds": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
            "megabytes": float(peak),
            "bytes_per_star": {
                "download": path.stat().st_size / n_stars,
                "product": output.stat().st_size / n_stars,
            },
        }


def dr3(result):
    """Lines of the bill, in Markdown."""
    rates, sizes = result["stars_per_cpu_second"], result["bytes_per_star"]
    starting = FILES * result["start_cpu_seconds"] / 3600
    describing = STARS / rates["describe"] / 3600
    checking = STARS / rates["checksum"] / 3600
    return [
        "| what | cost | from |",
        "|---|---|---|",
        f"| download | {STARS * sizes['download'] / 1e12:.1f} TB | {FILES} files of "
        f"{STARS / FILES * sizes['download'] / 1e9:.2f} GB: {sizes['download'] / 1e3:.1f} kB a star |",
        f"| checksums | {checking:.1f} core-hours | {rates['checksum']:,.0f} stars/s |",
        f"| reading, describing, writing, looking again | {describing:.0f} core-hours | "
        f"{rates['describe']:,.0f} stars/s |",
        f"| starting {FILES} jobs | {starting:.1f} core-hours | {result['start_cpu_seconds']:.1f} s each |",
        f"| all of it | {starting + describing + checking:.0f} core-hours | "
        f"{(starting + describing + checking) * 60 / FILES:.1f} min a file |",
        f"| disk at a time | {8 * STARS / FILES * sizes['download'] / 1e9:.0f} GB | `dr3.at_once: 8` files |",
        f"| disk in the end | {STARS * sizes['product'] / 1e9:.0f} GB | {sizes['product']:.0f} B a star |",
        f"| memory of a job | {result['megabytes']:.0f} MB | however large the file |",
    ]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--stars", type=common.count, default=6000)
    parser.add_argument("--repeats", type=common.count, default=5)
    parser.add_argument("--output")
    parser.add_argument("--dr3", metavar="RESULT", help="print the bill of a result")
    given = parser.parse_args()
    if given.dr3:
        print("\n".join(dr3(json.loads(Path(given.dr3).read_text(encoding="utf-8")))))
    else:
        common.report(measure(given.stars, given.repeats), given.output)
