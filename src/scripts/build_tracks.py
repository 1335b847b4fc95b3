"""Average labels and latents along the Kiel and the metallicity tracks."""

from xpsvae.workflow import job

with job(snakemake):
    from xpsvae.analysis.sample import sample
    from xpsvae.analysis.tracks import kiel_tracks, metallicity_tracks, units
    from xpsvae.products import read_table, write_table

    frame = sample(*(read_table(snakemake.input[name]) for name in ("stars", "subsets", "latents")))
    params = snakemake.params
    kiel = kiel_tracks(frame, gb_teff_tolerance=params.gb_teff_tolerance, **params.tracks["kiel"])
    metallicity = metallicity_tracks(frame, **params.tracks["metallicity"])
    write_table(snakemake.output.kiel, kiel, units(kiel))
    write_table(snakemake.output.metallicity, metallicity, units(metallicity))
