"""Turn the products into the numbers and the cut-flow table that the paper quotes."""

from xpsvae.workflow import job

with job(snakemake):
    import pandas as pd

    from xpsvae.paper import numbers
    from xpsvae.paper.checks import check_macros
    from xpsvae.paper.latex import to_tex
    from xpsvae.paper.table1 import variants_tabular
    from xpsvae.products import read_json, read_table, write_text
    from xpsvae.xp.photometry import G_ZERO_POINT

    files, outputs, params = snakemake.input, snakemake.output, snakemake.params
    crossmatch, cutflow, config = map(read_json, (files.crossmatch, files.cutflow, files.model_config))
    latents, dimensions, comparison = map(
        read_json, (files.latent_summary, files.dimensions, files.comparison)
    )
    classifiers, label_features, leakage = map(
        read_json, (files.classifiers, files.label_features, files.leakage)
    )
    stars = read_table(files.stars, ["phot_g_mean_mag", "logg", "teff", "teff_err"])
    macros = {
        **numbers.paper_macros(),
        **numbers.catalog_macros(crossmatch, cutflow, stars, params.flux_weight, G_ZERO_POINT),
        **numbers.label_macros(stars, read_table(files.subsets, ["good", "pristine"])),
        "TestFraction": numbers.decimal(params.test_fraction, 1),
        **numbers.model_macros(config, pd.read_csv(files.history)),
        **numbers.latent_macros(latents, dimensions),
        **numbers.comparison_macros(comparison, read_table(files.per_star), read_json(files.components)),
        **numbers.pull_macros(comparison["pulls"]),
        **check_macros(*map(read_json, (files.calibration, files.denoising, files.outliers))),
        **numbers.spectra_macros(read_table(files.spectra, ["branch", "wavelength", "residual"])),
        **numbers.track_macros(read_table(files.kiel), read_table(files.metallicity), latents["live"]),
        **numbers.alpha_track_macros(read_table(files.alpha_tracks), read_json(files.directions)),
        **numbers.alpha_macros(read_json(files.alpha), classifiers),
        **numbers.discussion_macros(classifiers),
        **numbers.switch_macros(label_features, leakage),
    }
    write_text(outputs.numbers, to_tex(macros, numbers.switches(crossmatch, config, latents)))
    variants = {"label_features": label_features, "leakage": leakage}
    variants = {name: variants[key] for key, name in numbers.VARIANTS.items()}
    write_text(outputs.variants, variants_tabular(classifiers, variants))
    write_text(outputs.cutflow, numbers.cutflow_table(cutflow))
