"""The Slurm profile: what it plans, and, where Slurm is installed, that a private cluster really runs it."""

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import threading
import time
from importlib.util import find_spec
from pathlib import Path

import bulk_files
import pytest
import yaml
from servers import FileServer

from xpsvae.compare import registry

from .conftest import PROJECT, Clone

PLUGIN = find_spec("snakemake_executor_plugin_slurm") is not None
PATH = os.pathsep.join([os.environ["PATH"], "/usr/sbin", "/sbin"])
MISSING = [
    name for name in ("munged", "slurmctld", "slurmd", "sbatch", "srun") if not shutil.which(name, path=PATH)
]


def profile(name):
    return yaml.safe_load((PROJECT / "profiles" / name / "config.yaml").read_text())


def test_profile_has_what_every_call_has_and_names_rules_that_exist(tmp_path, settings):
    slurm, clone = profile("slurm"), Clone(tmp_path)
    assert profile("default").items() <= slurm.items()
    clone.configure(audit=settings["audit"])
    listed = clone.snakemake("--list-rules")
    assert listed.returncode == 0, listed.stderr
    # a comparison model has its rule where the dataset, or the user, has what it needs
    predicted = {f"predict_{model}" for model in registry.available()}
    assert set(slurm["set-resources"]) <= set(listed.stdout.split()) | predicted


def test_profile_sends_every_training_of_the_default_settings_to_the_gpus(settings):
    first, number = settings["training"]["seed"], settings["audit"]["svaes"]
    trainings = ["train_svae", *(f"train_svae_seed_{first + k}" for k in range(1, number))]
    sent = profile("slurm")["set-resources"]
    assert [rule for rule in sent if sent[rule].get("slurm_partition") == "gpu"] == trainings


@pytest.mark.parametrize("option", ["--profile", "--workflow-profile"])
def test_profile_plans_the_scatter(option, tmp_path):
    words = option, "profiles/slurm", "--set-scatter", "latents=7", "all", "--dry-run", "--quiet", "rules"
    run = Clone(tmp_path).snakemake(*words, *(() if PLUGIN else ("--executor", "local", "--cores", "1")))
    assert run.returncode == 0, run.stderr
    counts = dict(re.findall(r"^(\w+) +(\d+)$", run.stdout + run.stderr, re.MULTILINE))
    assert {rule: counts[rule] for rule in ("train_svae", "embed_shard", "embed_stars")} == {
        "train_svae": "1", "embed_shard": "7", "embed_stars": "1",
    }  # fmt: skip


def test_no_shards_is_one_sentence(tmp_path):
    run = Clone(tmp_path).snakemake("--cores", "1", "--set-scatter", "latents=0", "all")
    assert run.returncode != 0
    assert "--set-scatter latents has to be at least 1" in run.stderr and "Traceback" not in run.stderr


def named(block):
    """Name of a rule, in the text after the word; one in a loop has it as a property."""
    name = re.match(r" (\w+):", block) or re.search(r'^ *name:\s+f?"?([^"\n]+)', block, re.MULTILINE)
    return name[1]


def test_rules_that_use_the_network_or_change_the_clone_stay_on_the_submitting_machine():
    """Compute nodes often cannot reach the one, and may only read the other."""
    text = "\n".join(path.read_text() for path in (PROJECT / "rules").rglob("*.smk"))
    blocks = [(named(block), block) for block in re.split(r"^ *rule\b", text, flags=re.MULTILINE)[1:]]
    assert {"retrieve_{table}", "retrieve_spectra", "predict_{model}", "train_svae"} <= {
        rule for rule, _ in blocks
    }
    networked = re.compile(r"(?!retrieve_library)(retrieve_|download_|select_|reserve_|deposit|restore)")
    assert {rule for rule, block in blocks if "localrule: True" in block} == {
        *(rule for rule, _ in blocks if networked.match(rule)),
        "ship_model",
    }


