"""Principal components of the coefficients, by their errors: a model that knows no stellar label.

Fitted on standardised coefficients as they are, components are spent on the noise of high orders. Here each
coefficient is counted in units of its median error, and a star's components are the most probable ones given
its own errors and the spread of the training stars along each component (a normal prior).
"""

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
standardised coefficients of the training stars, each in units of its median error, so that noise takes no
component. The components of a test star are the most probable ones given its own errors. They hold
<variance> per cent of the variance in these units. Figure~\ref{fig:components} shows other numbers of
components."""
CHUNK = 8192  # stars at a time


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
        If there are fewer training stars, or fewer coefficients, than components.
    """
    components = components or given.n_latents
    for number, what in (
        (np.count_nonzero(given.train), "training stars"),
        (given.x.shape[1], "coefficients"),
    ):
        if number <= components:
            raise InputError(
                f"comparison.pca.components is {components} but there are {number} {what}: take fewer "
                "components or more stars."
            )
    fitted = fit(given.x, given.x_err, components, given.train)
    test = given.test
    return Prediction(
        known=np.ones(np.count_nonzero(test), dtype=bool),
        coefficients=reconstruct(given.x[test], given.x_err[test], fitted, components),
        summary={
            "components": components,
            "variance": float(100 * fitted["explained"].sum()),
            "explained_variance": fitted["explained"].tolist(),
        },
    )


def fit(x, x_err, components, rows=slice(None)):
    """Principal components in units of each coefficient's median error.

    Parameters
    ----------
    x, x_err : array (n_stars, n_coefficients)
        Standardised coefficients and their errors.
    components : int
    rows : slice or bool array (n_stars,)
        Stars that are fitted; all if not given.

    Returns
    -------
    dict of array
        ``mean`` (n_coefficients,) and ``directions`` (components, n_coefficients), standardised; ``variance``
        of the stars along each, and ``explained``, its fraction of the whole (components,).
    """
    from sklearn.decomposition import PCA

    unit = np.array([np.median(errors[rows]) for errors in np.transpose(x_err)])  # a coefficient at a time
    pca = PCA(components, svd_solver="covariance_eigh").fit(x[rows] / unit)
    return {
        "mean": pca.mean_ * unit,
        "directions": pca.components_ * unit,
        "variance": pca.explained_variance_,
        "explained": pca.explained_variance_ratio_,
    }


def most_probable(x, x_err, fitted, components):
    """Most probable components of stars, given their errors.

    With directions W, their variances v and errors s the components z minimise
    sum (x - m - W z)^2 / s^2 + sum z^2 / v.

    Parameters
    ----------
    x, x_err : array (n_stars, n_coefficients)
    fitted : dict
        Of `fit`, with at least as many components.
    components : int

    Returns
    -------
    float64 array (n_stars, components)
    """
    directions, prior = fitted["directions"][:components], np.diag(1 / fitted["variance"][:components])
    pairs = (directions[:, None] * directions).reshape(components**2, -1)
    found = np.empty((len(x), components))
    for start in range(0, len(x), CHUNK):
        rows = slice(start, start + CHUNK)
        weight = 1 / np.square(x_err[rows].astype(float))
        normal = (weight @ pairs.T).reshape(-1, components, components) + prior
        towards = (weight * (x[rows] - fitted["mean"])) @ directions.T
        found[rows] = np.linalg.solve(normal, towards[..., None])[..., 0]
    return found


def reconstruct(x, x_err, fitted, components):
    """Spectra of stars from their most probable components (`most_probable`).

    Returns
    -------
    float64 array (n_stars, n_coefficients)
    """
    return most_probable(x, x_err, fitted, components) @ fitted["directions"][:components] + fitted["mean"]
