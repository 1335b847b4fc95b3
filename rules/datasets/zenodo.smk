"""Dataset zenodo: the authors' record, downloaded and converted; rows stay in the order of their file."""

import re

BY_DATALINK = config["zenodo"]["correlations"] == "datalink"
COMPANIONS = [
    name
    for name in config["zenodo"]["companions"]
    if not (BY_DATALINK and name == "xp_corrs.npz")
]
AUTHORS_SPLIT = {"test_fraction": 0.1, "seed": 12345}
if COMPANIONS and config["split"] != AUTHORS_SPLIT:
    raise WorkflowError(
        "the authors' companion files hold the test stars of test_fraction 0.1 and seed 12345: restore these in "
        "config key 'split', or set zenodo.companions to []."
    )
RECORD_FILES = {
    os.path.splitext(name)[0]: f"{ROOT}/data/{name}"
    for name in ("xp_apogee_cat.h5", *COMPANIONS)
}
# What each companion becomes; the correlations are a product of the catalogue.
COMPANION_PRODUCTS = {
    name: f"{ROOT}/companions/{product}"
    for name, product in {
        "apogee_norm": "normalisation.json",
        "lb23_xp_est_labels": "lb23_label_dependent.npy",
        "lb23_xp_est_no_labels": "lb23_label_independent.npy",
        "zhang_stellar_params_xmatch": "zgr23_parameters.parquet",
    }.items()
    if name in RECORD_FILES
}
EXTRAS = {
    os.path.splitext(os.path.basename(path))[0]: path
    for path in COMPANION_PRODUCTS.values()
}
CATALOGUE_FILES = {
    "manifest": f"{ROOT}/data/manifest.json",
    "catalogue": RECORD_FILES["xp_apogee_cat"],
}
if BY_DATALINK:
    CORRELATED = {
        "answers": f"{ROOT}/data/datalink.npz",
        "answered": f"{ROOT}/data/datalink.npy",
    }
else:
    CORRELATED = {
        "correlations": [path]
        for name, path in RECORD_FILES.items()
        if name == "xp_corrs"
    }
READING = {
    "invalid": config["zenodo"]["invalid"],
    "duplicates": config["zenodo"]["duplicates"],
    "aligned": bool(COMPANIONS),
}


wildcard_constraints:
    file="|".join(map(re.escape, ("xp_apogee_cat.h5", *COMPANIONS))),


# How to download stands in no `params:`: a longer timeout, say, is no reason to fetch and train again.
rule retrieve_manifest:
    """Ask the record for its files, their sizes and their checksums; say which companions it lacks."""
    output:
        manifest=f"{ROOT}/data/manifest.json",
    log:
        f"{LOGS}/retrieve_manifest.log",
    benchmark:
        f"{BENCHMARKS}/retrieve_manifest.tsv"
    localrule: True
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=150,
    params:
        record=config["zenodo"]["record"],
    message:
        "Asking for the files of the authors' record"
    script:
        "../../src/scripts/retrieve_manifest.py"


rule download_zenodo:
    """Download one file, or leave an empty one if the record lacks it; what has arrived outlives this job."""
    input:
        manifest=rules.retrieve_manifest.output.manifest,
    output:
        f"{ROOT}/data/{{file}}",
    log:
        f"{LOGS}/download_zenodo/{{file}}.log",
    benchmark:
        f"{BENCHMARKS}/download_zenodo/{{file}}.tsv"
    localrule: True
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=150,
    message:
        "Downloading {wildcards.file}"
    script:
        "../../src/scripts/download_zenodo.py"


if BY_DATALINK:

    rule retrieve_correlations:
        """Fetch the correlations of the test stars from the Gaia archive, at most 5000 stars a request."""
        input:
            **CATALOGUE_FILES,
        output:
            spectra=CORRELATED["answers"],
            correlations=CORRELATED["answered"],
            dropped=f"{ROOT}/data/datalink.json",
        log:
            f"{LOGS}/retrieve_correlations.log",
        benchmark:
            f"{BENCHMARKS}/retrieve_correlations.tsv"
        localrule: True
        conda:
            ENVIRONMENT
        threads: 1
        resources:
            mem_mb=1900,
        params:
            **READING,
            **config["split"],
            code=code("scripts/retrieve_correlations.py"),
            url=config["gaia_sdss"]["datalink"]["url"],
            release=config["gaia_sdss"]["datalink"]["release"],
        message:
            "Fetching the correlations of the test stars"
        script:
            "../../src/scripts/retrieve_correlations.py"


rule build_catalog:
    """Convert the authors' catalogue and correlations, and compare its cut-flow with the paper's."""
    input:
        **CATALOGUE_FILES,
        **CORRELATED,
    output:
        **({"correlations": f"{ROOT}/catalog/correlations.npy"} if CORRELATED else {}),
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
        mem_mb=1900,
    params:
        **READING,
        **(config["split"] if BY_DATALINK else {}),
        code=code("scripts/convert_zenodo.py"),
        check_cutflow=config["zenodo"]["check_cutflow"],
    message:
        "Converting the authors' catalogue"
    script:
        "../../src/scripts/convert_zenodo.py"


if COMPANION_PRODUCTS:

    rule convert_companions:
        """Convert the files beside the catalogue, in its order, and compare the normalisations."""
        input:
            manifest=rules.retrieve_manifest.output.manifest,
            companions=[RECORD_FILES[name] for name in COMPANION_PRODUCTS],
            stars=rules.build_catalog.output.stars,
            coefficients=rules.build_catalog.output.coefficients,
        output:
            **COMPANION_PRODUCTS,
        log:
            f"{LOGS}/convert_companions.log",
        benchmark:
            f"{BENCHMARKS}/convert_companions.tsv"
        conda:
            ENVIRONMENT
        threads: 1
        resources:
            mem_mb=1500,
        params:
            code=code("scripts/convert_companions.py"),
        message:
            "Converting what other models predict, and the normalisation beside the catalogue"
        script:
            "../../src/scripts/convert_companions.py"
