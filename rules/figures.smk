"""One rule a figure, named after it: `snakemake fig_kiel_vs_latent` draws that figure.

A figure is an entry of FIGURES (what it reads) and a script of the same name in src/figures/ (how it draws).
"""

stars = rules.build_catalog.output.stars
subsets = rules.build_subsets.output.subsets
latents = rules.embed_stars.output.latents
latent_summary = rules.embed_stars.output.summary

classifiers = rules.classify_alpha.output.classifiers
model_config = MODEL.config
pristine = {"stars": stars, "subsets": subsets, "latents": latents}
kiel = {"kiel": rules.build_tracks.output.kiel}
metallicity = {"metallicity": rules.build_tracks.output.metallicity}
dimensions = {"dimensions": rules.choose_dimensions.output.dimensions}
coefficient_residuals = rules.build_residuals.output.coefficient_residuals
flux_residuals = rules.build_residuals.output.flux_residuals
comparison = rules.build_residuals.output.summary
per_star = rules.build_residuals.output.per_star
alpha = {
    "sequences": rules.split_alpha.output.sequences,
    "alpha_tracks": rules.split_alpha.output.tracks,
    "alpha_summary": rules.split_alpha.output.summary,
}

FIGURES = {
    "catalog_cuts": {"stars": stars, "subsets": subsets},
    "catalog_kiel": {"stars": stars, "subsets": subsets},
    "svae_arch": {"model_config": model_config},
    "xp_vae_models": {"model_config": model_config},
    "lam_coeff_errs": {
        "coefficient_residuals": coefficient_residuals,
        "comparison": comparison,
    },
    "compare_lam": {"comparison": comparison},
    "zgr_rel_errs": {"flux_residuals": flux_residuals, "comparison": comparison},
    "compare_zgr": {"comparison": comparison},
    "err_stellar_labels": {"per_star": per_star},
    "kiel_vs_latent": pristine | kiel | dimensions,
    "physical_spectra": {"spectra": rules.build_track_spectra.output.spectra},
    "kiel_metallicity_tracks": pristine | metallicity,
    "latent_ms_metallicity_tracks": pristine | metallicity | dimensions,
    "latent_giant_metallicity_tracks": pristine | metallicity | dimensions,
    "alpha_bimodality": pristine | alpha | dimensions,
    "confusion_matrices": {"classifiers": classifiers},
    "latent_tracks": pristine | kiel | dimensions | {"latent_summary": latent_summary},
}

# Choices of the configuration that a figure shows or uses.
m_h_half_width = {"m_h_half_width": config["tracks"]["metallicity"]["m_h_half_width"]}
FIGURE_PARAMS = {
    "catalog_cuts": {"cuts": config["cuts"]},
    "latent_ms_metallicity_tracks": m_h_half_width,
    "latent_giant_metallicity_tracks": m_h_half_width,
}

for figure, products in FIGURES.items():

    rule:
        name:
            f"fig_{figure}"
        input:
            **products,
            code=code(f"figures/{figure}.py"),
        output:
            pdf=f"{BUILD}/figures/{figure}.pdf",
            png=report(
                f"{BUILD}/figures/{figure}.png",
                category="Figures",
                labels={"figure": figure},
            ),
        log:
            f"{LOGS}/fig_{figure}.log",
        benchmark:
            f"{BENCHMARKS}/fig_{figure}.tsv"
        conda:
            ENVIRONMENT
        threads: 1
        params:
            **FIGURE_PARAMS.get(figure, {}),
            figure=figure,
        message:
            f"Drawing figure {figure}"
        script:
            "../src/figures/{params.figure}.py"
