"""Download the files of a manifest, verified, into a folder that outlives this job; link them from there."""

from xpsvae.workflow import job

with job(snakemake):
    from xpsvae.data.download import download
    from xpsvae.data.manifest import place, read_manifest

    place(download(read_manifest(snakemake.input.manifest), **snakemake.params), snakemake.output)
