"""Write the latent explorer: a sample of the stars, their latents and spectra on one page."""

from xpsvae.workflow import job

with job(snakemake):
    from pathlib import Path

    from xpsvae.analysis import explorer
    from xpsvae.analysis.sample import sample
    from xpsvae.plot.explorer import facts, page
    from xpsvae.products import read_array, read_json, read_table, write_text

    files, settings = snakemake.input, snakemake.params
    tables = [read_table(files[name]) for name in ("stars", "subsets", "latents")]
    good = sample(*tables, subset="good", **snakemake.params.choices)
    frame = explorer.pick(good, settings.stars, settings.seed)
    arrays = (
        read_array(files[name], memory_map=True)
        for name in ("coefficients", "errors", "reconstruction", "scatter")
    )
    content = explorer.collect(frame, *arrays, read_array(files.normalisation), read_table(files.sequences))
    recipe = read_json(files.model_config)["training"]["recipe"]
    origin = (
        f"Dataset {settings.dataset}: {len(frame):,} stars, drawn at random from the {len(good):,} with good labels "
        f"of {len(tables[0]):,}. Latents of the scatter VAE trained with recipe {recipe}."
    )
    program, style, template = (
        Path(files[name]).read_text(encoding="utf-8") for name in ("program", "style", "template")
    )
    shown = facts(content, read_json(files.latent_summary), read_json(files.dimensions))
    about = {"title": "Latent explorer of Gaia XP spectra", "origin": origin}
    write_text(snakemake.output[0], page(content, shown, about, template, style, program))
