"""Split and cuts of the catalogue that the dataset's rules have built."""


rule split_stars:
    """Divide the stars into those that train the model and those that test it; no cut changes it."""
    input:
        stars=rules.build_catalog.output.stars,
    output:
        split=f"{ROOT}/catalog/split.parquet",
    log:
        f"{LOGS}/split_stars.log",
    benchmark:
        f"{BENCHMARKS}/split_stars.tsv"
    priority: FIRST
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=megabytes(220),
    params:
        **config["split"],
        code=code("scripts/split_stars.py"),
    message:
        "Splitting the stars for training and tests"
    script:
        "../src/scripts/split_stars.py"


rule build_subsets:
    """Cut the catalogue into full, good and pristine, and count what each cut removes."""
    input:
        **varied(
            "build_subsets",
            {
                "stars": rules.build_catalog.output.stars,
                "split": rules.split_stars.output.split,
            },
        ),
    output:
        subsets=f"{VARIANT}/subsets.parquet",
        cutflow=f"{VARIANT}/cutflow.json",
    log:
        f"{LOGS}/{{variant}}/build_subsets.log",
    benchmark:
        f"{BENCHMARKS}/{{variant}}/build_subsets.tsv"
    priority: EARLY
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=megabytes(240),
    params:
        cuts=config["cuts"],
        choices=chosen("build_subsets"),
        code=code("scripts/build_subsets.py"),
    message:
        "Cutting the catalogue into full, good and pristine ({wildcards.variant})"
    script:
        "../src/scripts/build_subsets.py"
