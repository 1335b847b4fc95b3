"""What a trained sVAE says of spectra: latents, reconstruction, scatter.

Works through the stars in chunks, so that memory does not grow with their number. Shards are whole chunks and
a chunk has its own random numbers, so that what is said of a star does not depend on how stars are divided.
"""

from typing import NamedTuple

import numpy as np
import torch

from xpsvae.arrays import plain
from xpsvae.errors import InputError

__all__ = [
    "CHUNK",
    "Encoded",
    "Latents",
    "as_input",
    "draw",
    "embed",
    "encode_and_reconstruct",
    "reconstruct",
    "shard",
]

CHUNK = 4096  # stars at a time; larger ones are no faster. Another number would draw other latents
# The leading coefficients of BP and RP, added, over the mean absolute one. Both are positive and larger than
# all others, so this is 32 ... 105 for coefficients [e-/s] of the library's stars, over F_G or not, and above
# 20 with the noise of G = 17.5. Standardised they make up for each other, since together they are the G flux:
# -3.3 ... 2.4 for the same stars, closer to 0 with noise, below 13.3 with half as much light more by blends.
_LEADING = 15.0
_LARGEST = 500.0  # mean absolute coefficient; up to 44 for the library's stars, 220 with the noise of G = 20
_LOOKED_AT = 64  # stars of a chunk, to cost nothing


class Latents(NamedTuple):
    """Posterior mean and standard deviation, float32 arrays (n_stars, n_latents)."""

    mean: np.ndarray
    sigma: np.ndarray


class Encoded(NamedTuple):
    """What the model says of stars, float32 arrays (n_stars, n_latents) and (n_stars, n_inputs)."""

    mean: np.ndarray  # of the posterior
    sigma: np.ndarray  # its standard deviation
    draw: np.ndarray  # one draw from it
    x_hat: np.ndarray  # reconstruction of the mean
    scatter: np.ndarray  # intrinsic scatter of that reconstruction


def embed(model, x, first=0):
    """Posterior mean and standard deviation of each star's latents.

    Parameters
    ----------
    model : ScatterVAE
        Put into evaluation mode.
    x : array (n_stars, n_inputs)
        Standardised coefficients, ``(c / F_G - mu) / sigma``; may be memory-mapped.
    first : int
        Row of the first star in the dataset, by which an error names a star.

    Returns
    -------
    Latents

    Raises
    ------
    InputError
        If the array has the wrong width, a value that is masked or not finite, or a unit, or if it is not
        standardised.
    """

    def latents(chunk):
        _require_standardised(chunk)
        mean, log_var = model.encode(chunk)
        return mean, torch.exp(0.5 * log_var)

    return Latents(*_in_chunks(model, latents, "x", x, model.n_inputs, first))


def as_input(model, x):
    """Tensor of standardised coefficients that are not in one, on the model's device.

    Raises
    ------
    InputError
        If the array has the wrong width or a unit, or is not standardised; NaN and masked values pass as NaN.
    """
    x = plain("x", x)
    _require_width(x, model.n_inputs)
    x = torch.tensor(np.asarray(x, dtype=np.float32), device=next(model.parameters()).device)
    _require_standardised(x)
    return x


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

    return _in_chunks(model, outputs, "z", z, model.n_latents)


def shard(n_stars, number, shards):
    """Rows of one of several shards, of whole chunks and as equal as can be.

    Parameters
    ----------
    n_stars : int
    number, shards : int
        Which shard, from 1, and of how many. Where there are more shards than chunks some are empty.

    Returns
    -------
    range
    """
    chunks = -(-n_stars // CHUNK)
    start, stop = (min(n_stars, chunks * edge // shards * CHUNK) for edge in (number - 1, number))
    return range(start, stop)


def draw(latents, seed, first=0):
    """One draw from each star's posterior, float32 (n_stars, n_latents).

    Chunk k of the dataset, stars from ``k * CHUNK`` on, has a generator of its own, seeded by ``seed`` and k:
    a star's draw depends on these, its row and its posterior, not on which stars are drawn with it.

    Parameters
    ----------
    latents : Latents
    seed : int
    first : int
        Row of the first star in the dataset, a multiple of `CHUNK`.
    """
    noise = np.empty_like(latents.mean)
    for start in range(0, len(noise), CHUNK):
        generator = np.random.default_rng([seed, (first + start) // CHUNK])
        generator.standard_normal(dtype=np.float32, out=noise[start : start + CHUNK])
    return latents.mean + latents.sigma * noise


def encode_and_reconstruct(model, x, seed, first=0):
    """Encode stars, draw from their posteriors, and reconstruct their spectra from the posterior means.

    Parameters
    ----------
    model : ScatterVAE
    x : array (n_stars, n_inputs)
        Standardised coefficients.
    seed, first : int
        As for `draw`.

    Returns
    -------
    Encoded
    """
    latents = embed(model, x, first)
    return Encoded(*latents, draw(latents, seed, first), *reconstruct(model, latents.mean))


@torch.inference_mode()
def _in_chunks(model, function, name, rows, width, first=0):
    rows = plain(name, rows)
    _require_width(rows, width)
    model.eval()
    device = next(model.parameters()).device
    results = []
    for start in range(0, len(rows), CHUNK):
        chunk = np.array(rows[start : start + CHUNK], dtype=np.float32)
        if not np.isfinite(chunk).all():
            star = first + start + int(np.argmin(np.isfinite(chunk).all(1)))
            raise InputError(f"star {star} has a value that is not finite: leave it out or mend it.")
        results.append([part.cpu().numpy() for part in function(torch.from_numpy(chunk).to(device))])
    if not results:
        raise InputError("there are no stars to work on: give at least one row.")
    return tuple(np.concatenate(parts) for parts in zip(*results, strict=True))


def _require_width(rows, width):
    if np.ndim(rows) != 2 or np.shape(rows)[1] != width:
        raise InputError(f"the model takes arrays (n_stars, {width}) but was given {np.shape(rows)}.")


def _require_standardised(x):
    """Refuse coefficients [e-/s] or over the G flux: the median star tells, and so does a single one."""
    x = x[:: 1 + len(x) // _LOOKED_AT]
    mean = torch.linalg.vector_norm(x, 1, dim=1) / x.shape[1]
    leading = (x[:, 0] + x[:, x.shape[1] // 2]) / mean  # bands of about the same size
    if torch.nanmedian(leading) > _LEADING or torch.nanmedian(mean) > _LARGEST:
        raise InputError(
            "x holds coefficients that are not standardised: give (c / F_G - mu) / sigma with the mu and "
            "sigma that the model was trained with (xpsvae.model.standardise.inputs)."
        )
