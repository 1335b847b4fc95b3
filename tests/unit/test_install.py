"""`envs/install.sh` and `install.py` on machines that lack something: which Python, and one sentence each."""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ENVIRONMENTS = Path(__file__).parents[2] / "envs"
# What install.sh calls besides what a test gives it. Nothing else of this machine is in its path.
TOOLS = ["sh", "dirname", "tr", "id", "cut", "grep", "tail", "touch", "mkdir", "ln"]
OLD = 'case "$2" in *platform*) echo 3.10.12 ;; *) exit 1 ;; esac'
BROKEN = "exit 127"
BARE = f'case "$2" in *ensurepip*) exit 1 ;; esac; exec {sys.executable} "$@"'  # Debian without python3-venv


def real(name):
    return f'TAKEN={name} exec {sys.executable} "$@"'


class Machine:
    """A clone beside a folder of programs; its install.py only says which Python it was called with."""

    def __init__(self, folder, clone="clone", user=1000):
        self.bin, self.clone = folder / "bin", folder / clone
        self.bin.mkdir()
        shutil.copytree(ENVIRONMENTS, self.clone / "envs")
        (self.clone / "pyproject.toml").touch()
        (self.clone / "envs/install.py").write_text("import os\nprint('taken:', os.environ['TAKEN'])\n")
        for tool in TOOLS:
            (self.bin / tool).symlink_to(shutil.which(tool))
        self.add(id=f"echo {user}")

    def add(self, **programs):
        for name, script in programs.items():
            path = self.bin / name.replace("_", ".")
            path.unlink(missing_ok=True)
            path.write_text(f"#!/bin/sh\n{script}\n")
            path.chmod(0o755)
        return self

    def add_system(self):
        return self.add(cc="exit 0", latexmk="exit 0", kpsewhich="exit 0")

    def install(self, *arguments, **variables):
        return subprocess.run(
            [self.clone / "envs/install.sh", *arguments],
            env={"PATH": str(self.bin)} | variables,
            capture_output=True,
            text=True,
        )


@pytest.fixture
def machine(tmp_path):
    return Machine(tmp_path)


def refusal(run):
    """Return the one sentence with which a run failed."""
    assert run.returncode == 1 and run.stdout == "", run
    assert len(run.stderr.splitlines()) == 1, run.stderr
    return run.stderr.strip()


@pytest.mark.parametrize(
    ("pythons", "taken"),
    [
        ({"python3": real("python3")}, "python3"),
        ({"python3_11": real("3.11"), "python3": real("python3")}, "3.11"),
        ({"python3_11": real("3.11"), "python3_13": real("3.13")}, "3.13"),
        ({"python3_13": BROKEN, "python3_12": BARE, "python3_11": real("3.11"), "python3": OLD}, "3.11"),
        ({"python3": OLD, "python": real("python")}, "python"),
    ],
)
def test_newest_python_that_works(machine, pythons, taken):
    run = machine.add_system().add(**pythons).install()
    assert (run.returncode, run.stdout, run.stderr) == (0, f"taken: {taken}\n", "")


def test_a_broken_python_does_not_hide_the_next_of_its_name(machine, tmp_path):
    machine.add_system().add(python3_12=BROKEN)
    (tmp_path / "more").mkdir()
    shutil.move(machine.bin / "python3.12", tmp_path / "more/python3.12")
    machine.add(python3_12=real("second"))
    run = machine.install(PATH=f"{tmp_path}/more:{machine.bin}")
    assert run.stdout == "taken: second\n"


def test_python_by_name(machine, tmp_path):
    machine.add_system().add(python3_13=real("3.13"), python3_11=real("3.11"), python3_12=OLD)
    assert machine.install(PYTHON="python3.11").stdout == "taken: 3.11\n"
    (tmp_path / "with space").mkdir()
    shutil.move(machine.bin / "python3.13", tmp_path / "with space/python")
    assert machine.install(PYTHON=f"{tmp_path}/with space/python").stdout == "taken: 3.13\n"
    assert refusal(machine.install(PYTHON="python3.12")) == (
        "PYTHON=python3.12 does not run as CPython 3.11 to 3.13 (python3.12 is 3.10.12): "
        "name one that does, or leave PYTHON out."
    )
    assert refusal(machine.install(PYTHON="pythn")).startswith(
        "PYTHON=pythn does not run as CPython 3.11 to 3.13:"
    )


def test_only_a_python_outside_the_range(machine):
    machine.add_system().add(python3=OLD, apt_get="exit 9")
    assert refusal(machine.install()) == (
        "No CPython 3.11 to 3.13 works here (python3 is 3.10.12): install one beside it, then run make again."
    )


