"""Fetch the XP continuous spectra of one part of the stars by datalink, and keep what can be used."""

from xpsvae.workflow import job

with job(snakemake):
    from xpsvae.data import gaia_archive

    source_ids = gaia_archive.read_sources(snakemake.input.sources)
    params, settings = snakemake.params, dict(snakemake.config["download"])
    settings["timeout"] = snakemake.config["gaia_sdss"]["datalink"]["timeout"]
    answer = gaia_archive.fetch_datalink(params.url, source_ids, release=params.release, **settings)
    chosen = gaia_archive.select(answer, source_ids, params.invalid)
    gaia_archive.write_selection(chosen, **snakemake.output)
