"""Turn the authors' catalogue and correlations into the products that every dataset has."""

from xpsvae.workflow import job

with job(snakemake):
    import sys

    import numpy as np

    from xpsvae import products
    from xpsvae.catalog.crossmatch import STAR_UNITS, star_table
    from xpsvae.catalog.cuts import compare_with_paper, split
    from xpsvae.data import zenodo
    from xpsvae.data.manifest import verify_all

    given, made, params = snakemake.input, snakemake.output, snakemake.params
    verify_all(given.manifest, [given.catalogue])
    held = zenodo.held(given.manifest, given.get("correlations", []))
    labels, coefficients, errors, counts = zenodo.read_catalog(
        given.catalogue, params.invalid, params.duplicates, params.aligned
    )
    stars = star_table(labels)
    report = zenodo.report(stars, counts)
    if params.check_cutflow:
        report["paper"] = compare_with_paper(stars)
        for row in report["paper"]:
            print(f"{row['count']}: {row['here']:,} here, {row['counted']:,} {row['by']}", file=sys.stderr)
    products.write_array(made.coefficients, coefficients)
    products.write_array(made.errors, errors)
    del labels, coefficients, errors
    if "answers" in given.keys():
        _, test = split(len(stars), params.test_fraction, params.seed)
        correlations, report["correlations"] = zenodo.match_correlations(
            stars["source_id"].to_numpy()[test],
            products.read_array(given.answers)["source_id"],
            products.read_array(given.answered, memory_map=True),
        )
        products.write_array(made.correlations, correlations)
    elif held:
        correlations, report["correlations"] = zenodo.read_correlations(
            held[0], len(stars), invalid=params.invalid
        )
        products.write_array(made.correlations, correlations)
    elif "correlations" in made.keys():  # not in this record
        products.write_array(made.correlations, np.empty((0, 2, 0), dtype=np.float32))
    products.write_table(made.stars, stars, units=STAR_UNITS)
    products.write_json(made.report, report)
