"""Typeset the paper from its text, its numbers, its tables and its figures."""

from xpsvae.workflow import job

with job(snakemake):
    from pathlib import Path

    from xpsvae.latex import typeset

    given = snakemake.input
    sources = {
        "references.bib": given.bib,
        "dataset.tex": given.dataset,
        "numbers.tex": given.numbers,
        "cutflow.tex": given.cutflow,
        "table1.tex": given.table1,
        **{f"figures/{Path(figure).name}": figure for figure in given.figures},
    }
    typeset(given.tex, sources, snakemake.output[0])
