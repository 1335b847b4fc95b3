"""Dataset gaia_sdss: labels from SDSS, XP spectra from the Gaia archive, actions of our own.

The number of parts stands in config.yaml, so that the jobs are known before anything has been downloaded.
"""

EXTRAS = {}
BY_DATALINK = config["gaia_sdss"]["spectra"] == "datalink"
N_PARTS = (
    config["gaia_sdss"]["datalink"]["parts"]
    if BY_DATALINK
    else config["gaia_sdss"]["bulk"]["files"]
)
ARCHIVE_PARTS = [f"{number:04d}" for number in range(N_PARTS)]
PART = f"{ROOT}/data/{config['gaia_sdss']['spectra']}/{{part}}"

# How many jobs may download at once, whatever --cores and --resources say.
if "connections" not in workflow.global_resources:
    workflow.register_resource("connections", config["gaia_sdss"]["connections"])


wildcard_constraints:
    part=r"\d{4}",


# How to download stands in no `params:`: a longer timeout, say, is no reason to run again.
for table in ("all_star", "astronn"):

    rule:
        name:
            f"retrieve_{table}"
        output:
            table=f"{ROOT}/data/{table}.fits",
        log:
            f"{LOGS}/retrieve_{table}.log",
        benchmark:
            f"{BENCHMARKS}/retrieve_{table}.tsv"
        localrule: True
        conda:
            ENVIRONMENT
        threads: 1
        resources:
            connections=1,
            mem_mb=150,
        params:
            **config["gaia_sdss"][table],
        message:
            f"Downloading {table} of SDSS"
        script:
            "../../src/scripts/retrieve_table.py"


rule convert_labels:
    """Turn allStar and the astroNN catalogue into one table of labels, with actions."""
    input:
        all_star=f"{ROOT}/data/all_star.fits",
        astronn=f"{ROOT}/data/astronn.fits",
    output:
        labels=f"{ROOT}/data/labels.parquet",
        report=f"{ROOT}/data/labels.json",
    log:
        f"{LOGS}/convert_labels.log",
    benchmark:
        f"{BENCHMARKS}/convert_labels.tsv"
    conda:
        ENVIRONMENT
    threads: 2
    resources:
        mem_mb=1100,
    params:
        code=code("scripts/convert_labels.py"),
        label_source=config["gaia_sdss"]["label_source"],
        invalid=config["gaia_sdss"]["invalid"],
        actions=config["actions"],
    message:
        "Reading labels and orbits of APOGEE DR17, computing actions"
    script:
        "../../src/scripts/convert_labels.py"


rule divide_sources:
    """Divide the stars among the requests to come; a list that is made anew without change repeats none."""
    input:
        labels=rules.convert_labels.output.labels,
    output:
        expand(
            f"{ROOT}/data/sources/{{part}}.txt",
            part=ARCHIVE_PARTS if BY_DATALINK else ["all"],
        ),
    log:
        f"{LOGS}/divide_sources.log",
    benchmark:
        f"{BENCHMARKS}/divide_sources.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=400,
    params:
        code=code("scripts/divide_sources.py"),
        largest=5000 if BY_DATALINK else None,
    message:
        "Listing the stars whose spectra are wanted"
    script:
        "../../src/scripts/divide_sources.py"


if BY_DATALINK:

    rule retrieve_spectra:
        """Fetch the spectra of at most 5000 stars by datalink."""
        input:
            sources=f"{ROOT}/data/sources/{{part}}.txt",
        output:
            spectra=f"{PART}.npz",
            correlations=f"{PART}.npy",
            dropped=f"{PART}.json",
        log:
            f"{LOGS}/retrieve_spectra/{{part}}.log",
        benchmark:
            f"{BENCHMARKS}/retrieve_spectra/{{part}}.tsv"
        localrule: True
        conda:
            ENVIRONMENT
        threads: 1
        resources:
            connections=1,
            mem_mb=900,
        params:
            code=code("scripts/retrieve_spectra.py"),
            url=config["gaia_sdss"]["datalink"]["url"],
            release=config["gaia_sdss"]["datalink"]["release"],
            invalid=config["gaia_sdss"]["invalid"],
        message:
            f"Fetching spectra, part {{wildcards.part}} of {N_PARTS}"
        script:
            "../../src/scripts/retrieve_spectra.py"

else:

    rule retrieve_checksums:
        """Fetch the list of the bulk files and their MD5 sums."""
        output:
            checksums=f"{ROOT}/data/bulk.md5",
        log:
            f"{LOGS}/retrieve_checksums.log",
        benchmark:
            f"{BENCHMARKS}/retrieve_checksums.tsv"
        localrule: True
        conda:
            ENVIRONMENT
        threads: 1
        resources:
            connections=1,
            mem_mb=150,
        params:
            url=config["gaia_sdss"]["bulk"]["url"],
            files=N_PARTS,
        message:
            "Fetching the list of bulk files"
        script:
            "../../src/scripts/retrieve_checksums.py"

    rule select_spectra:
        """Bring one bulk file and keep the spectra of stars that have labels."""
        input:
            sources=f"{ROOT}/data/sources/all.txt",
            checksums=rules.retrieve_checksums.output.checksums,
        output:
            spectra=f"{PART}.npz",
            correlations=f"{PART}.npy",
            dropped=f"{PART}.json",
        log:
            f"{LOGS}/select_spectra/{{part}}.log",
        benchmark:
            f"{BENCHMARKS}/select_spectra/{{part}}.tsv"
        localrule: True
        conda:
            ENVIRONMENT
        threads: 1
        resources:
            connections=1,
            mem_mb=900,
        params:
            code=code("scripts/select_spectra.py"),
            url=config["gaia_sdss"]["bulk"]["url"],
            files=N_PARTS,
            invalid=config["gaia_sdss"]["invalid"],
        message:
            f"Selecting spectra, bulk file {{wildcards.part}} of {N_PARTS}"
        script:
            "../../src/scripts/select_spectra.py"


rule build_catalog:
    """Join labels and coefficients on source_id; list who fell out, and why."""
    input:
        labels=rules.convert_labels.output.labels,
        report=rules.convert_labels.output.report,
        spectra=expand(f"{PART}.npz", part=ARCHIVE_PARTS),
        correlations=expand(f"{PART}.npy", part=ARCHIVE_PARTS),
        dropped=expand(f"{PART}.json", part=ARCHIVE_PARTS),
    output:
        stars=f"{ROOT}/catalog/stars.parquet",
        coefficients=f"{ROOT}/catalog/coefficients.npy",
        errors=f"{ROOT}/catalog/coefficient_errors.npy",
        correlations=f"{ROOT}/catalog/correlations.npy",
        fallen=f"{ROOT}/catalog/fallen.parquet",
        report=f"{ROOT}/catalog/crossmatch.json",
    log:
        f"{LOGS}/build_catalog.log",
    benchmark:
        f"{BENCHMARKS}/build_catalog.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=1900,
    params:
        code=code("scripts/assemble_catalog.py"),
        invalid=config["gaia_sdss"]["invalid"],
        test_fraction=config["split"]["test_fraction"],
        seed=config["split"]["seed"],
    message:
        "Crossmatching labels and spectra"
    script:
        "../../src/scripts/assemble_catalog.py"
