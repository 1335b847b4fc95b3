"""Whether Slurm has a node for each job: what no node can take would wait in its queue for ever, unsaid."""

import re
import subprocess
from dataclasses import dataclass

from xpsvae.errors import InputError

__all__ = ["Node", "nodes", "require_nodes"]

_FORMAT = "%P|%c|%m|%l|%G"  # partition, CPUs, memory [MB], longest time, GPUs


@dataclass(frozen=True)
class Node:
    """What a node of a partition has; minutes are the longest that a job may take there."""

    partition: str
    is_default: bool
    cpus: int
    megabytes: int
    minutes: float
    gpus: int


def nodes(text):
    """Read the answer of ``sinfo --Node``, a line for each node in each of its partitions.

    Parameters
    ----------
    text : str

    Returns
    -------
    list of Node
    """
    found = []
    for line in text.splitlines():
        partition, cpus, megabytes, longest, gpus = line.strip().split("|", 4)
        found.append(
            Node(
                partition.rstrip("*"),
                partition.endswith("*"),
                int(cpus),
                int(megabytes),
                _minutes(longest),
                sum(int(count) for count in re.findall(r"\bgpu(?::[^:,()]+)?:(\d+)", gpus)),
            )
        )
    return found


def require_nodes(jobs):
    """See that some node of its partition could take each job, if it were free.

    Parameters
    ----------
    jobs : iterable of snakemake.jobs.Job
        Those that Slurm is to run.

    Raises
    ------
    InputError
        For the first that none could. Where Slurm does not answer, nothing is known and nothing refused.
    """
    command = ["sinfo", "--noheader", "--all", "--Node", f"--format={_FORMAT}"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True)
        present = nodes(answer.stdout)
    except (OSError, subprocess.SubprocessError, ValueError):
        return
    for job in jobs:
        _require_node(job.name, job.threads, dict(job.resources.items()), present)


def _require_node(rule, threads, resources, present):
    wanted = str(resources.get("slurm_partition") or "")
    possible = [
        each for each in present if each.partition in wanted.split(",") or (not wanted and each.is_default)
    ]
    if not possible:
        return  # of an unknown partition Slurm speaks itself
    cpus = int(resources.get("cpus_per_task") or threads)
    asked = {
        "CPU": (max(1, cpus), lambda node: node.cpus),
        "MB": (int(resources.get("mem_mb") or 0), lambda node: node.megabytes),
        "minute": (int(resources.get("runtime") or 0), lambda node: node.minutes),
        "GPU": (int(resources.get("gpu") or 0), lambda node: node.gpus),
    }
    if any(all(has(node) >= amount for amount, has in asked.values()) for node in possible):
        return
    most = {name: max(map(has, possible)) for name, (amount, has) in asked.items() if amount}
    raise InputError(
        f"no node of Slurm's partition {wanted or possible[0].partition} can take {rule}, which asks for "
        f"{_listed({name: amount for name, (amount, _) in asked.items() if amount})}, where there are at most "
        f"{_listed(most)}: ask for less with --set-threads {rule}=NUMBER or --set-resources "
        f"{rule}:mem_mb=NUMBER, or name another partition with {rule}:slurm_partition=NAME."
    )


def _listed(amounts):
    return ", ".join(
        f"{amount} {name}{'' if amount == 1 or name == 'MB' else 's'}" for name, amount in amounts.items()
    )


def _minutes(longest):
    """Read days-hours:minutes:seconds, with whatever Slurm leaves out in front."""
    days, _, clock = longest.rpartition("-")
    if not re.fullmatch(r"\d+(:\d+)*", clock):
        return float("inf")  # infinite, or not known
    parts = [int(part) for part in clock.split(":")]
    seconds = sum(part * 60**place for place, part in enumerate(reversed(parts)))
    return int(days or 0) * 1440 + seconds / 60