def test_without_rights_one_line_names_all_that_is_missing(machine):
    machine.add(**{"apt-get": "echo called >&2; exit 9"})
    said = refusal(machine.install())
    lacks, line = re.fullmatch(
        r"This machine lacks (.*)\. Paste this, then run make again: (.*)", said
    ).groups()
    assert lacks == "CPython 3.11 to 3.13, a C compiler, LaTeX with latexmk and aastex631"
    command = r"su -c 'apt-get update && apt-get install -y --no-install-recommends ([\w. -]+)'"
    packages = re.fullmatch(command, line).group(1).split()
    assert {"python3", "python3-venv", "gcc", "libc6-dev", "latexmk", "texlive-publishers"} <= set(packages)
    assert not (machine.clone / ".venv").exists()
    machine.add(sudo="exit 9")
    assert ": sudo sh -c 'apt-get update && " in refusal(machine.install())


def test_only_what_is_missing_is_asked_for(machine):
    machine.add_system().add(**{"python3": BARE, "apt-get": "exit 9"})
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    assert refusal(machine.install()) == (
        f"This machine lacks the module venv of {machine.bin}/python3. Paste this, then run make again: "
        f"su -c 'apt-get update && apt-get install -y --no-install-recommends python{version}-venv'"
    )


def test_without_apt(machine):
    assert refusal(machine.add(python3=real("python3")).install()) == (
        "This machine lacks a C compiler, LaTeX with latexmk and aastex631: "
        "install that, then run make again."
    )


def test_compiler_by_name(machine):
    machine.add_system().add(python3=real("python3"), gcc_13="exit 0")
    assert machine.install(CC="gcc.13 -m64").returncode == 0
    assert (
        refusal(machine.install(CC="tcc"))
        == "CC=tcc does not compile: name a C compiler that does, or leave CC out."
    )


def root_with(tmp_path, apt_get):
    return Machine(tmp_path, user=0).add(**{"apt-get": apt_get, "cc": "exit 0", "python3": BARE})


def test_root_has_it_installed(tmp_path):
    links = {"python3.13": sys.executable, "latexmk": "tr", "kpsewhich": shutil.which("true")}
    programs = "; ".join(f"ln -s {target} {tmp_path}/bin/{name}" for name, target in links.items())
    apt_get = f'echo "apt-get $*" >> {tmp_path}/calls; [ $1 = update ] || {{ {programs}; }}'
    run = root_with(tmp_path, apt_get).install("--system")
    assert run.returncode == 0, run.stderr
    lacks = f"the module venv of {tmp_path}/bin/python3, LaTeX with latexmk and aastex631"
    assert run.stderr == f"Installing {lacks} with apt, up to 400 MB\n"
    update, install = (tmp_path / "calls").read_text().splitlines()
    assert update == "apt-get update"
    assert install.startswith("apt-get install -y --no-install-recommends python3.") and " gcc" not in install


@pytest.mark.parametrize(
    ("apt_get", "cause"),
    [
        (
            "echo W: odd; echo 'E: Failed to fetch http://x  Temporary failure'; echo E: no; exit 100",
            "E: Failed to fetch http://x  Temporary failure",
        ),
        (
            "echo W: odd; echo 'E: You have not enough free space'; exit 100",
            "E: You have not enough free space",
        ),
    ],
)
def test_apt_fails(tmp_path, apt_get, cause):
    run = root_with(tmp_path, apt_get).install()
    assert run.returncode == 1
    _, said = run.stderr.splitlines()
    assert said.startswith("apt-get could not install the module venv of ") and said.endswith(f": {cause}")


def test_apt_brings_too_little(tmp_path):
    run = root_with(tmp_path, "exit 0").install()
    assert run.returncode == 1
    assert run.stderr.splitlines()[1].startswith(
        "Debian's packages are installed, and this machine still lacks the module"
    )


@pytest.mark.parametrize(
    "name", ["co:lon", "sp ace", "quo'te", 'quo"te', "do$lar", "back\\slash", "br{ac}e", "[1]"]
)
def test_a_path_that_cannot_hold_the_environment(tmp_path, name):
    said = refusal(Machine(tmp_path, name).add_system().add(python3=real("python3")).install())
    assert said == (
        f"{tmp_path}/{name} has a space, a colon, a quote or another character of the shell's, which "
        "Snakemake or the virtual environment cannot have in its path: move the clone, then run make again."
    )


@pytest.mark.parametrize("name", ["long" * 40, "a-b_c.d+e,f=g@h~i", "umläut"])
def test_a_path_that_can(tmp_path, name):
    run = Machine(tmp_path, name).add_system().add(python3=real("python3")).install()
    assert run.stdout == "taken: python3\n"


def test_nothing_is_done_again_until_a_source_changes(machine):
    machine.add_system().add(python3=real("python3"), python3_12=real("3.12"), python3_13=OLD)
    bin = machine.clone / ".venv/bin"
    bin.mkdir(parents=True)
    (bin / "python").symlink_to(sys.executable)
    installed = machine.clone / ".venv/installed"
    installed.touch()
    assert machine.install().stdout == ""
    assert machine.install(PYTHON="python3").stdout == ""  # it is the one of .venv
    os.utime(installed, (0, 0))
    assert machine.install().stdout == "taken: 3.12\n"
    installed.touch()
    (bin / "python").unlink()
    assert machine.install().stdout == "taken: 3.12\n"  # its Python is gone


# install.py


