"""Fetch the list of MD5 sums that names the bulk files."""

from xpsvae.workflow import job

with job(snakemake):
    from xpsvae.data.download import fetch

    fetch(path=snakemake.output.checksums, **snakemake.params)
