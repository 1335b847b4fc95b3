"""Archives of a finished build, to Zenodo and back; none of these is part of `all`."""

import json

ARCHIVED = sorted({str(path) for path in rules.all.input})


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
