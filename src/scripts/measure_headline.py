"""Measure what latents explain of [alpha/M] beyond labels and photometry."""

from xpsvae.workflow import job

with job(snakemake):
    from xpsvae.audit import headline, load
    from xpsvae.products import read_array, read_json, write_json, write_table

    given, settings = snakemake.input, snakemake.params.settings
    frame = load.sample(given)
    normalisation = tuple(read_array(given.normalisation)[name] for name in ("mu", "sigma"))
    x, x_err = load.spectra(given, frame.index.to_numpy(), normalisation)
    arrays = {"latents": load.latents(given, frame), "coefficients": x}
    arrays |= load.components(given, x, x_err, normalisation)
    live = read_json(given.latent_summary)["live"]
    report, predictions = headline.headline(frame, arrays, live, **settings)
    write_json(snakemake.output.headline, report)
    write_table(snakemake.output.predictions, predictions, {"teff": "K", "alpha_m": "dex"})
