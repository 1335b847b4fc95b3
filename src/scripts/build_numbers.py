"""Turn the products into the numbers and the cut-flow table that the paper quotes."""

from xpsvae.workflow import job

with job(snakemake):
    import pandas as pd

    from xpsvae.paper import audit_numbers, numbers
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
    audit = [read_json(files[name]) for name in ("headline", "controls", "seeds", "claims")]
    grid = read_json(files.grid) if "grid" in files.keys() else None
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
        **numbers.spectra_macros(read_table(files.spectra, ["branch", "wavelength", "residual"])),
        **numbers.track_macros(read_table(files.kiel), read_table(files.metallicity), latents["live"]),
        **numbers.alpha_track_macros(read_table(files.alpha_tracks), read_json(files.directions)),
        **numbers.alpha_macros(read_json(files.alpha), classifiers),
        **numbers.discussion_macros(classifiers),
        **numbers.switch_macros(label_features, leakage),
        **audit_numbers.audit_macros(*audit, grid),
    }
    switches = numbers.switches(crossmatch, config, latents) | audit_numbers.audit_switches(grid)
    write_text(outputs.numbers, to_tex(macros, switches))
    write_text(outputs.controls_table, audit_numbers.controls_table(audit[1]))
    write_text(outputs.claims_table, audit_numbers.claims_table(audit[3]))
    variants = {"label_features": label_features, "leakage": leakage}
    variants = {name: variants[key] for key, name in numbers.VARIANTS.items()}
    write_text(outputs.variants, variants_tabular(classifiers, variants))
    write_text(outputs.cutflow, numbers.cutflow_table(cutflow))
