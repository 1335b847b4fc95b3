"""Crossmatch, coefficients, cuts."""


rule build_catalog:
    """Match labels and spectra on source_id and turn flux into coefficients and their errors."""
    input:
        labels=rules.retrieve_library.output.labels,
        spectra=rules.retrieve_library.output.spectra,
        code=code("scripts/build_catalog.py"),
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
    params:
        **config["inversion"],
    message:
        "Crossmatching labels and spectra, inverting flux to coefficients"
    script:
        "../src/scripts/build_catalog.py"


rule build_subsets:
    """Cut the catalogue into full, good and pristine, split it for training, and count what each cut removes."""
    input:
        stars=rules.build_catalog.output.stars,
        code=code("scripts/build_subsets.py"),
    output:
        subsets=f"{ROOT}/catalog/subsets.parquet",
        cutflow=f"{ROOT}/catalog/cutflow.json",
    log:
        f"{LOGS}/build_subsets.log",
    benchmark:
        f"{BENCHMARKS}/build_subsets.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    params:
        cuts=config["cuts"],
        aspcapflag_bits=CHOICES["aspcapflag_bits"],
        test_fraction=config["split"]["test_fraction"],
        seed=config["split"]["seed"],
    message:
        "Cutting the catalogue into full, good and pristine"
    script:
        "../src/scripts/build_subsets.py"
