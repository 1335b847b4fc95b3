"""Where a product comes from: the commit of its code, the checksums of the dataset, versions and device.

`job` of `xpsvae.workflow` sets the mark; whoever writes a figure or a table puts it in. Nothing here is an
input or a parameter of a rule, so that a commit alone makes nothing again; no timestamps.
"""

import hashlib
import json
import os
import platform
import re
import subprocess
from functools import cache
from importlib.metadata import distributions
from pathlib import Path

from xpsvae.tex import address, escape

__all__ = [
    "commit",
    "commit_date",
    "config_hash",
    "current_mark",
    "input_checksums",
    "mark",
    "record",
    "set_mark",
    "to_tex",
]

PROJECT = Path(__file__).resolve().parents[2]
UNKNOWN = "unknown (not a git clone)"
# git reads nothing of a clone that another user owns, unless it is told to
FOREIGN = "unknown (the clone belongs to another user: see safe.directory in git help config)"
# Keys that do not change results.
_PLACES = {"results", "deposit"}
_CHECKSUM = re.compile(r"(?:md5:|sha1:|sha256:)[0-9a-f]+|[0-9a-f]{64}")
_pending = None


def commit(paths=()):
    """Give the last commit that touched any of some files, ``+dirty`` if one has changed since.

    Parameters
    ----------
    paths : iterable of path-like
        Files of the project; without any, the checked-out commit and the whole project.

    Returns
    -------
    str
        Full SHA; `UNKNOWN` outside of a git clone, `FOREIGN` where git does not trust it.
    """
    return _commit(tuple(sorted(os.path.relpath(path, PROJECT) for path in paths)))


@cache
def _commit(names):
    # a folder inside somebody else's repository has no history of its own
    if _git("rev-parse", "--show-toplevel") != str(PROJECT):
        return FOREIGN if "safe.directory" in _ask_git("rev-parse").stderr else UNKNOWN
    sha = _git("log", "-1", "--format=%H", "--", *names)
    if not sha:
        return f"{_git('rev-parse', 'HEAD')}+dirty" if names else UNKNOWN
    return sha + ("+dirty" if _git("status", "--porcelain", "--untracked-files=no", "--", *names) else "")


def commit_date():
    """Day of the checked-out commit; 1970-01-01 outside of a git clone, since a date must be repeatable."""
    inside = _is_known(commit())
    return _git("log", "-1", "--format=%cs") if inside else "1970-01-01"


def config_hash(config):
    """SHA-256 of all choices, without the keys that only say where products lie or go."""
    choices = {key: value for key, value in config.items() if key not in _PLACES}
    return hashlib.sha256(json.dumps(choices, sort_keys=True).encode()).hexdigest()


def input_checksums(config):
    """Checksums that the configuration gives for its dataset: dotted key -> checksum."""
    found = {}

    def visit(value, name):
        if isinstance(value, dict):
            for key, inner in value.items():
                visit(inner, f"{name}.{key}")
        elif isinstance(value, list):
            for number, inner in enumerate(value):
                visit(inner, f"{name}.{number}")
        elif isinstance(value, str) and _CHECKSUM.fullmatch(value):
            found[name] = value if ":" in value else f"sha256:{value}"

    visit(config.get(config["dataset"], {}), config["dataset"])
    return found


def record(config):
    """Provenance of a build, for ``provenance.json``.

    Returns
    -------
    dict
        commit, config and its hash, input checksums, versions of Python and all packages, device.
    """
    return {
        "commit": commit(),
        "config_sha256": config_hash(config),
        "config": {key: value for key, value in config.items() if key not in _PLACES},
        "dataset": config["dataset"],
        "inputs": input_checksums(config),
        "packages": {each.name.lower(): each.version for each in distributions() if each.name},
        "python": platform.python_version(),
        "device": _device(),
    }


def mark(paths, config):
    """One line for the metadata of a product made by the code in ``paths``."""
    inputs = ", ".join(f"{name} {value}" for name, value in sorted(input_checksums(config).items()))
    return f"xpsvae commit {commit(paths)}; dataset {config['dataset']}" + (f": {inputs}" if inputs else "")


def to_tex(record, repository=None, doi=None):
    r"""LaTeX macros by which the paper says where it comes from.

    Parameters
    ----------
    record : dict
        Output of `record`.
    repository : str, optional
        Address of the project's page; figures' captions then link to their scripts at this commit.
    doi : str, optional
        Under which the build is archived.

    Returns
    -------
    str
        ``\FigureScript{name}`` for captions, ``\ProvenanceSentence``, ``\ProvenanceSubject`` for the PDF's
        information.
    """
    sha, _, dirty = record["commit"].partition("+")
    known = _is_known(record["commit"])
    script = r"\texttt{\detokenize{src/figures/#1.py}}"
    if repository and known:
        page = address(f"{repository}/blob/{sha}/src/figures/")
        script = rf"\href{{{page}\detokenize{{#1}}.py}}{{{script}}}"
    commit = rf"\texttt{{{escape(sha[:12])}}}" if known else escape(record["commit"])
    dataset, inputs = escape(record["dataset"]), [escape(value) for value in record["inputs"].values()]
    short = ", ".join(rf"\texttt{{{escape(value[:23])}}}\ldots" for value in record["inputs"].values())
    sentence = (
        f"This document was built by the workflow at commit {commit}{' with later changes' if dirty else ''}"
        f" from dataset \\texttt{{{dataset}}}{f' ({short})' if short else ''}, with choices of "
        rf"SHA-256 \texttt{{{escape(record['config_sha256'][:16])}}}\ldots; more is in "
        r"\texttt{provenance.json}."
    )
    if doi:
        link = address(f"https://doi.org/{doi}")
        sentence += rf" It is archived as \href{{{link}}}{{doi:{escape(doi)}}}."
    every = "; ".join(inputs)
    subject = f"commit {escape(record['commit'])}, dataset {dataset}{f' ({every})' if every else ''}"
    subject += f", doi:{escape(doi)}" if doi else ""
    return (
        f"\\DeclareRobustCommand{{\\FigureScript}}[1]{{(Script: {script}.)}}\n"
        f"\\newcommand{{\\ProvenanceSentence}}{{{sentence}}}\n"
        f"\\newcommand{{\\ProvenanceSubject}}{{{subject}}}\n"
    )


def set_mark(paths, config):
    """Say what the current job runs; git is asked only if a product wants the mark."""
    global _pending
    _pending = list(paths), config


def current_mark():
    """Mark of the current job; None outside of the workflow."""
    return None if _pending is None else mark(*_pending)


def _is_known(commit):
    return commit not in (UNKNOWN, FOREIGN)


def _git(*words):
    run = _ask_git(*words)
    return "" if run.returncode else run.stdout.strip()


def _ask_git(*words):
    command = ["git", "--no-optional-locks", *words]
    try:
        return subprocess.run(command, cwd=PROJECT, capture_output=True, text=True)
    except OSError as error:  # git is not installed
        return subprocess.CompletedProcess(command, 1, "", str(error))


def _device():
    machine = {"system": platform.system(), "machine": platform.machine(), "gpu": None}
    query = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
    try:
        names = subprocess.run(query, capture_output=True, text=True, check=True).stdout.split("\n")
    except (OSError, subprocess.CalledProcessError):
        return machine
    return machine | {"gpu": names[0].strip() or None}
