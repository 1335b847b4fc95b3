"""Download a file of the record, verified, into a folder that outlives this job; link it from there."""

from xpsvae.workflow import job

with job(snakemake):
    from xpsvae.data.download import download
    from xpsvae.data.manifest import entry_of, place

    settings = dict(snakemake.config["download"])
    folder = f"{settings.pop('folder')}/zenodo"
    entry = entry_of(snakemake.input.manifest, snakemake.wildcards.file)
    place(download([entry], folder, **settings), snakemake.output)
