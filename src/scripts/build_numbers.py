"""Turn the products into the numbers and the cut-flow table that the paper quotes."""

from xpsvae.workflow import job

with job(snakemake):
    import pandas as pd

    from xpsvae import report
    from xpsvae.latex import to_tex
    from xpsvae.products import read_json, read_table, write_text
    from xpsvae.xp.photometry import G_ZERO_POINT

    files = snakemake.input
    crossmatch, cutflow, config, latents, dimensions, baselines, comparison, alpha, classifiers = (
        read_json(files[name])
        for name in (
            "crossmatch", "cutflow", "model_config", "latent_summary", "dimensions", "baselines", "comparison",
            "alpha", "classifiers",
        )
    )  # fmt: skip
    stars = read_table(files.stars, ["phot_g_mean_mag", "logg", "teff"])
    macros = {
        **report.paper_macros(),
        **report.catalog_macros(crossmatch, cutflow, stars, snakemake.params.flux_weight, G_ZERO_POINT),
        **report.model_macros(config, pd.read_csv(files.history)),
        **report.latent_macros(latents, dimensions),
        **report.comparison_macros(comparison, baselines, read_table(files.per_star)),
        **report.track_macros(read_table(files.kiel), read_table(files.metallicity)),
        **report.alpha_macros(alpha, classifiers),
    }
    write_text(snakemake.output.numbers, to_tex(macros, report.switches(crossmatch, config, latents)))
    write_text(snakemake.output.cutflow, report.cutflow_table(cutflow))
