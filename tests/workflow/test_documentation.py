"""Every command that README, CONTRIBUTING and docs/ show: run, planned, or run by another test that is named."""

import re
import shlex
import subprocess
import sys

import pytest

from xpsvae import rules_page

from .conftest import PROJECT

pytestmark = pytest.mark.slow
PAGES = [PROJECT / "README.md", PROJECT / "CONTRIBUTING.md", *sorted((PROJECT / "docs").glob("*.md"))]
PROGRAMS = "snakemake make python xpsvae pip docker conda git torchrun tests/fresh_machine.py".split()
# What needs a network, root or a GPU: the test that types it, or what it is made of.
ELSEWHERE = {
    "git": "tests/fresh_machine.py, tests/unit/test_lb23.py",
    "make": "tests/fresh_machine.py, and .ci/run",
    "docker": "tests/fresh_machine.py docker",
    "conda": "tests/unit/test_environment.py",
    "pip": "tests/fresh_machine.py, tests/unit/test_slurm.py",
    "torchrun": "tests/unit/test_parallel.py",
    "python -m pdb": "tests/unit/test_debug.py",
    "tests/fresh_machine.py": "itself",
}


def commands():
    """Yield page and command: lines of code blocks without a language, and words in backquotes."""
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        blocks = re.findall(r"^```\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
        lines = [line.split("  #")[0] for block in blocks for line in block.splitlines()]
        prose = re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
        lines += [" ".join(code.split()) for code in re.findall(r"`([^`]+)`", prose)]
        for line in lines:
            for command in re.split(r" && |: (?=[a-z]+ )", line.strip()):
                words = command.split()
                while words and re.fullmatch(r"[A-Z_]+=\S*|sudo", words[0]):
                    words.pop(0)
                if len(words) > 1 and words[0].removeprefix(".venv/bin/") in PROGRAMS:
                    yield page.relative_to(PROJECT).as_posix(), " ".join(words).removeprefix(".venv/bin/")


COMMANDS = sorted({command: page for page, command in commands()}.items())


def is_whole(command):
    """Tell commands from patterns: an ellipsis, or a name in angle brackets that is for the reader to fill in."""
    return not re.search(r"…|<\w+>|\bCLONE\b|KEY\b", command)


@pytest.fixture(scope="module")
def readers(clone, tmp_path_factory):
    """Give a clone as a reader has it after `make`, with the file that the pages name."""
    copy = clone.copy(tmp_path_factory.mktemp("readers"))
    (copy.folder / "mine.yaml").write_text("training: {n_latents: 8}\n")
    return copy


@pytest.mark.parametrize(("command", "page"), [pair for pair in COMMANDS if pair[0].startswith("snakemake ")])
def test_snakemake_understands_it(readers, command, page):
    if not is_whole(command) or "--sdm conda" in command:
        pytest.skip("a pattern, or wants conda")
    words = shlex.split(command)[1:]
    if "--profile" in words:  # the plugin is no pin; tests/workflow/test_slurm.py plans with it
        del words[words.index("--profile") : words.index("--profile") + 2]
    if "--report" in words or "--list-rules" in words:
        run = readers.snakemake(*words)
    else:
        run = readers.snakemake("--dry-run", *[word for word in words if word != "-n"])
    assert run.returncode == 0, f"{page}: {command}\n{run.stderr[-3000:]}"


@pytest.mark.parametrize(("command", "page"), [pair for pair in COMMANDS if pair[0].startswith("python ")])
def test_python_understands_it(readers, command, page):
    """Its own help is shown, and knows every option that the page names."""
    if command.startswith(tuple(ELSEWHERE)) or not is_whole(command.replace("CLONE", "clone")):
        pytest.skip("elsewhere, or a pattern")
    words = shlex.split(command)[1:]
    words = words[: words.index(">")] if ">" in words else words
    program = words[:2] if words[0] == "-m" else words[:1]
    run = subprocess.run([sys.executable, *program, "--help"], cwd=PROJECT, capture_output=True, text=True)
    assert run.returncode == 0, f"{page}: {command}\n{run.stderr[-3000:]}"
    if "usage" in run.stdout:
        for option in re.findall(r"(?<!\S)--[a-z-]+", command):
            assert option in run.stdout, f"{page}: {command} has {option}"


@pytest.mark.parametrize(("command", "page"), [pair for pair in COMMANDS if pair[0].startswith("xpsvae ")])
def test_the_console_knows_it(readers, command, page):
    words = [word for word in re.split(r"[ |]+", command)[1:] if word != "…"]
    name = next((word for word in words if not word.startswith("-")), None)
    run = subprocess.run(
        [sys.executable, "-m", "xpsvae.cli", *([name] if name else []), "--help"],
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, f"{page}: {command}\n{run.stderr}"
    for option in re.findall(r"(?<!\S)--[a-z-]+", command):
        assert option in run.stdout, f"{page}: {command} has {option}"


def test_every_other_command_is_tested_elsewhere():
    for command, page in COMMANDS:
        if not command.startswith(("snakemake ", "xpsvae ", "python ")):
            assert command.startswith(tuple(ELSEWHERE)), f"{page}: {command} is run by no test"
    targets = set(re.findall(r"^(\w[\w-]*):", (PROJECT / "Makefile").read_text(), re.MULTILINE))
    for command, page in COMMANDS:
        for word in command.split()[1:] if command.startswith("make ") else ():
            assert "=" in word or word in targets, f"{page}: {command}"


def test_links_lead_somewhere():
    for page in [*PAGES, PROJECT / "ARCHITECTURE.md", PROJECT / "CHANGELOG.md"]:
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_the_page_of_rules_is_current():
    written = (PROJECT / "docs" / "rules.md").read_text(encoding="utf-8")
    assert rules_page.page() == written, "run: python -m xpsvae.rules_page > docs/rules.md"
