"""What latents add beyond labels: headline, controls, seeds; the paper's claims; what each choice does."""

AUDIT = f"{ROOT}/audit"
AUDIT_SETTINGS = {
    "number_of_folds": config["audit"]["folds"],
    "teff_edges": config["audit"]["teff_edges"],
    "n_bootstrap": config["audit"]["n_bootstrap"],
    "seed": config["audit"]["seed"],
}
giants = {
    "stars": rules.build_catalog.output.stars,
    "split": rules.split_stars.output.split,
    "sequences": made(rules.split_alpha.output)[0],
    "coefficients": rules.build_catalog.output.coefficients,
    "errors": rules.build_catalog.output.errors,
}


rule measure_headline:
    """Measure what latents explain of [alpha/M] beyond labels and photometry."""
    input:
        **giants,
        latents=rules.embed_stars.output.latents,
        latent_summary=rules.embed_stars.output.summary,
        normalisation=MODEL.normalisation,
    output:
        headline=f"{AUDIT}/headline.json",
        predictions=f"{AUDIT}/headline.parquet",
    log:
        f"{LOGS}/measure_headline.log",
    benchmark:
        f"{BENCHMARKS}/measure_headline.tsv"
    conda:
        ENVIRONMENT
    threads: 1  # sums of gradients depend on how many there are
    resources:
        mem_mb=megabytes(600),
    params:
        settings=AUDIT_SETTINGS,
        code=code("scripts/measure_headline.py"),
    message:
        "Measuring what latents add beyond labels"
    script:
        "../src/scripts/measure_headline.py"


rule match_pairs:
    """Pair giants of both sequences that are alike in labels and colours, and leave them out of training."""
    input:
        **giants,
    output:
        pairs=f"{AUDIT}/pairs.parquet",
        split=f"{AUDIT}/split.parquet",
    log:
        f"{LOGS}/match_pairs.log",
    benchmark:
        f"{BENCHMARKS}/match_pairs.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=megabytes(200),
    params:
        code=code("scripts/match_pairs.py"),
    message:
        "Pairing giants that are alike in labels and colours"
    script:
        "../src/scripts/match_pairs.py"


# The first sVAE is the one of figures and tables. The others differ from it in their seed, and in that the stars
# of matched pairs did not train them, so that a pair is held out from model and regressor.
FIRST_SEED = config["training"]["seed"]
SEEDS = [
    FIRST_SEED + number
    for number in range(
        1 if config["model"]["source"] == "published" else config["audit"]["svaes"]
    )
]

for seed in SEEDS:
    further = seed != FIRST_SEED
    if further:

        rule:
            name:
                f"train_svae_seed_{seed}"
            input:
                stars=rules.build_catalog.output.stars,
                coefficients=rules.build_catalog.output.coefficients,
                errors=rules.build_catalog.output.errors,
                split=rules.match_pairs.output.split,
            output:
                weights=f"{AUDIT}/seeds/{seed}/svae.safetensors",
                config=f"{AUDIT}/seeds/{seed}/config.json",
                normalisation=f"{AUDIT}/seeds/{seed}/normalisation.npz",
                history=f"{AUDIT}/seeds/{seed}/history.csv",
            log:
                f"{LOGS}/train_svae_seed_{seed}.log",
            benchmark:
                f"{BENCHMARKS}/train_svae_seed_{seed}.tsv"
            conda:
                ENVIRONMENT
            threads: 1  # so that two cores train two at a time
            resources:
                gpu=1,
                mem_mb=megabytes(600),
            params:
                training={
                    key: value
                    for key, value in training(config).items()
                    if key != "checkpoint_every"
                }
                | {"seed": seed},
                code=code("scripts/train_svae.py"),
            message:
                f"Training the sVAE with seed {seed}, without the matched pairs"
            script:
                "../src/scripts/train_svae.py"

    rule:
        name:
            f"measure_seed_{seed}"
        input:
            **giants,
            pairs=rules.match_pairs.output.pairs,
            predictions=rules.measure_headline.output.predictions,
            weights=(
                f"{AUDIT}/seeds/{seed}/svae.safetensors" if further else MODEL.weights
            ),
            model_config=(
                f"{AUDIT}/seeds/{seed}/config.json" if further else MODEL.config
            ),
            normalisation=(
                f"{AUDIT}/seeds/{seed}/normalisation.npz"
                if further
                else MODEL.normalisation
            ),
        output:
            measured=f"{AUDIT}/seeds/{seed}.json",
            latents=f"{AUDIT}/seeds/{seed}.npy",
        log:
            f"{LOGS}/measure_seed_{seed}.log",
        benchmark:
            f"{BENCHMARKS}/measure_seed_{seed}.tsv"
        conda:
            ENVIRONMENT
        threads: 1
        resources:
            mem_mb=megabytes(600),
        params:
            seed=seed,
            held_out=further,
            settings=AUDIT_SETTINGS,
            code=code("scripts/measure_seed.py"),
        message:
            f"Measuring the headline with the sVAE of seed {seed}"
        script:
            "../src/scripts/measure_seed.py"


