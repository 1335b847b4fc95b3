"""The comparison models by name, and what each has to say of itself.

A model is a module of `xpsvae.compare.models` and an entry of config group ``comparison`` under the same
name; rules, residuals, figures and text ask here, and none of them knows how many there are. The module has

``LABEL``        name in legends, ``<...>`` for a number of its summary: ``"PCA (<components> components)"``
``PROSE``        name within a sentence: ``"the label MLP"``
``LOOK``         ``color``, ``linestyle``, ``marker`` and ``cmap`` of its lines in figures
``KNOWS_LABELS`` whether it is given stellar labels
``NEEDS``        products of the dataset that it reads, by name; it is left out where a dataset lacks one
``CHAIN``        the boxes of Figure 4 from input to output: (text, ``"data"``, ``"labels"`` or ``"learnt"``)
``TEXT``         its paragraph in the paper, LaTeX, with ``<...>`` for numbers of its summary
``predict``      function (`Given`, **settings of its config entry) -> `Prediction`

It may have

``PEER``         true for a model that others trained; where what there is of it cannot be used, `predict` here says
                 so in a sentence and the paper is built without it
``needs``        function (products on offer, **settings) -> products, or None to be left out: stands for NEEDS
                 where that depends on settings
``fingerprint``  function (**settings) -> what its files outside this project are like, cheap and as plain JSON;
                 when it changes, the model predicts again

Modules are imported while the workflow is planned: they import what is heavy within ``predict``.
"""

import importlib
import inspect
import pkgutil
import re
import sys
from dataclasses import dataclass, field

import numpy as np

from xpsvae.compare import models
from xpsvae.errors import InputError, suggestion

__all__ = [
    "SVAE",
    "Given",
    "Prediction",
    "Unusable",
    "available",
    "card",
    "chosen",
    "filled",
    "fingerprint",
    "get",
    "needs",
    "predict",
]

_CONTRACT = ("LABEL", "PROSE", "LOOK", "KNOWS_LABELS", "NEEDS", "CHAIN", "TEXT", "predict")

# The model itself, in the same words. Colours are Tol's high-contrast trio: three greys as well.
SVAE = {
    "model": "svae",
    "label": "sVAE",
    "prose": "the sVAE",
    "look": {"color": "#004488", "linestyle": "-", "marker": "o", "cmap": "Blues"},
    "knows_labels": False,
    "chain": [["XP\ncoefficients", "data"], ["<n_latents> latents", "learnt"],
              ["coefficients\n± scatter", "data"]],
}  # fmt: skip


class Unusable(InputError):
    """A peer of which there is nothing that could be used.

    Parameters
    ----------
    sentence : str
        For the log: which file or key, what was expected, what to do.
    reason : str
        For the paper: a clause without paths.
    """

    def __init__(self, sentence, reason):
        super().__init__(sentence)
        self.reason = reason


@dataclass(frozen=True)
class Given:
    """What every model may use; rows are stars of the catalogue."""

    stars: object  # pandas.DataFrame: labels, photometry
    train: np.ndarray  # bool (n_stars,), the stars that trained the sVAE
    test: np.ndarray  # bool (n_stars,)
    x: np.ndarray  # standardised coefficients (n_stars, n_coefficients)
    x_err: np.ndarray  # their errors
    mu: np.ndarray  # normalisation of c / F_G (n_coefficients,)
    sigma: np.ndarray
    n_latents: int
    extras: dict = field(default_factory=dict)  # products that the model needs: name -> path
    checkpoints: str = "checkpoints"  # folder for what a killed model goes on from


@dataclass(frozen=True)
class Prediction:
    """What a model says of the test stars, in the order of the catalogue.

    Either ``coefficients``, standardised (n_test, n_coefficients), with NaN in columns that it does not
    predict, or ``flux`` / F_G (n_test, 61) on the wavelengths of `xpsvae.compare.residuals`. ``known`` marks
    the stars that the model knows what it needs of.
    """

    known: np.ndarray
    coefficients: np.ndarray | None = None
    flux: np.ndarray | None = None
    summary: dict = field(default_factory=dict)  # numbers for its text; plain JSON


def available():
    """Names of all models that there are modules for."""
    return sorted(module.name for module in pkgutil.iter_modules(models.__path__))


