"""Principal components of the coefficients: a model that knows no stellar label."""

import numpy as np

from xpsvae.compare.registry import Prediction
from xpsvae.errors import InputError

LABEL = "PCA (<components> components)"
PROSE = "PCA"
LOOK = {"color": "#BB5566", "linestyle": (0, (4, 1.5)), "marker": "s", "cmap": "Reds"}
KNOWS_LABELS = False
NEEDS = ()
CHAIN = (
    ("XP\ncoefficients", "data"),
    ("<components> components", "learnt"),
    ("coefficients", "data"),
)
TEXT = r"""\textit{PCA (<components> components)} is a label-independent baseline: principal components of the
standardised coefficients of the training stars. A test star is projected on them and back. They hold
<variance> per cent of the variance."""


def predict(given, components=None):
    """Test stars from the leading principal components of the training stars.

    Parameters
    ----------
    given : xpsvae.compare.registry.Given
    components : int, optional
        Number of components kept; as many as the sVAE has latents if not given.

    Returns
    -------
    xpsvae.compare.registry.Prediction
        Coefficients of all test stars; ``explained_variance`` is the fraction in each component.

    Raises
    ------
    InputError
        If there are fewer training stars than components.
    """
    from sklearn.decomposition import PCA

    components = components or given.n_latents
    if np.count_nonzero(given.train) <= components:
        raise InputError(
            f"comparison.pca.components is {components} but there are {np.count_nonzero(given.train)} "
            "training stars: take fewer components or more stars."
        )
    pca = PCA(components, svd_solver="covariance_eigh").fit(given.x[given.train])
    explained = pca.explained_variance_ratio_
    return Prediction(
        known=np.ones(np.count_nonzero(given.test), dtype=bool),
        coefficients=pca.inverse_transform(pca.transform(given.x[given.test])),
        summary={
            "components": components,
            "variance": float(100 * explained.sum()),
            "explained_variance": explained.tolist(),
        },
    )
