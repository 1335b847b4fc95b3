"""What a trained sVAE says of spectra: latents, reconstruction, scatter, and how alive each latent is.

Works through the stars in chunks, so that memory does not grow with their number.
"""

from typing import NamedTuple

import numpy as np
import torch

from xpsvae.errors import InputError
from xpsvae.model import loss

__all__ = ["LIVE", "Latents", "draw", "embed", "kl_per_latent", "reconstruct", "summary"]

CHUNK = 8192  # stars at a time
LIVE = 0.05  # [nat] a latent whose mean divergence is below this carries nothing: the decoder ignores it


class Latents(NamedTuple):
    """Posterior mean and standard deviation, float32 arrays (n_stars, n_latents)."""

    mean: np.ndarray
    sigma: np.ndarray


def embed(model, x):
    """Posterior mean and standard deviation of each star's latents.

    Parameters
    ----------
    model : ScatterVAE
        Put into evaluation mode.
    x : array (n_stars, n_inputs)
        Standardised coefficients; may be memory-mapped.

    Returns
    -------
    Latents

    Raises
    ------
    InputError
        If the array has the wrong width or a value that is not finite.
    """

    def latents(chunk):
        mean, log_var = model.encode(chunk)
        return mean, torch.exp(0.5 * log_var)

    return Latents(*_in_chunks(model, latents, x, model.n_inputs))


def reconstruct(model, z):
    """Decode latents.

    Parameters
    ----------
    model : ScatterVAE
    z : array (n_stars, n_latents)

    Returns
    -------
    x_hat, scatter : float32 arrays (n_stars, n_inputs)
        Standardised reconstruction and intrinsic scatter.
    """

    def outputs(chunk):
        return model.decode(chunk), model.estimate_scatter(chunk)

    return _in_chunks(model, outputs, z, model.n_latents)


def draw(latents, seed):
    """One draw from each star's posterior, float32 (n_stars, n_latents)."""
    noise = np.random.default_rng(seed).standard_normal(latents.mean.shape, dtype=np.float32)
    return latents.mean + latents.sigma * noise


def kl_per_latent(latents):
    """Mean divergence of the posteriors from the unit normal, per latent [nat] (Eq. 5)."""
    mean, sigma = (torch.from_numpy(array).double() for array in latents)
    return loss.kl_divergence(mean, 2 * torch.log(sigma)).mean(0).numpy()


def summary(latents, chosen):
    """Tell live latents from dead ones by the divergence over the ``chosen`` stars.

    Returns
    -------
    dict
        ``n_latents``, ``kl`` per latent [nat], 1-based ``live`` and ``dead``, and ``live_threshold`` [nat].
    """
    kl = kl_per_latent(Latents(latents.mean[chosen], latents.sigma[chosen]))
    return {
        "n_latents": len(kl),
        "kl": kl.tolist(),
        "live": (np.flatnonzero(kl > LIVE) + 1).tolist(),
        "dead": (np.flatnonzero(kl <= LIVE) + 1).tolist(),
        "live_threshold": LIVE,
    }


@torch.inference_mode()
def _in_chunks(model, function, rows, width):
    if np.ndim(rows) != 2 or np.shape(rows)[1] != width:
        raise InputError(f"the model takes arrays (n_stars, {width}) but was given {np.shape(rows)}.")
    model.eval()
    device = next(model.parameters()).device
    results = []
    for start in range(0, len(rows), CHUNK):
        chunk = np.array(rows[start : start + CHUNK], dtype=np.float32)
        if not np.isfinite(chunk).all():
            star = start + int(np.argmin(np.isfinite(chunk).all(1)))
            raise InputError(f"star {star} has a value that is not finite: leave it out or mend it.")
        results.append([part.cpu().numpy() for part in function(torch.from_numpy(chunk).to(device))])
    if not results:
        raise InputError("there are no stars to work on: give at least one row.")
    return tuple(np.concatenate(parts) for parts in zip(*results, strict=True))
