"""The scatter variational auto-encoder, layer for layer as published.

The keys of its ``state_dict`` are those of the published weights, so either loads into the other. Input
width and number of latents are arguments: they come from the data.
"""

import torch
from torch import nn

__all__ = ["HIDDEN", "NO_SCATTER", "ScatterVAE"]

NO_SCATTER = -1e4  # bias at which a sigmoid is zero in float32, whatever weight decay makes of it
HIDDEN = (90, 70, 50, 30, 10)  # widths of the encoder's hidden layers (PAPER, section 2)


class ScatterVAE(nn.Module):
    """Encoder, decoder and scatter estimator of Laroche & Speagle (section 2).

    The encoder ends in a mean and a log variance per latent. Decoder and scatter estimator mirror it without
    sharing weights; their first layer has neither batch normalisation nor activation (authors' code), and the
    scatter estimator ends in a sigmoid.

    Parameters
    ----------
    n_inputs : int
        Coefficients per star.
    n_latents : int
        Dimensions of the latent space.
    hidden : sequence of int
        Widths of the encoder's hidden layers, from the input inwards.
    scatter : str
        ``"estimated"`` from the latents; ``"constant"``, one for each coefficient; or ``"none"``, which leaves a
        plain VAE. The last two are the same network with weights that do not see the latents, so that a stored
        model needs no word about it.
    """

    def __init__(self, n_inputs, n_latents=6, hidden=HIDDEN, scatter="estimated"):
        super().__init__()
        self.n_inputs, self.n_latents, self.hidden = n_inputs, n_latents, tuple(hidden)
        outwards = self.hidden[::-1]
        self.encoder = nn.Sequential(*_blocks((n_inputs, *self.hidden)))
        self.mu = nn.Linear(self.hidden[-1], n_latents)
        self.log_var = nn.Linear(self.hidden[-1], n_latents)
        self.decoder, self.scatter = (
            nn.Sequential(
                nn.Linear(n_latents, outwards[0]),
                *_blocks(outwards),
                nn.Sequential(nn.Linear(outwards[-1], n_inputs), *end),
            )
            for end in ((), (nn.Sigmoid(),))
        )
        with torch.no_grad():
            if scatter != "estimated":
                self.scatter[-1][0].weight.zero_()
            if scatter == "none":
                self.scatter[-1][0].bias.fill_(NO_SCATTER)

    def encode(self, x):
        """Mean and log variance of the posterior of standardised spectra.

        Parameters
        ----------
        x : Tensor or array (n_stars, n_inputs)
            Standardised coefficients. A tensor is taken as it is; anything else is looked at first.

        Returns
        -------
        mean, log_var : Tensors (n_stars, n_latents)
            NaN for a star with a NaN or masked coefficient.

        Raises
        ------
        InputError
            If what is no tensor has another width, holds no real numbers, has a unit or is not standardised.
        """
        if not isinstance(x, torch.Tensor):
            from xpsvae.model.infer import as_input

            x = as_input(self, x)
        hidden = self.encoder(x)
        return self.mu(hidden), self.log_var(hidden)

    def decode(self, z):
        """Reconstructed standardised spectra (n_stars, n_inputs) of latents ``z``."""
        return self.decoder(z)

    def estimate_scatter(self, z):
        """Intrinsic scatter (n_stars, n_inputs), between 0 and 1 standard deviation, of latents ``z``."""
        return self.scatter(z)

    def forward(self, x, noise):
        """Encode, draw z = mean + sigma * noise, decode.

        Parameters
        ----------
        x : Tensor (n_stars, n_inputs)
            Standardised coefficients.
        noise : Tensor (n_stars, n_latents)
            Standard normal numbers.

        Returns
        -------
        mean, log_var, x_hat, scatter : Tensors
        """
        mean, log_var = self.encode(x)
        z = mean + torch.exp(0.5 * log_var) * noise
        return mean, log_var, self.decode(z), self.estimate_scatter(z)

    def embed(self, x):
        """Posterior mean and standard deviation of each star; see :func:`xpsvae.model.infer.embed`."""
        from xpsvae.model.infer import embed

        return embed(self, x)


def _blocks(widths):
    return [
        nn.Sequential(nn.Linear(before, after), nn.BatchNorm1d(after), nn.GELU())
        for before, after in zip(widths, widths[1:], strict=False)
    ]
