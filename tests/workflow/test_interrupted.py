"""Real kills of a real run, at moments from a seeded generator: the same command goes on, and nothing is lost."""

import os
import random
import re
import signal
import subprocess
import sys
import time

import pytest

from .conftest import Clone

pytestmark = pytest.mark.slow
KILLS = 30
LEFT_OVER = re.compile(r"\..+\.\d+\.\w+")


def start(clone, *words, **variables):
    """Start Snakemake in a process group of its own."""
    environment = {**os.environ, "PYTHONPATH": str(clone.folder / "src"), **variables}
    with open(clone.folder / "said.txt", "w") as said:
        return subprocess.Popen(
            [sys.executable, "-m", "snakemake", *words],
            cwd=clone.folder, env=environment, stdout=said, stderr=said, start_new_session=True,
        )  # fmt: skip


def jobs(clone):
    """Numbers of the processes that run a script of the clone's workflow."""
    found = []
    for number in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{number}/cmdline", "rb") as file:
                if f"{clone.folder}/.snakemake/scripts/".encode() in file.read():
                    found.append(int(number))
        except OSError:
            pass  # it has just ended
    return found


def wait_for(what, seconds=120):
    end = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < end
        time.sleep(0.02)
    return found


@pytest.mark.skipif("XPSVAE_KILLS" not in os.environ, reason="minutes of kills: XPSVAE_KILLS=1 runs it")
def test_thirty_kills_change_no_byte(clone, tmp_path):
    """Snakemake alone, whose jobs have to follow it, or with all its jobs, in turn."""
    killed, generator, kills, said = Clone(tmp_path), random.Random(12), 0, []
    while kills < KILLS:
        run = start(killed, "--cores", "2", "all")
        try:
            assert run.wait(generator.uniform(0.3, 12)) == 0, (killed.folder / "said.txt").read_text()
        except subprocess.TimeoutExpired:
            (run.kill if kills % 2 else lambda run=run: os.killpg(run.pid, signal.SIGKILL))()
            run.wait()
            kills += 1
            said.append((killed.folder / "said.txt").read_text())
        else:  # all is made: once more from the middle
            (killed.folder / "results/library/latents/latents.parquet").unlink()
    run = killed.snakemake("--cores", "2", "all")
    assert run.returncode == 0, run.stderr[-8000:]
    assert not re.search("Traceback|LockException", "".join(said) + run.stderr)
    assert sum("its locks are removed" in text for text in [*said, run.stderr]) > KILLS // 3
    assert killed.products() == clone.products()
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert [path for path in files if LEFT_OVER.fullmatch(path.name)] == []
    assert [path for path in files if "checkpoints" in path.parts or ".part" in path.suffix] == []
    assert jobs(killed) == []
    assert killed.planned("all") == []


def test_two_in_one_folder_exclude_each_other(tmp_path):
    clone = Clone(tmp_path)
    first = start(clone, "--cores", "1", "train_svae")
    try:
        wait_for(lambda: jobs(clone))
        second = clone.snakemake("--cores", "1", "train_svae")
        assert second.returncode != 0 and "--unlock" in second.stderr and first.poll() is None
        os.kill(first.pid, signal.SIGKILL)
        first.wait()
        wait_for(lambda: not jobs(clone), 5)  # they end with it
    finally:
        if first.poll() is None:
            os.killpg(first.pid, signal.SIGKILL)
    third = clone.snakemake("--cores", "1", "retrieve_library")
    assert third.returncode == 0, third.stderr
    assert "its locks are removed" in third.stderr


def test_locks_of_somebody_else_stay(tmp_path):
    """A Snakemake of another machine, or one that does not say that it lives, may be at work."""
    clone = Clone(tmp_path)
    locks = tmp_path / ".snakemake/locks"
    locks.mkdir(parents=True)
    text = "results/library/data/labels.parquet\n"
    for number, name in enumerate(["", "xpsvae.alive.another-boot"]):
        (locks / "0.output.lock").write_text(text)
        if name:
            (tmp_path / ".snakemake" / name).write_text("another-machine")
        run = clone.snakemake("--cores", "1", "retrieve_library")
        assert run.returncode != 0 and "--unlock" in run.stderr, number
        assert (locks / "0.output.lock").read_text() == text
        for path in (tmp_path / ".snakemake").glob("xpsvae.alive.*"):
            path.unlink()


def test_left_over_files_of_a_killed_job_go(tmp_path):
    clone = Clone(tmp_path)
    catalog = tmp_path / "results/library/data"
    (catalog / ".sha256").mkdir(parents=True)
    left = [catalog / ".labels.4194303.parquet", catalog / ".sha256" / ".labels.4194303.parquet"]
    others = [catalog / ".labels.of.mine.parquet", catalog / "notes.txt"]
    for path in (*left, *others):
        path.write_text("half")
    run = clone.snakemake("--cores", "1", "retrieve_library")
    assert run.returncode == 0, run.stderr
    assert not any(path.exists() for path in left) and all(path.exists() for path in others)
