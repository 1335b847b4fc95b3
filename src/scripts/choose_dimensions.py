"""Choose the latent dimensions that carry each label, from the data."""

from xpsvae.workflow import job

with job(snakemake):
    from xpsvae.analysis.dimensions import dimensions
    from xpsvae.analysis.sample import sample
    from xpsvae.products import read_json, read_table, write_json

    tables = (read_table(snakemake.input[name]) for name in ("stars", "subsets", "latents"))
    live = read_json(snakemake.input.latent_summary)["live"]
    stars, subsets, latents = tables
    split = read_table(snakemake.input.split)
    frame = sample(stars, subsets, latents, subset="good", split=split, **snakemake.params.choices)
    pristine = subsets["pristine"].to_numpy(bool)[frame.index]
    write_json(snakemake.output.dimensions, dimensions(frame, pristine, live))
