"""Leung & Bovy (2024), label-independent: from the authors' record, or live from a clone of its code.

It returns the leading coefficients from the same coefficients. The rest of the coefficients, and so the
flux, it does not predict.
"""

from xpsvae.compare import lb23

LABEL = "LB23"
PROSE = "the model of Leung and Bovy (2024)"
LOOK = {"color": "#117733", "linestyle": (0, (6, 1.5, 1, 1.5)), "marker": "D", "cmap": "Greens"}
KNOWS_LABELS = False
PEER = True
NEEDS = ("lb23_label_independent",)
CHAIN = (("XP\ncoefficients", "data"), ("embedding", "learnt"), ("coefficients", "data"))
TEXT = (
    r"""\textit{LB23} is the model of \citet{leung2024}, used label-independent: it is shown <n_coefficients>
coefficients of a star and asked for the same. """
    + lb23.TEXT
)


def needs(extras, clone=None, **_):
    """Return the product that is read: none where the model runs from a clone."""
    return () if clone else NEEDS


def fingerprint(clone=None, weights=lb23.WEIGHTS):
    """Return what the files of the clone are like."""
    return lb23.fingerprint(clone) if clone else None


def predict(given, clone=None, weights=lb23.WEIGHTS):
    """Test stars as the record has them, or as the model itself says.

    Parameters
    ----------
    given : xpsvae.compare.registry.Given
    clone : path-like, optional
        Clone of the model's code with its weights; the record's predictions are taken if not given.
    weights : str, optional
        Git blob of the weights; None takes any.

    Returns
    -------
    xpsvae.compare.registry.Prediction
        The leading coefficients; a star with a value that is not finite is not ``known``.

    Raises
    ------
    Unusable
        See `xpsvae.compare.lb23`.
    """
    return lb23.predict(given, NEEDS[0], clone, weights, by_labels=False)
