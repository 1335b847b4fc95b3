"""The benchmark of scale: no two of its stars alike, its table and limits by hand."""

import argparse
import runpy
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def benchmark():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "path", [str(ROOT / "benchmarks"), *sys.path])
        return runpy.run_path(str(ROOT / "benchmarks/scale.py"))


@pytest.fixture(scope="module")
def survey(benchmark):
    rng = np.random.default_rng(0)
    names = benchmark["LABELS"]
    columns = {name: rng.uniform(1, 2, 30) for name in names}
    columns |= {f"{name}_err": rng.uniform(0.01, 0.02, 30) for name in names}
    stars = pd.DataFrame({"source_id": 1000 * np.arange(1, 31), **columns})
    coefficients, errors = (rng.uniform(1, 2, (30, 110)).astype(np.float32) for _ in range(2))
    return benchmark["Repeated"](stars, coefficients, errors, 0)


def test_counts_on_the_command_line_are_whole_numbers_from_one(benchmark):
    assert benchmark["count"]("12") == 12
    for text in ("0", "-1", "1.5", "many", ""):
        with pytest.raises(argparse.ArgumentTypeError, match=f"'{text}' is not a whole number from 1"):
            benchmark["count"](text)


def test_copies_are_stars_of_their_own_with_the_noise_of_the_first(benchmark, survey):
    made = benchmark["repeated"](survey, 100)
    assert made.stars["source_id"].is_unique and len(made.stars) == len(made.coefficients) == 100
    copy, row = made.stars["source_id"] % 1000, made.stars["source_id"] // 1000 - 1
    assert sorted(np.bincount(copy).tolist()) == [10, 30, 30, 30]
    first = (copy == 0).to_numpy()
    original = survey.coefficients[row]
    np.testing.assert_array_equal(made.coefficients[first], original[first])
    np.testing.assert_array_equal(made.errors, survey.errors[row])
    pull = ((made.coefficients - original) / made.errors)[~first]
    assert abs(pull.mean()) < 0.05 and pull.std() == pytest.approx(1, abs=0.05)
    moved = (made.stars["teff"].to_numpy() - survey.stars["teff"].to_numpy()[row]) / made.stars["teff_err"]
    assert (moved[first] == 0).all() and np.abs(moved[~first]).max() > 1
    again = benchmark["repeated"](survey, 100)
    assert (again.coefficients == made.coefficients).all() and again.stars.equals(made.stars)


def test_a_record_is_what_the_workflow_reads(benchmark, survey, tmp_path):
    """Correlations are those of the tests' own writer, star by star."""
    spectra = survey.spectra
    assert set(spectra) == {"bp_coefficient_correlations", "rp_coefficient_correlations"}
    assert [len(values) for values in spectra.values()] == [30, 30]
    assert {len(one) for values in spectra.values() for one in values} == {55 * 54 // 2}


def test_the_exponent_and_the_limits_by_hand(benchmark):
    def step(s, gib):
        return {"s": s, "cpu_s": s, "gib": gib}

    result = {
        "steps": {
            "1000": {"slow": step(10.0, 0.5), "train_svae": step(9.0, 0.5), "large": step(5.0, 0.4)},
            "100000": {"slow": step(1000.0, 0.5), "train_svae": step(900.0, 1.9), "large": step(8.0, 4.0)},
        }
    }
    lines = benchmark["table"](result).splitlines()
    rows = {
        cells[0]: cells[1:]
        for cells in ([c.strip() for c in line.split("|")[1:-1]] for line in lines)
        if cells
    }
    assert list(rows)[2:] == ["`slow`", "`train_svae`", "`large`"]  # the longest first
    assert rows["`slow`"][-2:] == ["1.00", "0.00"] and rows["`large`"][-2:] == ["", "0.50"]
    assert lines[-1] == "Over 2 GiB, or but for training 6 min, at 100,000 stars: `slow`, `large`."


def test_benchmark_files_and_logs_are_read(benchmark, tmp_path):
    path = tmp_path / "results/zenodo/benchmarks/corrected/split_alpha.tsv"
    path.parent.mkdir(parents=True)
    path.write_text("s\th:m:s\tmax_rss\tcpu_time\n2.5\t0:00:02\t512.00\t1.25\n")
    log = tmp_path / "results/zenodo/logs/corrected/split_alpha.log"
    log.parent.mkdir(parents=True)
    log.write_text("wrote split\nused 1.2 s of processors, 512 MB of memory at most\n")
    assert benchmark["measured"](tmp_path) == {"corrected/split_alpha": {"s": 2.5, "gib": 0.5, "cpu_s": 1.2}}
