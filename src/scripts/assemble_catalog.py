"""Join the labels with the coefficients that came in parts; list who fell out, and why."""

from xpsvae.workflow import job

with job(snakemake):
    from xpsvae import products
    from xpsvae.catalog import assemble
    from xpsvae.catalog.crossmatch import STAR_UNITS

    given, made = snakemake.input, snakemake.output
    labels = products.read_table(given.labels)
    dropped = {}
    for path in given.dropped:
        for why, source_ids in products.read_json(path).items():
            dropped.setdefault(why, []).extend(source_ids)
    parts = list(zip(given.spectra, given.correlations, strict=True))
    settings = {name: value for name, value in snakemake.params.items() if name != "code"}
    stars, coefficients, errors, correlations, fallen, report = assemble.build_catalog(
        labels, parts, dropped, **settings
    )
    report["files"] = products.read_json(given.report)
    report["actions_minus_astronn"] = assemble.action_scatter(
        labels[labels["source_id"].isin(stars["source_id"])]
    )
    products.write_table(made.stars, stars, units=STAR_UNITS, notes=assemble.NOTES)
    products.write_array(made.coefficients, coefficients)
    products.write_array(made.errors, errors)
    products.write_array(made.correlations, correlations)
    products.write_table(made.fallen, fallen)
    products.write_json(made.report, report)
