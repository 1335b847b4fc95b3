"""Leung & Bovy (2023), label-independent: the predictions that the authors' record holds.

It returns the leading coefficients from the same coefficients. The rest of the coefficients, and so the
flux, it does not predict.
"""

import numpy as np

from xpsvae.compare.registry import Prediction
from xpsvae.compare.residuals import coefficient_columns
from xpsvae.products import read_array

LABEL = "LB23"
PROSE = "the model of Leung and Bovy (2024)"
LOOK = {"color": "#117733", "linestyle": (0, (6, 1.5, 1, 1.5)), "marker": "D", "cmap": "Greens"}
KNOWS_LABELS = False
NEEDS = ("lb23_label_independent",)
CHAIN = (("XP\ncoefficients", "data"), ("embedding", "learnt"), ("coefficients", "data"))
TEXT = r"""\textit{LB23} is the model of \citet{leung2024}, used label-independent; its
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
