"""Fetch the correlations of the test stars' coefficients from the Gaia archive; each answer is kept."""

from xpsvae.workflow import job

with job(snakemake):
    from xpsvae.catalog.cuts import split
    from xpsvae.data import gaia_archive, zenodo
    from xpsvae.data.manifest import verify_all

    given, params, settings = snakemake.input, snakemake.params, dict(snakemake.config["download"])
    settings["timeout"] = snakemake.config["gaia_sdss"]["datalink"]["timeout"]
    verify_all(given.manifest, [given.catalogue])
    labels, *_ = zenodo.read_catalog(given.catalogue, params.invalid, params.duplicates, params.aligned)
    _, test = split(len(labels), params.test_fraction, params.seed)
    chosen = gaia_archive.fetch_selection(
        labels["source_id"].to_numpy()[test], url=params.url, release=params.release, **settings
    )
    gaia_archive.write_selection(chosen, **snakemake.output)
