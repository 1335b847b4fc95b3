"""Take the variables out of the SavedModel of Zhang, Green & Rix (2023), where TensorFlow is installed.

``python -m xpsvae.compare.convert_zgr23 SAVEDMODEL zgr23.npz`` in the environment of ``envs/zgr23.yaml``,
once; the file is what config key ``comparison.zgr23.model`` names.
"""

import sys
from pathlib import Path

import numpy as np

from xpsvae.compare import zgr23
from xpsvae.errors import InputError
from xpsvae.products import write_arrays

__all__ = ["convert"]

SUFFIX = "/.ATTRIBUTES/VARIABLE_VALUE"
N_CHECKED = 64  # made-up stars on which both forms have to agree
TOLERANCE = 1e-4  # relative; TensorFlow computes in single precision


def convert(saved_model, path):
    """Write the variables as ``.npz``, after the NumPy form has been held against the model itself.

    Parameters
    ----------
    saved_model : path-like
        Folder with ``saved_model.pb``.
    path : path-like
        ``.npz`` to write.

    Returns
    -------
    float
        Largest relative difference between both forms.

    Raises
    ------
    InputError
        If there is no such model, its variables have other names, or its flux is not that of the NumPy form.
    """
    try:
        import tensorflow as tf
    except ImportError as error:
        raise InputError(
            f"TensorFlow cannot be imported ({error}): run this in the environment of envs/zgr23.yaml."
        ) from error
    folder = Path(saved_model)
    try:
        reader = tf.train.load_checkpoint(str(folder / "variables" / "variables"))
        model = tf.saved_model.load(str(folder))
    except (tf.errors.OpError, OSError, ValueError) as error:
        raise InputError(
            f"{folder} holds no SavedModel that TensorFlow reads ({' '.join(str(error).split())}): unpack the model of "
            "Zenodo record 7811871 there."
        ) from error
    names = {
        name.removesuffix(SUFFIX): name
        for name in reader.get_variable_to_shape_map()
        if name.endswith(SUFFIX)
    }
    parts = {
        part: np.asarray(reader.get_tensor(names[name]), dtype=np.float32)
        for part, name in sorted(zgr23.choose_variables(names).items())
    }
    zgr23.require_model(parts, folder)
    difference = _difference(model, parts, folder)
    write_arrays(path, **parts)
    return difference


def _difference(model, parts, folder):
    """Largest relative difference to the model's own flux, over made-up stars."""
    rng = np.random.default_rng(0)
    labels = parts["input_zp"].ravel() + rng.uniform(-1, 1, (N_CHECKED, 3)) / parts["input_iscale"].ravel()
    dust, parallax = rng.uniform(0, 1, N_CHECKED), rng.uniform(0.5, 2, N_CHECKED)
    stars = [values.astype(np.float32) for values in (labels, dust, parallax)]
    try:
        theirs = np.asarray(model.predict_observed_flux(*stars), dtype=float)
    except (AttributeError, TypeError, ValueError) as error:
        raise InputError(
            f"{folder} has no predict_observed_flux(labels, extinction, parallax), {type(error).__name__}: give the "
            "model of Zenodo record 7811871."
        ) from error
    ours = zgr23.flux({name: values.astype(float) for name, values in parts.items()}, *stars)
    difference = np.abs(ours / theirs - 1).max() if theirs.shape == ours.shape else np.inf
    if not difference < TOLERANCE:
        raise InputError(
            f"{folder} predicts another flux than its form in NumPy, by up to {difference:.2g} of it: this is not the "
            "model of Zenodo record 7811871."
        )
    return float(difference)


if __name__ == "__main__":
    try:
        if len(sys.argv) != 3:
            raise InputError("two arguments are needed: the folder of the SavedModel and the .npz to write.")
        print(f"written; both forms agree to {convert(*sys.argv[1:]):.1e}")
    except InputError as error:
        sys.exit(f"Error: {error}")
