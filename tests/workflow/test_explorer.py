"""The latent explorer of a whole run: what its page holds is what the products hold."""

import json
import re

import numpy as np
import pandas as pd
import pytest

from xpsvae.plot.explorer import decode
from xpsvae.xp import coefficients_to_flux

pytestmark = pytest.mark.slow


def compare(root):
    """Compare the page of a build with its products; return the number of stars that it shows."""
    path = root / "corrected/explorer.html"
    text = path.read_text(encoding="utf-8")
    assert path.stat().st_size < 10_000_000
    held = json.loads(re.search(r'<script type="application/json" id="content">(.*?)</script>', text)[1])
    table = {
        name: pd.read_parquet(root / f"{name}.parquet").set_index("source_id")
        for name in ("catalog/stars", "latents/latents", "corrected/subsets", "corrected/alpha/sequences")
    }
    chosen = decode(held["source_id"])
    stars, latents, subsets, marks = (frame.loc[chosen] for frame in table.values())
    assert stars.index.is_unique and subsets["good"].all()
    means = [name for name in latents if name.startswith("mean_")]
    np.testing.assert_array_equal(decode(held["latents"]), latents[means].to_numpy())
    for name, entry in held["labels"].items():
        np.testing.assert_array_equal(decode(entry), stars[name].to_numpy(np.float32))
    high = marks["high_alpha"].astype("Float64").fillna(2).to_numpy(float)
    np.testing.assert_array_equal(decode(held["sequence"]), high)
    rows = table["catalog/stars"].index.get_indexer(chosen)
    coefficients, reconstruction = (
        np.load(root / f"{name}.npy")[rows].astype(float)
        for name in ("catalog/coefficients", "latents/reconstruction")
    )
    with np.load(root / "model/normalisation.npz") as normalisation:
        modelled = reconstruction * normalisation["sigma"] + normalisation["mu"]
    modelled *= stars["phot_g_mean_flux"].to_numpy()[:, None]
    for name, values in (("observed", coefficients), ("reconstructed", modelled)):
        flux = coefficients_to_flux(values, decode(held["wavelengths"]).astype(float))
        low, step, levels = (
            decode(held["spectra"][name][part]).astype(float) for part in ("low", "step", "levels")
        )
        away = np.abs(low[:, None] + step[:, None] * levels - flux).max(axis=1)
        assert (away < 1e-5 * np.abs(flux).max(axis=1)).all()
    return len(chosen)


def test_the_page_shows_what_the_products_hold(clone):
    good = pd.read_parquet(clone.folder / "results/library/corrected/subsets.parquet")["good"].sum()
    assert compare(clone.folder / "results/library") == min(6000, good)
