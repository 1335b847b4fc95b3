"""One rule a figure, named after it: `snakemake fig_kiel_vs_latent` draws that figure.

A figure is an entry of FIGURES (what it reads) and a script of the same name in src/figures/ (how it draws).
Those of other variants than `corrected` are asked for by their path: results/<dataset>/<variant>/figures/….
"""

stars = rules.build_catalog.output.stars
subsets = rules.build_subsets.output.subsets
latents = rules.embed_stars.output.latents

model_config = MODEL.config
pristine = {"stars": stars, "subsets": subsets, "latents": latents}
kiel = {"kiel": rules.build_kiel_tracks.output.kiel}
metallicity = {"metallicity": rules.build_metallicity_tracks.output.metallicity}
dimensions = {"dimensions": rules.choose_dimensions.output.dimensions}
comparison = {"comparison": rules.build_residuals.output.summary}
alpha = {
    "sequences": rules.split_alpha.output.sequences,
    "alpha_tracks": rules.build_alpha_tracks.output.tracks,
    "alpha_summary": rules.split_alpha.output.summary,
    "directions": rules.build_alpha_tracks.output.directions,
}

FIGURES = {
    "catalog_cuts": {"stars": stars, "subsets": subsets},
    "catalog_kiel": {"stars": stars, "subsets": subsets},
    "svae_arch": {"model_config": model_config},
    "xp_vae_models": comparison,
    "lam_coeff_errs": comparison | {"leading": rules.build_residuals.output.leading},
    "compare_lam": comparison,
    "zgr_rel_errs": comparison | {"flux_residuals": rules.build_residuals.output.flux},
    "compare_zgr": comparison,
    "err_stellar_labels": comparison
    | {"per_star": rules.build_residuals.output.per_star},
    "kiel_vs_latent": pristine | kiel | dimensions,
    "physical_spectra": {"spectra": rules.build_track_spectra.output.spectra},
    "kiel_metallicity_tracks": pristine | metallicity,
    "latent_ms_metallicity_tracks": pristine | metallicity | dimensions,
    "latent_giant_metallicity_tracks": pristine | metallicity | dimensions,
    "alpha_bimodality": pristine | alpha,
    "confusion_matrices": {"classifiers": rules.classify_alpha.output.classifiers},
    "calibration": {"calibration": rules.calibrate_scatter.output.summary},
    "denoising": {"denoising": rules.denoise.output.summary},
    "pca_components": {
        "components": rules.count_components.output.components,
        "model_config": model_config,
    },
    "latent_tracks": pristine
    | kiel
    | dimensions
    | {"latent_summary": rules.embed_stars.output.summary},
    "alpha_beyond_labels": {
        "headline": rules.measure_headline.output.headline,
        "controls": rules.measure_controls.output.controls,
    },
    "audit": {"audit": rules.build_audit.output.json},
}

# Choices of the configuration that a figure shows or uses.
m_h_half_width = {"m_h_half_width": config["tracks"]["metallicity"]["m_h_half_width"]}
FIGURE_PARAMS = {
    "catalog_cuts": {"cuts": config["cuts"]},
    "latent_ms_metallicity_tracks": m_h_half_width,
    "latent_giant_metallicity_tracks": m_h_half_width,
    "alpha_bimodality": {"fixed_m_h": config["tracks"]["alpha"]["fixed_m_h"]},
}

FIGURE_TITLES = {}
for figure in FIGURES:
    with open(f"{BASE}/src/figures/{figure}.py", encoding="utf-8") as lines:
        FIGURE_TITLES[figure] = figure_title(lines.read())

for figure, products in FIGURES.items():
    # The corrected figure has a rule without wildcards, which can be asked for by its name.
    for name, variant in (
        (f"fig_{figure}", choices.CORRECTED),
        (f"variant_{figure}", None),
    ):
        shown = variant or "{variant}"

        rule:
            name:
                name
            input:
                **varied(f"fig_{figure}", products, variant),
            output:
                pdf=f"{ROOT}/{shown}/figures/{figure}.pdf",
                png=report(
                    f"{ROOT}/{shown}/figures/{figure}.png",
                    caption="../paper/report/figure.rst",
                    category="Figures",
                    labels={"figure": FIGURE_TITLES[figure]},
                ),
            log:
                f"{LOGS}/{shown}/fig_{figure}.log",
            benchmark:
                f"{BENCHMARKS}/{shown}/fig_{figure}.tsv"
            wildcard_constraints:
                variant=f"(?!{choices.CORRECTED}/)[^/]+",
            conda:
                ENVIRONMENT
            threads: 1
            resources:
                mem_mb=megabytes(580),
            params:
                **FIGURE_PARAMS.get(figure, {}),
                figure=figure,
                choices=chosen(f"fig_{figure}", variant),
                code=code(f"figures/{figure}.py"),
            message:
                f"Drawing figure {figure}"
            script:
                "../src/figures/{params.figure}.py"

        # Snakemake takes no docstring that is not written out
        described = workflow.modifier.modify_rulename(name)
        workflow.get_rule(described).docstring = FIGURE_TITLES[figure]

    rule:
        name:
            figure_alias(FIGURE_TITLES[figure])
        input:
            f"{ROOT}/{choices.CORRECTED}/figures/{figure}.pdf",
            f"{ROOT}/{choices.CORRECTED}/figures/{figure}.png",

    described = workflow.modifier.modify_rulename(
        figure_alias(FIGURE_TITLES[figure])
    )
    workflow.get_rule(described).docstring = f"The same as fig_{figure}."
