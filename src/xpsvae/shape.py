"""The network's shape as ``config.json`` of a trained model gives it; read without torch."""

from pathlib import Path

from xpsvae.errors import InputError
from xpsvae.products import read_json

__all__ = ["read_shape"]

_WIDEST = 1 << 16  # a larger layer is a damaged file


def read_shape(path):
    """Read which network a model is.

    Parameters
    ----------
    path : path-like
        ``config.json`` as `xpsvae.model.storage.save` writes it.

    Returns
    -------
    dict
        n_inputs, n_latents (int) and hidden (list of int, if given).

    Raises
    ------
    InputError
        If the file is missing, damaged, or describes no network.
    """
    content = read_json(path)
    shape = content.get("model") if isinstance(content, dict) else None
    shape = shape if isinstance(shape, dict) else {}
    hidden = shape.get("hidden", [1])
    widths = [
        shape.get("n_inputs"),
        shape.get("n_latents"),
        *(hidden if isinstance(hidden, list) else [None]),
    ]
    if not hidden or not all(type(width) is int and 0 < width <= _WIDEST for width in widths):
        raise InputError(
            f"{Path(path)} does not describe a model (n_inputs, n_latents and hidden have to be widths of "
            "layers): delete it and train again."
        )
    return shape
