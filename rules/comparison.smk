"""Two baselines trained here, and the residuals of all models."""


rule train_baselines:
    """Train the PCA and the label MLP that the sVAE is compared with."""
    input:
        stars=rules.build_catalog.output.stars,
        subsets=rules.build_subsets.output.subsets,
        coefficients=rules.build_catalog.output.coefficients,
        errors=rules.build_catalog.output.errors,
        normalisation=MODEL.normalisation,
        code=code("scripts/train_baselines.py"),
    output:
        pca=f"{ROOT}/comparison/pca.npy",
        label_mlp=f"{ROOT}/comparison/label_mlp.npy",
        summary=f"{ROOT}/comparison/baselines.json",
    log:
        f"{LOGS}/train_baselines.log",
    benchmark:
        f"{BENCHMARKS}/train_baselines.tsv"
    conda:
        ENVIRONMENT
    threads: 1  # enough, and the products do not depend on --cores
    params:
        **config["baselines"],
    message:
        "Training the PCA and label-MLP baselines"
    script:
        "../src/scripts/train_baselines.py"


# Datasets that know how coefficient errors are correlated have that among the products of the catalogue.
correlations = {
    name: path
    for name, path in rules.build_catalog.output.items()
    if name == "correlations"
}


rule build_residuals:
    """Measure the residuals of all models in coefficients and in flux."""
    input:
        **correlations,
        stars=rules.build_catalog.output.stars,
        subsets=rules.build_subsets.output.subsets,
        coefficients=rules.build_catalog.output.coefficients,
        errors=rules.build_catalog.output.errors,
        normalisation=MODEL.normalisation,
        reconstruction=rules.embed_stars.output.reconstruction,
        pca=rules.train_baselines.output.pca,
        label_mlp=rules.train_baselines.output.label_mlp,
        code=code("scripts/build_residuals.py"),
    output:
        coefficient_residuals=f"{BUILD}/comparison/coefficient_residuals.npz",
        flux_residuals=f"{BUILD}/comparison/flux_residuals.npz",
        per_star=f"{BUILD}/comparison/per_star.parquet",
        summary=f"{BUILD}/comparison/summary.json",
    log:
        f"{LOGS}/build_residuals.log",
    benchmark:
        f"{BENCHMARKS}/build_residuals.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    message:
        "Comparing the residuals of all models"
    script:
        "../src/scripts/build_residuals.py"


if PREDICTIONS:

    rule compare_predictions:
        """Compare the sVAE with the predictions of other models that came with the dataset."""
        input:
            **correlations,
            stars=rules.build_catalog.output.stars,
            subsets=rules.build_subsets.output.subsets,
            coefficients=rules.build_catalog.output.coefficients,
            errors=rules.build_catalog.output.errors,
            normalisation=MODEL.normalisation,
            reconstruction=rules.embed_stars.output.reconstruction,
            predictions=list(PREDICTIONS.values()),
            code=code("scripts/compare_predictions.py"),
        output:
            summary=f"{ROOT}/comparison/predictions.json",
        log:
            f"{LOGS}/compare_predictions.log",
        benchmark:
            f"{BENCHMARKS}/compare_predictions.tsv"
        conda:
            ENVIRONMENT
        threads: 1
        params:
            names=list(PREDICTIONS),
        message:
            "Comparing with the predictions of other models"
        script:
            "../src/scripts/compare_predictions.py"

    PRODUCTS += rules.compare_predictions.output
