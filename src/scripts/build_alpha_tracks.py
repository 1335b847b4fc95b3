"""Average labels and latents along both alpha sequences and at fixed metallicity."""

from xpsvae.workflow import job

with job(snakemake):
    from xpsvae.analysis.alpha import alpha_tracks, directions
    from xpsvae.analysis.sample import sample
    from xpsvae.analysis.tracks import units
    from xpsvae.products import read_json, read_table, write_json, write_table

    tables = (read_table(snakemake.input[name]) for name in ("stars", "subsets", "latents"))
    split = read_table(snakemake.input.split)
    frame = sample(*tables, split=split, **snakemake.params.choices)
    marks = read_table(snakemake.input.sequences).loc[frame.index]
    giants = marks["giant"].to_numpy(dtype=bool)
    high = marks["high_alpha"][giants].to_numpy(dtype=bool)
    tracks = alpha_tracks(frame[giants], high, **snakemake.params.tracks)
    live = read_json(snakemake.input.latent_summary)["live"]
    write_table(snakemake.output.tracks, tracks, units(tracks))
    write_json(snakemake.output.directions, directions(frame[giants], high, live))
