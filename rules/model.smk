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
        threads: 4  # the bytes do not depend on how many there are
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


scattergather:
    latents=config["latents"]["shards"],


rule embed_shard:
    """Encode one shard of the stars; the numbers of a star do not depend on their division."""
    input:
        stars=rules.build_catalog.output.stars,
        coefficients=rules.build_catalog.output.coefficients,
        weights=MODEL.weights,
        model_config=MODEL.config,
        normalisation=MODEL.normalisation,
        code=code("scripts/embed_shard.py"),
    output:
        part=temp(f"{ROOT}/latents/parts/{{scatteritem}}.npy"),
    log:
        f"{LOGS}/embed_shard/{{scatteritem}}.log",
    benchmark:
        f"{BENCHMARKS}/embed_shard/{{scatteritem}}.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    params:
        seed=config["latents"]["draw_seed"],
    message:
        "Encoding stars, shard {wildcards.scatteritem}"
    script:
        "../src/scripts/embed_shard.py"


PARTS = gather.latents(rules.embed_shard.output.part)
if not PARTS:
    raise WorkflowError("--set-scatter latents has to be at least 1.")


rule embed_stars:
    """Join the shards: latents, reconstruction and scatter of every star, KL per dimension."""
    input:
        stars=rules.build_catalog.output.stars,
        subsets=rules.build_subsets.output.subsets,
        model_config=MODEL.config,
        parts=PARTS,
        # the parts are deleted once joined, and with them what Snakemake knew of their script and parameters
        code=sorted(
            {
                *code("scripts/embed_stars.py"),
                *rules.embed_shard.input.code,
                source("src/scripts/embed_shard.py"),
            }
        ),
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
        "Joining the latents of all stars"
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
