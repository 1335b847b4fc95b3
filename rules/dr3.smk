"""All of DR3: `snakemake dr3_latents`, one job a bulk file. No part of `all`: terabytes pass through it.

How many files there are stands in config.yaml, so that the jobs are known before anything has been downloaded.
"""

DR3 = f"{ROOT}/dr3"
DR3_FILES = [f"{number:04d}" for number in range(config["gaia_sdss"]["bulk"]["files"])]
DR3_FILES = DR3_FILES[: config["dr3"]["limit"]]
# The model that ships is no input but a digest: four files less to look at for each of thousands of jobs.
SHIPPED = config["dr3"]["model"] == "shipped"
DR3_MODEL = (
    {}
    if SHIPPED
    else {
        "weights": str(MODEL.weights),
        "model_config": str(MODEL.config),
        "normalisation": str(MODEL.normalisation),
        "reference": str(rules.build_reference.output.reference),
    }
)
DR3_MODEL_DIGEST = digests.sha256(f"{BASE}/src/xpsvae/pretrained") if SHIPPED else None

# Each of these jobs downloads, and holds one bulk file on the disk.
if "bulk_files" not in workflow.global_resources:
    workflow.register_resource("bulk_files", config["dr3"]["at_once"])


rule retrieve_dr3_list:
    """Fetch the list of the bulk files of DR3 and their MD5 sums."""
    output:
        checksums=f"{DR3}/bulk.md5",
    log:
        f"{LOGS}/dr3/retrieve_dr3_list.log",
    benchmark:
        f"{BENCHMARKS}/dr3/retrieve_dr3_list.tsv"
    localrule: True
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=150,
    params:
        url=config["gaia_sdss"]["bulk"]["url"],
        files=config["gaia_sdss"]["bulk"]["files"],
    message:
        "Fetching the list of the bulk files of DR3"
    script:
        "../src/scripts/retrieve_checksums.py"


# Not on the submitting machine, though it downloads: 3386 files are for the nodes, which need a way out. Without a
# message, since to fill in thousands of them takes a tenth of the time of a dry run.
rule describe_dr3:
    """Bring one bulk file, describe all its stars by their latents, and delete it."""
    input:
        **DR3_MODEL,
        checksums=rules.retrieve_dr3_list.output.checksums,
    output:
        latents=f"{DR3}/latents/{{dr3_file}}.parquet",
    log:
        f"{LOGS}/dr3/{{dr3_file}}.log",
    benchmark:
        f"{BENCHMARKS}/dr3/{{dr3_file}}.tsv"
    wildcard_constraints:
        dr3_file=r"\d{4}",
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        bulk_files=1,
        mem_mb=900,
    params:
        code=code("scripts/describe_dr3.py"),
        model=DR3_MODEL_DIGEST,
        url=config["gaia_sdss"]["bulk"]["url"],
        files=config["gaia_sdss"]["bulk"]["files"],
    script:
        "../src/scripts/describe_dr3.py"


rule summarise_dr3:
    """Count the stars of DR3, their density in latent space, and list the most anomalous ones."""
    input:
        **DR3_MODEL,
        # a plain path: beside an output of a rule, each of the tables would be looked up among all of them
        checksums=f"{DR3}/bulk.md5",
        tables=expand(rules.describe_dr3.output.latents, dr3_file=DR3_FILES),
    output:
        summary=f"{DR3}/summary.json",
        density=f"{DR3}/density.npz",
        outliers=f"{DR3}/outliers.parquet",
        files=f"{DR3}/files.parquet",
    log:
        f"{LOGS}/dr3/summarise_dr3.log",
    benchmark:
        f"{BENCHMARKS}/dr3/summarise_dr3.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=700,
    params:
        code=code("scripts/summarise_dr3.py"),
        model=DR3_MODEL_DIGEST,
        listed=config["dr3"]["outliers"],
        url=config["gaia_sdss"]["bulk"]["url"],
        files=config["gaia_sdss"]["bulk"]["files"],
    message:
        "Counting the stars of DR3 in latent space"
    script:
        "../src/scripts/summarise_dr3.py"


rule fig_dr3_density:
    """Draw the stars of DR3 in latent space: the paper has no such figure."""
    input:
        **DR3_MODEL,
        summary=rules.summarise_dr3.output.summary,
        density=rules.summarise_dr3.output.density,
        outliers=rules.summarise_dr3.output.outliers,
    output:
        pdf=f"{DR3}/dr3_density.pdf",
        png=f"{DR3}/dr3_density.png",
    log:
        f"{LOGS}/dr3/fig_dr3_density.log",
    benchmark:
        f"{BENCHMARKS}/dr3/fig_dr3_density.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=500,
    params:
        code=code("figures/dr3_density.py"),
        model=DR3_MODEL_DIGEST,
    message:
        "Drawing the stars of DR3 in latent space"
    script:
        "../src/figures/dr3_density.py"


rule dr3_latents:
    """Latents of all stars of DR3 that have XP spectra, with a summary and a figure."""
    input:
        rules.fig_dr3_density.output,
        rules.summarise_dr3.output,