def get(name):
    """Return the module of a comparison model.

    Raises
    ------
    InputError
        If there is none of that name, or it lacks part of the contract.
    """
    if name not in available():
        raise InputError(
            f"comparison model '{name}' (config group comparison) is not known: "
            f"{suggestion(name, available())}."
        )
    module = importlib.import_module(f"{models.__name__}.{name}")
    missing = [part for part in _CONTRACT if not hasattr(module, part)]
    if missing:
        raise InputError(
            f"comparison model '{name}' lacks {', '.join(missing)}: see xpsvae.compare.registry for what a "
            "model has to say."
        )
    return module


def chosen(config, extras):
    """Models to compare with: those of the configuration whose needs this dataset meets.

    Parameters
    ----------
    config : dict
        Group ``comparison``: settings by model; null leaves a model out.
    extras : collection of str
        Products that the dataset has to offer.

    Returns
    -------
    dict of str to dict
        Settings by model, in the order of the configuration.

    Raises
    ------
    InputError
        If a model or a setting is not known, or no model is left.
    """
    wanted = {name: settings for name, settings in config.items() if settings is not None}
    for name, settings in wanted.items():
        _require_settings(name, settings)
    left = {name: settings for name, settings in wanted.items() if needs(name, settings, extras) is not None}
    if not left:
        raise InputError(
            "config group 'comparison' leaves no model that this dataset can show beside the sVAE: keep one, "
            "such as pca."
        )
    return left


def needs(name, settings, extras):
    """Products of the dataset that a model reads, or None if it has to be left out.

    Parameters
    ----------
    name : str
    settings : dict
        Of the model.
    extras : collection of str
        Products that the dataset has to offer.

    Returns
    -------
    tuple of str, or None
    """
    module = get(name)
    wanted = module.needs(extras, **settings) if hasattr(module, "needs") else module.NEEDS
    return wanted if wanted is not None and set(wanted) <= set(extras) else None


def fingerprint(name, settings):
    """Return what a model's files outside this project are like, as plain JSON; None if it has none."""
    module = get(name)
    return module.fingerprint(**settings) if hasattr(module, "fingerprint") else None


def predict(name, given, settings):
    """Let a model predict the test stars.

    A peer that cannot be used predicts none: the sentence that says why goes to stderr, and ``left_out`` of
    its summary is the reason in words for the paper.

    Raises
    ------
    InputError
        If the prediction of a model that is not a peer does not have its form.
    """
    try:
        return _predict(name, given, settings)
    except InputError as error:
        if not getattr(get(name), "PEER", False):
            raise
        print(f"{get(name).LABEL} is left out: {error}", file=sys.stderr)
        reason = getattr(error, "reason", "its predictions could not be used")
        known = np.zeros(int(given.test.sum()), dtype=bool)
        nothing = np.full((len(known), given.x.shape[1]), np.nan)
        return Prediction(known, nothing, summary={"left_out": reason})


def _predict(name, given, settings):
    prediction = get(name).predict(given, **settings)
    n_test = int(given.test.sum())
    for part in (prediction.known, prediction.coefficients, prediction.flux):
        if part is not None and len(part) != n_test:
            raise InputError(
                f"comparison model '{name}' predicts {len(part)} stars where there are {n_test} test stars: "
                "a row a test star, in the order of the catalogue."
            )
    if (prediction.coefficients is None) == (prediction.flux is None):
        raise InputError(f"comparison model '{name}' has to predict either coefficients or flux.")
    return prediction


def _require_settings(name, settings):
    """Refuse what is no setting of a model: an argument of its ``predict``, but for the first."""
    known = list(inspect.signature(get(name).predict).parameters)[1:]
    for setting in settings:
        if setting not in known:
            raise InputError(
                f"config key 'comparison.{name}.{setting}' is not known: "
                + (f"{suggestion(setting, known)}." if known else "this model has no settings.")
            )


def card(name, summary):
    """Return what a model says of itself, with the numbers of its summary filled in, as plain JSON."""
    module = get(name)
    return {
        "model": name,
        "label": filled(module.LABEL, summary),
        "prose": filled(module.PROSE, summary),
        "look": module.LOOK,
        "knows_labels": module.KNOWS_LABELS,
        "peer": getattr(module, "PEER", False),
        "chain": [[filled(text, summary), kind] for text, kind in module.CHAIN],
        "text": module.TEXT,
        "summary": summary,
    }


def filled(text, summary, form=str):
    """Put numbers of a summary, formed by ``form``, in place of their names in angle brackets."""
    return re.sub(r"<(\w+)>", lambda match: form(summary[match.group(1)]), text)
