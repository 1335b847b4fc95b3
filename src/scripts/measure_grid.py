"""Score every set of features with boosting and random forests, on the folds of the headline."""

from xpsvae.workflow import job

with job(snakemake):
    from xpsvae.audit import headline, load
    from xpsvae.products import read_array, write_json

    given, settings = snakemake.input, snakemake.params.settings
    frame = load.sample(given)
    normalisation = tuple(read_array(given.normalisation)[name] for name in ("mu", "sigma"))
    x, x_err = load.spectra(given, frame.index.to_numpy(), normalisation)
    arrays = {"latents": load.latents(given, frame), "coefficients": x}
    arrays |= load.components(given, x, x_err, normalisation)
    write_json(snakemake.output.grid, headline.grid(frame, arrays, **settings))
