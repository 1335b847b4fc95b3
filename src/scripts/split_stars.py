"""Split the stars of the catalogue for training and tests."""

from xpsvae.workflow import job

with job(snakemake):
    from xpsvae.catalog.cuts import split
    from xpsvae.products import read_table, write_table

    stars = read_table(snakemake.input.stars, ["source_id"])
    train, test = split(len(stars), snakemake.params.test_fraction, snakemake.params.seed)
    write_table(snakemake.output.split, stars.assign(train=train, test=test))
