"""Resolve `requirements.in` into one `requirements.lock` for CPython 3.11.0 to 3.13.

Pins of the present lock stay where they fit; delete a line of it to have a newer one. `requirements.csv`
gets what the package index says of each pin: the Pythons that it is for, and the kinds of its wheels for
Linux on x86-64. A test reads from it, without a network, whether each pin fits each Python.
"""

import csv
import io
import json
import os
import re
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from urllib.error import URLError
from urllib.request import Request, urlopen

from packaging.utils import parse_sdist_filename, parse_wheel_filename
from packaging.version import Version
from pip._internal.models.index import PyPI  # pip knows its address, and has no public name for that

ENVIRONMENTS = Path(__file__).parent
INDEX = os.environ.get("PIP_INDEX_URL", PyPI.simple_url)
HEADER = """\
# Made by `make lock` from requirements.in: one resolution for CPython 3.11.0 to 3.13. The packages of
# torch's CUDA build (nvidia-*, cuda-*, triton) are not listed: its CPU build needs none of them, no marker
# tells the two apart, and torch itself pins them. So install this file with dependencies, not with
# --no-deps.
"""
OF_CUDA = re.compile(r"(nvidia|cuda|triton)\b")
COMPILED = re.compile(r"\.(c|cc|cpp|cxx|f|f90|pyx|rs)$")
LINUX = re.compile(r"any$|(many)?linux.*_x86_64$")


def main():
    lock = ENVIRONMENTS / "requirements.lock"
    lines = resolve(ENVIRONMENTS / "requirements.in", lock.read_text() if lock.exists() else "")
    lines = [line for line in lines if not OF_CUDA.match(line)]
    pins = [*lines, *(ENVIRONMENTS / "requirements-data.lock").read_text().splitlines()]
    try:
        rows = [describe(*pin) for pin in re.findall(r"^([\w.-]+)==([^\s;]+)", "\n".join(pins), re.MULTILINE)]
    except URLError as error:
        sys.exit(f"The package index cannot be reached, and nothing is changed: {error}")
    lock.write_text(HEADER + "\n".join(lines) + "\n")
    with open(ENVIRONMENTS / "requirements.csv", "w", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerows([("name", "version", "requires_python", "files"), *rows])


def resolve(requirements, present):
    """Return the lines of a lock: one version a package wherever one fits all Pythons."""
    command = [sys.executable, "-m", "uv", "pip", "compile", "--quiet", "--no-annotate", "--no-header"]
    command += ["--universal", "--python-version", "3.11.0", "--fork-strategy", "fewest"]
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder, "requirements.lock")
        output.write_text(present)  # uv prefers the versions that it finds there
        command += [requirements, "--output-file", output]
        if subprocess.run(command, stdout=subprocess.DEVNULL).returncode:
            sys.exit("The pins of envs/requirements.in cannot be resolved, and nothing is changed.")
        return output.read_text().splitlines()


def describe(name, version):
    """Return a row of the table: what a pin asks of Python, and as which kinds of file the index has it."""
    request = Request(f"{INDEX}/{name}/", headers={"Accept": "application/vnd.pypi.simple.v1+json"})
    with urlopen(request) as reply:
        files = json.load(reply)["files"]
    files = [file for file in files if version_of(file["filename"]) == Version(version)]
    requires = sorted({file["requires-python"] or "" for file in files})
    kinds = {kind for file in files for kind in kinds_of(file)}
    if not kinds:
        kinds = {kind_of_source(file["url"]) for file in files}
    return name, version, " or ".join(requires), " ".join(sorted(kinds))


def version_of(filename):
    try:
        return (parse_wheel_filename if filename.endswith(".whl") else parse_sdist_filename)(filename)[1]
    except ValueError:  # an egg, an installer, a name from before there were rules
        return None


def kinds_of(file):
    """Yield Python and ABI of a wheel for Linux, such as ``cp311-abi3``."""
    if file["filename"].endswith(".whl"):
        for tag in parse_wheel_filename(file["filename"])[3]:
            if LINUX.match(tag.platform):
                yield f"{tag.interpreter}-{tag.abi}"


def kind_of_source(url):
    """Tell a source distribution that any Python installs from one that a compiler has to build."""
    with urlopen(url) as reply, tarfile.open(fileobj=io.BytesIO(reply.read())) as archive:
        return "compiled-source" if any(map(COMPILED.search, archive.getnames())) else "source"


if __name__ == "__main__":
    main()
