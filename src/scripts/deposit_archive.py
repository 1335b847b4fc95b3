"""Send the archive to Zenodo."""

from xpsvae.workflow import job

with job(snakemake):
    from xpsvae.archive import deposit
    from xpsvae.products import write_json

    given = snakemake.params
    reserved = deposit.reserve_into(given.doi, given.server, given.new_version_of)
    sent = deposit.send(snakemake.input.archive, reserved, given.publish)
    write_json(snakemake.output[0], sent)
    print(f"{len(sent['files'])} files are at {sent['address']}, DOI {sent['doi']} ({sent['state']}).")
