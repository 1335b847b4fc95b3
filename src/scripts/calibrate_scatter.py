"""Calibrate the scatter on the training stars, show it on the test stars, and give each star its chi-square."""

from xpsvae.workflow import job

with job(snakemake):
    import numpy as np

    from xpsvae.analysis import calibration
    from xpsvae.compare.residuals import WAVELENGTHS
    from xpsvae.model.standardise import standardise
    from xpsvae.products import read_array, read_table, write_arrays, write_json, write_table
    from xpsvae.xp.basis import coefficients_to_flux, flux_errors

    given, made = snakemake.input, snakemake.output
    split = read_table(given.split)
    train, test = (split[name].to_numpy(bool) for name in ("train", "test"))
    stars = read_table(given.stars, ["source_id", "phot_g_mean_flux", "phot_g_mean_mag", "teff"])
    normalisation = read_array(given.normalisation)
    coefficients, errors = read_array(given.coefficients), read_array(given.errors)
    flux = stars["phot_g_mean_flux"].to_numpy()
    x, x_err = standardise(coefficients, errors, flux, normalisation["mu"], normalisation["sigma"])
    difference = read_array(given.reconstruction) - x
    predicted = calibration.variance(x_err, read_array(given.scatter))
    fitted = calibration.fit(difference[train], predicted[train])
    write_arrays(made.calibration, **fitted._asdict())

    labels = {name: stars[name].to_numpy(float)[test] for name in ("phot_g_mean_mag", "teff")}
    scale = normalisation["sigma"]
    off = coefficients_to_flux(difference[test] * scale, WAVELENGTHS)
    shown, chi2 = {}, {}
    for correction in calibration.CORRECTIONS:
        variance = calibration.corrected(fitted, predicted, correction)
        chi2[correction] = calibration.chi2(difference, variance)
        pull = difference[test] / np.sqrt(variance[test])
        by_wavelength = off / flux_errors(np.sqrt(variance[test]) * scale, wavelengths=WAVELENGTHS)
        shown[correction] = {
            "test": calibration.scores(difference[test], variance[test]),
            "coefficients": {k: v.tolist() for k, v in calibration.widths(pull).items()},
            "wavelengths": {k: v.tolist() for k, v in calibration.widths(by_wavelength).items()},
            **{name: calibration.against(pull, values) for name, values in labels.items()},
        }
    summary = {"wavelength": WAVELENGTHS.tolist(), "corrections": shown, "n_test": int(test.sum())}
    summary["factor"] = [float(value) for value in np.percentile(fitted.factor, (0, 16, 50, 84, 100))]
    write_json(made.summary, summary | {"n_train": int(train.sum()), "n_coefficients": x.shape[1]})
    table = stars[["source_id"]].assign(
        **{f"chi2_{name}".replace("_none", ""): values for name, values in chi2.items()}
    )
    notes = {
        "chi2": "sum over the coefficients of the squared pulls, with the scatter that the model estimates",
        "chi2_factor": "the same with a factor for the scatter and error of each coefficient",
        "chi2_isotonic": "the same with an isotonic curve for each coefficient",
    }
    write_table(made.chi2, table, notes=notes)
