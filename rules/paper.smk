"""Numbers, and the paper."""

# Besides `corrected` the text quotes what these two choices do to the classifiers.
QUOTED = {
    key: made([rules.classify_alpha.output.classifiers], f"{choices.ONLY}{key}")[0]
    for key in ("label_features", "leakage")
}

# Parts of the text that have a file of their own.
SECTIONS = [
    source(f"paper/sections/{name}.tex")
    for name in ("claims", "checks", "ablations", "beyond", "audit")
]


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
        **({"grid": GRID} if os.path.exists(GRID) else {}),
        headline=rules.measure_headline.output.headline,
        controls=rules.measure_controls.output.controls,
        seeds=rules.build_seeds.output.seeds,
        claims=rules.build_claims.output.claims,
    output:
        numbers=f"{VARIANT}/numbers.tex",
        cutflow=f"{VARIANT}/tables/cutflow.tex",
        variants=f"{VARIANT}/tables/variants.tex",
        claims_table=f"{VARIANT}/tables/claims.tex",
        controls_table=f"{VARIANT}/tables/controls.tex",
        origins=f"{VARIANT}/origins.json",
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


# What LaTeX reads, but for what the paper says of its own provenance.
DOCUMENT = {
    "tex": source("paper/ms.tex"),
    "bib": source("paper/references.bib"),
    "dataset": source(f"paper/datasets/{config['dataset']}.tex"),
    "numbers": made(rules.build_numbers.output)[0],
    "cutflow": made(rules.build_numbers.output)[1],
    "variants": made(rules.build_numbers.output)[2],
    "claims": made(rules.build_numbers.output)[3],
    "controls": made(rules.build_numbers.output)[4],
    "audit": rules.build_audit.output.tex,
    "sections": SECTIONS,
    "ablations": ABLATION_PRODUCTS,
    "table1": made([rules.classify_alpha.output.tex])[0],
    "figures": [
        f"{ROOT}/{choices.CORRECTED}/figures/{figure}.pdf" for figure in FIGURES
    ],
}


rule build_paper:
    """Build the paper with LaTeX; it shows `corrected`."""
    input:
        **DOCUMENT,
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


rule arxiv:
    """Pack the paper as arXiv takes it: sources, figures and references, which compile on their own."""
    input:
        **DOCUMENT,
        provenance=rules.build_paper.output.macros,
    output:
        f"{ROOT}/paper/arxiv.tar.gz",
    log:
        f"{LOGS}/arxiv.log",
    benchmark:
        f"{BENCHMARKS}/arxiv.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=250,
    params:
        code=code("scripts/build_arxiv.py"),
    message:
        "Packing the paper for arXiv"
    script:
        "../src/scripts/build_arxiv.py"