rule repeat_forests:
    """Train the forests of Table 1 again, each with other random states."""
    input:
        stars=rules.build_catalog.output.stars,
        split=rules.split_stars.output.split,
        subsets=made(rules.build_subsets.output)[0],
        sequences=made(rules.split_alpha.output)[0],
        latents=rules.embed_stars.output.latents,
        latent_summary=rules.embed_stars.output.summary,
    output:
        forests=f"{AUDIT}/forests.json",
    log:
        f"{LOGS}/repeat_forests.log",
    benchmark:
        f"{BENCHMARKS}/repeat_forests.tsv"
    conda:
        ENVIRONMENT
    threads: 2
    resources:
        mem_mb=megabytes(440),
    params:
        number=config["audit"]["forests"],
        code=code("scripts/repeat_forests.py"),
    message:
        "Training the forests of Table 1 with other random states"
    script:
        "../src/scripts/repeat_forests.py"


rule build_seeds:
    """Join the headline of every sVAE and Table 1 of every forest."""
    input:
        measured=[f"{AUDIT}/seeds/{seed}.json" for seed in SEEDS],
        forests=rules.repeat_forests.output.forests,
    output:
        seeds=f"{AUDIT}/seeds.json",
    log:
        f"{LOGS}/build_seeds.log",
    benchmark:
        f"{BENCHMARKS}/build_seeds.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=150,
    params:
        shown={
            "seed": FIRST_SEED,
            "source": config["model"]["source"],
            "recipe": config["training"]["recipe"],
        },
        code=code("scripts/build_seeds.py"),
    message:
        "Joining the seeds"
    script:
        "../src/scripts/build_seeds.py"


rule measure_controls:
    """Run the controls of the headline, each against the tolerance set before."""
    input:
        **giants,
        **(
            {
                "held_out": f"{AUDIT}/seeds/{SEEDS[1]}.npy",
                "without_pairs": rules.match_pairs.output.split,
            }
            if len(SEEDS) > 1
            else {}
        ),
        pairs=rules.match_pairs.output.pairs,
        latents=rules.embed_stars.output.latents,
        predictions=rules.measure_headline.output.predictions,
        weights=MODEL.weights,
        model_config=MODEL.config,
        normalisation=MODEL.normalisation,
    output:
        controls=f"{AUDIT}/controls.json",
    log:
        f"{LOGS}/measure_controls.log",
    benchmark:
        f"{BENCHMARKS}/measure_controls.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=megabytes(700),
    params:
        settings=AUDIT_SETTINGS,
        code=code("scripts/measure_controls.py"),
    message:
        "Running the controls of the headline"
    script:
        "../src/scripts/measure_controls.py"


rule measure_grid:
    """Score every set of features by boosting and by random forests; part of `audit_full`."""
    input:
        **giants,
        latents=rules.embed_stars.output.latents,
        normalisation=MODEL.normalisation,
    output:
        grid=f"{AUDIT}/grid.json",
    log:
        f"{LOGS}/measure_grid.log",
    benchmark:
        f"{BENCHMARKS}/measure_grid.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=megabytes(900),
    params:
        settings=AUDIT_SETTINGS,
        code=code("scripts/measure_grid.py"),
    message:
        "Scoring every set of features"
    script:
        "../src/scripts/measure_grid.py"
