"""One rule a figure, named after it: `snakemake fig_kiel_vs_latent` draws that figure.

A figure is an entry of FIGURES (what it reads) and a script of the same name in src/figures/ (how it draws).
"""

stars = rules.build_catalog.output.stars
subsets = rules.build_subsets.output.subsets
latents = rules.embed_stars.output.latents
latent_summary = rules.embed_stars.output.summary
dimensions = rules.choose_dimensions.output.dimensions

FIGURES = {
    "catalog_cuts": {"stars": stars, "subsets": subsets},
    "catalog_kiel": {"stars": stars, "subsets": subsets},
    "svae_arch": {},
    "xp_vae_models": {},
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
        message:
            f"Drawing figure {figure}"
        script:
            f"../src/figures/{figure}.py"
