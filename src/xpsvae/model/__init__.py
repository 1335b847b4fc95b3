"""The scatter variational auto-encoder: model, training, inference.

Needs numpy and torch, nothing else. These names are the stable public API.
"""

from xpsvae.model.infer import embed
from xpsvae.model.published import load_published
from xpsvae.model.storage import load, save
from xpsvae.model.svae import ScatterVAE

__all__ = ["ScatterVAE", "embed", "fit", "load", "load_published", "save"]


def fit(x, x_err, validation=None, **training):
    """Train a model; see :func:`xpsvae.model.train.fit`."""
    from xpsvae.model import train  # late, so that `python -m xpsvae.model.train` finds it unimported

    return train.fit(x, x_err, validation, **training)
