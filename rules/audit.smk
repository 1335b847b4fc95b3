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
    priority: EARLY
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
    priority: EARLY
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=megabytes(200, 710),
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
            priority: EARLY
            conda:
                ENVIRONMENT
            threads: 1  # so that two cores train two at a time
            resources:
                gpu=further_gpu,
                mem_mb=megabytes(600, 1960),
            params:
                # nobody draws their curves: only the end is validated
                training={
                    key: value
                    for key, value in training(config).items()
                    if key != "checkpoint_every"
                }
                | {"seed": seed, "validate_every": training(config)["epochs"]},
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
    priority: EARLY
    conda:
        ENVIRONMENT
    threads: 8
    resources:
        mem_mb=megabytes(440, 740),
    params:
        number=config["audit"]["forests"],
        most=config["audit"]["forest_giants"],
        seed=config["audit"]["seed"],
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
    threads: min(8, config["audit"]["folds"])
    resources:
        mem_mb=megabytes(700, 1640),
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


rule build_claims:
    """Judge every claim of the paper by its rule."""
    input:
        # made by `snakemake ablations`, which is not part of `all`
        **({"ablations": ABLATION_PRODUCTS[0]} if ABLATION_PRODUCTS else {}),
        headline=rules.measure_headline.output.headline,
        controls=rules.measure_controls.output.controls,
        stars=rules.build_catalog.output.stars,
        split=rules.split_stars.output.split,
        latents=rules.embed_stars.output.latents,
        latent_summary=rules.embed_stars.output.summary,
        subsets=made(rules.build_subsets.output)[0],
        sequences=made(rules.split_alpha.output)[0],
        alpha_summary=made(rules.split_alpha.output)[1],
        alpha_tracks=made(rules.build_alpha_tracks.output)[0],
        directions=made(rules.build_alpha_tracks.output)[1],
        predictions=made(rules.classify_alpha.output)[1],
        drawn=made(rules.classify_alpha.output, f"{choices.ONLY}latent")[1],
        dimensions=made(rules.choose_dimensions.output)[0],
        kiel=made(rules.build_kiel_tracks.output)[0],
        metallicity=made(rules.build_metallicity_tracks.output)[0],
        spectra=made(rules.build_track_spectra.output)[0],
        leading=made(rules.build_residuals.output)[0],
        flux=made(rules.build_residuals.output)[1],
        per_star=made(rules.build_residuals.output)[2],
        comparison=made(rules.build_residuals.output)[3],
    output:
        claims=f"{AUDIT}/claims.json",
    log:
        f"{LOGS}/build_claims.log",
    benchmark:
        f"{BENCHMARKS}/build_claims.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=megabytes(400),
    params:
        settings={
            "n_bootstrap": config["audit"]["n_bootstrap"],
            "seed": config["audit"]["seed"],
            "fixed_m_h": config["tracks"]["alpha"]["fixed_m_h"],
            "fixed_m_h_half_width": config["tracks"]["alpha"]["fixed_m_h_half_width"],
        },
        code=code("scripts/build_claims.py"),
    message:
        "Judging the paper's claims"
    script:
        "../src/scripts/build_claims.py"


# Names of products as the audit has them: rule and place among its outputs.
AUDITED = {
    "classifiers": (rules.classify_alpha, 0),
    "predictions": (rules.classify_alpha, 1),
    "kiel": (rules.build_kiel_tracks, 0),
    "leading": (rules.build_residuals, 0),
    "flux": (rules.build_residuals, 1),
    "per_star": (rules.build_residuals, 2),
    "summary": (rules.build_residuals, 3),
    "spectra": (rules.build_track_spectra, 0),
    "subsets": (rules.build_subsets, 0),
    "cutflow": (rules.build_subsets, 1),
    "enceladus": (rules.split_alpha, 0),
    "alpha_tracks": (rules.build_alpha_tracks, 0),
}
PATHS = {name: maker.output[place] for name, (maker, place) in AUDITED.items()}
# What is read of each variant with one choice as published. Choices that are not here show in a figure alone, and
# what they do is read from the corrected products.
VARIED_PRODUCTS = {
    "label_features": ["classifiers", "predictions"],
    "latent": ["classifiers", "predictions"],
    "leakage": ["classifiers", "predictions"],
    "classifier_sample": ["classifiers", "predictions"],
    "gb_tolerance": ["kiel"],
    "track_bins": ["kiel"],
    "solar_metallicity": ["kiel"],
    "rmse_covariance_units": ["per_star"],
    "wavelength_errors": ["flux"],
    "fig5_rp_coefficients": ["leading"],
    "fig6_ratio": ["summary"],
    "zgr23_unmatched": ["flux"],
    "fig11_giants": ["spectra"],
    **(
        {}
        if config["dataset"] == "library"  # has neither flags nor actions
        else {"aspcapflag_bits": ["subsets"], "gse_selection": ["enceladus"]}
    ),
}


