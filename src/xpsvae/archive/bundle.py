"""A build as a folder of few, flat files that Zenodo takes: the same results give the same bytes.

Large products are files of their own; the others, and the workflow's sources, share one ``tar.zst``.
``MANIFEST.json`` says what everything is, and by which rule, code and choices it was made.
"""

import io
import json
import shutil
import tarfile
from pathlib import Path

from xpsvae import provenance
from xpsvae.archive import crate
from xpsvae.archive.documents import read_reservation
from xpsvae.digests import sha256, verify
from xpsvae.errors import InputError
from xpsvae.products import write_atomically, write_json, write_text

__all__ = ["DOI", "FORMAT", "LARGE", "MANIFEST", "TAR", "build", "describe_rules"]

FORMAT = 1
LARGE = 8 << 20  # bytes from which a product is a file of its own
MANIFEST, TAR = "MANIFEST.json", "small-products.tar.zst"
DOI = "doi.json"  # no rule of the graph makes it
_ALONGSIDE = ("LICENSE", "CITATION.cff", "Snakefile", "config.yaml")
_SOURCES = (
    "Snakefile config.yaml CITATION.cff LICENSE README.md Makefile pyproject.toml "
    "benchmarks envs paper profiles rules src tests .galpyrc"
).split()


def describe_rules(jobs, root, project):
    """Describe rules such that two workflows can be compared, wherever they and their results lie.

    Parameters
    ----------
    jobs : list of dict
        rule, description, script (path), code (paths of modules), inputs, outputs (paths), params.
    root : str
        Folder of the dataset's results, as it stands in these paths.
    project : path-like
        Folder of the workflow.

    Returns
    -------
    list of dict
        As ``jobs``, but inputs and outputs below ``root`` are relative to it (others lie in the project, and
        are split off as ``sources``), ``code`` maps path to SHA-256, params are plain JSON.
    """
    root, described = f"{root}/", []
    for job in jobs:
        code = [job["script"], *job["code"]]
        inputs = [path for path in job["inputs"] if path.startswith(root) and path != root + DOI]
        sources = [path for path in job["inputs"] if not path.startswith(root) and path not in job["code"]]
        described.append(
            {
                "rule": job["rule"],
                "description": job["description"],
                "script": job["script"],
                "code": {path: sha256(Path(project, path)) for path in sorted({*code, *sources})},
                "inputs": sorted(path.removeprefix(root) for path in inputs),
                "outputs": sorted(path.removeprefix(root) for path in job["outputs"]),
                "params": json.loads(json.dumps(job["params"], sort_keys=True, default=str)),
            }
        )
    return described


def build(folder, root, products, rules, config, project=provenance.PROJECT):
    """Write the archive of a build.

    Parameters
    ----------
    folder : path-like
        Where to; must not exist.
    root : path-like
        Folder of the dataset's results.
    products : list of str
        Files to archive, relative to ``root``.
    rules : list of dict
        Output of `describe_rules`.
    config : dict
    project : path-like

    Raises
    ------
    InputError
        If a product is missing, empty, or not what its job wrote.
    """
    folder, root, project = Path(folder), Path(root), Path(project)
    folder.mkdir(parents=True)
    made_by = {path: rule for rule in rules for path in rule["outputs"]}
    digest, entries, small = provenance.config_hash(config), [], {}
    for path in sorted(products):
        source = root / path
        if not source.is_file():
            raise InputError(f"{source} does not exist: run snakemake all, then archive again.")
        rule, size, found = made_by.get(path), source.stat().st_size, sha256(source)
        if not size:
            raise InputError(f"{source} is empty: delete it, run snakemake all, then archive again.")
        verify(source, found)
        stored = path.replace("/", "--") if size >= LARGE else TAR
        if stored == TAR:
            small[f"results/{path}"] = source
        else:
            shutil.copyfile(source, folder / stored)
        entries.append(
            {
                "path": path,
                "size": size,
                "sha256": found,
                "stored": stored,
                "rule": rule["rule"] if rule else None,
                "commit": provenance.commit(rule["code"]) if rule else provenance.commit(),
                "config_sha256": digest,
            }
        )
    _write_tar(folder / TAR, small | {f"workflow/{name}": project / name for name in _sources(project)})
    for name in _ALONGSIDE:
        shutil.copyfile(project / name, folder / name)
    if "provenance.json" in products:  # beside the tar too, to be read without unpacking
        shutil.copyfile(root / "provenance.json", folder / "provenance.json")
    manifest = {
        "format": FORMAT,
        "dataset": config["dataset"],
        "commit": provenance.commit(),
        "doi": read_reservation(root / DOI)["doi"] if DOI in products else None,
        "config_sha256": digest,
        "inputs": provenance.input_checksums(config),
        "products": entries,
        "rules": rules,
    }
    write_text(folder / "README.md", _readme(manifest))
    crate.write(folder, manifest)
    manifest["files"] = [
        {"path": path.name, "size": path.stat().st_size, "sha256": sha256(path)}
        for path in sorted(folder.iterdir())
    ]
    write_json(folder / MANIFEST, manifest)


def _sources(project):
    files = set()
    for name in _SOURCES:
        top = project / name
        files.update(top.rglob("*") if top.is_dir() else [top])
    names = (path.relative_to(project) for path in files if path.is_file() and not path.is_symlink())
    return sorted(name.as_posix() for name in names if _is_source(name))


def _is_source(name):
    return name.suffix != ".pyc" and not any(
        part.endswith((".egg-info", "__pycache__")) for part in name.parts
    )


def _write_tar(path, members):
    """Write files under given names into a tar.zst without owner, date or mode of theirs."""
    import pyarrow as pa

    with (
        write_atomically(path) as temporary,
        pa.CompressedOutputStream(str(temporary), "zstd") as stream,
        tarfile.open(fileobj=stream, mode="w|", format=tarfile.PAX_FORMAT) as tar,
    ):
        for name, source in sorted(members.items()):
            content = source.read_bytes()
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(content), 0o644
            tar.addfile(member, io.BytesIO(content))


def _readme(manifest):
    large = "".join(
        f"- `{entry['stored']}`: `{entry['path']}`\n"
        for entry in manifest["products"]
        if entry["stored"] != TAR
    )
    return f"""# A build of xpsvae, dataset {manifest["dataset"]}

Made by the workflow at commit {manifest["commit"]}.

- `{MANIFEST}`: every product with its size, SHA-256, rule, commit and hash of the configuration
- `ro-crate-metadata.json`: the same as an RO-Crate (Workflow Run Crate), one action a rule
- `{TAR}`: `results/`, the products below {LARGE >> 20} MiB, and `workflow/`, the sources
{large}- `provenance.json`: versions of all packages, the device, the checksums of the inputs

To work on with it, check out that commit (or unpack `workflow/`) and run

    snakemake --cores 1 restore --config restore_from=FOLDER_OR_DOI

which verifies every checksum; afterwards `snakemake -n all` has nothing to do.
"""
