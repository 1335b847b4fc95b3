"""Cut the catalogue into its full, good and pristine subsets."""

from xpsvae.workflow import job

with job(snakemake):
    import sys

    from xpsvae import products
    from xpsvae.catalog import cuts
    from xpsvae.choices import require_shown

    stars, split = (products.read_table(snakemake.input[name]) for name in ("stars", "split"))
    require_shown(snakemake.wildcards.variant, stars)
    subsets, cutflow = cuts.select(stars, cuts=snakemake.params.cuts, **snakemake.params.choices)
    cutflow["stars"] |= {name: int(split[name].sum()) for name in ("train", "test")}
    print(*cuts.describe(cutflow), sep="\n", file=sys.stderr)
    products.write_table(snakemake.output.subsets, subsets)
    products.write_json(snakemake.output.cutflow, cutflow)
