"""How many XP spectra a second each form is read at, FITS beside what astropy itself takes for the columns.

    OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 python benchmarks/readers.py

Files of copies of a real star with all that the archive has of it: bulk csv.gz, csv.gz, FITS and VOTable of datalink,
Parquet. Rows a CPU-second, medians of interleaved runs; the first run of each form is not counted.
"""

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
from common import count, machine

import xpsvae
from xpsvae.xp import iter_bulk, read_spectra

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
import bulk_files
from bulk_files import archive

COLUMNS = [f"{band}_{name}" for band in ("bp", "rp") for name in ("coefficients", "coefficient_errors")]


def main(n_stars, repeats):
    """Print a table."""
    (table,) = bulk_files.spectra(n_stars, pixels=bulk_files.PIXELS[:1])
    with tempfile.TemporaryDirectory() as folder:
        paths = _write(Path(folder), table)
        few = table["source_id"][::100]
        readers = {
            "bulk csv.gz, every 100th star": lambda: sum(map(len, iter_bulk(paths["bulk csv.gz"], few)))
        }
        for form, path in paths.items():
            readers[f"{form}, as describe reads it"] = lambda path=path: len(xpsvae.read(path))
            readers[f"{form}, in full"] = lambda path=path: len(read_spectra(path))
        readers["FITS, astropy, the columns of describe"] = lambda: _astropy(paths["FITS"])
        spent = {name: [] for name in readers}
        for _ in range(repeats + 1):
            for name, read in readers.items():
                start = time.process_time()
                count = read()
                spent[name].append(time.process_time() - start)
                assert count == (len(few) if "every" in name else n_stars), name
        print(f"{machine()}, {n_stars} stars, median of {repeats}\n\n| form | rows a CPU-second |\n|---|---|")
        for name, seconds in spent.items():
            print(f"| {name} | {n_stars / statistics.median(seconds[1:]):,.0f} |")


def _write(folder, table):
    paths = {"bulk csv.gz": folder / "bulk.csv.gz", "csv.gz": folder / "x.csv", "FITS": folder / "x.fits"}
    paths |= {"VOTable": folder / "x.xml", "Parquet": folder / "x.parquet"}
    archive.write_bulk(paths["bulk csv.gz"], table)
    for form in ("csv.gz", "FITS", "VOTable"):
        archive.write_datalink(paths[form], table)
    paths["csv.gz"] = archive.compress(paths["csv.gz"])
    pd.DataFrame(table).to_parquet(paths["Parquet"])
    return paths


def _astropy(path):
    from astropy.io import fits

    with fits.open(path) as hdus:
        rows = hdus[1].data
        for name in COLUMNS:
            np.array([np.asarray(values) for values in rows[name]])
        return len(np.array(rows["source_id"]))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--stars", type=count, default=2000)
    parser.add_argument("--repeats", type=count, default=5)
    given = parser.parse_args()
    main(given.stars, given.repeats)
