"""Download a table of SDSS, verified, into a folder that outlives this job; link it from there."""

from xpsvae.workflow import job

with job(snakemake):
    from xpsvae.data.download import download
    from xpsvae.data.manifest import place
    from xpsvae.data.sdss import entry

    settings = snakemake.config["download"]
    table = entry(**snakemake.params, **settings)
    place(download([table], **settings), snakemake.output)
