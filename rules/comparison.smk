"""The comparison models, each by a rule of its own, and the residuals of all models."""

from xpsvae.compare import registry

try:
    COMPARED = registry.chosen(config["comparison"], EXTRAS)
except InputError as error:
    raise WorkflowError(str(error))

for model, settings in COMPARED.items():

    rule:
        name:
            f"predict_{model}"
        input:
            **{name: EXTRAS[name] for name in registry.needs(model, settings, EXTRAS)},
            stars=rules.build_catalog.output.stars,
            split=rules.split_stars.output.split,
            coefficients=rules.build_catalog.output.coefficients,
            errors=rules.build_catalog.output.errors,
            normalisation=MODEL.normalisation,
            model_config=MODEL.config,
        output:
            prediction=f"{ROOT}/comparison/{model}.npz",
            card=f"{ROOT}/comparison/{model}.json",
        log:
            f"{LOGS}/predict_{model}.log",
        benchmark:
            f"{BENCHMARKS}/predict_{model}.tsv"
        conda:
            ENVIRONMENT
        threads: 1  # enough, and the products do not depend on --cores
        resources:
            mem_mb=megabytes(910, 1280),
        params:
            model=model,
            settings=settings,
            peer=registry.fingerprint(model, settings),  # a file of the user's that changes
            code=[
                code("scripts/predict_model.py"),
                code(f"xpsvae/compare/models/{model}.py"),
            ],
        message:
            f"Predicting the test stars with {model}"
        script:
            "../src/scripts/predict_model.py"


# Datasets that know how coefficient errors are correlated have that among the products of the catalogue.
correlations = {
    name: path
    for name, path in rules.build_catalog.output.items()
    if name == "correlations"
}


rule build_residuals:
    """Measure the residuals of all models in coefficients and in flux."""
    input:
        **varied(
            "build_residuals",
            {
                **correlations,
                "stars": rules.build_catalog.output.stars,
                "split": rules.split_stars.output.split,
                "coefficients": rules.build_catalog.output.coefficients,
                "errors": rules.build_catalog.output.errors,
                "normalisation": MODEL.normalisation,
                "model_config": MODEL.config,
                "reconstruction": RECONSTRUCTION["reconstruction"],
                "scatter": RECONSTRUCTION["scatter"],
            },
        ),
        predictions=[f"{ROOT}/comparison/{model}.npz" for model in COMPARED],
        cards=[f"{ROOT}/comparison/{model}.json" for model in COMPARED],
    output:
        leading=f"{VARIANT}/comparison/leading_residuals.npz",
        flux=f"{VARIANT}/comparison/flux_residuals.npz",
        per_star=f"{VARIANT}/comparison/per_star.parquet",
        summary=f"{VARIANT}/comparison/summary.json",
        report=f"{VARIANT}/comparison/comparison.json",
    log:
        f"{LOGS}/{{variant}}/build_residuals.log",
    benchmark:
        f"{BENCHMARKS}/{{variant}}/build_residuals.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=megabytes(480, 1680),
    params:
        choices=chosen("build_residuals"),
        invalid=config["covariances"]["invalid"],
        code=code("scripts/build_residuals.py"),
    message:
        "Comparing the residuals of all models ({wildcards.variant})"
    script:
        "../src/scripts/build_residuals.py"


rule count_components:
    """Compare the sVAE with principal components, for one component and more."""
    input:
        **varied(
            "count_components",
            {
                "stars": rules.build_catalog.output.stars,
                "split": rules.split_stars.output.split,
                "coefficients": rules.build_catalog.output.coefficients,
                "errors": rules.build_catalog.output.errors,
                "normalisation": MODEL.normalisation,
                "reconstruction": RECONSTRUCTION["reconstruction"],
            },
        ),
    output:
        components=f"{VARIANT}/comparison/components.json",
    log:
        f"{LOGS}/{{variant}}/count_components.log",
    benchmark:
        f"{BENCHMARKS}/{{variant}}/count_components.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=megabytes(600, 1380),
    params:
        code=code("scripts/count_components.py"),
    message:
        "Counting principal components ({wildcards.variant})"
    script:
        "../src/scripts/count_components.py"
