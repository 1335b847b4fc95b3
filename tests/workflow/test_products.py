"""What a job wrote is what the next one reads: damage that keeps size and time is named, in one sentence."""

import json
import os
import shutil
import time

import numpy as np
import pytest

pytestmark = pytest.mark.slow
COEFFICIENTS, ERRORS = "catalog/coefficients.npy", "catalog/coefficient_errors.npy"
LATENTS, WEIGHTS, CONFIG = "latents/latents.parquet", "model/svae.safetensors", "model/config.json"
RETRIEVED = ["data/labels.parquet", "data/spectra.parquet"]
RESIDUALS = "corrected/comparison/summary.json"
STARS, FIGURE, PAPER = "catalog/stars.parquet", "corrected/figures/catalog_cuts.png", "paper/ms.pdf"


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.write_bytes(content)


def swap(path):
    other = path.with_name("coefficient_errors.npy")
    one, two = path.read_bytes(), other.read_bytes()
    path.write_bytes(two)
    other.write_bytes(one)


def empty(path):
    path.write_bytes(b"")


def shorten(path):
    np.save(path, np.load(path)[:-1])


def lose_numbers(path):
    content = path.read_bytes()
    path.write_bytes(content[:-4] + np.float32(np.nan).tobytes())


def odd(path):
    path.write_text(json.dumps({"model": {"n_inputs": "110", "n_latents": -6}}))


def spoil_foot(path):
    content = bytearray(path.read_bytes())
    content[-600:-400] = bytes(200)
    path.write_bytes(content)


class Damaged:
    """Damage products of a finished clone without a change of their times, and put all back."""

    def __init__(self, clone, names, noted, due):
        self.root, self.names, self.noted = clone.folder / "results/library", names, noted
        self.due, self.kept = due, clone.folder / "kept"

    def __enter__(self):
        shutil.copytree(self.root, self.kept)
        for name in self.due:
            (self.root / name).unlink()
        if not self.noted:
            for name in self.names:
                path = self.root / name
                (path.parent / ".sha256" / path.name).unlink()
        return self

    def by(self, damage):
        kept = {name: os.stat(self.root / name).st_mtime_ns for name in self.names}
        damage(self.root / self.names[0])
        for name, nanoseconds in kept.items():
            os.utime(self.root / name, ns=(nanoseconds, nanoseconds))

    def __exit__(self, *_):
        shutil.rmtree(self.root)
        self.kept.rename(self.root)


@pytest.mark.parametrize(
    ("names", "damage", "target", "due", "sentence"),
    [
        ([COEFFICIENTS], flip, "embed_stars", ["latents/scatter.npy"], "has changed since its job wrote it"),
        ([COEFFICIENTS, ERRORS], swap, "train_svae", [WEIGHTS], "has changed since its job wrote it"),
        ([LATENTS], flip, "fig_latent_tracks", ["corrected/figures/latent_tracks.pdf"], "has changed since"),
        ([WEIGHTS], lose_numbers, "embed_stars", ["latents/scatter.npy"], "has changed since"),
        ([FIGURE], flip, "archive", [], "has changed since its job wrote it"),
        ([PAPER], empty, "archive", [], "has changed since its job wrote it"),
        (["corrected/numbers.tex"], flip, "archive", [], "has changed since its job wrote it"),
    ],
)  # fmt: skip
def test_a_product_that_is_not_what_its_job_wrote(clone, names, damage, target, due, sentence):
    refused(clone, names, damage, target, due, sentence, noted=True)


@pytest.mark.parametrize(
    ("names", "damage", "target", "due", "sentence"),
    [
        ([COEFFICIENTS], shorten, f"results/library/{RESIDUALS}", [RESIDUALS], "rows, but"),
        ([WEIGHTS], lose_numbers, "embed_stars", ["latents/scatter.npy"], "are not all finite"),
        ([CONFIG], odd, "fig_svae_arch", ["corrected/figures/svae_arch.pdf"], "does not describe a model"),
        ([STARS], spoil_foot, "fig_catalog_cuts", [FIGURE], "is not a readable Parquet file"),
        ([PAPER], empty, "archive", [], "is empty"),
        (["corrected/figures/catalog_cuts.pdf"], flip, "build_paper", [PAPER], "is not a whole PDF"),
    ],
)  # fmt: skip
def test_a_product_without_a_note(clone, names, damage, target, due, sentence):
    """Made before there were notes, it is guarded by its readers alone."""
    refused(clone, names, damage, target, due, sentence, noted=False)


def refused(clone, names, damage, target, due, sentence, noted):
    with Damaged(clone, names, noted, due) as damaged:
        damaged.by(damage)
        run = clone.snakemake("--cores", "1", target, "--rerun-triggers", "mtime")
        assert run.returncode != 0
        assert "Traceback" not in run.stderr
        (said,) = {line for line in run.stderr.splitlines() if line.startswith("Error: ")}
        assert sentence in said and any(name in said for name in names), said
        assert not (clone.folder / "results/library/archive").exists()


def test_deleted_and_made_again_it_is_the_same_on_one_core(clone):
    """Whatever comes of it, which is every product; the first were made on two cores."""
    before, begin = clone.products(), time.time()
    with Damaged(clone, [COEFFICIENTS], True, RETRIEVED) as damaged:
        damaged.by(flip)
        (damaged.root / COEFFICIENTS).unlink()
        run = clone.snakemake("--resources", "gpu=1", "--cores", "1", "all")
        assert run.returncode == 0, run.stderr[-4000:]
        assert clone.products() == before
        assert [name for name in before if os.stat(damaged.root / name).st_mtime < begin] == []


def test_notes_are_what_sha256sum_checks(clone):
    root = clone.folder / "results/library"
    products = clone.products()
    notes = {path: path.read_text() for path in root.rglob(".sha256/*")}
    noted = {
        (path.parent.parent / path.name).relative_to(root).as_posix(): text for path, text in notes.items()
    }
    assert noted == {name: f"{digest}  {name.rsplit('/')[-1]}\n" for name, digest in products.items()}
