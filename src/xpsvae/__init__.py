"""Scatter variational auto-encoder for Gaia XP spectra: the paper, rebuilt from its inputs."""

import os

# Threads that wait for each other sleep after some microseconds instead of spinning for milliseconds: where
# other work keeps the cores busy they would spin in the place of the thread that they wait for, and a step of
# the training would take thirty times as long. GNU OpenMP reads this when torch is imported.
os.environ.setdefault("GOMP_SPINCOUNT", "2000")

# `xpsvae.read`, `.describe`, `.load` and their kin are imported on first use: torch takes seconds.
_OWN_STARS = {
    "read": "xpsvae.xp.spectra",
    "load": "xpsvae.own_stars.pretrained",
    **dict.fromkeys(("describe", "encode", "decode", "reconstruct"), "xpsvae.own_stars.tables"),
    "train": "xpsvae.own_stars.train",
}


def __getattr__(name):
    if name not in _OWN_STARS:
        raise AttributeError(f"module 'xpsvae' has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_OWN_STARS[name]), name)


def __dir__():
    return sorted([*globals(), *_OWN_STARS])
