"""A small build, its rules and its archive, for tests of archiving."""

import random
import shutil
from pathlib import Path

from xpsvae.archive import bundle

__all__ = ["CONFIG", "PRODUCTS", "make_archive", "make_project"]

PROJECT = Path(__file__).parents[1]
CONFIG = {
    "dataset": "library",
    "results": "results",
    "library": {"sha256": "e" * 64, "limit": None},
    "training": {"epochs": 3},
}
PRODUCTS = {
    "catalog/stars.parquet": random.Random(1).randbytes(5000),
    "catalog/coefficients.npy": random.Random(2).randbytes(40_000),
    "model/svae.safetensors": random.Random(3).randbytes(3000),
    "corrected/figures/kiel.pdf": b"%PDF",
    "corrected/figures/bars.pdf": b"%PDF bars",
    "only-latent/figures/bars.pdf": b"%PDF other bars",
    "paper/ms.pdf": b"%PDF paper",
    "provenance.json": b"{}\n",
}
_JOBS = {
    "build_catalog": (["data/spectra.parquet"], ["catalog/stars.parquet", "catalog/coefficients.npy"], {}),
    "train_svae": (["catalog/coefficients.npy"], ["model/svae.safetensors"], {"training": {"epochs": 3}}),
    "fig_kiel": (["model/svae.safetensors"], ["corrected/figures/kiel.pdf"], {"figure": "kiel"}),
    "fig_bars": (["catalog/stars.parquet"], ["corrected/figures/bars.pdf"], {"figure": "bars"}),
    "fig_bars (only-latent)": (
        ["catalog/stars.parquet"],
        ["only-latent/figures/bars.pdf"],
        {"figure": "bars", "choices": {"latent": "draw"}},
    ),
    "build_paper": (
        ["corrected/figures/kiel.pdf", "corrected/figures/bars.pdf"],
        ["paper/ms.pdf", "provenance.json"],
        {},
    ),
}


def make_project(folder):
    """Write the sources of a workflow and its products; return the folder of the products and the rules."""
    for name in ("LICENSE", "CITATION.cff", "Snakefile", "config.yaml"):
        shutil.copy(PROJECT / name, folder / name)
    (folder / "src").mkdir()
    (folder / "src" / "module.py").write_text("shared = 1\n")
    jobs = []
    for rule, (inputs, outputs, params) in _JOBS.items():
        script = f"src/{rule.split()[0]}.py"
        (folder / script).write_text(f"# {script}\n")
        jobs.append(
            {
                "rule": rule,
                "description": f"What {rule} does.",
                "script": script,
                "code": ["src/module.py"] if rule == "train_svae" else [],
                "inputs": [f"results/library/{name}" for name in inputs],
                "outputs": [f"results/library/{name}" for name in outputs],
                "params": params,
            }
        )
    root = folder / "results" / "library"
    for name, content in PRODUCTS.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    return root, jobs


def make_archive(folder, project, monkeypatch):
    """Build the archive of a project made by `make_project`; return its rules."""
    monkeypatch.setattr(bundle, "LARGE", 20_000)
    root, jobs = make_project(project)
    rules = bundle.describe_rules(jobs, "results/library", project)
    bundle.build(folder, root, list(PRODUCTS), rules, CONFIG, project)
    return rules
