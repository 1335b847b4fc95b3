"""Run the controls of the headline, each against its tolerance."""

from xpsvae.workflow import job

with job(snakemake):
    import sys
    from pathlib import Path

    from xpsvae.audit import controls, load
    from xpsvae.model import infer
    from xpsvae.model.storage import load as load_model
    from xpsvae.products import read_array, read_table, write_json

    given = snakemake.input
    model = load_model(Path(given.weights).parent)
    frame = load.sample(given)
    x, x_err = load.spectra(given, frame.index.to_numpy(), model.normalisation)
    latents, alike = load.latents(given, frame), load.pairs(given, frame)
    predictions = read_table(given.predictions)
    errors = {
        name: (predictions[name] - predictions["alpha_m"]).to_numpy() for name in ("base", "base_latents")
    }
    if "held_out" in given.keys():  # a model that was trained without the pairs, and with it the components
        apart = dict(given.items()) | {"split": given.without_pairs}
        held_out = {"latents": read_array(given.held_out)}, alike
    else:  # pairs that the model at hand happens not to have been trained on
        apart = given
        held_out = {"latents": latents}, alike[frame["unseen"].to_numpy()[alike].all(axis=1)]
    held_out[0].update(load.components(apart, x, x_err, model.normalisation, [6]))
    report = controls.measure(
        frame,
        x,
        x_err,
        latents,
        lambda spectra: infer.embed(model, spectra).mean.astype(float),
        errors,
        alike,
        held_out,
        threads=snakemake.threads,
        **snakemake.params.settings,
    )
    for name in report["failed"]:
        print(f"Control {name} failed: {report['controls'][name]['rule']}.", file=sys.stderr)
    write_json(snakemake.output.controls, report)
