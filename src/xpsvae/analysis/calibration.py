"""Whether the scatter that the model estimates is honest, and what mends it where it is not.

A pull is (x_hat - x) / (sigma^2 + scatter^2)^1/2; where errors and scatter are right, pulls have mean square one
whatever the coefficient, the wavelength, and the star. Two corrections of the variance, fitted to the training
stars: a factor for each coefficient, and a curve for each, isotonic in the predicted variance.
"""

from typing import NamedTuple

import numpy as np

from xpsvae.errors import InputError

__all__ = [
    "CORRECTIONS",
    "Calibration",
    "against",
    "chi2",
    "corrected",
    "fit",
    "scores",
    "variance",
    "widths",
]

CORRECTIONS = ("none", "factor", "isotonic")
_KNOTS = 32  # of an isotonic curve: bins of predicted variance with equally many stars
_FEWEST = 10 * _KNOTS  # stars behind the curves
_ROWS, _COLUMNS = 8192, 10  # at a time
_WITHIN = {"within_1": 1.0, "within_2": 2.0}  # standard deviations; 68.3 and 95.4 per cent of a normal


class Calibration(NamedTuple):
    """Corrections of the predicted variance of each coefficient.

    ``factor`` (n_inputs,) multiplies the standard deviation. ``predicted`` and ``found``
    (n_inputs, n_knots) are a curve from the predicted variance to the mean square of the residuals.
    """

    factor: np.ndarray
    predicted: np.ndarray
    found: np.ndarray


def variance(errors, scatter):
    """Predicted variance of the residuals, sigma^2 + scatter^2, float64.

    Parameters
    ----------
    errors, scatter : array (n_stars, n_inputs)
        Standardised.
    """
    found = np.square(errors, dtype=np.float64)
    for start in range(0, len(found), _ROWS):
        rows = slice(start, start + _ROWS)
        found[rows] += np.square(scatter[rows], dtype=np.float64)
    return found


def fit(difference, predicted):
    """Fit both corrections to stars that trained the model.

    The factor is that of the largest likelihood of normal residuals: the root mean square of the pulls. The curve
    is the isotonic regression of the squared residuals on the predicted variance, over bins with equally many
    stars.

    Parameters
    ----------
    difference : array (n_stars, n_inputs)
        Reconstruction minus observation, standardised.
    predicted : array (n_stars, n_inputs)
        `variance`.

    Returns
    -------
    Calibration

    Raises
    ------
    InputError
        If there are too few stars for a curve.
    """
    from sklearn.isotonic import isotonic_regression

    if len(difference) < _FEWEST:
        raise InputError(
            f"the scatter is calibrated on {len(difference)} training stars and needs {_FEWEST}: take more stars "
            "(library: limit in config.yaml)."
        )
    factors, knots, found = [], [], []
    for start in range(0, difference.shape[1], _COLUMNS):
        columns = slice(start, start + _COLUMNS)
        squares, own = np.square(difference[:, columns], dtype=np.float64), predicted[:, columns]
        order = np.argsort(own, axis=0, kind="stable")
        means = []
        for values in (own, squares):
            bins = np.array_split(np.take_along_axis(values, order, axis=0), _KNOTS)
            means.append(np.array([part.mean(axis=0) for part in bins]).T)
        weights = np.array([len(part) for part in np.array_split(order, _KNOTS)], dtype=np.float64)
        factors.append(np.sqrt((squares / own).mean(axis=0)))
        knots.append(means[0])
        found += [isotonic_regression(row, sample_weight=weights) for row in means[1]]
    return Calibration(np.concatenate(factors), np.concatenate(knots), np.array(found))


def corrected(calibration, predicted, correction):
    """Predicted variance under a correction.

    Parameters
    ----------
    calibration : Calibration
    predicted : array (n_stars, n_inputs)
        `variance`.
    correction : str
        One of `CORRECTIONS`.

    Returns
    -------
    array (n_stars, n_inputs)
        Beyond the ends of a curve the ratio to the predicted variance is that at its end.
    """
    if correction == "none":
        return predicted
    if correction == "factor":
        return predicted * calibration.factor**2
    result = np.empty_like(predicted)
    for column, (knots, found) in enumerate(zip(calibration.predicted, calibration.found, strict=True)):
        own = predicted[:, column]
        result[:, column] = own * np.interp(own, knots, found / knots)
    return result


def chi2(difference, predicted):
    """Sum over the coefficients of the squared pulls of each star (n_stars,).

    Coefficients of a star are not independent, so that this is larger or smaller for more stars than a chi-square
    distribution of as many degrees of freedom says; its mean is the number of coefficients where the variances
    are right.
    """
    return (np.asarray(difference, dtype=np.float64) ** 2 / predicted).sum(axis=1)


def widths(pull):
    """Half the distance from the 16th to the 84th percentile, and the root mean square, of columns or all.

    Parameters
    ----------
    pull : array (n_stars, ...)

    Returns
    -------
    dict
        ``width`` and ``rms`` over the stars.
    """
    low, high = np.percentile(pull, (16, 84), axis=0)
    return {"width": (high - low) / 2, "rms": np.sqrt(np.mean(np.square(pull), axis=0))}


def scores(difference, predicted):
    """How well predicted variances fit residuals of stars that they were not fitted to.

    Parameters
    ----------
    difference, predicted : array (n_stars, n_inputs)

    Returns
    -------
    dict
        ``width`` and ``rms`` of all pulls; ``within_1`` and ``within_2``, the fraction of pulls below one and two;
        ``spread``, the range from the 16th to the 84th percentile over the coefficients of their rms; ``loss``, the
        mean over the stars of the negative log likelihood without its constant (Eq. 2-4).
    """
    pull = difference / np.sqrt(predicted)
    found = widths(pull.ravel())
    return {
        "width": float(found["width"]),
        "rms": float(found["rms"]),
        **{name: float(np.mean(np.abs(pull) < reach)) for name, reach in _WITHIN.items()},
        "spread": [float(value) for value in np.percentile(widths(pull)["rms"], (16, 84))],
        "loss": float(np.mean((pull**2 + np.log(predicted)).sum(axis=1) / 2)),
    }


def against(pull, label, n_bins=8):
    """Width and root mean square of the pulls in bins of a label, with equally many stars each.

    Parameters
    ----------
    pull : array (n_stars, n)
    label : array (n_stars,)
        Stars without it are left out.
    n_bins : int

    Returns
    -------
    list of dict
        ``from``, ``to``, ``median`` of the label, ``n`` stars, ``width`` and ``rms``.
    """
    known = np.flatnonzero(np.isfinite(label))
    order = known[np.argsort(label[known], kind="stable")]
    entries = []
    for rows in np.array_split(order, min(n_bins, max(1, len(order)))):
        if len(rows):
            values = label[rows]
            found = widths(pull[rows].ravel())
            entries.append(
                {
                    "from": float(values.min()),
                    "to": float(values.max()),
                    "median": float(np.median(values)),
                    "n": len(rows),
                    "width": float(found["width"]),
                    "rms": float(found["rms"]),
                }
            )
    return entries
