"""Fixtures every test may use."""

import copy
import os
from pathlib import Path

import pytest
import yaml

# Before anything imports OpenMP, which reads it once: threads that share small arrays wait for each other far longer
# than they work, and `make test` keeps the cores busy with one process each. Jobs of the workflow set their own.
os.environ.setdefault("OMP_NUM_THREADS", "1")

SHARED = Path(__file__).resolve().parents[2] / "shared"
SETTINGS = yaml.safe_load((Path(__file__).parents[1] / "config.yaml").read_text(encoding="utf-8"))


@pytest.fixture(scope="session")
def shared():
    """Locate a reference file that is not part of the project; skip the test where it is absent."""

    def locate(relative):
        path = SHARED / relative
        if not path.exists():
            pytest.skip(f"reference file {relative} is not here")
        return path

    return locate


@pytest.fixture(scope="session")
def settings():
    """Read config.yaml: the only place that holds the defaults of the analysis."""
    return copy.deepcopy(SETTINGS)
