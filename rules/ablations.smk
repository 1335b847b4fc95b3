"""What each part of the sVAE is worth: `snakemake ablations`. No part of `all`, for it trains dozens of models."""

from xpsvae.analysis import ablations as ablation_names

ABLATIONS = f"{ROOT}/ablations"
ABLATED = ablation_names.variations(
    [
        number
        for number in config["ablations"]["latents"]
        if number != config["training"]["n_latents"]  # that is the full model
    ],
    config["ablations"]["published"],
)


rule ablate:
    """Train one variation of the sVAE with one seed, and measure what became of it."""
    input:
        stars=rules.build_catalog.output.stars,
        coefficients=rules.build_catalog.output.coefficients,
        errors=rules.build_catalog.output.errors,
        split=rules.split_stars.output.split,
        subsets=made(rules.build_subsets.output)[0],
        sequences=made(rules.split_alpha.output)[0],
    output:
        run=f"{ABLATIONS}/runs/{{ablation}}/{{seed}}.json",
    log:
        f"{LOGS}/ablate/{{ablation}}-{{seed}}.log",
    benchmark:
        f"{BENCHMARKS}/ablate/{{ablation}}-{{seed}}.tsv"
    wildcard_constraints:
        ablation="[a-z0-9-]+",
        seed="[0-9]+",
    conda:
        ENVIRONMENT
    threads: 1  # so that as many train at once as there are cores
    resources:
        mem_mb=megabytes(900),
    params:
        # not checkpoint_every: it changes no byte
        training={
            key: value
            for key, value in config["training"].items()
            if key not in ("checkpoint_every", "recipe")
        }
        | {"recipe": config["ablations"]["recipe"]},
        recipes={
            name: config["recipes"][name]
            for name in (
                config["ablations"]["recipe"],
                *["published"] * config["ablations"]["published"],
            )
        },
        code=code("scripts/ablate.py"),
    message:
        "Training {wildcards.ablation}, seed {wildcards.seed}"
    script:
        "../src/scripts/ablate.py"


rule summarise_ablations:
    """Put the seeds of each variation together; a table and the numbers for the paper."""
    input:
        runs=expand(
            rules.ablate.output.run,
            ablation=ABLATED,
            seed=config["ablations"]["seeds"],
        ),
    output:
        summary=f"{ABLATIONS}/ablations.json",
        tex=f"{ABLATIONS}/ablations.tex",
    log:
        f"{LOGS}/summarise_ablations.log",
    benchmark:
        f"{BENCHMARKS}/summarise_ablations.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=250,
    params:
        code=code("scripts/summarise_ablations.py"),
    message:
        "Summarising the ablations"
    script:
        "../src/scripts/summarise_ablations.py"


rule fig_ablations:
    """Draw the measures of every variation, and against the number of latents."""
    input:
        summary=rules.summarise_ablations.output.summary,
    output:
        pdf=f"{ABLATIONS}/figures/ablations.pdf",
        png=f"{ABLATIONS}/figures/ablations.png",
    log:
        f"{LOGS}/fig_ablations.log",
    benchmark:
        f"{BENCHMARKS}/fig_ablations.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=580,
    params:
        code=code("figures/ablations.py"),
    message:
        "Drawing figure ablations"
    script:
        "../src/figures/ablations.py"


# What the paper shows once it is there: `all` does not make it.
ABLATION_PRODUCTS = [
    path
    for path in [*rules.summarise_ablations.output, *rules.fig_ablations.output]
    if os.path.exists(path)
]


rule ablations:
    """Train and compare all variations; the next `snakemake all` shows them in the paper."""
    input:
        rules.summarise_ablations.output,
        rules.fig_ablations.output,
