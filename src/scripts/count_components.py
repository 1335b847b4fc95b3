"""Compare the sVAE with weighted principal components, for one component and more."""

from xpsvae.workflow import job

with job(snakemake):
    from xpsvae.compare.components import compare_numbers
    from xpsvae.model.standardise import standardised
    from xpsvae.products import read_array, read_table, write_json

    given = snakemake.input
    split = read_table(given.split)
    train, test = split["train"].to_numpy(bool), split["test"].to_numpy(bool)
    flux = read_table(given.stars, ["phot_g_mean_flux"])["phot_g_mean_flux"]
    normalisation = read_array(given.normalisation)
    mu, sigma = normalisation["mu"], normalisation["sigma"]
    x, x_err = standardised(given.coefficients, given.errors, flux, mu, sigma)
    reconstruction = read_array(given.reconstruction, memory_map=True)[test]
    write_json(snakemake.output.components, compare_numbers(x, x_err, train, test, mu, sigma, reconstruction))
