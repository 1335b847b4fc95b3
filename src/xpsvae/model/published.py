"""The authors' trained weights, as their repository ships them (a pickled torch file).

Read with ``weights_only``: nothing in the file is executed.
"""

import pickle
from dataclasses import asdict
from pathlib import Path

import torch

from xpsvae.errors import InputError
from xpsvae.model.recipe import choose
from xpsvae.model.storage import load_into, save
from xpsvae.model.svae import ScatterVAE
from xpsvae.products import write_text

__all__ = ["load_published", "save_published"]

DAMAGE = (OSError, RuntimeError, pickle.UnpicklingError, EOFError, KeyError, AttributeError, TypeError)

# How these weights were trained, in the form that training leaves, and the last line of the authors' log
# (section 2). Their seed is not known.
RECIPE = asdict(choose("published")) | {"source": "published", "seed": None, "checkpoint_every": None}
LAST_EPOCH = {
    "epoch": 5000, "step": 5000 * 441, "lr": 1.0870e-9,
    "loss": -94.8665, "reconstruction": -106.1572, "kl": 11.2907,
    "val_loss": -94.2671, "val_reconstruction": -105.5600, "val_kl": 11.2929,
}  # fmt: skip


def load_published(path):
    """Read the published weights.

    Parameters
    ----------
    path : path-like
        The authors' ``weight.pt``: a dict with ``model_state_dict``, or that state_dict itself.

    Returns
    -------
    ScatterVAE
        In evaluation mode; its widths are those of the weights.

    Raises
    ------
    InputError
        If the file is missing or damaged or holds another architecture.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
        weights = content.get("model_state_dict", content)
        n_inputs, n_latents = weights["encoder.0.0.weight"].shape[1], len(weights["mu.bias"])
        hidden = [
            len(weights[f"encoder.{number}.0.bias"]) for number in range(len(weights))
            if f"encoder.{number}.0.bias" in weights
        ]  # fmt: skip
    except FileNotFoundError as error:
        raise InputError(f"{path} does not exist: give the path of the authors' weight.pt.") from error
    except DAMAGE as error:
        raise InputError(
            f"{path} does not hold the weights of a scatter VAE ({type(error).__name__}): "
            "give the authors' weight.pt."
        ) from error
    model = ScatterVAE(n_inputs, n_latents, hidden)
    load_into(model, weights, path)
    model.normalisation = None
    return model.eval()


def save_published(folder, model, normalisation):
    """Write the published model in the form that training leaves, with its recipe and final losses.

    Parameters
    ----------
    folder : path-like
    model : ScatterVAE
        As `load_published` returns it.
    normalisation : pair of arrays (n_inputs,)
        The authors' mean and standard deviation of the coefficients over the G flux.
    """
    from xpsvae.model.train import history_csv  # late, so that training can run as a module

    save(folder, model, normalisation, RECIPE)
    write_text(Path(folder) / "history.csv", history_csv([LAST_EPOCH]))
