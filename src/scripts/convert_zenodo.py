"""Turn the authors' catalogue and correlations into the products that every dataset has."""

from xpsvae.workflow import job

with job(snakemake):
    from xpsvae import products
    from xpsvae.catalog.crossmatch import STAR_UNITS, star_table
    from xpsvae.catalog.cuts import compare_with_paper
    from xpsvae.data import zenodo
    from xpsvae.data.manifest import verify_all

    given, made, params = snakemake.input, snakemake.output, snakemake.params
    verify_all(given.manifest, [given.catalogue, *given.get("correlations", [])])
    labels, coefficients, errors, counts = zenodo.read_catalog(
        given.catalogue, params.invalid, params.duplicates, params.aligned
    )
    stars = star_table(labels)
    report = zenodo.report(stars, counts)
    if params.check_cutflow:
        report["paper"] = compare_with_paper(stars)
    products.write_array(made.coefficients, coefficients)
    products.write_array(made.errors, errors)
    del labels, coefficients, errors
    if "correlations" in made.keys():
        correlations, report["correlations"] = zenodo.read_correlations(
            given.correlations[0], len(stars), invalid=params.invalid
        )
        products.write_array(made.correlations, correlations)
    products.write_table(made.stars, stars, units=STAR_UNITS)
    products.write_json(made.report, report)
