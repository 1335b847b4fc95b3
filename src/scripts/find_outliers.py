"""List the most anomalous stars, and tell how many stars that were made anomalous are found."""

from xpsvae.workflow import job

with job(snakemake):
    from pathlib import Path

    import numpy as np

    from xpsvae.analysis import calibration, outliers
    from xpsvae.model import infer, standardise
    from xpsvae.model.storage import load
    from xpsvae.products import read_array, read_json, read_table, write_json, write_table

    given, made = snakemake.input, snakemake.output
    model = load(Path(given.weights).parent)
    mu, sigma = model.normalisation
    fitted = calibration.Calibration(**read_array(given.calibration))
    live = read_json(given.latent_summary)["live"]
    split = read_table(given.split)
    train, test = (split[name].to_numpy(bool) for name in ("train", "test"))
    stars = read_table(given.stars)
    coefficients, errors = (
        np.array(read_array(given[name], memory_map=True)[test]) for name in ("coefficients", "errors")
    )
    flux = stars["phot_g_mean_flux"].to_numpy(float)[test]
    columns = [f"mean_{number}" for number in live]
    means = read_table(given.latents, columns)[columns].to_numpy()
    reference = means[train]

    def judged(coefficients, errors, flux):
        """Calibrated pulls of stars, and their distance to others in latent space."""
        x, x_err = standardise.standardise(coefficients, errors, flux, mu, sigma)
        mean = infer.embed(model, x).mean
        x_hat, scatter = infer.reconstruct(model, mean)
        variance = calibration.corrected(fitted, calibration.variance(x_err, scatter), "factor")
        near = outliers.distance(mean[:, np.array(live) - 1], reference)
        return (x_hat - x) / np.sqrt(variance), near

    # All that is compared are test stars, which neither trained the model nor are their own neighbours.
    pull, near = judged(coefficients, errors, flux)
    scores = {"chi2": (pull**2).sum(axis=1), "distance": near}
    levels = {name: float(np.quantile(values, outliers.LEVEL)) for name, values in scores.items()}
    labels = [
        "source_id",
        "phot_g_mean_mag",
        "teff",
        "logg",
        "m_h",
        "alpha_m",
        *("c_fe",) * ("c_fe" in stars),
    ]
    marks = outliers.unusual(stars[test])
    table = outliers.table(stars.loc[test, labels], scores, levels, pull, marks)
    units = {"phot_g_mean_mag": "mag", "teff": "K", "logg": "dex", "m_h": "dex", "alpha_m": "dex"}
    notes = {
        "chi2": "sum over the coefficients of the squared calibrated pulls",
        "distance": f"to the {outliers.NEIGHBOURS}th nearest training star, in standard deviations of the latents",
    }
    write_table(made.table, table, units=units, notes=notes)

    partner = np.random.default_rng(snakemake.params.seed).permutation(int(test.sum()))
    rates = {}
    for name, (change, words) in outliers.INJECTIONS.items():
        altered, near = judged(*change(coefficients, errors, flux, partner))
        own = {"chi2": (altered**2).sum(axis=1), "distance": near}
        rates[name] = {"what": words} | {
            score: outliers.recovered(own[score], scores[score]) for score in scores
        }
        above = np.any([own[score] > levels[score] for score in scores], axis=0)
        rates[name]["either"] = float(np.mean(above))
    either = np.any([scores[name] > levels[name] for name in scores], axis=0)
    summary = {
        "n": int(test.sum()),
        "level": outliers.LEVEL,
        "levels": levels,
        "injected": rates,
        "unaltered": float(np.mean(either)),
        "unusual": {
            name: {"n": int(mark.sum()), "above": int((mark & either).sum())} for name, mark in marks.items()
        },
        "listed": len(table),
        "listed_unusual": int((table["unusual"] != "").sum()),
    }
    write_json(made.summary, summary)
