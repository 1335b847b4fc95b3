"""Cross-match labels with spectra and turn the spectra into XP coefficients."""

from xpsvae.workflow import job

with job(snakemake):
    from xpsvae import products
    from xpsvae.catalog import crossmatch

    stars, coefficients, errors, report = crossmatch.build_catalog(
        products.read_table(snakemake.input.labels),
        products.read_table(snakemake.input.spectra),
        sampled_by=snakemake.params.sampled_by,
        flux_weight=snakemake.params.flux_weight,
        prior_scale=snakemake.params.prior_scale,
    )
    units, notes = crossmatch.STAR_UNITS, crossmatch.STAR_NOTES
    products.write_table(snakemake.output.stars, stars, units=units, notes=notes)
    products.write_array(snakemake.output.coefficients, coefficients)
    products.write_array(snakemake.output.errors, errors)
    products.write_json(snakemake.output.report, report)
