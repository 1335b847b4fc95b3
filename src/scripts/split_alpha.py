"""Split the giants into the two alpha sequences, select Gaia-Enceladus, build the alpha tracks."""

from xpsvae.workflow import job

with job(snakemake):
    from xpsvae.analysis.alpha import alpha_tracks, sequences, summary
    from xpsvae.analysis.sample import sample
    from xpsvae.analysis.tracks import units
    from xpsvae.products import read_table, write_json, write_table

    stars, subsets, latents = (read_table(snakemake.input[name]) for name in ("stars", "subsets", "latents"))
    pristine = subsets["pristine"].to_numpy(dtype=bool)
    marks, selection = sequences(stars, pristine, snakemake.params.enceladus)
    counts = summary(marks, selection, stars)
    giants = marks["giant"].to_numpy()
    frame = sample(stars, subsets, latents).loc[giants[pristine]]
    high = marks["high_alpha"][giants].to_numpy(dtype=bool)
    tracks = alpha_tracks(frame, high, **snakemake.params.tracks)
    write_table(snakemake.output.sequences, marks, notes={"enceladus": counts["enceladus_selection"]})
    write_table(snakemake.output.tracks, tracks, units(tracks))
    write_json(snakemake.output.summary, counts)