class Slurm:
    """A cluster of this one machine, with a partition `cpu` and a partition `gpu` (its GPU is a pretence)."""

    def __init__(self, folder):
        self.folder, self.processes, host = folder, [], socket.gethostname().split(".")[0]
        with socket.socket() as one, socket.socket() as two:
            ports = [each.bind(("127.0.0.1", 0)) or each.getsockname()[1] for each in (one, two)]
        user = subprocess.run(["id", "-un"], capture_output=True, text=True, check=True).stdout.strip()
        for name in ("state", "spool", "bin"):
            (folder / name).mkdir()
        (folder / "munge.key").write_bytes(os.urandom(1024))
        (folder / "munge.key").chmod(0o400)
        (folder / "gres.conf").write_text(f"NodeName={host} Name=gpu File=/dev/zero\n")
        (folder / "cgroup.conf").write_text("CgroupAutomount=no\n")
        (folder / "slurm.conf").write_text(
            f"""\
ClusterName=private
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SlurmdParameters=config_overrides
GresTypes=gpu
NodeName={host} NodeAddr=127.0.0.1 CPUs={max(2, os.cpu_count())} RealMemory=64000 Gres=gpu:1
PartitionName=cpu Nodes={host} Default=YES
PartitionName=gpu Nodes={host}
"""
        )
        # the plugin takes SLURM_CONF out of the environment of a step, since clusters have theirs in /etc
        srun = folder / "bin" / "srun"
        srun.write_text(
            f'#!/bin/sh\nSLURM_CONF={folder}/slurm.conf exec {shutil.which("srun", path=PATH)} "$@"\n'
        )
        srun.chmod(0o755)
        self.environment = {"SLURM_CONF": f"{folder}/slurm.conf", "PATH": f"{folder}/bin:{PATH}"}

    def __enter__(self):
        folder = self.folder
        places = [f"--{name}={folder}/munge.{name[:3]}" for name in ("key-file", "pid-file", "seed-file")]
        self._start("munged", "--foreground", "--force", f"--socket={folder}/munge.socket", *places)
        self._wait("munge.socket", (folder / "munge.socket").exists)
        self._start("slurmctld", "-D", "-i")
        self._start("slurmd", "-D")
        self._wait("node", lambda: "idle" in self.ask("sinfo", "--noheader", "--format=%T"))
        return self

    def __exit__(self, *_):
        while self.processes:
            process = self.processes.pop()
            process.terminate()
            process.wait()

    def ask(self, *words):
        return subprocess.run(
            words, env={**os.environ, **self.environment}, capture_output=True, text=True
        ).stdout

    def jobs(self):
        """Comment of each job of the last minutes -> what Slurm says of it."""
        lines = self.ask("scontrol", "show", "jobs", "--oneliner").splitlines()
        jobs = [dict(re.findall(r"(\w+)=(\S*)", line)) for line in lines]
        return {job["Comment"]: job for job in jobs if "Comment" in job}

    def kill_once(self, name):
        """Kill all processes of the first job of that comment once its script runs, as a node that dies would.

        Returns
        -------
        function
            Waits for that, and gives the number of processes that were killed.
        """
        killed = []

        def wait():
            while not killed and self.processes:
                pids = self._processes_of(self.jobs().get(name, {}).get("JobId"))
                if any(b".snakemake/scripts/" in command for command in pids.values()):
                    for pid in pids:
                        with contextlib.suppress(ProcessLookupError):
                            os.kill(pid, signal.SIGKILL)
                    killed.extend(pids)
                time.sleep(0.1)

        thread = threading.Thread(target=wait, daemon=True)
        thread.start()

        def ended():
            thread.join(10)
            return len(killed)

        return ended

    def _processes_of(self, number):
        """Command lines of a job's processes, which have its number and this cluster's folder in their environment."""
        marks, found = (f"\0SLURM_JOB_ID={number}\0".encode(), f"{self.folder}/bin".encode()), {}
        for folder in Path("/proc").glob("[0-9]*") if number else ():
            with contextlib.suppress(OSError):
                environment = b"\0" + (folder / "environ").read_bytes()
                if all(mark in environment for mark in marks):
                    found[int(folder.name)] = (folder / "cmdline").read_bytes()
        return found

    def _start(self, *words):
        with open(self.folder / f"{words[0]}.log", "w") as log:
            environment = {**os.environ, **self.environment}
            command = [shutil.which(words[0], path=PATH), *words[1:]]
            self.processes.append(subprocess.Popen(command, env=environment, stdout=log, stderr=log))

    def _wait(self, what, ready):
        for _ in range(100):
            if ready():
                return
            time.sleep(0.2)
        logs = {path.name: path.read_text()[-2000:] for path in self.folder.glob("*.log")}
        self.__exit__()
        pytest.fail(f"{what} of the private Slurm did not come up: {logs}")


# no accounting here; and no time to lose
ON_SLURM = (
    "--profile", "profiles/slurm", "--latency-wait", "10", "--slurm-status-command", "squeue",
    "--slurm-init-seconds-before-status-checks", "2",
)  # fmt: skip

on_slurm = pytest.mark.skipif(
    bool(MISSING) or not PLUGIN,
    reason=f"Slurm or its plugin is not installed (make test-slurm): no {', '.join(MISSING) or 'plugin'}",
)


