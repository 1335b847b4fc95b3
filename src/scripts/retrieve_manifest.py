"""Ask Zenodo which files the authors' record holds, of what size and checksum."""

from xpsvae.workflow import job

with job(snakemake):
    import sys
    from dataclasses import asdict

    from xpsvae.data.download import fetch_zenodo_manifest
    from xpsvae.data.zenodo import lacking
    from xpsvae.products import write_json

    download, settings = snakemake.config["download"], snakemake.config["zenodo"]
    entries = fetch_zenodo_manifest(
        snakemake.params.record,
        base_url=settings["url"],
        attempts=download["attempts"],
        timeout=download["timeout"],
    )
    for name in lacking([entry.name for entry in entries], settings["companions"]):
        print(
            f"Record {snakemake.params.record} has no {name}, one of zenodo.companions: it is done without.",
            file=sys.stderr,
        )
    write_json(snakemake.output.manifest, [asdict(entry) for entry in entries])
