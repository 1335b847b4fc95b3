"""Cut the catalogue into its full, good and pristine subsets and split it for training."""

from xpsvae.workflow import job

with job(snakemake):
    from xpsvae import products
    from xpsvae.catalog import cuts

    subsets, cutflow = cuts.select(
        products.read_table(snakemake.input.stars),
        cuts=snakemake.params.cuts,
        aspcapflag_bits=snakemake.params.aspcapflag_bits,
        test_fraction=snakemake.params.test_fraction,
        seed=snakemake.params.seed,
    )
    products.write_table(snakemake.output.subsets, subsets)
    products.write_json(snakemake.output.cutflow, cutflow)
