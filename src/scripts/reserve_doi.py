"""Reserve a DOI for this build, or find the one that was reserved before."""

from xpsvae.workflow import job

with job(snakemake):
    from xpsvae.archive import deposit

    given = snakemake.params
    deposit.reserve_into(given.doi, given.server, given.new_version_of)
