"""Let one comparison model predict the test stars."""

from xpsvae.workflow import job

with job(snakemake):
    import numpy as np

    from xpsvae.compare import registry
    from xpsvae.model.standardise import standardised
    from xpsvae.products import read_array, read_table, write_arrays, write_json
    from xpsvae.shape import read_shape

    files, params = snakemake.input, snakemake.params
    stars, split = read_table(files.stars), read_table(files.split)
    normalisation = read_array(files.normalisation)
    mu, sigma = normalisation["mu"], normalisation["sigma"]
    x, x_err = standardised(files.coefficients, files.errors, stars["phot_g_mean_flux"], mu, sigma)
    given = registry.Given(
        stars=stars,
        train=split["train"].to_numpy(bool),
        test=split["test"].to_numpy(bool),
        x=x,
        x_err=x_err,
        mu=mu,
        sigma=sigma,
        n_latents=read_shape(files.model_config)["n_latents"],
        extras=dict(files.items()),
        checkpoints=f"checkpoints/{snakemake.config['dataset']}",
    )
    prediction = registry.predict(params.model, given, params.settings)
    parts = {"coefficients": prediction.coefficients, "flux": prediction.flux}
    arrays = {name: part.astype(np.float32) for name, part in parts.items() if part is not None}
    write_arrays(snakemake.output.prediction, known=prediction.known, **arrays)
    write_json(snakemake.output.card, registry.card(params.model, prediction.summary))
