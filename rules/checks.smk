"""Is the model honest about its errors: scatter calibrated, spectra denoised, outliers found."""

checked_model = {
    "weights": MODEL.weights,
    "model_config": MODEL.config,
    "normalisation": MODEL.normalisation,
}
checked_stars = {
    "stars": rules.build_catalog.output.stars,
    "coefficients": rules.build_catalog.output.coefficients,
    "errors": rules.build_catalog.output.errors,
    "split": rules.split_stars.output.split,
}


rule calibrate_scatter:
    """Calibrate the scatter on the training stars; chi-square of every star."""
    input:
        **checked_stars,
        normalisation=MODEL.normalisation,
        reconstruction=rules.embed_stars.output.reconstruction,
        scatter=rules.embed_stars.output.scatter,
    output:
        calibration=f"{ROOT}/latents/calibration.npz",
        summary=f"{ROOT}/latents/calibration.json",
        chi2=f"{ROOT}/latents/chi2.parquet",
    log:
        f"{LOGS}/calibrate_scatter.log",
    benchmark:
        f"{BENCHMARKS}/calibrate_scatter.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=megabytes(520, 1160),
    params:
        code=code("scripts/calibrate_scatter.py"),
    message:
        "Calibrating the scatter"
    script:
        "../src/scripts/calibrate_scatter.py"


rule find_outliers:
    """List the most anomalous test stars; how many of those made anomalous are found."""
    input:
        **checked_stars,
        **checked_model,
        calibration=rules.calibrate_scatter.output.calibration,
        latents=rules.embed_stars.output.latents,
        latent_summary=rules.embed_stars.output.summary,
    output:
        table=f"{ROOT}/outliers/outliers.parquet",
        summary=f"{ROOT}/outliers/summary.json",
    log:
        f"{LOGS}/find_outliers.log",
    benchmark:
        f"{BENCHMARKS}/find_outliers.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=megabytes(650, 1550),
    params:
        seed=config["checks"]["seed"],
        code=code("scripts/find_outliers.py"),
    message:
        "Looking for outliers"
    script:
        "../src/scripts/find_outliers.py"


rule denoise:
    """Give bright stars the noise of faint ones, and see what their reconstructions are worth."""
    input:
        **checked_stars,
        **checked_model,
    output:
        summary=f"{ROOT}/denoising/summary.json",
    log:
        f"{LOGS}/denoise.log",
    benchmark:
        f"{BENCHMARKS}/denoise.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=megabytes(550, 680),
    params:
        magnitudes=config["checks"]["magnitudes"],
        seed=config["checks"]["seed"],
        code=code("scripts/denoise.py"),
    message:
        "Denoising bright stars made faint"
    script:
        "../src/scripts/denoise.py"
