"""Fetch the list of MD5 sums that names the bulk files."""

from xpsvae.workflow import job

with job(snakemake):
    from xpsvae.data.download import fetch

    settings = {name: snakemake.config["download"][name] for name in ("attempts", "timeout")}
    fetch(snakemake.params.url, snakemake.output.checksums, **settings)
