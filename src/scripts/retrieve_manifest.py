"""Ask Zenodo which files the authors' record holds, of what size and checksum."""

from xpsvae.workflow import job

with job(snakemake):
    from dataclasses import asdict

    from xpsvae.data.download import fetch_zenodo_manifest
    from xpsvae.products import write_json

    download, site = snakemake.config["download"], snakemake.config["zenodo"]["url"]
    entries = fetch_zenodo_manifest(
        snakemake.params.record,
        base_url=site,
        attempts=download["attempts"],
        timeout=download["timeout"],
    )
    write_json(snakemake.output.manifest, [asdict(entry) for entry in entries])
