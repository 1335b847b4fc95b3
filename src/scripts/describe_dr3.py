"""Bring one bulk file of DR3, describe its stars, and delete it once their table is verified."""

from xpsvae.workflow import job

with job(snakemake):
    from pathlib import Path

    from xpsvae.data import gaia_archive
    from xpsvae.data.download import download
    from xpsvae.own_stars import bulk
    from xpsvae.own_stars.pretrained import load

    given, params = snakemake.input, snakemake.params
    checksums = Path(given.checksums).read_text(encoding="utf-8")
    entry = gaia_archive.bulk_entries(checksums, params.url, params.files)[int(snakemake.wildcards.dr3_file)]
    folder = Path(given.weights).parent if "weights" in given.keys() else None  # None: the model that ships
    (file,) = download([entry], **snakemake.config["download"])
    bulk.describe_file(file, snakemake.output.latents, load(folder))
    file.unlink()
