"""Download a file of the record, verified, into a folder that outlives this job; link it from there."""

from xpsvae.workflow import job

with job(snakemake):
    from xpsvae.data.download import download
    from xpsvae.data.manifest import place, read_manifest
    from xpsvae.data.zenodo import lacking
    from xpsvae.products import write_text

    entries, name = read_manifest(snakemake.input.manifest), snakemake.wildcards.file
    if lacking([entry.name for entry in entries], [name]):
        write_text(snakemake.output[0], "")  # who reads it looks into the manifest
    else:
        settings = dict(snakemake.config["download"])
        folder = f"{settings.pop('folder')}/zenodo"
        entry = next(entry for entry in entries if entry.name == name)
        place(download([entry], folder, **settings), snakemake.output)
