"""Train one variation of the sVAE with one seed, and measure what became of it."""

from xpsvae.workflow import job

with job(snakemake):
    from xpsvae.analysis.ablations import settings
    from xpsvae.analysis.quality import Stars, quality
    from xpsvae.model import train
    from xpsvae.products import read_array, read_table, write_json

    given, params = snakemake.input, snakemake.params
    tables = (read_table(given[name]) for name in ("stars", "subsets", "split", "sequences"))
    stars = Stars.of(*tables, read_array(given.coefficients), read_array(given.errors))
    name, seed = snakemake.wildcards.ablation, int(snakemake.wildcards.seed)
    recipe = settings(params.training, params.recipes, name, seed)
    stars.require_enough(recipe["n_latents"])
    run = {
        "ablation": name,
        "seed": seed,
        "n_latents": recipe["n_latents"],
        "training": recipe,
    }
    try:
        fitted = train.fit(
            stars.x[stars.train],
            stars.x_err[stars.train],
            (stars.x[stars.test], stars.x_err[stars.test]),
            checkpoints=f"checkpoints/{snakemake.config['dataset']}",
            checkpoint_every=snakemake.config["training"]["checkpoint_every"],
            **recipe,
        )
    except train.Exploded as error:  # a result, too: it is named in the summary
        run["failed"] = str(error)
    else:
        last, found = fitted.history[-1], quality(fitted.model, stars)
        run |= {term: last[f"val_{term}"] for term in train.TERMS}
        found["kl_of_latents"] = found.pop("kl")
        if recipe["latents"] == "means":  # without posteriors there is no telling which latents are in use
            found["live"] = None
        run |= found.pop("table1")["latent"] | found
        fitted.checkpoints.discard()
    write_json(snakemake.output.run, run)
