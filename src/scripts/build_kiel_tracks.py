"""Average labels and latents along the Kiel tracks."""

from xpsvae.workflow import job

with job(snakemake):
    from xpsvae.analysis.sample import sample
    from xpsvae.analysis.tracks import kiel_tracks, units
    from xpsvae.products import read_table, write_table

    choices = dict(snakemake.params.choices)
    tables = (read_table(snakemake.input[name]) for name in ("stars", "subsets", "latents"))
    frame = sample(*tables, subset="good", latent=choices.pop("latent"))
    tracks = kiel_tracks(frame, **snakemake.params.tracks, **choices)
    write_table(snakemake.output.kiel, tracks, units(tracks))
