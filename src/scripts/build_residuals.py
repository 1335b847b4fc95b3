"""Measure the residuals of all models on the test stars, in coefficients and in flux."""

from xpsvae.workflow import job

with job(snakemake):
    import numpy as np

    from xpsvae.analysis import residuals
    from xpsvae.products import read_array, read_table, write_arrays, write_json, write_table

    files, labels = snakemake.input, ["teff", "logg", "m_h"]
    test = read_table(files.subsets, ["test"])["test"].to_numpy(bool)
    stars = read_table(files.stars, ["source_id", *labels, "phot_g_mean_flux"])[test]
    g_flux = stars["phot_g_mean_flux"].to_numpy(float)
    sigma, mu = (read_array(files.normalisation)[name] for name in ("sigma", "mu"))
    errors = read_array(files.errors)[test] / g_flux[:, None]
    observed = residuals.standardise(read_array(files.coefficients)[test], g_flux, mu, sigma)
    predictions = {
        "svae": read_array(files.reconstruction)[test],
        "pca": read_array(files.pca),
        "label_mlp": read_array(files.label_mlp),
    }

    # In units of c / F_G: standardised values times the normalisation.
    difference = {model: (x - observed) * sigma for model, x in predictions.items()}
    coefficient = {model: residuals.coefficient_residuals(d, errors) for model, d in difference.items()}
    flux = {model: residuals.flux_residuals(d, errors) for model, d in difference.items()}
    per_star = stars[["source_id", *labels]].copy()
    for model in predictions:
        per_star[f"rmse_coefficient_{model}"] = residuals.coefficient_rmse(coefficient[model])
        per_star[f"rmse_flux_{model}"] = residuals.flux_rmse(flux[model])

    outputs = snakemake.output
    write_arrays(outputs.coefficient_residuals, **{m: r.astype(np.float32) for m, r in coefficient.items()})
    flux_products = {m: r.astype(np.float32) for m, r in flux.items()}
    write_arrays(outputs.flux_residuals, wavelength=residuals.WAVELENGTHS, **flux_products)
    write_table(outputs.per_star, per_star, units={"teff": "K", "logg": "dex", "m_h": "dex"})
    summary = {"coefficients": residuals.compare(coefficient), "wavelengths": residuals.compare(flux)}
    write_json(outputs.summary, summary)
