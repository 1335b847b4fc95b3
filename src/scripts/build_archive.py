"""Bundle the products of a finished build."""

from xpsvae.workflow import job

with job(snakemake):
    import os

    from xpsvae.archive import bundle
    from xpsvae.provenance import PROJECT

    root = os.path.dirname(snakemake.output[0])
    rules = bundle.describe_rules(snakemake.params.jobs, root, PROJECT)
    products = [path.removeprefix(f"{root}/") for path in [*snakemake.input.products, *snakemake.input.doi]]
    bundle.build(snakemake.output[0], root, products, rules, snakemake.config)
