"""Cuts and split of the catalogue that the dataset's rules have built."""


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
