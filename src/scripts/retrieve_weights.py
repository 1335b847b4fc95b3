"""Download the authors' weights, verified, into a folder that outlives this job; link them from there."""

from xpsvae.workflow import job

with job(snakemake):
    from xpsvae.data.download import download
    from xpsvae.data.manifest import Entry, place

    params = dict(snakemake.params)
    entry = Entry("weight.pt", params.pop("url"), f"sha256:{params.pop('sha256')}")
    place(download([entry], **params), snakemake.output)
