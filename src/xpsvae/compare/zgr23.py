"""Zhang, Green & Rix's (2023) forward model in NumPy, on variables taken once out of its SavedModel.

    ln f = MLP((labels - zero point) * inverse scale) - E exp(ln R) + 2 ln(parallax)

with hyperbolic tangents between the layers. `xpsvae.compare.convert_zgr23` takes the variables out, in an
environment that has TensorFlow; here nothing needs it.
"""

import re

import numpy as np

from xpsvae.compare.registry import Unusable
from xpsvae.compare.residuals import WAVELENGTHS
from xpsvae.errors import InputError
from xpsvae.products import read_array

__all__ = ["UNIT", "choose_variables", "flux", "read_model", "require_model"]

UNIT = 1e-18  # [W m-2 nm-1] of the flux, with a parallax in mas
CHUNK = 8192  # stars at a time
SCALARS = {
    "sample_wavelengths": "_sample_wavelengths",
    "input_zp": "_input_zp",
    "input_iscale": "_input_iscale",
    "ln_ext_curve": "_ln_ext_curve",
}
_LAYER = re.compile(r"(?:.*/)?_?layers/(\d+)/([wb])")


def choose_variables(found):
    """Which variable of a SavedModel is which part of the model.

    Parameters
    ----------
    found : collection of str
        Names by attribute, such as ``_layers/0/w``.

    Returns
    -------
    dict of str to str
        Name of a part (``w0``, ``b0``, … and ``sample_wavelengths``, ``input_zp``, ``input_iscale``,
        ``ln_ext_curve``) -> name of its variable.

    Raises
    ------
    InputError
        If a part is missing or found twice; the sentence lists what was found.
    """
    parts = {}
    for name in sorted(found):
        layer = _LAYER.fullmatch(name)
        if layer:
            parts.setdefault(f"{layer[2]}{int(layer[1])}", []).append(name)
        for part, attribute in SCALARS.items():
            if name.rpartition("/")[2] == attribute:
                parts.setdefault(part, []).append(name)
    depth = max(sum(part.startswith(kind) and part[1:].isdigit() for part in parts) for kind in "wb")
    wanted = [*SCALARS, *(f"{kind}{number}" for number in range(max(depth, 1)) for kind in "wb")]
    wrong = [part for part in wanted if len(parts.get(part, ())) != 1]
    if wrong or len(parts) != len(wanted):
        raise InputError(
            f"the SavedModel has not exactly one variable for {', '.join(wrong) or 'each layer'} but "
            f"{', '.join(sorted(found)) or 'none at all'}: give the model of Zenodo record 7811871."
        )
    return {part: names[0] for part, names in parts.items()}


def require_model(model, path):
    """Refuse arrays that do not fit together as this model.

    Parameters
    ----------
    model : dict of array
        By name of the part, see `choose_variables`.
    path : path-like
        For the sentence.

    Raises
    ------
    Unusable
        If a part is missing, of another shape or not finite, or the wavelengths do not begin with those that
        are compared.
    """
    depth = sum(bool(re.fullmatch(r"w\d+", name)) for name in model)
    wanted = [*SCALARS, *(f"{kind}{number}" for number in range(max(depth, 1)) for kind in "wb")]
    missing = [name for name in wanted if name not in model]
    if missing:
        raise _unusable(path, f"has no {', '.join(missing)} but {', '.join(sorted(model)) or 'nothing'}")
    n_output, widths = np.size(model["sample_wavelengths"]), [3]
    for number in range(depth):
        shape = np.shape(model[f"w{number}"])
        if len(shape) != 2 or shape[0] != widths[-1] or np.size(model[f"b{number}"]) != shape[1]:
            raise _unusable(path, f"has layer {number} of shape {shape} after {widths[-1]} numbers")
        widths.append(shape[1])
    if widths[-1] != n_output or np.size(model["ln_ext_curve"]) != n_output:
        curve = np.size(model["ln_ext_curve"])
        raise _unusable(path, f"gives {widths[-1]} fluxes and {curve} extinctions at {n_output} wavelengths")
    if np.size(model["input_zp"]) != 3 or np.size(model["input_iscale"]) != 3:
        raise _unusable(path, "has no three zero points and scales of labels")
    if not all(np.isfinite(model[name]).all() for name in wanted):
        raise _unusable(path, "holds numbers that are not finite")
    first = np.ravel(model["sample_wavelengths"])[: len(WAVELENGTHS)]
    if len(first) != len(WAVELENGTHS) or not np.allclose(first, WAVELENGTHS, rtol=0, atol=0.01):
        raise _unusable(
            path,
            f"has other wavelengths than {WAVELENGTHS[0]:.0f} to {WAVELENGTHS[-1]:.0f} nm in steps of 10 nm",
        )


def read_model(path):
    """Read what `xpsvae.compare.convert_zgr23` wrote.

    Returns
    -------
    dict of array

    Raises
    ------
    Unusable
        If the file is missing or damaged or does not hold this model.
    """
    try:
        model = read_array(path)
    except InputError as error:
        raise Unusable(str(error), "its variables are not where the configuration says") from error
    if not isinstance(model, dict):
        raise _unusable(path, "is one array")
    model = {name: values.astype(float) for name, values in model.items() if values.dtype.kind in "fiu"}
    require_model(model, path)
    return model


def _unusable(path, found):
    return Unusable(
        f"{path} {found}: convert the SavedModel of Zenodo record 7811871 as docs/peers.md says.",
        "the variables at hand are not those of its published form",
    )


def flux(model, labels, extinction, parallax):
    """Flux of stars.

    Parameters
    ----------
    model : dict of array
        Of `read_model`.
    labels : array (n, 3)
        T_eff [1000 K], [Fe/H] and log g [dex].
    extinction : array (n,)
        E, in the unit of the model's extinction curve.
    parallax : array (n,)
        [mas].

    Returns
    -------
    float64 array (n, n_wavelengths)
        [1e-18 W m-2 nm-1] at ``sample_wavelengths``.
    """
    depth = sum(bool(re.fullmatch(r"w\d+", name)) for name in model)
    curve = np.exp(model["ln_ext_curve"].ravel())
    found = np.empty((len(labels), len(curve)))
    for start in range(0, len(labels), CHUNK):
        rows = slice(start, start + CHUNK)
        x = (np.asarray(labels[rows], float) - model["input_zp"].ravel()) * model["input_iscale"].ravel()
        for number in range(depth):
            x = x @ model[f"w{number}"] + model[f"b{number}"].ravel()
            x = np.tanh(x) if number < depth - 1 else x
        dust = np.multiply.outer(np.asarray(extinction[rows], float), curve)
        found[rows] = np.exp(x - dust) * np.square(np.asarray(parallax[rows], float))[:, None]
    return found
