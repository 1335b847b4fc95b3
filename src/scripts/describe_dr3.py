"""Bring one bulk file of DR3, describe its stars, and delete it once their table is verified."""

from xpsvae.workflow import job

with job(snakemake):
    from pathlib import Path

    from xpsvae.data import gaia_archive
    from xpsvae.data.download import download
    from xpsvae.own_stars import bulk
    from xpsvae.own_stars.pretrained import load

    given, params = snakemake.input, snakemake.params
    entries = gaia_archive.read_bulk_list(given.checksums, params.url, params.files)
    entry = entries[int(snakemake.wildcards.dr3_file)]
    folder = Path(given.weights).parent if "weights" in given.keys() else None  # None: the model that ships
    (file,) = download([entry], **snakemake.config["download"])
    with gaia_archive.consumed(file):
        bulk.describe_file(file, snakemake.output.latents, load(folder))
