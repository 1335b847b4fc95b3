"""The loss of the sVAE, term by term and star by star (Eq. 1-5).

Sums run over coefficients or latents; the batch mean is left to the caller, so that a star can be named.
"""

import torch

__all__ = ["kl_divergence", "reconstruction"]


def reconstruction(x, variance, x_hat, scatter):
    """Negative log likelihood of each star, without its constant (Eq. 2-4).

    Parameters
    ----------
    x, x_hat : Tensor (n_stars, n_inputs)
        Standardised coefficients and their reconstruction.
    variance : Tensor (n_stars, n_inputs)
        Square of the errors of ``x``.
    scatter : Tensor (n_stars, n_inputs)
        Intrinsic scatter.

    Returns
    -------
    Tensor (n_stars,)
        Sum over coefficients of (x - x_hat)^2 / 2v + ln(v) / 2 with v = variance + scatter^2. The text calls
        the first term reduced; neither the authors' code nor ours divides by degrees of freedom.
    """
    total = variance + scatter**2
    return (0.5 * (x - x_hat) ** 2 / total + 0.5 * torch.log(total)).sum(1)


def kl_divergence(mean, log_var):
    """Kullback-Leibler divergence [nat] of each star's posterior from the unit normal, per latent (Eq. 5).

    Parameters
    ----------
    mean, log_var : Tensor (n_stars, n_latents)

    Returns
    -------
    Tensor (n_stars, n_latents)
    """
    return -0.5 * (1 + log_var - mean**2 - torch.exp(log_var))
