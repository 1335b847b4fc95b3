"""Archives of a finished build, to Zenodo and back; none of these is part of `all`."""

import json

ARCHIVED = sorted({str(path) for path in rules.all.input})


RESERVATION = {
    "doi": RESERVED_DOI,
    "server": config["deposit"]["server"],
    "new_version_of": config["deposit"]["new_version_of"],
}


def script_of(rule):
    """Give the script of a rule; figures share one rule text and name theirs by a parameter."""
    path = rule.script.format(params=rule.params)
    return source(f"src/{path[path.index('src/') + 4 :]}")


def plain(value):
    """Reduce a parameter to JSON; a function of the wildcards cannot be written down."""
    return json.loads(
        json.dumps(
            value, default=lambda other: "function" if callable(other) else str(other)
        )
    )


# Every rule so far, described by what Snakemake knows of it.
JOBS = [
    {
        "rule": rule.name,
        "description": rule.docstring or f"Draw {rule.name.removeprefix('fig_')}.",
        "script": script_of(rule),
        "code": [str(path) for path in dict(rule.input.items()).get("code", [])],
        "inputs": [str(path) for path in rule.input if not callable(path)],
        "outputs": [str(path) for path in rule.output],
        "params": {name: plain(value) for name, value in rule.params.items()},
    }
    for rule in workflow.rules
    if rule.output and rule.script
]


rule archive:
    """Bundle the products with a manifest, an RO-Crate, the licence and the sources; the same bytes each time."""
    input:
        products=ARCHIVED,
        doi=[RESERVED_DOI] if os.path.exists(RESERVED_DOI) else [],
        code=code("scripts/build_archive.py"),
    output:
        directory(f"{ROOT}/archive"),
    log:
        f"{LOGS}/archive.log",
    conda:
        ENVIRONMENT
    threads: 1
    params:
        jobs=JOBS,
        root=ROOT,
    message:
        "Bundling the products for the archive"
    script:
        "../src/scripts/build_archive.py"


rule reserve_doi:
    """Make a draft on Zenodo, whose reserved DOI then stands in the paper; the same draft each time."""
    log:
        f"{LOGS}/reserve_doi.log",
    conda:
        ENVIRONMENT
    threads: 1
    params:
        **RESERVATION,
    message:
        "Reserving a DOI"
    script:
        "../src/scripts/reserve_doi.py"


rule deposit:
    """Send the archive to the draft of its DOI, every file compared by MD5; publish it if so configured."""
    input:
        archive=rules.archive.output[0],
    output:
        f"{ROOT}/zenodo.json",
    log:
        f"{LOGS}/deposit.log",
    conda:
        ENVIRONMENT
    threads: 1
    params:
        **RESERVATION,
        publish=config["deposit"]["publish"],
    message:
        "Sending the archive to Zenodo"
    script:
        "../src/scripts/deposit_archive.py"


rule restore:
    """Bring an archive back: verify every checksum, put the products in their places, mark them as up to date."""
    log:
        f"{LOGS}/restore.log",
    conda:
        ENVIRONMENT
    threads: 1
    params:
        archive=RESTORED,
        jobs=JOBS,
        root=ROOT,
    message:
        "Restoring an archive"
    script:
        "../src/scripts/restore_archive.py"
