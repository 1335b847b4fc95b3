"""The page on the cost of DR3: its table is what the benchmark makes of its measurement."""

import json
import runpy
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def run(name):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "path", [str(ROOT / "benchmarks"), *sys.path])
        return runpy.run_path(str(ROOT / f"benchmarks/{name}.py"))


def measured(name):
    return json.loads((ROOT / f"benchmarks/{name}.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def benchmark():
    return run("stream")


@pytest.fixture(scope="module")
def result():
    return measured("stream")


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


def test_the_page_has_the_bill_of_the_latents():
    page, result = (ROOT / "docs/dr3.md").read_text(encoding="utf-8"), measured("bulk")
    assert "\n".join(run("bulk")["dr3"](result)) in page
    assert f"{result['machine']} that other work shared, CPU time, {result['date']}" in page
    assert f"a file of {result['stars']} copies" in page


def test_the_bill_of_the_latents_follows_from_rates():
    """By hand: 220 million stars at 1000 a second are 61.1 h; 3386 starts of 2 s are 1.9 h; 20 kB each are 4.4 TB."""
    result = {
        "stars_per_cpu_second": {"checksum": 1e5, "describe": 1e3},
        "start_cpu_seconds": 2.0,
        "megabytes": 512.3,
        "bytes_per_star": {"download": 2e4, "product": 100},
    }
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in run("bulk")["dr3"](result)]
    costs = {what: cost for what, cost, _ in rows}
    assert costs["download"] == "4.4 TB"
    assert costs["checksums"] == "0.6 core-hours"
    assert costs["reading, describing, writing, looking again"] == "61 core-hours"
    assert costs["starting 3386 jobs"] == "1.9 core-hours"
    assert costs["all of it"] == "64 core-hours"
    assert costs["disk at a time"] == "10 GB" and costs["disk in the end"] == "22 GB"
    assert costs["memory of a job"] == "512 MB"
