"""Join the headline of every sVAE and Table 1 of every forest."""

from xpsvae.workflow import job

with job(snakemake):
    from xpsvae.audit import seeds
    from xpsvae.products import read_json, write_json

    measured = [read_json(path) for path in snakemake.input.measured]
    report = seeds.join(measured, read_json(snakemake.input.forests), dict(snakemake.params.shown))
    write_json(snakemake.output.seeds, report)
