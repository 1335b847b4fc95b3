"""How many principal components stand for how many latents: their errors beside the sVAE's, number by number."""

import numpy as np

from xpsvae.compare.models import pca
from xpsvae.compare.registry import Prediction
from xpsvae.compare.residuals import measure

__all__ = ["NUMBERS", "compare_numbers"]

NUMBERS = range(1, 21)


def compare_numbers(x, x_err, train, test, mu, sigma, reconstruction):
    """Errors of weighted PCA with 1 to 20 components, in units of the sVAE's.

    Parameters
    ----------
    x, x_err : array (n_stars, n_coefficients)
        Standardised coefficients and their errors.
    train, test : bool array (n_stars,)
    mu, sigma : array (n_coefficients,)
        Normalisation of c / F_G.
    reconstruction : array (n_test, n_coefficients)
        Of the sVAE.

    Returns
    -------
    dict
        ``components`` (numbers); ``coefficients`` and ``flux``, each with ``median``, ``low`` and ``high``
        (16th and 84th percentile) over coefficients or wavelengths of the ratio of RMSE, PCA over sVAE.
    """
    fitted = pca.fit(x, x_err, max(NUMBERS), train)
    known = np.ones(int(np.sum(test)), dtype=bool)
    result = {"components": list(NUMBERS), "coefficients": [], "flux": []}
    for number in NUMBERS:
        predicted = pca.reconstruct(x[test], x_err[test], fitted, number)
        models = {"svae": Prediction(known, reconstruction), "pca": Prediction(known, predicted)}
        *_, summary = measure(models, x[test], x_err[test], mu, sigma)
        for space, key in (("coefficients", "coefficients"), ("flux", "wavelengths")):
            result[space].append(np.percentile(summary[key]["pca"]["ratio"], (50, 16, 84)).tolist())
    for space in ("coefficients", "flux"):
        columns = np.array(result[space]).T.tolist()
        result[space] = dict(zip(("median", "low", "high"), columns, strict=True))
    return result
