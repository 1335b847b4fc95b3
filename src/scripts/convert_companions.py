"""Turn the files beside the authors' catalogue into products, in the order of the catalogue."""

from xpsvae.workflow import job

with job(snakemake):
    from xpsvae import products
    from xpsvae.data import zenodo
    from xpsvae.data.manifest import verify_all

    given, made = snakemake.input, snakemake.output
    companions = dict(zip(made.keys(), given.companions, strict=True))
    verify_all(given.manifest, companions.values())
    stars = products.read_table(given.stars, ["source_id", "phot_g_mean_flux"])
    test = zenodo.companion_order(len(stars))
    for name, path in companions.items():
        if name == "apogee_norm":
            coefficients = products.read_array(given.coefficients, memory_map=True)
            comparison = zenodo.compare_normalisation(path, coefficients, stars["phot_g_mean_flux"])
            products.write_json(made[name], comparison)
        elif name == "zhang_stellar_params_xmatch":
            test_stars = stars["source_id"].drop(index=set(range(len(stars))) - set(test))
            products.write_table(made[name], zenodo.read_zgr23(path, test_stars), units=zenodo.ZGR23_UNITS)
        elif name.startswith("lb23"):
            products.write_array(made[name], zenodo.read_predictions(path, len(stars)))
        else:
            products.write_array(made[name], zenodo.read_spectra_on_wavelengths(path, len(stars)))