@pytest.mark.slow
@on_slurm
@pytest.mark.parametrize(
    ("words", "asked", "present"),
    [
        (("--set-threads", "train_svae=4096"), "4096 CPUs", f"{max(2, os.cpu_count())} CPUs"),
        (("--set-resources", "train_svae:mem_mb=64001"), "64001 MB", "64000 MB"),
        # more than the profile's own limit, to which Snakemake would cut it down
        (("--resources", "gpu=2", "--set-resources", "train_svae:gpu=2"), "2 GPUs", "1 GPU:"),
    ],
)  # fmt: skip
def test_a_job_that_no_node_can_take_is_told_in_a_sentence(words, asked, present, tmp_path):
    (tmp_path / "clone").mkdir()
    (tmp_path / "slurm").mkdir()
    clone = Clone(tmp_path / "clone")
    with Slurm(tmp_path / "slurm") as slurm:
        begin = time.monotonic()
        run = clone.snakemake("--profile", "profiles/slurm", *words, "train_svae", **slurm.environment)
        assert time.monotonic() - begin < 60
        assert not slurm.jobs()
    assert run.returncode != 0 and "Traceback" not in run.stderr
    (said,) = [line for line in run.stderr.splitlines() if "no node of Slurm's partition" in line]
    asks, has = said.split("at most")
    assert "can take train_svae" in asks and asked in asks and present in has


@pytest.mark.slow
@on_slurm
def test_a_cluster_gives_the_bytes_of_this_machine(encoded, tmp_path):
    """Train on the GPU partition, encode in three shards on the other, and join."""
    before = encoded.products()
    for name in ("model", "latents"):
        shutil.rmtree(encoded.folder / "results/library" / name)
    with Slurm(tmp_path) as slurm:
        run = encoded.snakemake(*ON_SLURM, "--set-scatter", "latents=3", "embed_stars", **slurm.environment)
        assert run.returncode == 0, run.stderr[-4000:]
        jobs = slurm.jobs()
    shards = [f"rule_embed_shard_wildcards_{number}-of-3" for number in (1, 2, 3)]
    assert {comment: job["Partition"] for comment, job in jobs.items()} == {
        "rule_train_svae": "gpu", "rule_embed_stars": "cpu", **dict.fromkeys(shards, "cpu"),
    }  # fmt: skip
    assert {job["JobState"] for job in jobs.values()} == {"COMPLETED"}
    assert jobs["rule_train_svae"]["TresPerJob"] == "gres:gpu:1"
    assert {jobs[shard]["TRES"].split("mem=")[1].split(",")[0] for shard in shards} == {"2000M"}
    assert encoded.products() == before


@pytest.mark.slow
@on_slurm
def test_dr3_goes_on_after_a_job_is_killed_on_its_node(tmp_path):
    (tmp_path / "slurm").mkdir()
    with FileServer(bulk_files.write(tmp_path)) as server:
        made = []
        for name in ("here", "there"):
            (tmp_path / name).mkdir()
            clone = Clone(tmp_path / name)
            bulk_files.configure(clone, server)
            made.append(clone)
        here, there = made
        run = here.snakemake("--cores", "2", "dr3_latents")
        assert run.returncode == 0, run.stderr[-4000:]
        with Slurm(tmp_path / "slurm") as slurm:
            killed = slurm.kill_once("rule_describe_dr3_wildcards_0001")
            run = there.snakemake(*ON_SLURM, "dr3_latents", **slurm.environment)
            assert run.returncode == 0, run.stderr[-4000:]
            assert killed() and "Trying to restart" in run.stderr
    assert set(here.products()) > {f"dr3/latents/{number:04d}.parquet" for number in range(3)}
    assert there.products() == here.products()


@pytest.mark.slow
@on_slurm
def test_the_paper_is_the_same_from_a_cluster_on_which_a_job_was_killed(clone, tmp_path):
    """Everything, the encoding in three shards, of which one is killed on its node."""
    (tmp_path / "slurm").mkdir()
    (tmp_path / "there").mkdir()
    there = clone.copy(tmp_path / "there", "results", "checkpoints", ".snakemake")
    with Slurm(tmp_path / "slurm") as slurm:
        killed = slurm.kill_once("rule_embed_shard_wildcards_2-of-3")
        few = [f"{rule}=2" for rule in ("train_svae", "classify_alpha", "repeat_forests", "measure_controls")]
        words = (
            "--set-scatter",
            "latents=3",
            "--set-threads",
            *few,
            "--",
        )  # this machine may have no eight cores
        run = there.snakemake(*ON_SLURM, *words, "all", **slurm.environment)
        assert run.returncode == 0, run.stderr[-4000:]
        assert killed() and "Trying to restart" in run.stderr
    assert there.products() == clone.products()
