"""Encode one shard of the stars, block by block."""

from xpsvae.workflow import job

with job(snakemake):
    from pathlib import Path

    import numpy as np

    from xpsvae import products
    from xpsvae.model import infer, standardise
    from xpsvae.model.storage import load

    given = snakemake.input
    model = load(Path(given.weights).parent)
    number, shards = map(int, snakemake.wildcards.scatteritem.split("-of-"))
    rows = infer.shard(len(products.read_array(given.coefficients, memory_map=True)), number, shards)
    shape = len(rows), 3 * model.n_latents + 2 * model.n_inputs
    step = 8 * infer.CHUNK
    with products.open_array(snakemake.output.part, shape) as append:
        for block in (rows[start : start + step] for start in range(0, len(rows), step)):
            stars = products.read_table(given.stars, ["phot_g_mean_flux"], block)
            # mapped anew for each block, so that pages of earlier ones do not stay
            coefficients = products.read_array(given.coefficients, memory_map=True)[block.start : block.stop]
            x = standardise.inputs(coefficients, stars["phot_g_mean_flux"], *model.normalisation)
            append(np.hstack(infer.encode_and_reconstruct(model, x, snakemake.params.seed, block.start)))
