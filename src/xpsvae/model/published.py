"""The authors' trained weights, as their repository ships them (a pickled torch file).

Read with ``weights_only``: nothing in the file is executed.
"""

import pickle

import torch

from xpsvae.errors import InputError
from xpsvae.model.storage import load_into
from xpsvae.model.svae import ScatterVAE

__all__ = ["load_published"]

DAMAGE = (OSError, RuntimeError, pickle.UnpicklingError, EOFError, KeyError, AttributeError, TypeError)


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
