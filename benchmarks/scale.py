"""Time every step of the paper on more stars than the library has: seconds, memory, and how both grow.

    python benchmarks/scale.py --output benchmarks/scale.json [--stars 40000 502311] [--folder FOLDER]
    python benchmarks/scale.py --show benchmarks/scale.json     # the table, from that file

For each number of stars a record in the authors' form is made from the stars of the library, each repeated as
often as needed: a copy has an identifier of its own, and noise of its star's own errors in labels and spectrum. A
server on this machine hands it out, and Snakemake builds all of dataset zenodo from it. Seconds of a step are those
of Snakemake's benchmark file; CPU seconds and the largest memory are what the job itself says in the end, since
Snakemake's are samples, half a minute apart. The sVAEs take as many gradient steps for any number of stars (`STEPS`):
their training is not what is asked for here.
"""

import argparse
import datetime
import functools
import hashlib
import importlib
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pandas as pd
import yaml
from common import count, machine, report

from xpsvae.catalog import crossmatch
from xpsvae.data import library, zenodo

PROJECT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(PROJECT / "tests"))

archive = importlib.import_module("fixtures_gaia_sdss")

SIZES = (40_000, 502_311)  # about the library, and the paper
RECORD = 1
STEPS, BATCH = 10_000, 512  # of the training
SVAES = 2  # more are the same steps again
LABELS = [name.lower() for name in ("TEFF", "LOGG", "M_H", "ALPHA_M", "FE_H", "MG_FE")]
LABELS += ["nn_teff", "nn_logg"]
CHUNK = 16_384  # stars at a time
CORRELATED = 1000  # stars whose correlations the others repeat: made for each they would take 6 GB
GIB, MINUTES = 2.0, 6.0  # that no step may exceed, but training the time
TRAINING = ("train_svae", "predict_label_mlp")
USED = re.compile(r"^used ([\d.]+) s of processors, (\d+) MB of memory at most$", re.MULTILINE)
LEAST = 10.0  # [s] below which a step's exponent says nothing of it


def survey():
    """Give all stars of the library what only the archives know, as the tests do.

    Labels, their errors and flags stay the library's own: half of all stars are then giants of pristine labels, 257,000
    of 502,311 where the paper has fewer than 123,804.
    """
    sha256 = yaml.safe_load((PROJECT / "config.yaml").read_text(encoding="utf-8"))["library"]["sha256"]
    labels, spectra = library.read(library.locate(), sha256)
    stars, coefficients, errors, _ = crossmatch.build_catalog(labels, spectra)
    made = archive.make_survey(stars, coefficients, errors)
    for name in ("teff", "teff_err", "logg", "logg_err"):
        made.stars[f"nn_{name}"] = made.stars[name]
    made.stars[["starflag", "aspcapflag"]] = 0
    return made


class Repeated(archive.Survey):
    """A survey whose stars share the correlations of a few."""

    @property
    def spectra(self):
        """Correlations alone, of each star."""
        few = archive.spectra_table(*(part[:CORRELATED] for part in self.parts), self.seed)
        rows = np.arange(len(self.stars)) % CORRELATED
        names = [name for name in few if name.endswith("correlations")]
        return {name: [few[name][row] for row in rows] for name in names}

    @property
    def parts(self):
        """Identifiers, coefficients and errors."""
        return self.stars["source_id"], self.coefficients, self.errors


def repeated(small, n_stars, seed=0):
    """Repeat the stars of a survey, in random order, until there are enough: no two the same."""
    rng = np.random.default_rng(seed)
    n_small = len(small.stars)
    copy, row = np.divmod(rng.permutation(n_stars), n_small)
    again = copy > 0
    stars = small.stars.iloc[row].reset_index(drop=True)
    stars["source_id"] += copy
    if not stars["source_id"].is_unique:
        raise SystemExit(f"{n_stars} stars are too many: identifiers of copies meet those of other stars.")
    for name in LABELS:
        stars[name] += again * stars[f"{name}_err"] * rng.standard_normal(n_stars)
    coefficients, errors = small.coefficients[row], small.errors[row]
    for start in range(0, n_stars, CHUNK):
        rows = slice(start, start + CHUNK)
        noise = rng.standard_normal(coefficients[rows].shape, dtype=np.float32)
        coefficients[rows] += again[rows, None] * errors[rows] * noise
    return Repeated(stars, coefficients, errors, seed)


def write_record(folder, stars):
    """Write the files of a record, and the list of them that Zenodo gives."""
    folder.mkdir(parents=True, exist_ok=True)
    archive.write_authors(folder, stars)
    archive.write_predictions(folder, stars)


class Zenodo:
    """A server of one record on this machine, as a context manager; ``base`` is its address.

    A ``port`` of 0 is any that is free.
    """

    def __init__(self, folder, port=0):
        class Handler(SimpleHTTPRequestHandler):
            def log_message(self, *_):
                pass

        self.folder = folder
        self._httpd = ThreadingHTTPServer(("127.0.0.1", port), functools.partial(Handler, directory=folder))
        self._httpd.daemon_threads = True
        self.base = f"http://127.0.0.1:{self._httpd.server_port}"

    def __enter__(self):
        files = [
            self._listed(path) for path in sorted(self.folder.glob("*.np?")) + [*self.folder.glob("*.h5")]
        ]
        (self.folder / "api/records").mkdir(parents=True, exist_ok=True)
        (self.folder / f"api/records/{RECORD}").write_text(json.dumps({"files": files}), encoding="utf-8")
        threading.Thread(target=self._httpd.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *error):
        self._httpd.shutdown()
        self._httpd.server_close()

    def _listed(self, path):
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "md5").hexdigest()
        links = {"self": f"{self.base}/{path.name}"}
        return {"key": path.name, "size": path.stat().st_size, "checksum": f"md5:{digest}", "links": links}


