"""The page on the cost of DR3: its table is what the benchmark makes of its measurement."""

import json
import runpy
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def benchmark():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "path", [str(ROOT / "benchmarks"), *sys.path])
        return runpy.run_path(str(ROOT / "benchmarks/stream.py"))


@pytest.fixture(scope="module")
def result():
    return json.loads((ROOT / "benchmarks/stream.json").read_text(encoding="utf-8"))


def test_the_page_has_the_benchmarks_table(benchmark, result):
    page = (ROOT / "docs/dr3.md").read_text(encoding="utf-8")
    assert "\n".join(benchmark["dr3"](result)) in page
    assert f"{result['machine']}, no GPU, {result['date']}" in page


def test_costs_follow_from_rates(benchmark):
    """By hand: 220 million stars at 100,000 a second are 2200 s; 193.6 GB at 2 GB/s are 96.8 s."""
    rates = {"windows": 1e5, "resident": 1e5}
    result = {
        "batch_size": 500,
        "gigabytes_per_second": {"read_cold": 0.5, "read": 4.0, "examine": 2.0},
        "encoded_per_second": 1e6,
        "trained_per_second": {name: rates for name in benchmark["SET_UPS"]},
    }
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in benchmark["dr3"](result)]
    costs = {what: cost for what, cost, _ in rows}
    assert costs["files"] == "194 GB"
    assert costs["training, an epoch"] == "0.61 core-hours"
    assert costs["check and fingerprint, once"] == "1.6 core-minutes"
    assert costs["reading, an epoch"] == "6.5 min or 0.8 min"
    assert costs["encoding"] == "3.7 core-minutes"
    assert costs["nodes for a day"] == "1" and any("39 times" in row[2] for row in rows)
    assert costs["ours on a GPU"] == ""
