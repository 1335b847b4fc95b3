"""Calibrate the scatter on the training stars, show it on the test stars, and give each star its chi-square."""

from xpsvae.workflow import job

with job(snakemake):
    import numpy as np

    from xpsvae.analysis import calibration
    from xpsvae.compare.residuals import WAVELENGTHS
    from xpsvae.model.standardise import standardised
    from xpsvae.products import read_array, read_table, write_arrays, write_json, write_table
    from xpsvae.xp.basis import coefficients_to_flux, flux_errors

    STARS_AT_ONCE = 65_536

    given, made = snakemake.input, snakemake.output
    split = read_table(given.split)
    train, test = (split[name].to_numpy(bool) for name in ("train", "test"))
    stars = read_table(given.stars, ["source_id", "phot_g_mean_flux", "phot_g_mean_mag", "teff"])
    normalisation = read_array(given.normalisation)
    flux = stars["phot_g_mean_flux"].to_numpy()
    mu, sigma = normalisation["mu"], normalisation["sigma"]

    def residuals(rows):
        """Reconstruction minus observation of some stars, and its predicted variance."""
        x, x_err = standardised(given.coefficients, given.errors, flux, mu, sigma, rows)
        np.subtract(read_array(given.reconstruction, memory_map=True)[rows], x, out=x)
        return x, calibration.variance(x_err, read_array(given.scatter, memory_map=True)[rows])

    fitted = calibration.fit(*residuals(train))
    write_arrays(made.calibration, **fitted._asdict())

    chi2 = {correction: np.empty(len(stars)) for correction in calibration.CORRECTIONS}
    for rows in np.array_split(np.arange(len(stars)), -(-len(stars) // STARS_AT_ONCE)):
        difference, predicted = residuals(rows)
        for correction, values in chi2.items():
            values[rows] = calibration.chi2(difference, calibration.corrected(fitted, predicted, correction))

    difference, predicted = residuals(test)
    labels = {name: stars[name].to_numpy(float)[test] for name in ("phot_g_mean_mag", "teff")}
    off = coefficients_to_flux(difference * sigma, WAVELENGTHS)
    shown = {}
    for correction in calibration.CORRECTIONS:
        variance = calibration.corrected(fitted, predicted, correction)
        pull = difference / np.sqrt(variance)
        by_wavelength = off / flux_errors(np.sqrt(variance) * sigma, wavelengths=WAVELENGTHS)
        shown[correction] = {
            "test": calibration.scores(difference, variance),
            "coefficients": {k: v.tolist() for k, v in calibration.widths(pull).items()},
            "wavelengths": {k: v.tolist() for k, v in calibration.widths(by_wavelength).items()},
            **{name: calibration.against(pull, values) for name, values in labels.items()},
        }
    summary = {"wavelength": WAVELENGTHS.tolist(), "corrections": shown, "n_test": int(test.sum())}
    summary["factor"] = [float(value) for value in np.percentile(fitted.factor, (0, 16, 50, 84, 100))]
    write_json(made.summary, summary | {"n_train": int(train.sum()), "n_coefficients": len(mu)})
    table = stars[["source_id"]].assign(
        **{f"chi2_{name}".replace("_none", ""): values for name, values in chi2.items()}
    )
    notes = {
        "chi2": "sum over the coefficients of the squared pulls, with the scatter that the model estimates",
        "chi2_factor": "the same with a factor for the scatter and error of each coefficient",
        "chi2_isotonic": "the same with an isotonic curve for each coefficient",
    }
    write_table(made.chi2, table, notes=notes)
