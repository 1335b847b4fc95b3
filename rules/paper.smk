"""Numbers, and the paper."""


rule build_numbers:
    """Turn the products into the numbers and tables that the paper quotes."""
    input:
        cutflow=rules.build_subsets.output.cutflow,
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
    message:
        "Collecting the numbers that the paper quotes"
    script:
        "../src/scripts/build_numbers.py"


rule build_paper:
    """Build the paper with LaTeX."""
    input:
        tex=source("paper/ms.tex"),
        bib=source("paper/references.bib"),
        numbers=rules.build_numbers.output.numbers,
        cutflow=rules.build_numbers.output.cutflow,
        table1=rules.classify_alpha.output.tex,
        figures=[f"{BUILD}/figures/{figure}.pdf" for figure in FIGURES],
        code=code("scripts/build_paper.py"),
    output:
        pdf=f"{ROOT}/paper/ms.pdf",
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
