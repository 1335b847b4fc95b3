"""Quality of a model against loops, and too few stars refused before anything is trained."""

import numpy as np
import pandas as pd
import pytest
import torch

from xpsvae.analysis import quality as module
from xpsvae.analysis.quality import Stars, quality
from xpsvae.errors import InputError
from xpsvae.model import ScatterVAE
from xpsvae.xp import coefficients_to_flux


def catalogue(n=80, high_in_test=4):
    """Coefficients of about the right shape, with two alpha sequences; every fourth star tests."""
    rng = np.random.default_rng(2)
    order = 1 + np.tile(np.arange(55), 2)
    coefficients = rng.normal(size=(n, 110)) / order**2
    coefficients[:, [0, 55]] = rng.uniform(3, 6, (n, 2))
    test = np.arange(n) % 4 == 0
    high = np.arange(n) % 2 == 1
    high[np.flatnonzero(test)[:high_in_test]] = True
    labels = dict.fromkeys(("m_h", "teff", "logg", "j", "h", "k", "phot_g_mean_mag"), rng.normal(size=n))
    ids = {"source_id": np.arange(n)}
    return Stars.of(
        pd.DataFrame(ids | labels | {"phot_g_mean_flux": np.full(n, 10.0)}),
        pd.DataFrame(ids | {"pristine": np.ones(n, bool)}),
        pd.DataFrame(ids | {"train": ~test, "test": test}),
        pd.DataFrame(ids | {"classified": np.ones(n, bool), "high_alpha": high}),
        coefficients,
        np.full((n, 110), 0.01),
    )


def test_measures_by_loops():
    stars = catalogue()
    torch.manual_seed(0)
    model = ScatterVAE(110, 2).eval()
    found = quality(model, stars)
    rms, flux_rms, pulls = [], [], []
    mu, scale = stars.normalisation
    for x, x_err in zip(stars.x[stars.test], stars.x_err[stars.test], strict=True):
        with torch.no_grad():
            mean, _ = model.encode(torch.from_numpy(x[None]))
            x_hat, scatter = (part.numpy()[0] for part in (model.decode(mean), model.estimate_scatter(mean)))
        rms.append(np.sqrt(np.mean((x_hat - x) ** 2)))
        pulls.append((x_hat - x) / np.sqrt(x_err**2 + scatter**2))
        ours, theirs = (
            coefficients_to_flux(each[None] * scale + mu, np.arange(392.0, 993, 10)) for each in (x_hat, x)
        )
        flux_rms.append(100 * np.sqrt(np.mean((ours - theirs) ** 2)) / theirs.mean())
    assert found["rmse"] == pytest.approx(np.median(rms), rel=1e-5)
    assert found["flux_rmse"] == pytest.approx(np.median(flux_rms), rel=1e-4)
    assert found["chi2"] == pytest.approx(np.mean(np.square(pulls)), rel=1e-5)
    low, high = np.percentile(pulls, (16, 84), axis=0)
    assert found["pull"] == pytest.approx(np.median((high - low) / 2), rel=1e-5)
    assert found["live"] == sum(kl > 0.05 for kl in found["kl"]) and len(found["kl"]) == 2
    assert 0 <= found["table1"]["latent"]["accuracy"] <= 1


def test_too_few_stars_for_a_dimension_or_a_forest_are_refused(monkeypatch):
    with pytest.raises(InputError, match=r"6 latents need at least 600 training stars, and there are 60"):
        catalogue().require_enough(6)
    monkeypatch.setattr(module, "FEWEST_PER_LATENT", 10)
    catalogue().require_enough(6)
    with pytest.raises(InputError, match=r"the test stars hold 20 high-alpha and 0 low-alpha giants"):
        catalogue(high_in_test=20).require_enough(6)
