"""Turn the files beside the authors' catalogue into products, in the order of the catalogue."""

from xpsvae.workflow import job

with job(snakemake):
    import numpy as np
    import pandas as pd

    from xpsvae import products
    from xpsvae.data import zenodo

    given, made = snakemake.input, snakemake.output
    companions = dict(zip(made.keys(), given.companions, strict=True))
    held = zenodo.held(given.manifest, companions.values())
    stars = products.read_table(given.stars, ["source_id", "phot_g_mean_flux"])
    test = np.sort(zenodo.companion_order(len(stars)))
    for name, path in companions.items():
        if name == "apogee_norm":
            comparison = {"in_record": path in held}
            if path in held:
                coefficients = products.read_array(given.coefficients, memory_map=True)
                comparison |= zenodo.compare_normalisation(path, coefficients, stars["phot_g_mean_flux"])
            products.write_json(made[name], comparison)
        elif name == "zhang_stellar_params_xmatch":
            units = {"teff": "K", "fe_h": "dex", "logg": "dex", "parallax": "mas"} if path in held else {}
            ids = stars["source_id"].to_numpy()[test]
            found = zenodo.read_zgr23(path, ids) if path in held else pd.DataFrame({"source_id": ids[:0]})
            products.write_table(made[name], found, units=units)
        elif path in held:
            products.write_array(made[name], zenodo.read_predictions(path, len(stars)))
        else:
            products.write_array(made[name], np.empty((0, 64), dtype=np.float32))
