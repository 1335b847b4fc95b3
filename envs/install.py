"""Fill `.venv` with the pinned packages and this project: with uv, which pip puts there, else with pip.

Called by `install.sh` with the Python that `.venv` is to have. What pip and uv print is read, not shown: if
they fail, one sentence says why, and an environment that was begun is removed.
"""

import ast
import os
import platform
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

LOCK, DATA = "envs/requirements.lock", "envs/requirements-data.lock"
VENV = Path(".venv")
PYTHON = str(VENV / "bin/python")

# uv reads none of pip's configuration. It gets it by these names, unless they are set already.
UV_NAMES = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "constraint": "UV_CONSTRAINT",
    "cert": "SSL_CERT_FILE",
    "timeout": "UV_HTTP_TIMEOUT",
    "default-timeout": "UV_HTTP_TIMEOUT",
}

# What jobs of the workflow import. uv leaves modules uncompiled; where Python may not write what it compiles (a
# folder of somebody else, PYTHONDONTWRITEBYTECODE in many images of containers) each of 80 jobs would compile them.
IMPORTED = (
    "snakemake.cli snakemake.script numpy pandas pyarrow.parquet torch matplotlib.pyplot seaborn scipy.stats "
    "sklearn.ensemble sklearn.linear_model sklearn.decomposition astropy.io.fits gaiaxpy"
)

# What pip and uv say, and the sentence it becomes; the first that fits.
DISK_FULL = r"No space left on device|Errno 28\b|os error 28\b|[Qq]uota exceeded"
UNREACHABLE = r"Retrying \(|[Ff]ailed to establish|name resolution|error sending request|dns error|timed out"
MISSING = r"No matching distribution found for (?P<pin>\S+)"
CAUSES = {
    DISK_FULL: (
        "The disk is full: the packages take about 2 GB in {folder} and in the caches of pip and uv "
        "(8 GB where torch brings CUDA). Free some space, then run make again."
    ),
    r"CERTIFICATE_VERIFY_FAILED|invalid peer certificate|UnknownIssuer": (
        "The certificate of the package index is not trusted: name the file of the right ones in PIP_CERT, "
        "then run make again."
    ),
    UNREACHABLE: (
        "The package index cannot be reached: see that the network works (and PIP_INDEX_URL, if you set it), "
        "then run make again."
    ),
    MISSING: (
        "The package index has no {pin} for Python {python}: use one that has it (PIP_INDEX_URL), or resolve "
        "the pins anew with make lock."
    ),
}


class Failure(Exception):
    """pip or uv failed; the text is all that it printed."""


def main():
    started = time.monotonic()
    say(f"Python {platform.python_version()} ({sys.executable}): installing packages into .venv")
    (VENV / "installed").unlink(missing_ok=True)
    fresh = not is_ours()
    try:
        if fresh:
            # in two steps: venv does not pass on what ensurepip says
            call(sys.executable, "-m", "venv", "--clear", "--without-pip", VENV)
            call(PYTHON, "-m", "ensurepip", "--default-pip")
        install(uv() or pip)
        compile_imported()
    except Failure as failure:
        if fresh:
            shutil.rmtree(VENV, ignore_errors=True)
        sys.exit(sentence(str(failure)))
    (VENV / "installed").touch()
    say(f"Installed in {time.monotonic() - started:.0f} s")


def is_ours():
    """Is `.venv` there, does it run, and is it of this Python? Then only what differs is installed."""
    origin = "import sys; print(sys.base_prefix, sys.version, end='')"
    try:
        return call(PYTHON, "-c", origin) == f"{sys.base_prefix} {sys.version}"
    except (Failure, OSError):
        return False


def install(installer):
    installer("--requirement", LOCK)
    installer("--no-deps", "--requirement", DATA)
    installer("--no-deps", "--no-build-isolation", "--editable", ".")


def compile_imported():
    """Import once what every job will, and keep it compiled. That it cannot be imported is for the jobs to say."""
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": ""}
    code = f"import {', '.join(IMPORTED.split())}"
    subprocess.run([PYTHON, "-c", code], env=environment, capture_output=True)


def pip(*arguments):
    call(PYTHON, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *arguments)


def uv():
    """Put uv into `.venv`; return the installer that uses it, or None and a line that says so.

    The installer goes on with pip if uv fails: what is configured here is configured for pip.
    """
    pin = re.search(r"^uv==[^\s;]+", Path(LOCK).read_text(), re.MULTILINE).group()
    try:
        pip(pin)
    except Failure as failure:
        if not re.search(MISSING, str(failure)) or re.search(UNREACHABLE, str(failure)):
            raise
        say("uv is not to be had here: pip installs, which takes some minutes")
        return None
    environment = uv_environment()

    def installer(*arguments):
        try:
            call(PYTHON, "-m", "uv", "pip", "install", "--python", PYTHON, *arguments, env=environment)
        except Failure as failure:
            if re.search(DISK_FULL, str(failure)):
                raise
            say("uv could not install the packages: pip goes on, which takes some minutes")
            pip(*arguments)

    return installer


def uv_environment():
    """Return the environment for uv: this one, and pip's configuration under uv's names."""
    lines = call(PYTHON, "-m", "pip", "config", "list").splitlines()
    # best match: as pip does, take a version from whichever index has it
    environment = {"UV_INDEX_STRATEGY": "unsafe-best-match", "UV_LINK_MODE": "copy"}
    for line in lines:  # the environment's, then global, site and user: the first counts
        key, _, value = line.partition("=")
        name = UV_NAMES.get(key.rpartition(".")[2])
        if name:
            environment.setdefault(name, ast.literal_eval(value).strip())
    return environment | os.environ


def say(line):
    print(line, file=sys.stderr, flush=True)


def call(*words, env=None):
    """Run a command; return what it printed, or raise Failure with that."""
    run = subprocess.run(
        [os.fspath(word) for word in words],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        env=env, text=True, errors="replace",
    )  # fmt: skip
    if run.returncode:
        raise Failure(run.stdout)
    return run.stdout


def sentence(output):
    """Say in one sentence why pip or uv failed."""
    for pattern, text in CAUSES.items():
        match = re.search(pattern, output)
        if match:
            python = platform.python_version()
            return text.format(folder=Path.cwd(), python=python, **match.groupdict())
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line for line in lines if re.match("error", line, re.IGNORECASE)] or lines[-1:]
    return f"The packages cannot be installed: {errors[0] if errors else 'pip printed nothing'}"


if __name__ == "__main__":
    os.chdir(Path(__file__).parents[1])
    main()
