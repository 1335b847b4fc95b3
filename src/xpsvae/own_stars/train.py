"""Train a model on one's own spectra, with all that `xpsvae.describe` needs of it."""

import contextlib
import sys
from pathlib import Path

import numpy as np

from xpsvae.errors import InputError
from xpsvae.own_stars.reference import build_reference, write_reference
from xpsvae.xp.spectra import as_inverted, complete_g_flux, read

__all__ = ["train"]


def train(source, folder, held_out=0.1, device=None, sampled_by="archive", **training):
    """Train a scatter VAE on spectra; all of them are held in memory.

    Parameters
    ----------
    source
        Spectra: what `xpsvae.read` takes, or returns. Stars that cannot be used are left out, and counted.
    folder : path-like
        Where the model goes: weights, configuration, normalisation, history, reference. Checkpoints lie in
        ``checkpoints`` in it while the training runs; the same command goes on from them.
    held_out : float
        Fraction of the stars that are only validated on.
    device, sampled_by
        See `xpsvae.describe`.
    **training
        A recipe's name and what to do differently; see `xpsvae.model.recipe.choose`.

    Returns
    -------
    pathlib.Path
        ``folder``.

    Raises
    ------
    InputError
        If there are too few usable stars, the folder cannot be written to, or it holds a model already.
    """
    from xpsvae.model import standardise
    from xpsvae.model.checkpoint import require_writable
    from xpsvae.model.recipe import choose
    from xpsvae.model.storage import load
    from xpsvae.model.train import fit, save

    folder = Path(folder)
    if (folder / "config.json").exists():
        raise InputError(f"{folder} holds a model already: give another folder.")
    if not 0 < held_out < 1:
        raise InputError(f"held_out is {held_out}: give a fraction between 0 and 1.")
    recipe = choose(**training)
    require_writable(folder)
    spectra = read(source, sampled_by)
    g_flux, reason, _ = complete_g_flux(spectra)
    good = reason == ""
    print(f"{good.sum()} of {len(spectra)} spectra can be used.", file=sys.stderr)
    if not good.any():
        raise InputError("no spectrum can be used to train on: give stars with BP and RP.")
    inverted = bool(spectra.sampled[good].any())
    coefficients = as_inverted(spectra) if inverted else spectra.coefficients
    coefficients, errors, g_flux = coefficients[good], spectra.errors[good], g_flux[good]
    order = np.random.default_rng(recipe.seed).permutation(len(g_flux))
    validation, training_rows = np.split(order, [max(1, round(held_out * len(order)))])
    training_rows.sort()
    normalisation = standardise.normalisation(coefficients[training_rows], g_flux[training_rows])
    x, x_err = standardise.standardise(coefficients, errors, g_flux, *normalisation)
    fitted = fit(
        x[training_rows],
        x_err[training_rows],
        (x[validation], x_err[validation]),
        checkpoints=folder / "checkpoints",
        device=device,
        **training,
    )
    save(folder, fitted, normalisation)
    with contextlib.suppress(OSError):
        (folder / "checkpoints").rmdir()  # but for those of another run
    rows = training_rows
    write_reference(
        folder / "reference.json",
        build_reference(
            load(folder), coefficients[rows], errors[rows], g_flux[rows], spectra.band_sizes, inverted
        ),
    )
    return folder