def load():
    spec = importlib.util.spec_from_file_location("install", ENVIRONMENTS / "install.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("output", "said"),
    [
        ("error: failed to write: No space left on device (os error 28)", "The disk is full"),
        ("ERROR: Could not install packages due to an OSError: [Errno 28] No space left", "The disk is full"),
        (
            "WARNING: Retrying (Retry(total=4)) after connection broken by 'NewConnectionError(...)'\n"
            "ERROR: No matching distribution found for aenum==3.1.17",
            "The package index cannot be reached",
        ),
        (
            "WARNING: Retrying (Retry(total=4)) after connection broken by 'SSLError("
            "SSLCertVerificationError(1, '[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed'",
            "The certificate of the package index is not trusted",
        ),
        (
            "ERROR: Could not find a version that satisfies the requirement soupsieve==4.1.2\n"
            "ERROR: No matching distribution found for soupsieve==4.1.2",
            "The package index has no soupsieve==4.1.2 for Python 3.1",
        ),
        (
            "Collecting\nERROR: something else\nmore",
            "The packages cannot be installed: ERROR: something else",
        ),
        ("", "The packages cannot be installed: pip printed nothing"),
    ],
)
def test_what_pip_says_becomes_a_sentence(output, said):
    sentence = load().sentence(output)
    assert sentence.startswith(said) and "\n" not in sentence and "{" not in sentence


def test_uv_is_told_what_pip_is_configured_to_do(monkeypatch):
    module = load()
    configuration = (
        ":env:.cert='/of/environment.pem'\nglobal.cert='/of/file.pem'\nglobal.find-links='/wheels'\n"
        "global.extra-index-url='https://a.example https://b.example'\nglobal.no-color='true'\n"
    )
    monkeypatch.setattr(module, "call", lambda *words: configuration)
    for name in module.UV_NAMES.values():
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("UV_FIND_LINKS", "/own")
    environment = module.uv_environment()
    assert environment["SSL_CERT_FILE"] == "/of/environment.pem"
    assert environment["UV_INDEX"] == "https://a.example https://b.example"
    assert environment["UV_FIND_LINKS"] == "/own"  # what uv was told itself comes first
    assert environment["PATH"] == os.environ["PATH"]


def test_what_jobs_import_is_kept_compiled_where_python_would_not(monkeypatch, tmp_path):
    module = load()
    assert [name for name in module.IMPORTED.split() if not importlib.util.find_spec(name)] == []
    (tmp_path / "package").mkdir()
    for path in ("package/__init__.py", "package/used.py", "package/unused.py"):
        (tmp_path / path).touch()
    monkeypatch.setattr(module, "PYTHON", sys.executable)
    monkeypatch.setattr(module, "IMPORTED", "package.used")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    module.compile_imported()
    compiled = {path.name.split(".")[0] for path in tmp_path.rglob("*.pyc")}
    assert compiled == {"__init__", "used"}
    monkeypatch.setattr(module, "IMPORTED", "package.missing")
    module.compile_imported()  # a job will say so


def install(folder, **variables):
    """Run the real install.py in a clone with envs/ alone, without configuration of pip and uv."""
    shutil.copytree(ENVIRONMENTS, folder / "envs")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "UV_"))}
    environment |= {"PIP_CONFIG_FILE": os.devnull, "PIP_RETRIES": "1"} | variables
    run = subprocess.run(
        [sys.executable, folder / "envs/install.py"], env=environment, capture_output=True, text=True
    )
    first, *rest = run.stderr.splitlines()
    assert run.returncode == 1 and run.stdout == "" and not (folder / ".venv").exists()
    assert first.startswith("Python 3.") and first.endswith("installing packages into .venv")
    return rest


def test_no_network(tmp_path):
    said = install(tmp_path, PIP_INDEX_URL="http://127.0.0.1:9/simple")
    assert len(said) == 1 and said[0].startswith("The package index cannot be reached: ")


def test_an_index_that_lacks_a_pin(tmp_path):
    (tmp_path / "index").mkdir()
    uv, missing = install(tmp_path, PIP_INDEX_URL=(tmp_path / "index").as_uri())
    assert uv == "uv is not to be had here: pip installs, which takes some minutes"
    assert re.match(r"The package index has no \S+==\S+ for Python 3\.1\d\.\d+: use one that has it", missing)


def test_full_disk(tmp_path):
    small = tmp_path / "small"
    small.mkdir()
    mount = ["unshare", "--mount", "sh", "-c", f"mount -t tmpfs -o size=4m none {small}"]
    if not shutil.which("unshare") or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("a small disk can be mounted by root alone")
    shutil.copytree(ENVIRONMENTS, tmp_path / "envs")
    script = (
        f"cp -r {tmp_path}/envs {small} && {sys.executable} {small}/envs/install.py; status=$?; ls -A {small}"
    )
    run = subprocess.run(
        [*mount[:-1], f"{mount[-1]} && {script}; exit $status"], capture_output=True, text=True
    )
    assert run.returncode == 1 and run.stdout == "envs\n"
    _, said = run.stderr.splitlines()
    assert said.startswith(f"The disk is full: the packages take about 2 GB in {small} ")
