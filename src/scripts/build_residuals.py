"""Measure the residuals of all models on the test stars, in coefficients and in flux."""

from xpsvae.workflow import job

with job(snakemake):
    import sys

    import numpy as np

    from xpsvae.compare import covariances, registry, report, residuals
    from xpsvae.model.standardise import standardised
    from xpsvae.products import read_array, read_json, read_table, write_arrays, write_json, write_table
    from xpsvae.shape import read_shape

    given, made, labels = snakemake.input, snakemake.output, ["teff", "logg", "m_h"]
    test = read_table(given.split, ["test"])["test"].to_numpy(bool)
    stars = read_table(given.stars, ["source_id", *labels, "phot_g_mean_flux", "phot_g_mean_mag"])
    flux = stars["phot_g_mean_flux"].to_numpy()
    stars = stars[test]
    normalisation = read_array(given.normalisation)
    mu, sigma = normalisation["mu"], normalisation["sigma"]
    x, x_err = standardised(given.coefficients, given.errors, flux, mu, sigma, test)
    correlations = read_array(given.correlations) if "correlations" in given.keys() else ()
    counts = None
    if len(correlations):
        correlations, counts = covariances.sound(correlations, snakemake.params.invalid)
    else:
        correlations = None  # the dataset may turn out to have none

    n_latents = read_shape(given.model_config)["n_latents"]
    own = registry.SVAE | {"summary": {"n_latents": n_latents}}
    own["chain"] = [[registry.filled(text, own["summary"]), kind] for text, kind in own["chain"]]
    cards = [own, *(read_json(path) for path in given.cards)]

    def of_test(path):
        return np.array(read_array(path, memory_map=True)[test])

    everyone = np.ones(len(stars), dtype=bool)
    predictions = {"svae": registry.Prediction(everyone, of_test(given.reconstruction))}
    for card, path in zip(cards[1:], given.predictions, strict=True):
        predictions[card["model"]] = registry.Prediction(**read_array(path))

    leading, flux, per_star, summary = residuals.measure(
        predictions,
        x,
        x_err,
        mu,
        sigma,
        correlations,
        labels={name: stars[name].to_numpy(float) for name in labels},
        pairs=report.pairs(cards),
        **snakemake.params.choices,
    )
    difference = predictions["svae"].coefficients - x
    scatter = of_test(given.scatter)
    summary["pulls"] = residuals.pulls(difference, x_err, scatter, stars["phot_g_mean_mag"].to_numpy(float))
    summary["covariances"] = counts
    write_arrays(made.leading, **leading)
    flux = {model: values.astype(np.float32) for model, values in flux.items()}
    write_arrays(made.flux, wavelength=residuals.WAVELENGTHS, **flux)
    per_star = stars[["source_id", *labels]].assign(**per_star)
    write_table(made.per_star, per_star, units={"teff": "K", "logg": "dex", "m_h": "dex"})
    summary |= report.divide(cards, summary)
    for card in summary["left_out"]:
        print(f"{card['label']} is left out of the comparison: {card['reason']}.", file=sys.stderr)
    write_json(made.summary, summary)
    write_json(made.report, report.report(summary))
