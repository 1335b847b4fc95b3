#!/usr/bin/env python3
"""The README's two commands on machines that have nothing yet: new Debian systems, made by debootstrap.

    tests/fresh_machine.py                   # as root: bookworm, trixie, then the Dockerfile's commands
    tests/fresh_machine.py bookworm --user   # as an ordinary user, who gets a line to paste for root
    tests/fresh_machine.py trixie --test     # `make test` too

Slow: some six minutes a system, a quarter of an hour more with `--test`; no part of `make test`. Needs
root, debootstrap, 4 GB of disk (12 where torch brings CUDA) and a network. The new systems get its
settings: the variables of pip, uv and proxies, and the certificates that SSL_CERT_FILE names; `--bind
FOLDER` shows them a folder of this machine, for a PIP_FIND_LINKS that names one. They clone the last commit
of this folder. Logs, PDFs and Table 1 are left in build/fresh; the last lines say by how much Table 1
differs from system to system.
"""

import argparse
import json
import os
import pwd
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
OUTPUT = ROOT / "build/fresh"
# Not the usual place: apt-get install ca-certificates writes there.
CERTIFICATES = "/etc/certificates-of-the-host.pem"
PASSED_ON = re.compile(r"(PIP|UV)_\w+|\w+_proxy|\w+_PROXY")
SYSTEMS = {"bookworm": "Debian 12", "trixie": "Debian 13", "docker": "the Dockerfile"}
MEASURES = ["accuracy", "balanced_accuracy", "roc_auc"]
MEASURES += [f"{measure}_{side}" for measure in ("recall", "precision") for side in ("high", "low")]


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("systems", nargs="*", metavar="SYSTEM", help=", ".join(SYSTEMS))
    parser.add_argument("--user", action="store_true", help="as an ordinary user")
    parser.add_argument("--test", action="store_true", help="make test, too")
    parser.add_argument("--bind", action="append", default=[], metavar="FOLDER", help="show this folder")
    options = parser.parse_args()
    unknown = set(options.systems) - set(SYSTEMS)
    if unknown:
        parser.error(f"no system {', '.join(sorted(unknown))}: there are {', '.join(SYSTEMS)}")
    if os.getuid():
        parser.error("debootstrap and chroot need root")
    if not shutil.which("debootstrap"):
        parser.error("debootstrap is missing: apt-get install debootstrap")
    for name in options.systems or SYSTEMS:
        with tempfile.TemporaryDirectory(prefix="fresh-") as folder:
            system = System(name, Path(folder), options.bind)
            if name == "docker":
                run_dockerfile(system)
            else:
                run_readme(system, options.user, options.test)
            system.collect()
    compare_tables()


class System:
    """A new Debian in a folder, and a log of what is done in it."""

    def __init__(self, name, root, binds):
        self.name, self.root, self.binds, self.workdir = name, root, binds, None
        OUTPUT.mkdir(parents=True, exist_ok=True)
        self.log = OUTPUT / f"{name}.log"
        self.log.unlink(missing_ok=True)
        print(f"== {name}: {SYSTEMS[name]}", flush=True)
        suite = name
        if name == "docker":
            suite = re.search(r"^FROM debian:(\w+)-slim$", dockerfile(), re.MULTILINE).group(1)
        self.call(["debootstrap", "--variant=minbase", suite, root], f"debootstrap {suite}")
        root.chmod(0o755)  # a temporary folder is for its owner alone
        shutil.copy("/etc/resolv.conf", root / "etc/resolv.conf")
        shutil.copy("/etc/hosts", root / "etc/hosts")
        self.variables = {name: value for name, value in os.environ.items() if PASSED_ON.fullmatch(name)}
        if "SSL_CERT_FILE" in os.environ:
            shutil.copy(os.environ["SSL_CERT_FILE"], f"{root}{CERTIFICATES}")
            names = "SSL_CERT_FILE", "PIP_CERT", "REQUESTS_CA_BUNDLE"
            self.variables |= dict.fromkeys(names, CERTIFICATES)
        subprocess.run(["git", "clone", "--quiet", "--bare", ROOT, root / "source"], check=True)

    def run(self, command, user="root", check=True):
        """Run a shell command in the system, in `workdir`; return its status and what it printed.

        Its mounts are its own and end with it: nothing of the host is in the folder when that is removed.
        """
        mounts = [f"mount -t proc proc {self.root}/proc", f"mount --rbind /dev {self.root}/dev"]
        for path in self.binds:
            mounts += [f"mkdir -p {self.root}{path}", f"mount --bind -o ro {path} {self.root}{path}"]
        home = home_of(user)
        path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        variables = {"PATH": path, "HOME": home, **self.variables}
        inside = ["env", "-i", *(f"{name}={value}" for name, value in variables.items())]
        inside += ["sh", "-c", f"cd {self.workdir or home} && {command}"]
        script = " && ".join([*mounts, f'exec chroot --userspec={user} {self.root} "$@"'])
        namespaces = ["unshare", "--mount", "--pid", "--fork", "--kill-child"]
        return self.call([*namespaces, "sh", "-c", script, "sh", *inside], f"{user}: {command}", check)

    def call(self, words, shown, check=True):
        started = time.monotonic()
        with open(self.log, "ab+") as log:
            log.write(f"== {shown}\n".encode())
            log.flush()
            position = log.tell()
            status = subprocess.run(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log).returncode
            log.seek(position)
            printed = log.read().decode(errors="replace")
        print(f"{time.monotonic() - started:6.0f} s  {shown}", flush=True)
        if check and status:
            sys.exit("\n".join([*printed.splitlines()[-5:], f"{self.name}: status {status}; see {self.log}"]))
        return status, printed

    def collect(self):
        """Look at the PDF; keep it and Table 1."""
        results = Path(f"{self.root}{self.workdir}") / "results/library"
        pdf = (results / "paper/ms.pdf").read_bytes()
        if not pdf.startswith(b"%PDF-") or not pdf.rstrip().endswith(b"%%EOF") or len(pdf) < 100_000:
            sys.exit(f"{self.name}: results/library/paper/ms.pdf is no whole PDF")
        (OUTPUT / f"{self.name}.pdf").write_bytes(pdf)
        table = min(results.rglob("table1.json"))  # of the variants, the corrected one
        shutil.copy(table, OUTPUT / f"{self.name}.json")
        print(f"          ms.pdf, {len(pdf) // 1000} kB", flush=True)


