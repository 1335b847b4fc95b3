"""Which latents are in use: how far the posteriors are from the prior, and who is live or dead.

Needs no torch, so that joining the shards of an encoding does not wait for its import.
"""

import numpy as np

__all__ = ["LIVE", "divergence", "summary"]

LIVE = 0.05  # [nat] a latent whose mean divergence is below this carries nothing: the decoder ignores it


def divergence(mean, sigma):
    """Kullback-Leibler divergence of posteriors from the unit normal [nat] (Eq. 5).

    Parameters
    ----------
    mean, sigma : array (n_stars, n_latents)
        Mean and standard deviation of each star's posterior.

    Returns
    -------
    float64 array (n_stars, n_latents)
    """
    mean, sigma = np.asarray(mean, dtype=np.float64), np.asarray(sigma, dtype=np.float64)
    return (mean**2 + sigma**2 - 1) / 2 - np.log(sigma)


def summary(kl):
    """Tell live latents from dead ones.

    Parameters
    ----------
    kl : array (n_latents,)
        Divergence of each latent, a mean over stars [nat].

    Returns
    -------
    dict
        ``n_latents``, ``kl`` per latent [nat], 1-based ``live`` and ``dead``, and ``live_threshold`` [nat].
    """
    return {
        "n_latents": len(kl),
        "kl": kl.tolist(),
        "live": (np.flatnonzero(kl > LIVE) + 1).tolist(),
        "dead": (np.flatnonzero(kl <= LIVE) + 1).tolist(),
        "live_threshold": LIVE,
    }
