"""The latent explorer: one page to look around in."""


rule build_explorer:
    """Write the latent explorer, a page that needs no network: latents, brush, spectrum of the star clicked on."""
    input:
        **varied(
            "build_explorer",
            {
                "stars": rules.build_catalog.output.stars,
                "subsets": rules.build_subsets.output.subsets,
                "coefficients": rules.build_catalog.output.coefficients,
                "errors": rules.build_catalog.output.errors,
                "sequences": rules.split_alpha.output.sequences,
                "latents": rules.embed_stars.output.latents,
                "latent_summary": rules.embed_stars.output.summary,
                "dimensions": rules.choose_dimensions.output.dimensions,
                **RECONSTRUCTION,
                "normalisation": MODEL.normalisation,
                "model_config": MODEL.config,
            },
        ),
        template=source("src/explorer/page.html"),
        style=source("src/explorer/page.css"),
        program=source("src/explorer/page.js"),
    output:
        f"{VARIANT}/explorer.html",
    log:
        f"{LOGS}/{{variant}}/build_explorer.log",
    benchmark:
        f"{BENCHMARKS}/{{variant}}/build_explorer.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=megabytes(400),
    params:
        dataset=config["dataset"],
        stars=config["explorer"]["stars"],
        seed=config["explorer"]["seed"],
        choices=chosen("build_explorer"),
        code=code("scripts/build_explorer.py"),
    message:
        "Writing the latent explorer ({wildcards.variant})"
    script:
        "../src/scripts/build_explorer.py"
