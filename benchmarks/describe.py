"""How many stars a second `xpsvae describe` does, and in how much memory.

    OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 python benchmarks/describe.py FILE OUTPUT

Reading and writing are included, imports and the loading of the model are not; CPU time, since other work may share
the cores.
"""

import argparse
import resource
import time

import numpy as np

import xpsvae
from xpsvae.own_stars.output import write_blocks
from xpsvae.own_stars.tables import iter_table


def main(path, output):
    """Describe one star to have all imported, then the file."""
    star = {"source_id": [1], "phot_g_mean_flux": [1e5]}
    model = xpsvae.load(device="cpu")
    for band in ("bp", "rp"):
        star |= {
            f"{band}_coefficients": np.full((1, 55), 10.0),
            f"{band}_coefficient_errors": np.ones((1, 55)),
        }
    xpsvae.describe(star, model)
    before, start = _megabytes(), time.process_time()
    count = write_blocks(output, iter_table("describe", path, model))
    spent = time.process_time() - start
    print(
        f"{count} stars, {count / spent:.0f} a CPU-second, {_megabytes() - before:.0f} MB above the imports"
    )


def _megabytes():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("path", help="file of XP spectra")
    parser.add_argument("output", help=".parquet, .ecsv or .fits")
    given = parser.parse_args()
    main(given.path, given.output)
