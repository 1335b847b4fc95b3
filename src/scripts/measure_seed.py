"""Measure the headline with one more sVAE."""

from xpsvae.workflow import job

with job(snakemake):
    from pathlib import Path

    from xpsvae.audit import load, seeds
    from xpsvae.model import infer
    from xpsvae.model.storage import load as load_model
    from xpsvae.products import read_table, write_array, write_json

    given, settings = snakemake.input, snakemake.params
    model = load_model(Path(given.weights).parent)
    frame = load.sample(given)
    x, _ = load.spectra(given, frame.index.to_numpy(), model.normalisation)
    posterior = infer.embed(model, x)
    pairs = load.pairs(given, frame) if settings.held_out else None
    report = seeds.measure(
        frame, posterior, read_table(given.predictions)["base"].to_numpy(), pairs, **settings.settings
    )
    write_json(snakemake.output.measured, {"seed": settings.seed} | report)
    write_array(snakemake.output.latents, posterior.mean)
