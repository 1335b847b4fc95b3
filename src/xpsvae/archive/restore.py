"""An archive back into a clone: every checksum is verified before the first product is put in its place.

Only regular files whose place is an output of a rule of this workflow are taken. A product that other code or
other choices would make now is left out, with all that hangs on it: Snakemake makes these again.
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from contextlib import contextmanager
from pathlib import Path

import yaml

from xpsvae import digests
from xpsvae.archive import bundle, deposit
from xpsvae.archive.bundle import DOI, FORMAT, MANIFEST, TAR
from xpsvae.archive.documents import check_reservation, difference_in_form, read_document
from xpsvae.errors import InputError
from xpsvae.unpack import Bounded

__all__ = ["check", "install", "located", "note", "outdated_rules", "touch"]

_NOTHING = "nothing was installed"
_STAGING = ".restore-"
_CHUNK = 1 << 20  # bytes
_LARGEST_SOURCES = 64 << 20  # bytes of all members of the tar that are not installed
_PADDING = 1 << 12  # bytes of the tar beside the content of a member


def check(folder):
    """Verify an archive: all files are there and have the size and SHA-256 that its manifest gives.

    Parameters
    ----------
    folder : path-like

    Returns
    -------
    dict
        The manifest.

    Raises
    ------
    InputError
        For the first file that is missing, a link, or differs.
    """
    folder = Path(folder)
    if not (folder / MANIFEST).is_file():
        raise InputError(
            f"{folder} has no {MANIFEST}: give a folder that snakemake archive made; {_NOTHING}."
        )
    manifest = read_document(folder / MANIFEST)
    if isinstance(manifest, dict) and manifest.get("format", FORMAT) != FORMAT:
        raise InputError(
            f"{folder / MANIFEST} has format {str(manifest['format'])[:20]!r}, not {FORMAT}: restore with "
            f"xpsvae at commit {str(manifest.get('commit'))[:40]!r}; {_NOTHING}."
        )
    if wrong := difference_in_form(manifest):
        raise InputError(f"{folder / MANIFEST} {wrong}: it is not a manifest; {_NOTHING}.")
    listed = {entry["path"]: (entry["size"], entry["sha256"]) for entry in manifest["files"]}
    places = {entry["stored"] for entry in manifest["products"]}
    for name in sorted({*listed, *places}):
        path = folder / name
        if not re.fullmatch(r"[^./\\\0\n][^/\\\0\n]*", name) or name not in listed:
            raise InputError(f"the manifest names the file {name!r}, which no archive has; {_NOTHING}.")
        if path.is_symlink() or not path.is_file():
            raise InputError(f"{path} is missing or no regular file: get the archive again; {_NOTHING}.")
        with path.open("rb") as file:
            found = path.stat().st_size, hashlib.file_digest(file, "sha256").hexdigest()
        if found != listed[name]:
            raise InputError(
                f"{path} has {found[0]} bytes and sha256 {found[1]} where {listed[name][0]} bytes and "
                f"{listed[name][1]} were expected: get the archive again; {_NOTHING}."
            )
    return manifest


@contextmanager
def located(reference, root, server):
    """Yield the folder of an archive; one on Zenodo is brought first, and deleted once restored.

    Parameters
    ----------
    reference : str
        A folder, the DOI of a deposit (reserved for a draft, or published), or the address of its page.
    root : path-like
        Below it the download goes on after an interruption.
    server : str
        Zenodo or its sandbox; where a DOI names one of these, that one is asked.

    Raises
    ------
    InputError
        If it is none of these or does not arrive.
    """
    if reference is None:
        raise InputError("nothing to restore: add --config restore_from=, a folder or a DOI of Zenodo.")
    if Path(reference).is_dir():
        yield Path(reference)
        return
    folder = Path(root) / ".download"
    deposit.fetch(reference, server, folder)
    yield folder
    shutil.rmtree(folder)


def outdated_rules(manifest, rules):
    """Find the rules whose archived products this workflow would make differently.

    Parameters
    ----------
    manifest : dict
        Output of `check`.
    rules : list of dict
        Of this workflow, as `bundle.describe_rules` gives them.

    Returns
    -------
    dict of str to str
        Name of the rule -> why; a rule that reads from an outdated one is outdated.
    """
    archived = {rule["rule"]: rule for rule in manifest["rules"]}
    reasons = {}
    for rule in rules:
        if reason := _difference(archived.get(rule["rule"]), rule):
            reasons[rule["rule"]] = reason
    makers = [(_pattern(path), rule["rule"]) for rule in rules for path in rule["outputs"]]
    sources = {
        rule["rule"]: {name for path in rule["inputs"] for made, name in makers if made.fullmatch(path)}
        for rule in rules
    }
    grown = True
    while grown:
        grown = False
        for rule, read in sources.items():
            source = min(read & reasons.keys(), default=None)
            if source and rule not in reasons:
                reasons[rule], grown = f"reads from {source}", True
    return reasons


def install(folder, root, manifest, rules):
    """Put the products of a verified archive in their places.

    Parameters
    ----------
    folder : path-like
    root : path-like
        Folder of the dataset's results.
    manifest : dict
        Output of `check`.
    rules : list of dict
        As for `outdated_rules`.

    Returns
    -------
    list of str
        What was installed, relative to ``root``.

    Raises
    ------
    InputError
        If a member of the archive is no plain file, has a place outside of the rules' outputs, or is not what
        the manifest says; nothing is installed then.
    """
    folder, root = Path(folder), Path(root)
    outdated = outdated_rules(manifest, rules)
    known = {path: rule["rule"] for rule in rules for path in rule["outputs"]}
    for entry in manifest["products"]:
        if entry["stored"] == TAR and entry["size"] >= bundle.LARGE:
            raise InputError(
                f"the manifest gives {entry['path']!r} {entry['size']} bytes, too many for {TAR}; {_NOTHING}."
            )
        if entry["path"] not in known and entry["rule"] in {rule["rule"] for rule in rules} - outdated.keys():
            raise InputError(f"the manifest names {entry['path']!r}, which no rule makes; {_NOTHING}.")
    wanted = {
        entry["path"]: entry
        for entry in manifest["products"]
        if entry["path"] == DOI or (entry["path"] in known and known[entry["path"]] not in outdated)
    }
    root.mkdir(parents=True, exist_ok=True)
    for left in root.glob(f"{_STAGING}*"):  # by one that was killed: Snakemake runs one at a time
        shutil.rmtree(left, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=_STAGING, dir=root) as staging:
        _unpack(folder / TAR, manifest, wanted, Path(staging))
        for path, entry in wanted.items():
            if entry["stored"] != TAR:
                with (folder / entry["stored"]).open("rb") as file:
                    _stage(file, entry, Path(staging, path))
            elif not Path(staging, path).is_file():
                raise InputError(f"{folder / TAR} lacks results/{path}: get the archive again; {_NOTHING}.")
        if DOI in wanted:
            reservation = read_document(Path(staging, DOI))
            check_reservation(reservation, f"{DOI} of the archive", f"get the archive again; {_NOTHING}")
        for path in wanted:
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            digests.forget(root / path)
            Path(staging, path).replace(root / path)
    return sorted(wanted)


def note(root, manifest, installed):
    """Note the SHA-256 of what was installed, as the jobs would have done that make it.

    Parameters
    ----------
    root : path-like
    manifest : dict
        Output of `check`.
    installed : list of str
        Output of `install`.
    """
    for entry in manifest["products"]:
        if entry["path"] in installed and entry["path"] != DOI:
            digests.note(Path(root, entry["path"]), entry["sha256"])


def touch(snakefile, config):
    """Let Snakemake mark everything that is there as made now, in the order of its graph.

    It records code, parameters and inputs of each job too, so that a later change of one is noticed.

    Parameters
    ----------
    snakefile : path-like
    config : dict

    Raises
    ------
    InputError
        If Snakemake fails.
    """
    with tempfile.NamedTemporaryFile("w", suffix=".yaml", encoding="utf-8") as file:
        yaml.safe_dump(config, file, sort_keys=False)  # Snakemake minds the order of keys
        file.flush()
        # the calling Snakemake holds the lock of this folder; it waits for this call
        run = subprocess.run(
            [sys.executable, "-m", "snakemake", "all", "--snakefile", os.fspath(snakefile), "--touch",
             "--forceall", "--nolock", "--cores", "1", "--quiet", "all", "--configfile", file.name],
            capture_output=True, text=True,
        )  # fmt: skip
    if run.returncode:
        raise InputError(
            f"the products are in place, but snakemake --touch all failed: {run.stderr[-500:]!r}."
        )


def _pattern(output):
    """Match the paths that an output with wildcards stands for."""
    return re.compile(re.sub(r"\\\{.+?\\\}", ".+", re.escape(output)))


def _difference(archived, rule):
    if archived is None:
        return "not in the archive"
    for path in sorted(archived["code"].keys() | rule["code"].keys()):
        if archived["code"].get(path) != rule["code"].get(path):
            return f"{path} has changed"
    for key in ("inputs", "outputs"):
        if archived[key] != rule[key]:
            return f"its {key} have changed"
    for key in sorted(archived["params"].keys() | rule["params"].keys()):
        if archived["params"].get(key) != rule["params"].get(key):
            return f"its parameter {key} has changed"
    return ""


def _unpack(path, manifest, wanted, staging):
    import pyarrow as pa

    packed = [entry for entry in manifest["products"] if entry["stored"] == TAR]
    expected = {f"results/{entry['path']}" for entry in packed}
    largest = _LARGEST_SOURCES + sum(entry["size"] + _PADDING for entry in packed)
    refusal = f"{path} unpacks to more than {largest} bytes: get the archive again; {_NOTHING}."
    try:
        with (
            pa.CompressedInputStream(str(path), "zstd") as stream,
            tarfile.open(fileobj=Bounded(stream, largest, refusal), mode="r|") as tar,
        ):
            for member in tar:
                if member.type not in (tarfile.REGTYPE, tarfile.AREGTYPE) or member.sparse is not None:
                    raise InputError(f"{path} holds {member.name!r}, which is no regular file; {_NOTHING}.")
                if member.name.startswith("workflow/"):
                    continue
                if member.name not in expected:
                    raise InputError(
                        f"{path} holds {member.name!r}, which its manifest does not name; {_NOTHING}."
                    )
                expected.remove(member.name)  # a second one of that name is refused
                name = member.name.removeprefix("results/")
                if name in wanted:
                    _stage(tar.extractfile(member), wanted[name], staging / name)
    except InputError:
        raise
    # ValueError and RecursionError: heads of members that no program writes
    except (tarfile.TarError, OSError, EOFError, ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        again = f"get the archive again; {_NOTHING}."
        raise InputError(f"{path} cannot be unpacked ({reason}): {again}") from error


def _stage(stream, entry, target):
    target.parent.mkdir(parents=True, exist_ok=True)
    digest, size = hashlib.sha256(), 0
    with target.open("xb") as file:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
            size += file.write(chunk)
            if size > entry["size"]:
                break
    if (size, digest.hexdigest()) != (entry["size"], entry["sha256"]):
        raise InputError(
            f"{entry['path']} has sha256 {digest.hexdigest()} where {entry['sha256']} was expected: "
            f"get the archive again; {_NOTHING}."
        )
