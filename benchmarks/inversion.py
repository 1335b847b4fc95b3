"""How far latents move if coefficients are inverted from sampled flux instead of read from the archive.

python benchmarks/inversion.py ../shared/reference/gaiaxpy/XP_CONTINUOUS_RAW.csv

Takes real XP_CONTINUOUS spectra, makes the sampled flux of their coefficients, inverts it as the workflow does, and
encodes both by the model of dataset library (`snakemake train_svae`). The G flux, which such a file lacks, is that of
library stars of the same flux; both encodings share it.
"""

import argparse
from pathlib import Path

import numpy as np
from common import report

from xpsvae.model import infer, load, standardise
from xpsvae.products import read_array, read_json, read_table
from xpsvae.xp import coefficients_to_flux, flux_to_coefficients
from xpsvae.xp.read import read_spectra


def main():
    """Print the shift of each latent in its standard deviation."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("spectra", type=Path, help="XP_CONTINUOUS_RAW file")
    parser.add_argument("--results", type=Path, default=Path("results/library"))
    parser.add_argument("--output", help="JSON; default: print it")
    given = parser.parse_args()
    if not given.spectra.exists():
        raise SystemExit(f"{given.spectra} is not here: nothing to compare.")
    model = load(given.results / "model")
    live = read_json(given.results / "latents/summary.json")["live"]
    spectra = read_spectra(given.spectra)
    true = spectra.coefficients
    inverted, _ = flux_to_coefficients(coefficients_to_flux(true), sampled_by="gaiaxpy")
    ratio = np.abs(inverted - true) / spectra.errors

    some = slice(0, 2000)
    library = coefficients_to_flux(read_array(given.results / "catalog/coefficients.npy")[some]).sum(axis=1)
    g_flux = read_table(given.results / "catalog/stars.parquet", ["phot_g_mean_flux"])["phot_g_mean_flux"]
    per_flux = np.median(g_flux.to_numpy()[some] / library)
    flux = per_flux * coefficients_to_flux(true).sum(axis=1)
    first, second = (
        infer.embed(model, standardise.inputs(each, flux, *model.normalisation)) for each in (true, inverted)
    )
    shift = np.abs(second.mean - first.mean) / first.sigma
    report(
        {
            "stars": [str(source_id) for source_id in spectra.source_id],
            "coefficients_within_1_sigma": float(np.mean(ratio < 1)),
            "shift_of_live_latents_in_sigma": {
                f"z_{number}": shift[:, number - 1].astype(float).round(4).tolist() for number in live
            },
            "largest": float(shift[:, np.array(live) - 1].max()),
        },
        given.output,
    )


if __name__ == "__main__":
    main()