# Figures that a choice changes, drawn as published beside the corrected ones by `audit_full`.
PUBLISHED_FIGURES = {
    "label_features": "confusion_matrices",
    "gb_tolerance": "kiel_vs_latent",
    "rmse_covariance_units": "err_stellar_labels",
    "wavelength_errors": "zgr_rel_errs",
    "latent": "latent_tracks",
    "fig5_rp_coefficients": "lam_coeff_errs",
    "fig6_ratio": "compare_lam",
    "fig5_bias_text": "lam_coeff_errs",
    "zgr23_unmatched": "compare_zgr",
    "fixed_mh_track": "alpha_bimodality",
    "fig11_giants": "physical_spectra",
    "track_bins": "latent_tracks",
    "solar_metallicity": "kiel_vs_latent",
    "leakage": "confusion_matrices",
    "classifier_sample": "confusion_matrices",
    **(
        {}
        if config["dataset"] == "library"
        else {"aspcapflag_bits": "catalog_kiel", "gse_selection": "alpha_bimodality"}
    ),
}
PUBLISHED_FIGURES = {
    key: f"{ROOT}/{choices.ONLY}{key}/figures/{figure}.png"
    for key, figure in PUBLISHED_FIGURES.items()
}
THE_PAPER_ITSELF = (
    {
        "published_cutflow": made([PATHS["cutflow"]], choices.PUBLISHED)[0],
        "published_classifiers": made([PATHS["classifiers"]], choices.PUBLISHED)[0],
        "published_flux": made([PATHS["flux"]], choices.PUBLISHED)[0],
    }
    if config["model"]["source"] == "published"
    else {}
)


rule build_audit:
    """Set published against corrected, for every place where text, code and figures of the paper disagree."""
    input:
        **{name: made([path])[0] for name, path in PATHS.items()},
        **{
            f"{key}_{name}": made([PATHS[name]], f"{choices.ONLY}{key}")[0]
            for key, names in VARIED_PRODUCTS.items()
            for name in names
        },
        **THE_PAPER_ITSELF,
        stars=rules.build_catalog.output.stars,
        coefficients=rules.build_catalog.output.coefficients,
        normalisation=MODEL.normalisation,
        latent_summary=rules.embed_stars.output.summary,
        seeds=rules.build_seeds.output.seeds,
    output:
        json=f"{AUDIT}/audit.json",
        md=f"{AUDIT}/audit.md",
        tex=f"{AUDIT}/audit.tex",
    log:
        f"{LOGS}/build_audit.log",
    benchmark:
        f"{BENCHMARKS}/build_audit.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=megabytes(500),
    params:
        corrected=list(AUDITED),
        only=VARIED_PRODUCTS,
        figures=PUBLISHED_FIGURES,
        fixed_m_h=config["tracks"]["alpha"]["fixed_m_h"],
        settings={
            "n_bootstrap": config["audit"]["n_bootstrap"],
            "seed": config["audit"]["seed"],
        },
        code=code("scripts/build_audit.py"),
    message:
        "Setting published against corrected"
    script:
        "../src/scripts/build_audit.py"


rule audit_full:
    """The full grid of features, and the published variants of figures that differ."""
    input:
        rules.measure_grid.output,
        rules.build_audit.output,
        list(PUBLISHED_FIGURES.values()),


GRID = rules.measure_grid.output.grid
AUDIT_PRODUCTS = [
    rules.measure_headline.output,
    rules.match_pairs.output,
    rules.measure_controls.output,
    rules.repeat_forests.output,
    rules.build_seeds.output,
    rules.build_claims.output,
    rules.build_audit.output,
    [f"{AUDIT}/seeds/{seed}.{form}" for seed in SEEDS for form in ("json", "npy")],
    [
        f"{AUDIT}/seeds/{seed}/{name}"
        for seed in SEEDS[1:]
        for name in (
            "svae.safetensors",
            "config.json",
            "normalisation.npz",
            "history.csv",
        )
    ],
    [
        made(AUDITED[name][0].output, f"{choices.ONLY}{key}")
        for key, names in VARIED_PRODUCTS.items()
        for name in names
    ],
    # what these are made from
    made(rules.split_alpha.output, f"{choices.ONLY}classifier_sample"),
    [
        made(maker.output, choices.PUBLISHED)
        for maker in (
            rules.build_subsets,
            rules.split_alpha,
            rules.classify_alpha,
            rules.reconstruct,
            rules.build_residuals,
        )
        if THE_PAPER_ITSELF
    ],
]
# Products that `all` does without and an archive takes along where they are there.
MORE_PRODUCTS = [GRID, *PUBLISHED_FIGURES.values()]
MORE_PRODUCTS += [
    path.removesuffix("png") + "pdf" for path in PUBLISHED_FIGURES.values()
]
