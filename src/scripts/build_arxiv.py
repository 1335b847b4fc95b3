"""Pack the paper for arXiv."""

from xpsvae.workflow import job

with job(snakemake):
    from xpsvae.paper.document import BIBLIOGRAPHY, sources
    from xpsvae.paper.latex import submission

    given = snakemake.input
    submission(given.tex, sources(given, given.provenance), BIBLIOGRAPHY, snakemake.output[0])
