"""The alpha bimodality: sequences, Gaia-Enceladus, classifiers, Table 1."""


rule split_alpha:
    """Split the giants into the two alpha sequences and select Gaia-Enceladus."""
    input:
        **varied(
            "split_alpha",
            {
                "stars": rules.build_catalog.output.stars,
                "subsets": rules.build_subsets.output.subsets,
            },
        ),
    output:
        sequences=f"{VARIANT}/alpha/sequences.parquet",
        summary=f"{VARIANT}/alpha/summary.json",
    log:
        f"{LOGS}/{{variant}}/split_alpha.log",
    benchmark:
        f"{BENCHMARKS}/{{variant}}/split_alpha.tsv"
    priority: EARLY
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=megabytes(130, 490),
    params:
        choices=chosen("split_alpha"),
        code=code("scripts/split_alpha.py"),
    message:
        "Splitting the alpha sequences ({wildcards.variant})"
    script:
        "../src/scripts/split_alpha.py"


rule build_alpha_tracks:
    """Average labels and latents along both alpha sequences and at fixed metallicity."""
    input:
        **varied(
            "build_alpha_tracks",
            {
                "stars": rules.build_catalog.output.stars,
                "split": rules.split_stars.output.split,
                "subsets": rules.build_subsets.output.subsets,
                "latents": rules.embed_stars.output.latents,
                "latent_summary": rules.embed_stars.output.summary,
                "sequences": rules.split_alpha.output.sequences,
            },
        ),
    output:
        tracks=f"{VARIANT}/alpha/tracks.parquet",
        directions=f"{VARIANT}/alpha/directions.json",
    log:
        f"{LOGS}/{{variant}}/build_alpha_tracks.log",
    benchmark:
        f"{BENCHMARKS}/{{variant}}/build_alpha_tracks.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=megabytes(190, 590),
    params:
        tracks=config["tracks"]["alpha"],
        choices=chosen("build_alpha_tracks"),
        code=code("scripts/build_alpha_tracks.py"),
    message:
        "Building the alpha tracks ({wildcards.variant})"
    script:
        "../src/scripts/build_alpha_tracks.py"


rule classify_alpha:
    """Train the random forests and build Table 1."""
    input:
        **varied(
            "classify_alpha",
            {
                "stars": rules.build_catalog.output.stars,
                "split": rules.split_stars.output.split,
                "subsets": rules.build_subsets.output.subsets,
                "sequences": rules.split_alpha.output.sequences,
                "latents": rules.embed_stars.output.latents,
                "latent_summary": rules.embed_stars.output.summary,
            },
        ),
    output:
        classifiers=f"{VARIANT}/alpha/classifiers.json",
        predictions=f"{VARIANT}/alpha/predictions.parquet",
        csv=f"{VARIANT}/tables/table1.csv",
        json=f"{VARIANT}/tables/table1.json",
        tex=f"{VARIANT}/tables/table1.tex",
    log:
        f"{LOGS}/{{variant}}/classify_alpha.log",
    benchmark:
        f"{BENCHMARKS}/{{variant}}/classify_alpha.tsv"
    conda:
        ENVIRONMENT
    threads: 8
    resources:
        mem_mb=megabytes(440, 1000),
    params:
        **config["classifiers"],
        choices=chosen("classify_alpha"),
        code=code("scripts/classify_alpha.py"),
    message:
        "Training the alpha classifiers ({wildcards.variant})"
    script:
        "../src/scripts/classify_alpha.py"
