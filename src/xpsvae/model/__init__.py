"""The scatter variational auto-encoder: model, training, inference.

Needs numpy and torch, nothing else. These names are the stable public API. They are imported on first use: torch
takes seconds, and modules such as `standardise` and `recipe` do without.
"""

__all__ = ["ScatterVAE", "embed", "fit", "load", "load_published", "save"]


def __getattr__(name):
    if name not in __all__:
        raise AttributeError(f"module 'xpsvae.model' has no attribute {name!r}")
    from xpsvae.model.infer import embed
    from xpsvae.model.published import load_published
    from xpsvae.model.storage import load, save
    from xpsvae.model.svae import ScatterVAE

    public = {
        "ScatterVAE": ScatterVAE,
        "embed": embed,
        "load": load,
        "load_published": load_published,
        "save": save,
    }
    return public[name]


def __dir__():
    return sorted({*globals(), *__all__})


def fit(x, x_err, validation=None, **training):
    """Train a model; see :func:`xpsvae.model.train.fit`."""
    from xpsvae.model import train  # late, so that `python -m xpsvae.model.train` finds it unimported

    return train.fit(x, x_err, validation, **training)
