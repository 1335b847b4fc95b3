"""Measure the residuals of all models on the test stars, in coefficients and in flux."""

from xpsvae.workflow import job

with job(snakemake):
    import numpy as np

    from xpsvae.analysis import residuals
    from xpsvae.model.standardise import standardise
    from xpsvae.products import read_array, read_table, write_arrays, write_json, write_table

    given, products, labels = snakemake.input, snakemake.output, ["teff", "logg", "m_h"]
    test = read_table(given.subsets, ["test"])["test"].to_numpy(bool)
    stars = read_table(given.stars, ["source_id", *labels, "phot_g_mean_flux"])[test]
    mu, sigma = (read_array(given.normalisation)[name] for name in ("mu", "sigma"))
    coefficients, errors = (read_array(path)[test] for path in (given.coefficients, given.errors))
    x, x_err = standardise(coefficients, errors, stars["phot_g_mean_flux"], mu, sigma)
    correlations = read_array(given.correlations) if "correlations" in given.keys() else None
    predictions = {
        "svae": read_array(given.reconstruction)[test],
        "pca": read_array(given.pca),
        "label_mlp": read_array(given.label_mlp),
    }

    coefficient, flux, per_star = {}, {}, stars[["source_id", *labels]].copy()
    for model, x_hat in predictions.items():
        coefficient[model] = residuals.coefficient_residuals(x_hat - x, x_err)
        flux[model] = residuals.flux_residuals((x_hat - x) * sigma, x_err * sigma, correlations)
        per_star[f"rmse_coefficient_{model}"] = residuals.coefficient_rmse(coefficient[model], correlations)
        per_star[f"rmse_flux_{model}"] = residuals.flux_rmse(flux[model])
    summary = {
        "wavelength": residuals.WAVELENGTHS.tolist(),
        "wavelengths": residuals.compare(flux),
        "coefficients": residuals.compare(coefficient),
    }

    write_arrays(products.coefficient_residuals, **coefficient)
    flux = {model: values.astype(np.float32) for model, values in flux.items()}
    write_arrays(products.flux_residuals, wavelength=residuals.WAVELENGTHS, **flux)
    write_table(products.per_star, per_star, units={"teff": "K", "logg": "dex", "m_h": "dex"})
    write_json(products.summary, summary)
