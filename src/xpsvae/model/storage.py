"""A trained model as a folder: weights, what they are the weights of, and their normalisation.

Weights are in the safetensors format (a JSON header, then the numbers), written here since training is to
run where only torch and numpy are; the bytes depend on nothing but the weights.
"""

import json
import struct
from pathlib import Path

import numpy as np
import torch

from xpsvae import digests
from xpsvae.errors import InputError
from xpsvae.model.svae import HIDDEN, ScatterVAE
from xpsvae.products import read_array, refusal, write_arrays, write_atomically, write_json
from xpsvae.shape import read_shape

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

    Raises
    ------
    InputError
        If a weight or the normalisation is not finite.
    """
    folder = Path(folder)
    _require_finite(folder / "svae.safetensors", model.state_dict())
    if normalisation is not None:
        _require_normalisation(folder / "normalisation.npz", normalisation, model.n_inputs)
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
        If a file is missing, damaged or not what the job that trained has written, or weights and
        configuration belong to different models.
    """
    folder = Path(folder)
    config, weights, normalisation = (
        folder / name for name in ("config.json", "svae.safetensors", "normalisation.npz")
    )
    for path in (config, weights, normalisation):
        digests.verify(path)
    shape = read_shape(config)
    model = ScatterVAE(shape["n_inputs"], shape["n_latents"], shape.get("hidden", HIDDEN))
    load_into(model, read_weights(weights), weights)
    model.normalisation = None
    if normalisation.is_file():
        arrays = read_array(normalisation)
        pair = (
            tuple(arrays.get(name) for name in ("mu", "sigma")) if isinstance(arrays, dict) else (None,) * 2
        )
        model.normalisation = _require_normalisation(normalisation, pair, model.n_inputs)
    return model.eval()


def load_into(model, weights, source):
    """Load a state_dict, or say in one sentence where it does not fit.

    Raises
    ------
    InputError
        If names or shapes differ from the model's, or a weight is not finite.
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
    _require_finite(source, weights)
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
    with refusal(path, "a readable safetensors file"):
        content = Path(path).read_bytes()
        (length,) = struct.unpack_from("<Q", content)
        header, data = json.loads(content[8 : 8 + length]), content[8 + length :]
        header.pop("__metadata__", None)
        tensors, end = {}, 0
        for name, entry in sorted(header.items(), key=lambda item: item[1]["data_offsets"]):
            start, stop = entry["data_offsets"]
            if start != end:
                raise ValueError(f"{name} begins at byte {start} of the numbers, not at {end}")
            array = np.frombuffer(data[start:stop], DTYPES[entry["dtype"]])
            tensors[name], end = torch.from_numpy(array.reshape(entry["shape"]).copy()), stop
        if end != len(data):
            raise ValueError(f"it has {len(data)} bytes of numbers, not {end}")
    return tensors


def _require_finite(source, tensors):
    for name, tensor in tensors.items():
        if not tensor.isfinite().all():
            raise InputError(f"{source}: the weights {name} are not all finite numbers: train again.")


def _require_normalisation(source, pair, width):
    """Return mean and standard deviation if they are what coefficients can be standardised by."""
    good = all(
        isinstance(array, np.ndarray) and array.dtype.kind == "f" and array.shape == (width,)
        for array in pair
    )
    if not good or not np.isfinite(pair).all() or not (pair[1] > 0).all():
        raise InputError(
            f"{source} does not hold a mean 'mu' and a positive standard deviation 'sigma' for each of "
            f"{width} coefficients: train again."
        )
    return pair
