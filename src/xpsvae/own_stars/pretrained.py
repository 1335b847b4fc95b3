"""Models by the folder that they lie in: the one that ships with the package, or one's own."""

from pathlib import Path

from xpsvae.errors import InputError
from xpsvae.model import storage
from xpsvae.own_stars.reference import read_reference

__all__ = ["SHIPPED", "load"]

SHIPPED = Path(__file__).resolve().parents[1] / "pretrained"


def load(folder=None, device=None):
    """Load a model.

    Parameters
    ----------
    folder : path-like, optional
        Results of a dataset (``results/library``), the folder of a model in it, or what ``xpsvae train`` wrote; by
        default the model that ships with the package.
    device : str, optional
        ``"cpu"``, ``"cuda"``, …; by default a GPU if there is one.

    Returns
    -------
    xpsvae.model.ScatterVAE
        In evaluation mode, with ``normalisation`` (mean and standard deviation of the coefficients over the G
        flux), ``reference`` (`xpsvae.own_stars.reference.Reference`, or None) and ``folder``.

    Raises
    ------
    InputError
        If a file of the model is missing or damaged, or the device is not there.
    """
    folder = SHIPPED if folder is None else Path(folder)
    if not (folder / "config.json").is_file() and (folder / "model" / "config.json").is_file():
        folder = folder / "model"
    if not (folder / "config.json").is_file():
        raise InputError(
            f"{folder} holds no model (config.json, svae.safetensors, normalisation.npz): give the folder of one."
        )
    model = storage.load(folder)
    if model.normalisation is None:
        raise InputError(f"{folder} has no normalisation.npz: spectra cannot be standardised without it.")
    model.reference = read_reference(folder / "reference.json", model.n_inputs, model.n_latents)
    model.folder = folder
    return model.to(_device(device))


def _device(name):
    import torch

    if name is None:
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise InputError(f"the device {name} cannot be used here: give cpu, or leave it out.") from error
    return device
