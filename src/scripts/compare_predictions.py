"""Compare the sVAE with predictions of other models that came with the dataset, on its test stars."""

from xpsvae.workflow import job

with job(snakemake):
    import numpy as np

    from xpsvae.analysis import residuals
    from xpsvae.model.standardise import standardise
    from xpsvae.products import read_array, read_table, write_json

    given, columns = snakemake.input, residuals.coefficient_columns()
    test = read_table(given.subsets, ["test"])["test"].to_numpy(bool)
    flux = read_table(given.stars, ["phot_g_mean_flux"])["phot_g_mean_flux"][test]
    mu, sigma = (read_array(given.normalisation)[name] for name in ("mu", "sigma"))
    coefficients, errors = (
        read_array(path, memory_map=True)[test] for path in (given.coefficients, given.errors)
    )
    x, x_err = standardise(coefficients, errors, flux, mu, sigma)
    x_hat = read_array(given.reconstruction, memory_map=True)[test]
    models = {"svae": residuals.coefficient_residuals(x_hat - x, x_err)}
    for name, path in zip(snakemake.params.names, given.predictions, strict=True):
        predicted = (read_array(path) - mu[columns]) / sigma[columns]
        models[name] = (predicted - x[:, columns]) / x_err[:, columns]
    correlations = read_array(given.correlations) if "correlations" in given.keys() else None
    summary = residuals.compare(models)
    for name, values in models.items():
        per_star = residuals.coefficient_rmse(values, correlations)
        summary[name]["median_rmse_per_star"] = float(np.nanmedian(per_star))
    write_json(snakemake.output.summary, summary)
