"""Add the noise of faint stars to bright ones, and see whether their reconstructions are nearer to the truth."""

from xpsvae.workflow import job

with job(snakemake):
    from pathlib import Path

    import numpy as np

    from xpsvae.analysis import denoising
    from xpsvae.compare.residuals import WAVELENGTHS
    from xpsvae.errors import InputError
    from xpsvae.model import infer, standardise
    from xpsvae.model.storage import load
    from xpsvae.products import read_array, read_table, write_json
    from xpsvae.xp.basis import coefficients_to_flux

    given, params = snakemake.input, snakemake.params
    model = load(Path(given.weights).parent)
    mu, sigma = model.normalisation
    names = ["phot_g_mean_mag", "phot_g_mean_flux", "phot_bp_mean_mag", "phot_rp_mean_mag"]
    stars = read_table(given.stars, names)
    magnitude, flux, bp, rp = (stars[name].to_numpy(float) for name in names)
    colour = bp - rp
    errors = read_array(given.errors, memory_map=True)
    growth = denoising.noise_model(magnitude, colour, errors, flux)
    del errors  # and its pages
    test = read_table(given.split, ["test"])["test"].to_numpy(bool)
    bright = test & (magnitude <= denoising.BRIGHT) & np.isfinite(colour)
    if not bright.any():
        raise InputError(f"no test star has G <= {denoising.BRIGHT:g}: take more stars (library: limit).")
    x, x_err = standardise.standardised(given.coefficients, given.errors, flux, mu, sigma, bright)
    truth = coefficients_to_flux(x * sigma, WAVELENGTHS)
    entries = []
    for number, faint in enumerate(params.magnitudes):
        seed = [params.seed, number]
        noisy, _ = denoising.noisy(x, x_err, sigma, growth, faint, colour[bright], seed)
        x_hat, _ = infer.reconstruct(model, infer.embed(model, noisy).mean)
        spectra = (coefficients_to_flux(values * sigma, WAVELENGTHS) for values in (x_hat, noisy))
        entries.append(
            {
                "g": faint,
                "flux": denoising.nearer(*spectra, truth),
                "coefficients": denoising.nearer(x_hat, noisy, x),
            }
        )
    x_hat, _ = infer.reconstruct(model, infer.embed(model, x).mean)
    without = coefficients_to_flux(x_hat * sigma, WAVELENGTHS) - truth
    mean = (coefficients_to_flux(np.asarray(mu)[None], WAVELENGTHS) + truth).mean(axis=1)
    write_json(
        snakemake.output.summary,
        {
            "n": int(bright.sum()),
            "bright": denoising.BRIGHT,
            "wavelength": WAVELENGTHS.tolist(),
            "magnitudes": entries,
            "floor": float(100 * np.median(np.sqrt((without**2).mean(axis=1)) / mean)),
        },
    )
