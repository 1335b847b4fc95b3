"""Numbers, and the paper."""

# Besides `corrected` the text quotes what these two choices do to the classifiers.
QUOTED = {
    key: made([rules.classify_alpha.output.classifiers], f"{choices.ONLY}{key}")[0]
    for key in ("label_features", "leakage")
}


# Parts of the text that ms.tex reads.
SECTIONS = [source(f"paper/sections/{name}.tex") for name in ("checks", "ablations")]


rule build_numbers:
    """Turn the products into the numbers and tables that the paper quotes."""
    input:
        **varied(
            "build_numbers",
            {
                "crossmatch": rules.build_catalog.output.report,
                "cutflow": rules.build_subsets.output.cutflow,
                "stars": rules.build_catalog.output.stars,
                "model_config": MODEL.config,
                "history": MODEL.history,
                "latent_summary": rules.embed_stars.output.summary,
                "dimensions": rules.choose_dimensions.output.dimensions,
                "comparison": rules.build_residuals.output.summary,
                "per_star": rules.build_residuals.output.per_star,
                "kiel": rules.build_kiel_tracks.output.kiel,
                "metallicity": rules.build_metallicity_tracks.output.metallicity,
                "spectra": rules.build_track_spectra.output.spectra,
                "calibration": rules.calibrate_scatter.output.summary,
                "denoising": rules.denoise.output.summary,
                "outliers": rules.find_outliers.output.summary,
                "subsets": rules.build_subsets.output.subsets,
                "alpha": rules.split_alpha.output.summary,
                "alpha_tracks": rules.build_alpha_tracks.output.tracks,
                "directions": rules.build_alpha_tracks.output.directions,
                "components": rules.count_components.output.components,
                "classifiers": rules.classify_alpha.output.classifiers,
            },
        ),
        **QUOTED,
    output:
        numbers=f"{VARIANT}/numbers.tex",
        cutflow=f"{VARIANT}/tables/cutflow.tex",
        variants=f"{VARIANT}/tables/variants.tex",
    log:
        f"{LOGS}/{{variant}}/build_numbers.log",
    benchmark:
        f"{BENCHMARKS}/{{variant}}/build_numbers.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=megabytes(130),
    params:
        flux_weight=config["inversion"]["flux_weight"],
        test_fraction=config["split"]["test_fraction"],
        code=code("scripts/build_numbers.py"),
    message:
        "Collecting the numbers that the paper quotes ({wildcards.variant})"
    script:
        "../src/scripts/build_numbers.py"


rule build_paper:
    """Build the paper with LaTeX; it shows `corrected`."""
    input:
        tex=source("paper/ms.tex"),
        sections=SECTIONS,
        bib=source("paper/references.bib"),
        dataset=source(f"paper/datasets/{config['dataset']}.tex"),
        numbers=made(rules.build_numbers.output)[0],
        cutflow=made(rules.build_numbers.output)[1],
        variants=made(rules.build_numbers.output)[2],
        table1=made([rules.classify_alpha.output.tex]),
        figures=[
            f"{ROOT}/{choices.CORRECTED}/figures/{figure}.pdf" for figure in FIGURES
        ],
        ablations=ABLATION_PRODUCTS,
        citation=source("CITATION.cff"),
        # made by `snakemake reserve_doi`, which is not in this graph: `all` never calls Zenodo
        doi=[RESERVED_DOI] if os.path.exists(RESERVED_DOI) else [],
    output:
        pdf=report(
            f"{ROOT}/paper/ms.pdf",
            category="Paper",
            labels={"document": "The paper (PDF)"},
        ),
        macros=f"{ROOT}/paper/provenance.tex",
        provenance=f"{ROOT}/provenance.json",
    log:
        f"{LOGS}/build_paper.log",
    benchmark:
        f"{BENCHMARKS}/build_paper.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=250,
    params:
        code=code("scripts/build_paper.py"),
    message:
        "Building the paper"
    script:
        "../src/scripts/build_paper.py"
