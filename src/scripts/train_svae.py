"""Train the scatter variational auto-encoder on the training split."""

from xpsvae.workflow import job

with job(snakemake):
    from pathlib import Path

    from xpsvae import products
    from xpsvae.model import standardise, train

    given = snakemake.input
    flux = products.read_table(given.stars, ["phot_g_mean_flux"])["phot_g_mean_flux"].to_numpy()
    split = products.read_table(given.split)
    training, test = split["train"].to_numpy(bool), split["test"].to_numpy(bool)
    coefficients = products.read_array(given.coefficients, memory_map=True)[training]
    normalisation = standardise.normalisation(coefficients, flux[training])
    del coefficients
    x, x_err, *tested = (
        part
        for rows in (training, test)
        for part in standardise.standardised(given.coefficients, given.errors, flux, *normalisation, rows)
    )
    fitted = train.fit(
        x,
        x_err,
        tuple(tested),
        checkpoints=f"checkpoints/{snakemake.config['dataset']}",
        checkpoint_every=snakemake.config["training"]["checkpoint_every"],
        **snakemake.params.training,
    )
    train.save(Path(snakemake.output.weights).parent, fitted, normalisation)
