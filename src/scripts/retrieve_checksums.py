"""Fetch the list of MD5 sums that names the bulk files, and see that it names them all."""

from xpsvae.workflow import job

with job(snakemake):
    from xpsvae.data.download import fetch
    from xpsvae.data.gaia_archive import read_bulk_list

    made, params = snakemake.output.checksums, snakemake.params
    settings = {name: snakemake.config["download"][name] for name in ("attempts", "timeout")}
    fetch(f"{params.url}/_MD5SUM.txt", made, **settings)
    # a wrong list ends here, once, and not in each of the thousands of jobs that read it
    read_bulk_list(made, params.url, params.files)