def home_of(user):
    """Home of a user of the new system, in which only root has the same as here."""
    return pwd.getpwnam(user).pw_dir if user == "root" else f"/home/{user}"


def run_readme(system, as_user, test):
    """Type what the README says, in its order."""
    readme = (ROOT / "README.md").read_text()
    block = re.search(r"^```\n(git clone .*?)^```", readme, re.DOTALL | re.MULTILINE).group(1)
    clone, make, make_test = (line.split("#")[0].strip() for line in block.splitlines())
    user = "reader" if as_user else "root"
    system.run("apt-get update && apt-get install -y --no-install-recommends git make")
    if as_user:
        system.run("useradd --create-home reader && chown -R reader /source")
    system.run(clone.replace("…", "/source"), user)
    system.workdir = f"{home_of(user)}/xpsvae"
    if as_user:
        _, printed = system.run(make, user, check=False)
        asked = re.search(
            r"^This machine lacks .* Paste this, then run make again: (.*)$", printed, re.MULTILINE
        )
        if not asked:
            sys.exit(f"{system.name}: make did not say what it lacks; see {system.log}")
        print(f"          {asked.group()}")
        system.run(asked.group(1))
    system.run(make, user)
    if test:
        system.run(make_test, user)


def run_dockerfile(system):
    """Do what the Dockerfile says, as far as it says it: RUN, COPY of all, WORKDIR, USER, CMD."""
    user = "root"
    for instruction in dockerfile().splitlines():
        word, _, rest = instruction.partition(" ")
        if word == "RUN":
            system.run(rest, user)
        elif word == "CMD":
            system.run(shlex.join(json.loads(rest)), user)
        elif word == "USER":
            user = rest
        elif word == "WORKDIR":
            system.workdir = rest
        elif word == "COPY":
            owner = re.fullmatch(r"--chown=(\w+):\w+ \. \.", rest).group(1)
            system.run(f"git clone -q /source . && chown -R {owner}: .")
        elif word not in ("FROM", "#", ""):
            sys.exit(f"tests/fresh_machine.py does not know the Dockerfile's instruction {word}")


def dockerfile():
    return (ROOT / "Dockerfile").read_text()


def compare_tables():
    """Say by how much Table 1 differs between systems, those of earlier runs among them."""
    tables = {path.stem: json.loads(path.read_text()) for path in sorted(OUTPUT.glob("*.json"))}
    first, *others = tables
    for other in others:
        differences = {
            f"{row['name']}, {row['variant']}, {measure}": abs(row[measure] - same[measure])
            for row, same in zip(tables[first], tables[other], strict=True)
            for measure in MEASURES
            if row[measure] is not None
        }
        differing = {name: difference for name, difference in differences.items() if difference > 0}
        print(f"Table 1, {first} against {other}: {len(differing)} of {len(differences)} numbers differ")
        if differing:
            largest = max(differing, key=differing.get)
            print(f"          by at most {differing[largest]:.4f}: {largest}")


if __name__ == "__main__":
    main()
