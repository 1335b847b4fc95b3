"""Typeset the paper from its text, its numbers, its tables and its figures."""

from xpsvae.workflow import job

with job(snakemake):
    from pathlib import Path

    import yaml

    from xpsvae import provenance
    from xpsvae.paper.document import sources
    from xpsvae.paper.latex import typeset
    from xpsvae.products import read_json, write_json, write_text

    given, outputs = snakemake.input, snakemake.output
    record = provenance.record(snakemake.config)
    citation = yaml.safe_load(Path(given.citation).read_text(encoding="utf-8"))
    doi = read_json(given.doi[0])["doi"] if given.doi else None
    write_json(outputs.provenance, record)
    write_text(outputs.macros, provenance.to_tex(record, citation.get("repository-code"), doi))
    typeset(given.tex, sources(given, outputs.macros), outputs.pdf)
