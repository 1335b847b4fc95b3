"""Average labels and latents along the tracks of fixed metallicity."""

from xpsvae.workflow import job

with job(snakemake):
    from xpsvae.analysis.sample import sample
    from xpsvae.analysis.tracks import metallicity_tracks, units
    from xpsvae.products import read_table, write_table

    tables = (read_table(snakemake.input[name]) for name in ("stars", "subsets", "latents"))
    frame = sample(*tables, subset="good", **snakemake.params.choices)
    tracks = metallicity_tracks(frame, **snakemake.params.tracks)
    write_table(snakemake.output.metallicity, tracks, units(tracks))
