"""Typeset the paper from its text, its numbers, its tables and its figures."""

from xpsvae.workflow import job

with job(snakemake):
    from pathlib import Path

    import yaml

    from xpsvae import provenance
    from xpsvae.paper.latex import typeset
    from xpsvae.products import read_json, write_json, write_text

    given, outputs = snakemake.input, snakemake.output
    record = provenance.record(snakemake.config)
    citation = yaml.safe_load(Path(given.citation).read_text(encoding="utf-8"))
    doi = read_json(given.doi[0])["doi"] if given.doi else None
    write_json(outputs.provenance, record)
    write_text(outputs.macros, provenance.to_tex(record, citation.get("repository-code"), doi))
    sources = {
        "references.bib": given.bib,
        "dataset.tex": given.dataset,
        "numbers.tex": given.numbers,
        "cutflow.tex": given.cutflow,
        "variants.tex": given.variants,
        "provenance.tex": outputs.macros,
        "table1.tex": given.table1[0],
        **{f"figures/{Path(figure).name}": figure for figure in given.figures},
        **{f"sections/{Path(section).name}": section for section in given.sections},
        **{
            {".tex": "ablations.tex", ".pdf": "figures/ablations.pdf"}[path.suffix]: path
            for path in map(Path, given.ablations)
            if path.suffix in (".tex", ".pdf")
        },
    }
    typeset(given.tex, sources, outputs.pdf)
