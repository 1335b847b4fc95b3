"""Read the installed library of XP spectra; write its labels and its spectra as two tables."""

from xpsvae.workflow import job

with job(snakemake):
    from xpsvae import products
    from xpsvae.data import library

    labels, spectra = library.read(library.locate(), snakemake.params.sha256, snakemake.params.limit)
    products.write_table(snakemake.output.labels, labels, units=library.LABEL_UNITS)
    products.write_table(snakemake.output.spectra, spectra, units=library.SPECTRUM_UNITS)
