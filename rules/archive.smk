"""Archives of a finished build, to Zenodo and back; none of these is part of `all`."""

from xpsvae.archive.jobs import describe_all

ARCHIVED = {str(path) for path in rules.all.input}
OPTIONAL = {
    *MORE_PRODUCTS,
    *rules.summarise_ablations.output,
    *rules.fig_ablations.output,
}
JOBS = describe_all(workflow.rules, BASE, ARCHIVED | OPTIONAL, OPTIONAL)
ARCHIVED = sorted(ARCHIVED | set(filter(os.path.exists, MORE_PRODUCTS)))
RESERVATION = {
    "doi": RESERVED_DOI,
    "server": config["deposit"]["server"],
    "new_version_of": config["deposit"]["new_version_of"],
}


rule archive:
    """Bundle the products with a manifest, an RO-Crate, the licence and the sources; the same bytes each time."""
    input:
        products=ARCHIVED,
        doi=[RESERVED_DOI] if os.path.exists(RESERVED_DOI) else [],
    output:
        directory(f"{ROOT}/archive"),
    log:
        f"{LOGS}/archive.log",
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=250,
    params:
        jobs=JOBS,
        code=code("scripts/build_archive.py"),
    message:
        "Bundling the products for the archive"
    script:
        "../src/scripts/build_archive.py"


rule reserve_doi:
    """Make a draft on Zenodo, whose reserved DOI then stands in the paper; the same draft each time."""
    log:
        f"{LOGS}/reserve_doi.log",
    localrule: True
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=150,
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
    localrule: True
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=150,
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
    localrule: True
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=250,
    params:
        archive=RESTORE_FROM,
        jobs=JOBS,
        root=ROOT,
    message:
        "Restoring an archive"
    script:
        "../src/scripts/restore_archive.py"
