"""What `snakemake --report report.html` shows besides figures: first page, captions, tables, training, settings."""

PAGES = f"{ROOT}/report"


report: "../paper/report/start.rst"


rule fig_training_curve:
    """Draw the training: for the report, the paper has no such figure."""
    input:
        history=MODEL.history,
    output:
        pdf=f"{PAGES}/training_curve.pdf",
        png=report(
            f"{PAGES}/training_curve.png",
            category="Training",
            labels={"figure": "Training curve"},
        ),
    log:
        f"{LOGS}/fig_training_curve.log",
    benchmark:
        f"{BENCHMARKS}/fig_training_curve.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=300,
    params:
        code=code("figures/training_curve.py"),
    message:
        "Drawing the training curve"
    script:
        "../src/figures/training_curve.py"


rule build_report:
    """Write the pages of the report; `snakemake --report` puts them together."""
    input:
        tex=source("paper/ms.tex"),
        # a section whose figure is not there would be counted
        sections=[
            section
            for section in SECTIONS
            if ABLATION_PRODUCTS or not section.endswith("ablations.tex")
        ],
        bib=source("paper/references.bib"),
        dataset=source(f"paper/datasets/{config['dataset']}.tex"),
        numbers=made(rules.build_numbers.output)[0],
        cutflow=made(rules.build_numbers.output)[1],
        table1=made([rules.classify_alpha.output.tex])[0],
        provenance=rules.build_paper.output.provenance,
        pdf=rules.build_paper.output.pdf,
        training=rules.fig_training_curve.output.png,
        figures=[
            f"{ROOT}/{choices.CORRECTED}/figures/{figure}.png" for figure in FIGURES
        ],
    output:
        start=f"{PAGES}/start.html",
        captions=[f"{PAGES}/captions/{figure}.html" for figure in FIGURES],
        table1=report(
            f"{PAGES}/table1.html",
            category="Tables",
            labels={"table": "Table 1: classification"},
        ),
        cutflow=report(
            f"{PAGES}/cutflow.html",
            category="Tables",
            labels={"table": "Cut-flow of good and pristine labels"},
        ),
        configuration=report(
            f"{PAGES}/configuration.html",
            category="Provenance",
            labels={"page": "Configuration"},
        ),
        provenance=report(
            f"{PAGES}/provenance.html",
            category="Provenance",
            labels={"page": "Commit, inputs, versions"},
        ),
    log:
        f"{LOGS}/build_report.log",
    benchmark:
        f"{BENCHMARKS}/build_report.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=150,
    params:
        code=code("scripts/build_report.py"),
    message:
        "Writing the pages of the report"
    script:
        "../src/scripts/build_report.py"
