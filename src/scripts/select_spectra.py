"""Bring one bulk file, keep of it the spectra of stars that have labels, and delete it."""

from xpsvae.workflow import job

with job(snakemake):
    from xpsvae.data import gaia_archive

    params = snakemake.params
    source_ids = gaia_archive.read_sources(snakemake.input.sources)
    entries = gaia_archive.read_bulk_list(snakemake.input.checksums, params.url, params.files)
    entry = entries[int(snakemake.wildcards.part)]
    file = gaia_archive.fetch_bulk(entry, source_ids, **snakemake.config["download"])
    with gaia_archive.consumed(file):
        chosen = gaia_archive.select(file, source_ids, params.invalid)
        gaia_archive.write_selection(chosen, **snakemake.output)
