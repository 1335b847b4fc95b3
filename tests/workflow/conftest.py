"""A copy of the project that runs its real Snakefile on a few thousand real stars."""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

PROJECT = Path(__file__).resolve().parents[2]
STARS = 4000


def changed(config, keys):
    """Give a configuration with some keys changed, in groups of any depth."""
    return config | {
        key: changed(config.get(key) or {}, value) if isinstance(value, dict) else value
        for key, value in keys.items()
    }


class Clone:
    """A folder with the project's files, a small configuration, and a way to run Snakemake in it."""

    def __init__(self, folder):
        self.folder = folder
        listed = subprocess.run(
            ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
            cwd=PROJECT, capture_output=True, text=True, check=True,
        )  # fmt: skip
        for name in listed.stdout.splitlines():
            if (PROJECT / name).is_file():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(PROJECT / name, folder / name)
        few = {"svaes": 2, "forests": 2, "n_bootstrap": 100}
        self.configure(library={"limit": STARS}, recipes={"fast": {"epochs": 30}}, audit=few)
        self.configure(comparison={"label_mlp": {"epochs": 5}})

    @classmethod
    def at(cls, folder):
        """Take a folder that is a clone already."""
        clone = cls.__new__(cls)
        clone.folder = folder
        return clone

    def copy(self, folder, *without):
        """Copy the folder, times of files and all, without files of these names."""
        ignored = shutil.ignore_patterns("__pycache__", *without)
        shutil.copytree(self.folder, folder, symlinks=True, ignore=ignored, dirs_exist_ok=True)
        return Clone.at(folder)

    @contextmanager
    def edited(self, name, change):
        """Change the text of a file by a function, for as long as the block lasts."""
        path = self.folder / name
        before = path.read_text()
        assert change(before) != before
        path.write_text(change(before))
        try:
            yield
        finally:
            path.write_text(before)

    @contextmanager
    def configured(self, **groups):
        """Change keys of config.yaml, for as long as the block lasts."""
        path = self.folder / "config.yaml"
        before = path.read_text()
        self.configure(**groups)
        try:
            yield
        finally:
            path.write_text(before)

    def configure(self, **groups):
        """Change keys in groups of config.yaml, or a key that stands alone."""
        path = self.folder / "config.yaml"
        config = changed(yaml.safe_load(path.read_text()), groups)
        path.write_text(yaml.safe_dump(config, sort_keys=False))

    def snakemake(self, *words, **variables):
        """Run Snakemake in the folder; the package is the folder's own, not the installed one."""
        others = os.getenv("PYTHONPATH", "").split(os.pathsep)
        path = os.pathsep.join([str(self.folder / "src"), *others]).rstrip(os.pathsep)
        environment = {**os.environ, "PYTHONPATH": path, **variables}
        return subprocess.run(
            [sys.executable, "-m", "snakemake", *words],
            cwd=self.folder, env=environment, capture_output=True, text=True,
        )  # fmt: skip

    def planned(self, *words):
        """Which rules a call would run, in the order of their names."""
        run = self.snakemake(*words, "--dry-run", "--quiet", "rules")
        assert run.returncode == 0, run.stderr
        text = run.stdout + run.stderr
        table = [line.split() for line in text.splitlines()]
        return sorted({row[0] for row in table if len(row) == 2 and row[1].isdigit() and row[0] != "total"})

    def products(self):
        """SHA-256 of every product, without the logs, the run times and the notes of digests."""
        root = self.folder / "results" / "library"
        return {
            path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(root.rglob("*"))
            if path.is_file() and not {"logs", "benchmarks", ".sha256"} & {*path.relative_to(root).parts}
        }


def built_once(tmp_path_factory, name, target, **groups):
    """Build a target in a clone, once for all processes of pytest-xdist, and give this process a copy of it."""
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent  # each process has a folder of its own in that of the run
    original, finished = folder / f"built-{name}", folder / f"built-{name}.finished"
    with open(folder / f"built-{name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not original.exists():
            original.mkdir()
            clone = Clone(original)
            clone.configure(**groups)
            run = clone.snakemake("--cores", "2", "--resources", "gpu=1", target)
            assert run.returncode == 0, run.stderr[-8000:]
            finished.touch()
    assert finished.exists(), f"the build of {name} failed in another process"
    return Clone.at(original).copy(tmp_path_factory.mktemp(name))


@pytest.fixture(scope="session")
def clone(tmp_path_factory):
    """Run the project once to its end."""
    return built_once(tmp_path_factory, "clone", "all")


@pytest.fixture(scope="session")
def encoded(tmp_path_factory):
    """Encode 12,000 stars, three chunks, in one job; how well the model is trained is no matter."""
    few = {"library": {"limit": 12000}, "recipes": {"fast": {"epochs": 3}}}
    return built_once(tmp_path_factory, "encoded", "embed_stars", **few)
