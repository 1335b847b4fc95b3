"""A trained model as a folder: weights, what they are the weights of, and their normalisation.

Weights are in the safetensors format (a JSON header, then the numbers), written here since training is to
run where only torch and numpy are; the bytes depend on nothing but the weights.
"""

import json
import struct
from pathlib import Path

import numpy as np
import torch

from xpsvae.errors import InputError
from xpsvae.model.svae import HIDDEN, ScatterVAE
from xpsvae.products import read_array, read_json, write_arrays, write_atomically, write_json

__all__ = ["load", "load_into", "read_weights", "save", "write_weights"]

DTYPES = {"F32": np.dtype("<f4"), "F64": np.dtype("<f8"), "I64": np.dtype("<i8")}


def save(folder, model, normalisation=None, recipe=None):
    """Write ``svae.safetensors``, ``config.json`` and, if given, ``normalisation.npz`` into ``folder``.

    Parameters
    ----------
    folder : path-like
    model : ScatterVAE
    normalisation : pair of arrays (n_inputs,), optional
        Mean and standard deviation of the coefficients over the G flux.
    recipe : dict, optional
        How the model was trained.
    """
    folder = Path(folder)
    write_weights(folder / "svae.safetensors", model.state_dict())
    shape = {"n_inputs": model.n_inputs, "n_latents": model.n_latents, "hidden": list(model.hidden)}
    write_json(folder / "config.json", {"model": shape, "training": recipe})
    if normalisation is not None:
        mu, sigma = normalisation
        write_arrays(folder / "normalisation.npz", mu=mu, sigma=sigma)


def load(folder):
    """Read the model that `save` wrote, in evaluation mode.

    Returns
    -------
    ScatterVAE
        With ``mu`` and ``sigma`` of its normalisation as ``model.normalisation``, or None.

    Raises
    ------
    InputError
        If a file is missing or damaged, or weights and configuration belong to different models.
    """
    folder = Path(folder)
    shape = read_json(folder / "config.json").get("model", {})
    if not {"n_inputs", "n_latents"} <= shape.keys():
        raise InputError(f"{folder / 'config.json'} does not describe a model: retrain it.")
    model = ScatterVAE(shape["n_inputs"], shape["n_latents"], shape.get("hidden", HIDDEN))
    load_into(model, read_weights(folder / "svae.safetensors"), folder / "svae.safetensors")
    model.normalisation = None
    if (folder / "normalisation.npz").is_file():
        arrays = read_array(folder / "normalisation.npz")
        model.normalisation = arrays["mu"], arrays["sigma"]
    return model.eval()


def load_into(model, weights, source):
    """Load a state_dict, or say in one sentence where it does not fit.

    Raises
    ------
    InputError
        If names or shapes differ from the model's.
    """
    own = model.state_dict()
    wrong = [
        name
        for name in sorted(own.keys() | weights.keys())
        if name not in own or name not in weights or own[name].shape != weights[name].shape
    ]
    if wrong:
        here, there = (
            tuple(state[wrong[0]].shape) if wrong[0] in state else "absent" for state in (weights, own)
        )
        raise InputError(
            f"{source} holds the weights of another architecture: {wrong[0]} is {here} there and {there} in "
            f"the model ({len(wrong)} tensors differ); give the weights that belong to the configuration."
        )
    model.load_state_dict(weights)


def write_weights(path, tensors):
    """Write tensors by name in the safetensors format."""
    header, payload, start = {}, [], 0
    for name, tensor in tensors.items():
        array = tensor.detach().cpu().numpy()
        (code,) = (code for code, dtype in DTYPES.items() if dtype == array.dtype)
        data = np.ascontiguousarray(array, dtype=DTYPES[code]).tobytes()
        header[name] = {"dtype": code, "shape": list(array.shape), "data_offsets": [start, start + len(data)]}
        payload.append(data)
        start += len(data)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # the numbers start at a multiple of eight bytes
    with write_atomically(path) as temporary:
        temporary.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(payload))


def read_weights(path):
    """Read a safetensors file of float32, float64 or int64 tensors.

    Raises
    ------
    InputError
        If the file is missing, truncated or not safetensors.
    """
    try:
        content = Path(path).read_bytes()
        (length,) = struct.unpack_from("<Q", content)
        header, data = json.loads(content[8 : 8 + length]), content[8 + length :]
        header.pop("__metadata__", None)
        tensors = {}
        for name, entry in header.items():
            start, stop = entry["data_offsets"]
            array = np.frombuffer(data[start:stop], DTYPES[entry["dtype"]])
            tensors[name] = torch.from_numpy(array.reshape(entry["shape"]).copy())
    except FileNotFoundError as error:
        raise InputError(f"{path} does not exist: train the model first.") from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError, struct.error) as error:
        raise InputError(f"{path} is not a readable safetensors file ({error}): train again.") from error
    return tensors
