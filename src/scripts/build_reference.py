"""Measure the training stars, by which `xpsvae describe` judges others."""

from xpsvae.workflow import job

with job(snakemake):
    from pathlib import Path

    from xpsvae import products
    from xpsvae.model.storage import load
    from xpsvae.own_stars.reference import build_reference, write_reference
    from xpsvae.xp.spectra import DR3_SIZES

    given = snakemake.input
    rows = products.read_table(given.split, ["train"])["train"].to_numpy(bool)
    flux = products.read_table(given.stars, ["phot_g_mean_flux"])["phot_g_mean_flux"].to_numpy()
    coefficients, errors = (
        products.read_array(path, memory_map=True) for path in (given.coefficients, given.errors)
    )
    model = load(Path(given.weights).parent)
    inverted = snakemake.params.inverted
    reference = build_reference(model, coefficients[rows], errors[rows], flux[rows], DR3_SIZES, inverted)
    write_reference(snakemake.output.reference, reference)
