"""Fetch the XP continuous spectra of one part of the stars by datalink, and keep what can be used."""

from xpsvae.workflow import job

with job(snakemake):
    from xpsvae.data import gaia_archive

    source_ids = gaia_archive.read_sources(snakemake.input.sources)
    params = snakemake.params
    answer = gaia_archive.fetch_datalink(
        params.url, source_ids, release=params.release, **snakemake.config["download"]
    )
    chosen = gaia_archive.select(answer, source_ids, params.invalid)
    gaia_archive.write_selection(chosen, **snakemake.output)
