"""The model, trained or published, and what it says of every star."""

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
            split=rules.split_stars.output.split,
        output:
            weights=f"{ROOT}/model/svae.safetensors",
            config=f"{ROOT}/model/config.json",
            normalisation=f"{ROOT}/model/normalisation.npz",
            history=f"{ROOT}/model/history.csv",
        log:
            f"{LOGS}/train_svae.log",
        benchmark:
            f"{BENCHMARKS}/train_svae.tsv"
        priority: FIRST
        conda:
            ENVIRONMENT
        threads: 4  # the bytes do not depend on how many there are
        resources:
            gpu=1,
            mem_mb=megabytes(600, 1960),
        params:
            # not checkpoint_every: it changes no byte
            training={
                key: value
                for key, value in training(config).items()
                if key != "checkpoint_every"
            },
            code=code("scripts/train_svae.py"),
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
    output:
        part=temp(f"{ROOT}/latents/parts/{{scatteritem}}.npy"),
    log:
        f"{LOGS}/embed_shard/{{scatteritem}}.log",
    benchmark:
        f"{BENCHMARKS}/embed_shard/{{scatteritem}}.tsv"
    priority: FIRST
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=550,  # whatever the number of stars
    params:
        seed=config["latents"]["draw_seed"],
        code=code("scripts/embed_shard.py"),
    message:
        "Encoding stars, shard {wildcards.scatteritem}"
    script:
        "../src/scripts/embed_shard.py"


if config["latents"]["shards"] < 1 or not gather.latents(rules.embed_shard.output.part):
    raise WorkflowError("--set-scatter latents has to be at least 1.")


rule embed_stars:
    """Join the shards: latents, reconstruction and scatter of every star, KL per dimension."""
    input:
        stars=rules.build_catalog.output.stars,
        split=rules.split_stars.output.split,
        model_config=MODEL.config,
        parts=gather.latents(rules.embed_shard.output.part),
        # the parts are deleted once joined, and with them what Snakemake knew of their script
        shard_script=source("src/scripts/embed_shard.py"),
    output:
        latents=f"{ROOT}/latents/latents.parquet",
        summary=f"{ROOT}/latents/summary.json",
        reconstruction=f"{ROOT}/latents/reconstruction.npy",
        scatter=f"{ROOT}/latents/scatter.npy",
    log:
        f"{LOGS}/embed_stars.log",
    benchmark:
        f"{BENCHMARKS}/embed_stars.tsv"
    priority: FIRST
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=450,
    params:
        seed=config["latents"]["draw_seed"],
        code=[code("scripts/embed_stars.py"), code("scripts/embed_shard.py")],
    message:
        "Joining the latents of all stars"
    script:
        "../src/scripts/embed_stars.py"


rule build_reference:
    """Measure the training stars: the model's folder then has all that `xpsvae describe` needs."""
    input:
        stars=rules.build_catalog.output.stars,
        coefficients=rules.build_catalog.output.coefficients,
        errors=rules.build_catalog.output.errors,
        split=rules.split_stars.output.split,
        weights=MODEL.weights,
        model_config=MODEL.config,
        normalisation=MODEL.normalisation,
    output:
        reference=f"{ROOT}/model/reference.json",
    log:
        f"{LOGS}/build_reference.log",
    benchmark:
        f"{BENCHMARKS}/build_reference.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=megabytes(500),
    params:
        inverted=config["dataset"] == "library",  # whose spectra are sampled ones
        code=code("scripts/build_reference.py"),
    message:
        "Measuring the training stars"
    script:
        "../src/scripts/build_reference.py"


rule ship_model:
    """Put the trained model into src/xpsvae/pretrained, and its card into docs; not part of `all`."""
    input:
        stars=rules.build_catalog.output.stars,
        coefficients=rules.build_catalog.output.coefficients,
        errors=rules.build_catalog.output.errors,
        split=rules.split_stars.output.split,
        weights=MODEL.weights,
        model_config=MODEL.config,
        normalisation=MODEL.normalisation,
        history=MODEL.history,
        reference=rules.build_reference.output.reference,
    log:
        f"{LOGS}/ship_model.log",
    localrule: True
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=megabytes(600),
    params:
        folder=source("src/xpsvae/pretrained"),
        card=source("docs/model_card.md"),
        code=code("scripts/ship_model.py"),
    message:
        "Putting the model into the package"
    script:
        "../src/scripts/ship_model.py"


rule reconstruct:
    """Reconstruct every star from its stored draw, where a variant takes that for its latents."""
    input:
        **varied(
            "reconstruct",
            {
                "latents": rules.embed_stars.output.latents,
                "weights": MODEL.weights,
                "model_config": MODEL.config,
                "normalisation": MODEL.normalisation,
            },
        ),
    output:
        reconstruction=f"{VARIANT}/latents/reconstruction.npy",
        scatter=f"{VARIANT}/latents/scatter.npy",
    log:
        f"{LOGS}/{{variant}}/reconstruct.log",
    benchmark:
        f"{BENCHMARKS}/{{variant}}/reconstruct.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=550,
    params:
        choices=chosen("reconstruct"),
        code=code("scripts/reconstruct.py"),
    message:
        "Reconstructing stars from their draws ({wildcards.variant})"
    script:
        "../src/scripts/reconstruct.py"


# By name: products of a variant, and what stands for them in `corrected`.
RECONSTRUCTION = {
    name: (rules.reconstruct.output[name], rules.embed_stars.output[name])
    for name in ("reconstruction", "scatter")
}


rule choose_dimensions:
    """Choose the latent dimensions that carry each label, from the data."""
    input:
        **varied(
            "choose_dimensions",
            {
                "stars": rules.build_catalog.output.stars,
                "split": rules.split_stars.output.split,
                "subsets": rules.build_subsets.output.subsets,
                "latents": rules.embed_stars.output.latents,
                "latent_summary": rules.embed_stars.output.summary,
            },
        ),
    output:
        dimensions=f"{VARIANT}/dimensions.json",
    log:
        f"{LOGS}/{{variant}}/choose_dimensions.log",
    benchmark:
        f"{BENCHMARKS}/{{variant}}/choose_dimensions.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=megabytes(280),
    params:
        choices=chosen("choose_dimensions"),
        code=code("scripts/choose_dimensions.py"),
    message:
        "Choosing the latent dimensions that figures show ({wildcards.variant})"
    script:
        "../src/scripts/choose_dimensions.py"
