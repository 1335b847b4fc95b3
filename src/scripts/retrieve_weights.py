"""Download the authors' weights, verified, into a folder that outlives this job; link them from there."""

from xpsvae.workflow import job

with job(snakemake):
    from xpsvae.data.download import download
    from xpsvae.data.manifest import Entry, place

    settings = dict(snakemake.config["download"])
    folder = f"{settings.pop('folder')}/weights"
    entry = Entry("weight.pt", snakemake.config["model"]["url"], f"sha256:{snakemake.params.sha256}")
    place(download([entry], folder, **settings), snakemake.output)
