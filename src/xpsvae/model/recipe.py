"""Training recipes by name, and every choice of a training run.

`config.yaml` lists the same recipes for the workflow, its schema the same bounds; a test holds them equal.
"""

import math
from dataclasses import MISSING, dataclass, fields
from numbers import Integral, Real

from xpsvae.errors import InputError

__all__ = ["RECIPES", "WHOLE", "WORDS", "Recipe", "choose"]

_ONE_CYCLE = {
    "batch_size": 512,
    "schedule": "one-cycle",
    "learning_rate": 0.02,
    "warm_up": 0.3,
    "weight_decay": 0.01,
    "kl_warm_up": 0.7,
    "free_bits": 0.0,
}
_ALIVE = {"kl_power": 3.0, "first_sigma": 0.05}  # with these no latent dies

RECIPES = {
    "published": {
        "epochs": 5000,
        "batch_size": 1024,
        "schedule": "cosine",
        "learning_rate": 1e-4,
        "restart_every": 500,
        "final_learning_rate": 1e-10,
        "weight_decay": 0.01,
        "kl_warm_up": 0.0,
        "free_bits": 0.0,
    },
    "quick": {"epochs": 100} | _ONE_CYCLE | _ALIVE,
    "fast": {"epochs": 300} | _ONE_CYCLE | _ALIVE,
    "fast-bf16": {"epochs": 300} | _ONE_CYCLE | _ALIVE | {"precision": "bf16"},
    "fast-linear": {"epochs": 300} | _ONE_CYCLE,
}

# Lowest and highest value of what is counted.
WHOLE = {
    "epochs": (1, 10**6),
    "batch_size": (2, 10**6),
    "restart_every": (1, 10**6),
    "n_latents": (1, 110),
    "window": (0, 10**9),
    "seed": (0, 2**32 - 1),
    "validate_every": (1, 10**6),
    "checkpoint_every": (1, 10**6),
}
WORDS = {  # what is chosen among few
    "schedule": ("one-cycle", "cosine"),
    "scatter": ("estimated", "constant", "none"),
    "latents": ("drawn", "means"),
    "precision": ("float32", "bf16"),
}


@dataclass(frozen=True)
class Recipe:
    """Every choice of a training run; `choose` makes one from a name."""

    recipe: str  # its name
    epochs: int  # passes over the training stars
    batch_size: int  # stars a step; the last partial batch of an epoch is dropped
    schedule: str  # "one-cycle": a rate per step; or "cosine": warm restarts, a rate per epoch
    learning_rate: float  # the largest
    weight_decay: float
    kl_warm_up: float  # fraction of the steps over which the weight of the divergence grows to 1
    free_bits: float  # [nat] divergence of a latent that costs nothing
    kl_power: float = 1.0  # of the steps taken, by which that weight grows
    first_sigma: float = 1.0  # factor of the posteriors' standard deviations before the first step
    warm_up: float = 0.0  # one-cycle: fraction of the steps on the way up
    precision: str = (
        "float32"  # of the factors of matrix products; "bf16": 8 significant bits, faster on some processors
    )
    restart_every: int = 0  # cosine: epochs from one restart to the next
    final_learning_rate: float = 0.0  # cosine: the smallest, reached just before a restart
    n_latents: int = 6
    scatter: str = "estimated"  # "constant": one a coefficient; "none": a plain VAE
    latents: str = "drawn"  # "means": an autoencoder, without noise and divergence
    window: int = 0  # stars held at a time, by all processes together; 0: all stars, in each
    seed: int = 0  # of the initial weights, the order of the stars and the noise
    validate_every: int = 1  # epochs between two validations; the last epoch always has one
    checkpoint_every: int = 10  # epochs between two checkpoints

    def __post_init__(self):
        for name, known in WORDS.items():
            if getattr(self, name) not in known:
                raise InputError(f"training: {name} is {getattr(self, name)!r}: write {' or '.join(known)}.")
        unused = ("restart_every", "final_learning_rate") if self.schedule == "one-cycle" else ("warm_up",)
        for field in fields(self):
            name, value = field.name, getattr(self, field.name)
            if field.type is str or name in unused:
                continue
            if name in WHOLE and (isinstance(value, bool) or not isinstance(value, Integral)):
                raise InputError(f"training: {name} is {value!r}: it has to be a whole number.")
            if isinstance(value, bool) or not isinstance(value, Real) or not math.isfinite(value):
                raise InputError(f"training: {name} is {value!r}: it has to be a finite number.")
            lowest, highest = WHOLE.get(name, (0, math.inf))
            if value < lowest:
                raise InputError(f"training: {name} is {value}: it has to be at least {lowest}.")
            if value > highest:
                raise InputError(f"training: {name} is {value}: it has to be at most {highest}.")
        if not self.learning_rate > 0:
            raise InputError(f"training: learning_rate is {self.learning_rate}: it has to be positive.")
        for name in ("kl_power", "first_sigma"):
            if not getattr(self, name) > 0:
                raise InputError(f"training: {name} is {getattr(self, name)}: it has to be positive.")
        if self.kl_warm_up > 1:
            raise InputError(f"training: kl_warm_up is {self.kl_warm_up}: it has to be at most 1.")
        if self.schedule == "one-cycle" and not 0 < self.warm_up < 1:
            raise InputError(f"training: warm_up is {self.warm_up}: it has to lie between 0 and 1.")


def choose(recipe="fast", **choices):
    """Return a recipe by its name, some of its choices made differently.

    Parameters
    ----------
    recipe : str
        One of `RECIPES`; or a name of one's own, if all that those decide is given.
    **choices
        Fields of `Recipe`.

    Returns
    -------
    Recipe

    Raises
    ------
    InputError
        If the name is not known, or a choice is out of range.
    """
    choices = RECIPES.get(recipe, {}) | choices
    decided = [field.name for field in fields(Recipe) if field.default is MISSING and field.name != "recipe"]
    if missing := [name for name in decided if name not in choices]:
        raise InputError(
            f"training: recipe is {recipe!r}: write one of {', '.join(RECIPES)}, or give your own recipe's "
            f"{', '.join(missing)}, too."
        )
    return Recipe(recipe, **choices)
