"""Turn allStar and the astroNN catalogue into one table of labels, with actions of our own."""

from xpsvae.workflow import job

with job(snakemake):
    from xpsvae.catalog.actions import actions
    from xpsvae.catalog.assemble import ACTIONS
    from xpsvae.data import sdss
    from xpsvae.products import write_json, write_table

    params = snakemake.params
    labels, report = sdss.read_labels(
        snakemake.input.all_star, snakemake.input.astronn, params.invalid, params.label_source
    )
    columns = ("ra", "dec", "pmra", "pmdec", "radial_velocity")
    found = actions(*(labels[name] for name in columns), distance=labels["distance"], **params.actions)
    labels = labels.assign(**dict(zip(ACTIONS, found, strict=True)))
    units = sdss.LABEL_UNITS | dict.fromkeys(ACTIONS, "kpc km s-1")
    write_table(snakemake.output.labels, labels, units=units)
    write_json(snakemake.output.report, report)
