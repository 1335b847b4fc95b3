"""One set of pins, which all files repeat, and which every Python of the range can install."""

import csv
import re
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.markers import Marker
from packaging.specifiers import SpecifierSet
from packaging.tags import compatible_tags, cpython_tags

ROOT = Path(__file__).parents[2]
ENVIRONMENTS = ROOT / "envs"
PYTHONS = ["3.11.0", "3.11.99", "3.12.0", "3.12.99", "3.13.0", "3.13.99"]


def lines(name):
    """Return (name, version, marker or None) of each pin."""
    text = (line.split("#")[0].strip() for line in (ENVIRONMENTS / name).read_text().splitlines())
    for pin, _, marker in (line.partition(";") for line in text if line):
        name, version = pin.strip().split("==")
        yield re.sub("[._]", "-", name).lower(), version, Marker(marker) if marker else None


def pins(name):
    return {name: version for name, version, _ in lines(name)}


def table():
    with open(ENVIRONMENTS / "requirements.csv", newline="") as file:
        return {row["name"]: row for row in csv.DictReader(file)}


def misfit(row, python):
    """Say why a Python, on Linux, cannot install a row of the table; None if it can."""
    if not any(SpecifierSet(asked).contains(python) for asked in row["requires_python"].split(" or ")):
        return f"{row['name']} {row['version']} requires Python {row['requires_python']}"
    version = tuple(map(int, python.split(".")[:2]))
    tags = [*cpython_tags(version, platforms=["any"]), *compatible_tags(version, platforms=["any"])]
    if not {f"{tag.interpreter}-{tag.abi}" for tag in tags} & set(row["files"].split()) - {"compiled-source"}:
        return None if row["files"] == "source" else f"{row['name']} {row['version']} has only {row['files']}"
    return None


def test_pins_agree():
    direct, data = pins("requirements.in"), pins("requirements-data.lock")
    assert direct.items() <= pins("requirements.lock").items()
    conda = yaml.safe_load((ENVIRONMENTS / "environment.yaml").read_text())["dependencies"]
    assert dict(pin.split("==") for pin in conda[-1]["pip"]) == direct | data


@pytest.mark.parametrize("python", PYTHONS)
def test_every_pin_fits_every_python(python):
    machine = {
        "python_version": python.rpartition(".")[0],
        "python_full_version": python,
        "sys_platform": "linux",
        "platform_machine": "x86_64",
        "platform_python_implementation": "CPython",
        "implementation_name": "cpython",
    }
    rows = table()
    wanted = [*lines("requirements.lock"), *lines("requirements-data.lock")]
    wanted = [name for name, _, marker in wanted if marker is None or marker.evaluate(machine)]
    assert len(wanted) > 100
    assert [problem for name in wanted if (problem := misfit(rows[name], python))] == []


def test_table_is_of_these_pins():
    rows = {name: row["version"] for name, row in table().items()}
    assert rows == pins("requirements.lock") | pins("requirements-data.lock"), "run make lock"


@pytest.mark.parametrize(
    ("requires", "files", "misfits"),
    [
        (">=3.11.5", "py3-none", ["3.11.0"]),  # soupsieve 4.1.2, which stopped Debian 12
        (">=3.11,<3.13", "py3-none", ["3.13.0", "3.13.99"]),
        ("", "cp311-cp311", ["3.12.0", "3.12.99", "3.13.0", "3.13.99"]),
        ("", "cp312-abi3", ["3.11.0", "3.11.99"]),
        ("", "cp313-cp313t pp311-pypy311_pp73", PYTHONS),
        ("", "compiled-source", PYTHONS),
        ("", "", PYTHONS),
        ("", "source", []),
        (">=2.7, !=3.0.*", "cp36-abi3", []),
    ],
)
def test_a_pin_that_does_not_fit_is_seen(requires, files, misfits):
    row = {"name": "name", "version": "1", "requires_python": requires, "files": files}
    assert [python for python in PYTHONS if misfit(row, python)] == misfits


def test_one_range_of_pythons_everywhere():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["requires-python"] == ">=3.11,<3.14"
    conda = yaml.safe_load((ENVIRONMENTS / "environment.yaml").read_text())["dependencies"]
    assert conda[0] == "python >=3.11,<3.14"
    for name in ("README.md", "envs/install.sh"):
        assert "CPython 3.11 to 3.13" in (ROOT / name).read_text()
    workflow = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())
    assert workflow["jobs"]["test"]["strategy"]["matrix"]["python"] == ["3.11", "3.12", "3.13"]
