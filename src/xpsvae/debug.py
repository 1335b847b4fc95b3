"""Run a job that failed once more, alone, with its own inputs: ``python -m pdb -m xpsvae.debug JOB.json``.

A job that fails writes beside its log what Snakemake had given to its script. Here the script gets the same
once more, without Snakemake around it, and what it raises is raised: a debugger stops there.
"""

import json
import os
import runpy
import sys
from pathlib import Path
from types import SimpleNamespace

__all__ = ["remember", "run"]

_LISTS = ("input", "output", "params", "wildcards", "log", "resources")


class _Part(list):
    """A list some of whose items, or stretches of them, have names, as Snakemake hands them to a script."""

    def __init__(self, values, names):
        super().__init__(values)
        self._names = names

    def __getitem__(self, key):
        if not isinstance(key, str):
            return super().__getitem__(key)
        start, end = self._names[key]
        return super().__getitem__(start if end is None else slice(start, end))

    def __getattr__(self, name):
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None

    def keys(self):
        return self._names.keys()

    def items(self):
        return [(name, self[name]) for name in self._names]

    def get(self, name, default=None):
        return self[name] if name in self._names else default


def remember(snakemake, script):
    """Write what a job was given as JSON beside its log; return the path.

    Parameters
    ----------
    snakemake : object
        What Snakemake puts into a script.
    script : path-like
    """
    given = {
        name: {"values": list(part), "names": {key: list(places) for key, places in part._get_names()}}
        for name in _LISTS
        for part in [getattr(snakemake, name)]
    }
    given |= {"rule": snakemake.rule, "threads": snakemake.threads, "config": snakemake.config}
    given |= {"script": os.fspath(script), "folder": os.getcwd()}
    path = Path(f"{snakemake.log[0]}.job.json")
    path.write_text(json.dumps(given, indent=2, default=str) + "\n", encoding="utf-8")
    return path


def run(path):
    """Run the script of a remembered job in its folder; whatever it raises is raised.

    Raises
    ------
    SystemExit
        With one sentence, if the file is not what `remember` writes.
    """
    try:
        snakemake, script, folder = _recall(path)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SystemExit(
            f"Error: {path} does not describe a job ({error}): give the .job.json that stands beside the log "
            "of a job that failed."
        ) from None
    os.chdir(folder)
    runpy.run_path(script, init_globals={"snakemake": snakemake}, run_name="__main__")


def _recall(path):
    given = json.loads(Path(path).read_text(encoding="utf-8"))
    snakemake = SimpleNamespace(**{key: given[key] for key in ("rule", "threads", "config")}, debugging=True)
    for name in _LISTS:
        setattr(snakemake, name, _Part(given[name]["values"], given[name]["names"]))
    return snakemake, given["script"], given["folder"]


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit("Usage: python -m pdb -m xpsvae.debug LOG.job.json")
    run(sys.argv[1])
