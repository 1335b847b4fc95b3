"""Turn the products into the numbers and the cut-flow table that the paper quotes."""

from xpsvae.workflow import job

with job(snakemake):
    import pandas as pd

    from xpsvae.paper import audit_numbers, numbers
    from xpsvae.paper.checks import check_macros
    from xpsvae.paper.latex import to_tex
    from xpsvae.paper.table1 import variants_tabular
    from xpsvae.products import read_json, read_table, write_json, write_text
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
    # names of the inputs that numbers come from, and these numbers
    groups = [
        ("", numbers.paper_macros()),
        (
            "crossmatch cutflow stars",
            numbers.catalog_macros(crossmatch, cutflow, stars, params.flux_weight, G_ZERO_POINT),
        ),
        ("stars subsets", numbers.label_macros(stars, read_table(files.subsets, ["good", "pristine"]))),
        ("", {"TestFraction": numbers.decimal(params.test_fraction, 1)}),
        ("model_config history", numbers.model_macros(config, pd.read_csv(files.history))),
        ("latent_summary dimensions", numbers.latent_macros(latents, dimensions)),
        (
            "comparison per_star components",
            numbers.comparison_macros(comparison, read_table(files.per_star), read_json(files.components)),
        ),
        ("comparison", numbers.pull_macros(comparison["pulls"])),
        (
            "calibration denoising outliers",
            check_macros(*map(read_json, (files.calibration, files.denoising, files.outliers))),
        ),
        ("spectra", numbers.spectra_macros(read_table(files.spectra, ["branch", "wavelength", "residual"]))),
        (
            "kiel metallicity latent_summary",
            numbers.track_macros(read_table(files.kiel), read_table(files.metallicity), latents["live"]),
        ),
        (
            "alpha_tracks directions",
            numbers.alpha_track_macros(read_table(files.alpha_tracks), read_json(files.directions)),
        ),
        ("alpha classifiers", numbers.alpha_macros(read_json(files.alpha), classifiers)),
        ("classifiers", numbers.discussion_macros(classifiers)),
        ("label_features leakage", numbers.switch_macros(label_features, leakage)),
        ("headline controls seeds claims", audit_numbers.audit_macros(*audit, grid)),
    ]
    macros = {name: value for _, group in groups for name, value in group.items()}
    origins = {name: [files[each] for each in given.split()] for given, group in groups for name in group}
    write_json(outputs.origins, origins)
    switches = numbers.switches(crossmatch, config, latents) | audit_numbers.audit_switches(grid)
    write_text(outputs.numbers, to_tex(macros, switches))
    write_text(outputs.controls_table, audit_numbers.controls_table(audit[1]))
    write_text(outputs.claims_table, audit_numbers.claims_table(audit[3]))
    variants = {"label_features": label_features, "leakage": leakage}
    variants = {name: variants[key] for key, name in numbers.VARIANTS.items()}
    write_text(outputs.variants, variants_tabular(classifiers, variants))
    write_text(outputs.cutflow, numbers.cutflow_table(cutflow))
