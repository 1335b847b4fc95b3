"""Leung & Bovy (2023), label-dependent: the predictions that the authors' record holds.

It returns the leading coefficients from five labels that it was first asked for. The rest of the
coefficients, and so the flux, it does not predict.
"""

import numpy as np

from xpsvae.compare.registry import Prediction
from xpsvae.compare.residuals import coefficient_columns
from xpsvae.products import read_array

LABEL = "LB23 (labels)"
PROSE = "that model given labels only"
LOOK = {"color": "#882255", "linestyle": (0, (3, 1, 1, 1, 1, 1)), "marker": "v", "cmap": "PuRd"}
KNOWS_LABELS = True
NEEDS = ("lb23_label_dependent",)
CHAIN = (
    ("XP\ncoefficients", "data"),
    ("embedding", "learnt"),
    ("stellar\nlabels", "labels"),
    ("embedding", "learnt"),
    ("coefficients", "data"),
)
TEXT = r"""\textit{LB23 (labels)} is the model of \citet{leung2024}, used label-dependent; its
predictions for <n_predicted> test stars come with the authors' record."""


def predict(given):
    """Test stars as the record has them.

    Parameters
    ----------
    given : xpsvae.compare.registry.Given

    Returns
    -------
    xpsvae.compare.registry.Prediction
        The leading coefficients; a star with a value that is not finite is not ``known``, and none is where
        the record has no predictions.
    """
    columns = coefficient_columns()
    relative = read_array(given.extras[NEEDS[0]]).astype(float)
    if not len(relative):  # not in this record
        relative = np.full((np.count_nonzero(given.test), len(columns)), np.nan)
    coefficients = np.full((len(relative), len(given.mu)), np.nan)
    coefficients[:, columns] = (relative - given.mu[columns]) / given.sigma[columns]
    known = np.isfinite(relative).all(axis=1)
    return Prediction(known=known, coefficients=coefficients, summary={"n_predicted": int(known.sum())})
