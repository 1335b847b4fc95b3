"""Training, and what the trained model says of every star."""

if config["model"]["source"] == "published":

    include: "published.smk"

    MODEL = rules.convert_weights.output

else:

    rule train_svae:
        """Train the scatter variational auto-encoder on the training split."""
        input:
            stars=rules.build_catalog.output.stars,
            coefficients=rules.build_catalog.output.coefficients,
            errors=rules.build_catalog.output.errors,
            subsets=rules.build_subsets.output.subsets,
            code=code("scripts/train_svae.py"),
        output:
            weights=f"{ROOT}/model/svae.safetensors",
            config=f"{ROOT}/model/config.json",
            normalisation=f"{ROOT}/model/normalisation.npz",
            history=f"{ROOT}/model/history.csv",
        log:
            f"{LOGS}/train_svae.log",
        benchmark:
            f"{BENCHMARKS}/train_svae.tsv"
        conda:
            ENVIRONMENT
        threads: 1  # a second one gains little, makes the bytes depend on --cores, and crawls on a busy machine
        resources:
            gpu=1,
        params:
            training=training(config),
            checkpoints=f"checkpoints/{config['dataset']}",
        message:
            "Training the sVAE"
        script:
            "../src/scripts/train_svae.py"

    MODEL = rules.train_svae.output


rule embed_stars:
    """Encode every star: latents, reconstruction and scatter, KL per dimension."""
    input:
        stars=rules.build_catalog.output.stars,
        coefficients=rules.build_catalog.output.coefficients,
        errors=rules.build_catalog.output.errors,
        subsets=rules.build_subsets.output.subsets,
        weights=MODEL.weights,
        model_config=MODEL.config,
        normalisation=MODEL.normalisation,
        code=code("scripts/embed_stars.py"),
    output:
        latents=f"{ROOT}/latents/latents.parquet",
        summary=f"{ROOT}/latents/summary.json",
        reconstruction=f"{ROOT}/latents/reconstruction.npy",
        scatter=f"{ROOT}/latents/scatter.npy",
    log:
        f"{LOGS}/embed_stars.log",
    benchmark:
        f"{BENCHMARKS}/embed_stars.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    params:
        seed=config["latents"]["draw_seed"],
    message:
        "Encoding all stars"
    script:
        "../src/scripts/embed_stars.py"


rule choose_dimensions:
    """Choose the latent dimensions that carry each label, from the data."""
    input:
        stars=rules.build_catalog.output.stars,
        subsets=rules.build_subsets.output.subsets,
        latents=rules.embed_stars.output.latents,
        latent_summary=rules.embed_stars.output.summary,
        code=code("scripts/choose_dimensions.py"),
    output:
        dimensions=f"{ROOT}/latents/dimensions.json",
    log:
        f"{LOGS}/choose_dimensions.log",
    benchmark:
        f"{BENCHMARKS}/choose_dimensions.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    message:
        "Choosing the latent dimensions that figures show"
    script:
        "../src/scripts/choose_dimensions.py"
