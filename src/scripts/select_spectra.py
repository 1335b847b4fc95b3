"""Bring one bulk file, keep of it the spectra of stars that have labels, and delete it."""

from xpsvae.workflow import job

with job(snakemake):
    from pathlib import Path

    from xpsvae.data import gaia_archive

    params = snakemake.params
    source_ids = gaia_archive.read_sources(snakemake.input.sources)
    checksums = Path(snakemake.input.checksums).read_text(encoding="utf-8")
    entry = gaia_archive.bulk_entries(checksums, params.url, params.files)[int(snakemake.wildcards.part)]
    file = gaia_archive.fetch_bulk(entry, source_ids, **snakemake.config["download"])
    chosen = gaia_archive.select(file, source_ids, params.invalid)
    gaia_archive.write_selection(chosen, **snakemake.output)
    if file:
        file.unlink()
