"""Join the shards' latents, reconstructions and scatters, block by block; divergence per dimension."""

from xpsvae.workflow import job

with job(snakemake):
    import numpy as np
    import pandas as pd

    from xpsvae import digests, products
    from xpsvae.analysis import latents
    from xpsvae.shape import read_shape

    given, made = snakemake.input, snakemake.output
    shape = read_shape(given.model_config)
    n_latents, n_inputs = shape["n_latents"], shape["n_inputs"]
    edges = np.cumsum([n_latents, n_latents, n_latents, n_inputs])
    names = [f"{name}_{number + 1}" for name in ("mean", "sigma", "draw") for number in range(n_latents)]
    n_stars = sum(len(products.read_array(part, memory_map=True)) for part in given.parts)
    total, count, first = 0.0, 0, 0
    with (
        products.open_table(made.latents) as append_latents,
        products.open_array(made.reconstruction, (n_stars, n_inputs)) as append_reconstruction,
        products.open_array(made.scatter, (n_stars, n_inputs)) as append_scatter,
    ):
        for block in products.read_blocks(given.parts):
            rows, first = range(first, first + len(block)), first + len(block)
            mean, sigma, draw, x_hat, scatter = np.split(block, edges, axis=1)  # as `infer.Encoded`
            source_id = products.read_table(given.stars, ["source_id"], rows)
            posterior = pd.DataFrame(np.hstack([mean, sigma, draw]), columns=names)
            append_latents(pd.concat([source_id, posterior], axis=1))
            append_reconstruction(x_hat)
            append_scatter(scatter)
            test = products.read_table(given.split, ["test"], rows)["test"].to_numpy(bool)
            total += latents.divergence(mean[test], sigma[test]).sum(0)
            count += test.sum()
    products.write_json(made.summary, latents.summary(total / count))
    for part in given.parts:
        digests.forget(part)  # Snakemake deletes the part now
