"""Put the runs of all ablations together, and write what the paper says of them."""

from xpsvae.workflow import job

with job(snakemake):
    from xpsvae.analysis.ablations import summarise
    from xpsvae.paper.ablations import to_tex
    from xpsvae.products import read_json, write_json, write_text

    summary = summarise([read_json(path) for path in snakemake.input.runs])
    write_json(snakemake.output.summary, summary)
    write_text(snakemake.output.tex, to_tex(summary))
