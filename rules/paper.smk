"""Numbers, and the paper."""


rule build_numbers:
    """Turn the products into the numbers and tables that the paper quotes."""
    input:
        crossmatch=rules.build_catalog.output.report,
        cutflow=rules.build_subsets.output.cutflow,
        stars=rules.build_catalog.output.stars,
        model_config=MODEL.config,
        history=MODEL.history,
        latent_summary=rules.embed_stars.output.summary,
        dimensions=rules.choose_dimensions.output.dimensions,
        baselines=rules.train_baselines.output.summary,
        comparison=rules.build_residuals.output.summary,
        per_star=rules.build_residuals.output.per_star,
        kiel=rules.build_tracks.output.kiel,
        metallicity=rules.build_tracks.output.metallicity,
        alpha=rules.split_alpha.output.summary,
        alpha_tracks=rules.split_alpha.output.tracks,
        classifiers=rules.classify_alpha.output.classifiers,
        code=code("scripts/build_numbers.py"),
    output:
        numbers=f"{ROOT}/paper/numbers.tex",
        cutflow=f"{ROOT}/paper/cutflow.tex",
    log:
        f"{LOGS}/build_numbers.log",
    benchmark:
        f"{BENCHMARKS}/build_numbers.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    params:
        flux_weight=config["inversion"]["flux_weight"],
    message:
        "Collecting the numbers that the paper quotes"
    script:
        "../src/scripts/build_numbers.py"


rule build_paper:
    """Build the paper with LaTeX."""
    input:
        tex=source("paper/ms.tex"),
        bib=source("paper/references.bib"),
        dataset=source(f"paper/datasets/{config['dataset']}.tex"),
        numbers=rules.build_numbers.output.numbers,
        cutflow=rules.build_numbers.output.cutflow,
        table1=rules.classify_alpha.output.tex,
        figures=[f"{BUILD}/figures/{figure}.pdf" for figure in FIGURES],
        citation=source("CITATION.cff"),
        # made by `snakemake reserve_doi`, which is not in this graph: `all` never calls Zenodo
        doi=[RESERVED_DOI] if os.path.exists(RESERVED_DOI) else [],
        code=code("scripts/build_paper.py"),
    output:
        pdf=f"{ROOT}/paper/ms.pdf",
        macros=f"{ROOT}/paper/provenance.tex",
        provenance=f"{ROOT}/provenance.json",
    log:
        f"{LOGS}/build_paper.log",
    benchmark:
        f"{BENCHMARKS}/build_paper.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    message:
        "Building the paper"
    script:
        "../src/scripts/build_paper.py"
