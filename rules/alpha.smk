"""The alpha bimodality: sequences, Gaia-Enceladus, classifiers, Table 1."""


rule split_alpha:
    """Split the giants into the two alpha sequences, select Gaia-Enceladus, build the alpha tracks."""
    input:
        stars=rules.build_catalog.output.stars,
        subsets=rules.build_subsets.output.subsets,
        latents=rules.embed_stars.output.latents,
        code=code("scripts/split_alpha.py"),
    output:
        sequences=f"{BUILD}/alpha/sequences.parquet",
        tracks=f"{BUILD}/alpha/tracks.parquet",
        summary=f"{BUILD}/alpha/summary.json",
    log:
        f"{LOGS}/split_alpha.log",
    benchmark:
        f"{BENCHMARKS}/split_alpha.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    params:
        enceladus=CHOICES["enceladus"],
        tracks=config["tracks"]["alpha"],
    message:
        "Splitting the alpha sequences"
    script:
        "../src/scripts/split_alpha.py"


rule classify_alpha:
    """Train the random forests and build Table 1."""
    input:
        stars=rules.build_catalog.output.stars,
        subsets=rules.build_subsets.output.subsets,
        sequences=rules.split_alpha.output.sequences,
        latents=rules.embed_stars.output.latents,
        latent_summary=rules.embed_stars.output.summary,
        code=code("scripts/classify_alpha.py"),
    output:
        classifiers=f"{BUILD}/alpha/classifiers.json",
        predictions=f"{BUILD}/alpha/predictions.parquet",
        csv=report(
            f"{ROOT}/tables/table1.csv",
            category="Tables",
            labels={"table": "Table 1, classification"},
        ),
        json=f"{ROOT}/tables/table1.json",
        tex=f"{ROOT}/tables/table1.tex",
    log:
        f"{LOGS}/classify_alpha.log",
    benchmark:
        f"{BENCHMARKS}/classify_alpha.tsv"
    conda:
        ENVIRONMENT
    threads: 2
    params:
        **config["classifiers"],
    message:
        "Training the alpha classifiers"
    script:
        "../src/scripts/classify_alpha.py"
