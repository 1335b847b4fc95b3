"""Download a table of SDSS, verified, into a folder that outlives this job; link it from there."""

from xpsvae.workflow import job

with job(snakemake):
    from xpsvae.data.download import download
    from xpsvae.data.manifest import place
    from xpsvae.data.sdss import entry

    params = dict(snakemake.params)
    settings = {name: params[name] for name in ("attempts", "timeout")}
    table = entry(params["url"], params["checksum"], params["folder"], **settings)
    place(download([table], params["folder"], **settings), snakemake.output)