def build(folder, n_stars, given):
    """Build everything from a record with Snakemake; a step that is there already is not made again."""
    settings = {
        "dataset": "zenodo",
        "results": "results",
        "zenodo": {"record": RECORD, "check_cutflow": False},
        "audit": {"svaes": SVAES},
        "recipes": {"fast": {"epochs": max(2, round(STEPS * BATCH / (0.9 * n_stars)))}},
    }
    asked = folder / "scale.yaml"  # of an earlier call, whose manifest names its server
    earlier = yaml.safe_load(asked.read_text(encoding="utf-8"))["zenodo"]["url"] if asked.exists() else ":0"
    with Zenodo(folder / "record", int(earlier.rpartition(":")[2])) as server:
        settings["zenodo"]["url"] = server.base
        asked.write_text(yaml.safe_dump(settings), encoding="utf-8")
        command = [
            sys.executable,
            "-m",
            "snakemake",
            "--snakefile",
            PROJECT / "Snakefile",
            "--directory",
            folder,
        ]
        command += ["--configfile", asked, "--cores", str(given.cores), "--resources", "gpu=1"]
        path = os.pathsep.join(filter(None, [str(PROJECT / "src"), os.getenv("PYTHONPATH")]))
        subprocess.run(
            [*map(str, command), *given.targets], check=True, env=os.environ | {"PYTHONPATH": path}
        )


def measured(folder):
    """Read by step its seconds, of Snakemake's benchmark file, and CPU seconds and GiB, of the end of its log."""
    root = folder / "results/zenodo"
    found = {}
    for path in sorted((root / "benchmarks").rglob("*.tsv")):
        name = path.relative_to(root / "benchmarks").with_suffix("").as_posix()
        seconds = float(pd.read_csv(path, sep="\t")["s"].iloc[-1])
        cpu, megabytes = USED.search((root / f"logs/{name}.log").read_text(encoding="utf-8")).groups()
        found[name] = {"s": seconds, "cpu_s": float(cpu), "gib": float(megabytes) / 1024}
    return found


def exponent(few, many, sizes):
    """Power of the number of stars with which something grows, as text; nothing where it is too small to be seen."""
    return f"{np.log(many / few) / np.log(sizes[-1] / sizes[0]):.2f}" if min(few, many) > 0 else ""


def table(result):
    """Table in Markdown, the longest step first, and a line that names what exceeds the limits.

    Steps that take less than `LEAST` seconds of a processor have no exponent of time: most of it is the start.
    """
    sizes = sorted(map(int, result["steps"]))
    few, many = (result["steps"][str(size)] for size in (sizes[0], sizes[-1]))
    columns = [("s", 0), ("cpu_s", 0), ("gib", 2)]
    head = [f"{what}, {size:,}" for what in ("s", "CPU s", "GiB") for size in (sizes[0], sizes[-1])]
    lines = [["step", *head, "exponent of CPU s", "of GiB"], ["---"] * 9]
    for name in sorted(few.keys() & many.keys(), key=lambda name: -many[name]["cpu_s"]):
        pair = few[name], many[name]
        cells = [f"{step[key]:.{digits}f}" for key, digits in columns for step in pair]
        time, memory = (exponent(*(step[key] for step in pair), sizes) for key in ("cpu_s", "gib"))
        lines.append([f"`{name}`", *cells, time if many[name]["cpu_s"] >= LEAST else "", memory])
    over = [
        f"`{name}`"
        for name, step in many.items()
        if step["gib"] > GIB or (step["s"] > 60 * MINUTES and not name.startswith(TRAINING))
    ]
    text = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    limits = f"{GIB:g} GiB, or but for training {MINUTES:g} min"
    return f"{text}\n\nOver {limits}, at {sizes[-1]:,} stars: {', '.join(over) or 'none'}."


def main():
    """Measure, or show what was measured."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--stars", type=count, nargs="+", default=SIZES)
    parser.add_argument("--cores", type=count, default=2)
    parser.add_argument("--folder", type=Path, help="kept, and gone on with; a temporary one if not given")
    parser.add_argument("--output", type=Path, help="file for the result")
    parser.add_argument("--show", type=Path, help="print the table of such a file")
    parser.add_argument("--targets", nargs="+", default=["all"], help="what Snakemake is asked for")
    given = parser.parse_args()
    if given.show:
        print(table(json.loads(given.show.read_text(encoding="utf-8"))))
        return
    with tempfile.TemporaryDirectory() as temporary:
        root, small = (given.folder or Path(temporary)).resolve(), None
        result = {"machine": machine(), "cores": given.cores, "steps": {}}
        result["date"] = datetime.date.today().isoformat()
        for n_stars in given.stars:
            folder = root / str(n_stars)
            if not (folder / "record" / zenodo.CATALOGUE).exists():
                small = small or survey()
                write_record(folder / "record", repeated(small, n_stars))
            build(folder, n_stars, given)
            result["steps"][str(n_stars)] = measured(folder)
    print(table(result))
    if given.output:
        report(result, given.output)


if __name__ == "__main__":
    main()
