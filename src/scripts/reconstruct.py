"""Reconstruct every star from the latents of a variant, block by block."""

from xpsvae.workflow import job

with job(snakemake):
    from pathlib import Path

    from xpsvae import products
    from xpsvae.analysis.sample import latent_columns
    from xpsvae.model import infer
    from xpsvae.model.storage import load

    given, made = snakemake.input, snakemake.output
    model = load(Path(given.weights).parent)
    latents = products.read_table(given.latents)
    z = latents[latent_columns(latents, snakemake.params.choices["latent"])].to_numpy()
    shape, step = (len(z), model.n_inputs), 8 * infer.CHUNK
    with (
        products.open_array(made.reconstruction, shape) as append_reconstruction,
        products.open_array(made.scatter, shape) as append_scatter,
    ):
        for start in range(0, len(z), step):
            reconstruction, scatter = infer.reconstruct(model, z[start : start + step])
            append_reconstruction(reconstruction)
            append_scatter(scatter)
