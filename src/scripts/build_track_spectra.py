"""Pick one star a track bin and set its spectrum beside its reconstruction."""

from xpsvae.workflow import job

with job(snakemake):
    from xpsvae.analysis.tracks import track_spectra, units
    from xpsvae.products import read_array, read_table, write_table

    files = snakemake.input
    arrays = ("coefficients", "errors", "reconstruction", "scatter")
    spectra = track_spectra(
        read_table(files.kiel),
        read_table(files.stars),
        *(read_array(files[name], memory_map=True) for name in arrays),
        read_array(files.normalisation),
        seed=snakemake.params.seed,
        **snakemake.params.choices,
    )
    write_table(snakemake.output.spectra, spectra, units(spectra))
