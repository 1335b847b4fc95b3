"""Train the scatter variational auto-encoder on the training split."""

from xpsvae.workflow import job

with job(snakemake):
    from pathlib import Path

    from xpsvae import products
    from xpsvae.model import standardise, train

    given = snakemake.input
    flux = products.read_table(given.stars, ["phot_g_mean_flux"])["phot_g_mean_flux"].to_numpy()
    split = products.read_table(given.split)
    coefficients, errors = products.read_array(given.coefficients), products.read_array(given.errors)
    training, test = split["train"].to_numpy(bool), split["test"].to_numpy(bool)
    normalisation = standardise.normalisation(coefficients[training], flux[training])
    x, x_err = standardise.standardise(coefficients, errors, flux, *normalisation)
    fitted = train.fit(
        x[training],
        x_err[training],
        (x[test], x_err[test]),
        checkpoints=f"checkpoints/{snakemake.config['dataset']}",
        checkpoint_every=snakemake.config["training"]["checkpoint_every"],
        **snakemake.params.training,
    )
    train.save(Path(snakemake.output.weights).parent, fitted, normalisation)
