"""Encode every star: latents, reconstruction and scatter, divergence per dimension."""

from xpsvae.workflow import job

with job(snakemake):
    from pathlib import Path

    import pandas as pd

    from xpsvae import products
    from xpsvae.model import infer, standardise
    from xpsvae.model.storage import load

    given = snakemake.input
    stars = products.read_table(given.stars, ["source_id", "phot_g_mean_flux"])
    test = products.read_table(given.subsets, ["test"])["test"].to_numpy(bool)
    model = load(Path(given.weights).parent)
    x, _ = standardise.standardise(
        products.read_array(given.coefficients, memory_map=True),
        products.read_array(given.errors, memory_map=True),
        stars["phot_g_mean_flux"],
        *model.normalisation,
    )
    latents = infer.embed(model, x)
    draws = infer.draw(latents, snakemake.params.seed)
    x_hat, scatter = infer.reconstruct(model, latents.mean)

    columns = {
        f"{name}_{number + 1}": values[:, number]
        for name, values in (("mean", latents.mean), ("sigma", latents.sigma), ("draw", draws))
        for number in range(model.n_latents)
    }
    products.write_table(snakemake.output.latents, pd.DataFrame({"source_id": stars["source_id"], **columns}))
    products.write_json(snakemake.output.summary, infer.summary(latents, test))
    products.write_array(snakemake.output.reconstruction, x_hat)
    products.write_array(snakemake.output.scatter, scatter)
