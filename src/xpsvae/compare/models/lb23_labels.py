"""Leung & Bovy (2024), label-dependent: from the authors' record, or live from a clone of its code.

It returns the leading coefficients from five labels that it was first asked for. The rest of the
coefficients, and so the flux, it does not predict.
"""

from xpsvae.compare import lb23

LABEL = "LB23 (labels)"
PROSE = "the model of Leung and Bovy (2024) given labels only"
LOOK = {"color": "#882255", "linestyle": (0, (3, 1, 1, 1, 1, 1)), "marker": "v", "cmap": "PuRd"}
KNOWS_LABELS = True
PEER = True
NEEDS = ("lb23_label_dependent",)
CHAIN = (
    ("XP\ncoefficients", "data"),
    ("embedding", "learnt"),
    ("stellar\nlabels", "labels"),
    ("embedding", "learnt"),
    ("coefficients", "data"),
)
TEXT = (
    r"""\textit{LB23 (labels)} is the model of \citet{leung2024}, used label-dependent: it is asked for $\teff$,
$\logg$, $\mh$, $J-H$ and $J-K$ of a star, and then, shown these five alone, for its <n_coefficients> coefficients.
"""
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
    return lb23.predict(given, NEEDS[0], clone, weights, by_labels=True)
