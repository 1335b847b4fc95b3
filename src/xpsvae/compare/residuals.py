"""How far each model's reconstruction lies from the observed spectrum, in units of its error.

Eq. 6-9 of the paper in mended form: residuals and covariances in the same units, flux errors by
propagation of variances. Errors are those of the catalogue at hand: where coefficients were inferred from
sampled flux, so were their errors (a mean pattern per band, scaled to the star's flux error, without
correlations), and an R(x) of width one then means "within the flux errors", not a calibrated chi-square. The
flux errors propagated from them match the catalogue's to 10 % but for 540-635 nm, where they are up to 30 %
too small, and so R(lambda) up to 1.5 times too large, the same for every model.
"""

import numpy as np

from xpsvae.compare.covariances import unpacked
from xpsvae.errors import InputError
from xpsvae.xp.basis import band_slices, coefficients_to_flux, flux_errors

__all__ = [
    "LABEL_EDGES",
    "N_COMPARED",
    "WAVELENGTHS",
    "coefficient_columns",
    "coefficient_residuals",
    "coefficient_rmse",
    "by_label",
    "compare",
    "duels",
    "flux_residuals",
    "flux_rmse",
    "leading_columns",
    "measure",
    "pulls",
    "statistics",
]

N_COMPARED = 32  # leading coefficients of each band: what the context of Leung & Bovy's model holds
_DR3 = 110  # coefficients; of no other number flux can be computed
_CHUNK = 4096  # stars at a time: 32 MB of covariances
N_LEADING = 5  # coefficients of each band that Figure 5 shows
WAVELENGTHS = np.arange(392.0, 993.0, 10.0)  # [nm] the grid of Zhang, Green & Rix
LABEL_EDGES = {  # of bins: [K], [dex], [dex]
    "teff": np.geomspace(3000, 20000, 13),
    "logg": np.linspace(-0.6, 5.2, 13),
    "m_h": np.linspace(-2.5, 0.6, 13),
}


def coefficient_columns(n_coefficients=_DR3):
    """Columns of the coefficients that are compared: the first `N_COMPARED` of BP, then of RP.

    Parameters
    ----------
    n_coefficients : int
        Of both bands, by default those of Gaia DR3.

    Returns
    -------
    int array (2 * N_COMPARED,)
    """
    return np.concatenate(
        [np.arange(band.start, band.start + N_COMPARED) for band in band_slices(n_coefficients)]
    )


def leading_columns(rp="rp", n_coefficients=_DR3):
    """Columns of the `N_LEADING` coefficients of each band that are shown one by one.

    Parameters
    ----------
    rp : str
        ``"rp"``, or ``"after_bp"``: the columns that the published figure takes for RP's, which are the BP
        coefficients after the compared ones.
    n_coefficients : int
        Of both bands, by default those of Gaia DR3.

    Returns
    -------
    int array (2 * N_LEADING,)
        BP, then RP.
    """
    bp, red = (np.arange(band.start, band.start + N_LEADING) for band in band_slices(n_coefficients))
    return np.concatenate([bp, red if rp == "rp" else bp + N_COMPARED])


def coefficient_residuals(difference, errors):
    """Residuals of the leading coefficients, R(x) = (model - observed) / sigma (Eq. 6).

    Parameters
    ----------
    difference, errors : array (n_stars, n_coefficients)
        Model minus observed, and errors, in any one unit.

    Returns
    -------
    array (n_stars, 2 * N_COMPARED)
        BP then RP; NaN where there is no prediction.

    Raises
    ------
    InputError
        If the shapes differ or an error is not positive.
    """
    if np.shape(difference) != np.shape(errors):
        raise InputError(
            f"predictions have shape {np.shape(difference)} where the errors have {np.shape(errors)}: "
            "rerun what predicts them."
        )
    columns = coefficient_columns(np.shape(errors)[1])
    sigma = np.asarray(errors)[:, columns]
    if not (sigma > 0).all():
        raise InputError(
            f"coefficient errors are not positive in {(~(sigma > 0)).any(axis=1).sum()} test stars: "
            "drop them from the catalogue."
        )
    return np.asarray(difference)[:, columns] / sigma


def coefficient_rmse(residuals, correlations=None):
    """Error of each star over its leading coefficients, RMSE(j) (Eq. 7).

    With C = diag(sigma) P diag(sigma), the quadratic form of the differences in C^-1 is that of the
    residuals R(x) in P^-1, whatever unit differences and covariances share.

    Parameters
    ----------
    residuals : array (n_stars, 2 * N_COMPARED)
        `coefficient_residuals`.
    correlations : array (n_stars, 2, n_pairs), optional
        Strict lower triangle of the correlation matrix of BP and of RP, row by row. None: uncorrelated.

    Returns
    -------
    array (n_stars,)
    """
    if correlations is None:
        return np.sqrt(np.mean(np.square(residuals), axis=1))
    total = np.zeros(len(residuals))
    for start in range(0, len(residuals), _CHUNK):
        rows = slice(start, start + _CHUNK)
        for band in range(2):
            matrix = unpacked(correlations[rows, band], N_COMPARED)
            part = residuals[rows, band * N_COMPARED : (band + 1) * N_COMPARED]
            total[rows] += np.sum(part * np.linalg.solve(matrix, part[..., None])[..., 0], axis=1)
    return np.sqrt(total / residuals.shape[1])


def flux_residuals(difference, errors, correlations=None, flux_error="covariance"):
    """Residuals of the flux, R(lambda) = (model - observed) / sigma(lambda) (Eq. 8).

    The flux is linear in the coefficients, so the difference is converted once.

    Parameters
    ----------
    difference, errors : array (n_stars, n_coefficients)
        Model minus observed, and errors; both [e-/s] or both divided by F_G, not standardised.
    correlations : array (n_stars, 2, n_pairs), optional
        As in `coefficient_rmse`.
    flux_error : str
        ``"covariance"``: errors add in quadrature, with covariances where correlations are known; or
        ``"linear"``: |design . sigma_c|, with the sign of each basis function, as published.

    Returns
    -------
    array (n_stars, 61)
        At `WAVELENGTHS`; NaN where there is no prediction.
    """
    return coefficients_to_flux(difference, WAVELENGTHS) / _sigma_flux(errors, correlations, flux_error)


def _sigma_flux(errors, correlations, flux_error):
    if flux_error == "linear":
        return np.abs(coefficients_to_flux(errors, WAVELENGTHS))
    return flux_errors(errors, correlations, wavelengths=WAVELENGTHS)


def flux_rmse(residuals):
    """Error of each star over all wavelengths, RMSE(lambda) (Eq. 9).

    Parameters
    ----------
    residuals : array (n_stars, 61)
        `flux_residuals`.

    Returns
    -------
    array (n_stars,)
    """
    return np.sqrt(np.mean(np.square(residuals), axis=1))


def statistics(residuals):
    """Bias, width and RMSE of each column of residuals over the stars that have a prediction.

    Parameters
    ----------
    residuals : array (n_stars, n)

    Returns
    -------
    dict of list
        ``bias``: median; ``width``: half the distance between the 16th and 84th percentile; ``rmse``.

    Raises
    ------
    InputError
        If no star has a prediction.
    """
    known = residuals[np.isfinite(residuals).all(axis=1)]
    if not len(known):
        raise InputError("no test star has a prediction: take more stars (library.limit).")
    low, median, high = np.percentile(known, (16, 50, 84), axis=0)
    return {
        "bias": median.tolist(),
        "width": ((high - low) / 2).tolist(),
        "rmse": np.sqrt(np.mean(np.square(known), axis=0)).tolist(),
    }


def compare(residuals, ratio="rmse"):
    """Statistics of every model, and the error of each other model in units of the sVAE's.

    A ratio is taken over the stars for which the other model has a prediction, so both sides of it see the
    same stars.

    Parameters
    ----------
    residuals : dict of array (n_stars, n)
        By model; ``svae`` is what the others are compared with.
    ratio : str
        ``"rmse"``, or ``"mean_square"``, its square, as the published code has it.

    Returns
    -------
    dict of dict
        By model: the content of `statistics`, ``n`` (stars) and, for all but the sVAE, ``ratio``.
    """
    summary = {}
    for model, values in residuals.items():
        known = np.isfinite(values).all(axis=1)
        summary[model] = statistics(values) | {"n": int(known.sum())}
        if model != "svae":
            reference = statistics(residuals["svae"][known])["rmse"]
            ratios = np.array(summary[model]["rmse"]) / reference
            summary[model]["ratio"] = (ratios**2 if ratio == "mean_square" else ratios).tolist()
    return summary


def duels(residuals, pairs):
    """RMSE of two models side by side, over the stars that both predict.

    Parameters
    ----------
    residuals : dict of array (n_stars, n)
        By model.
    pairs : sequence of (str, str)
        Our model and theirs; a pair of which one is not among the residuals is passed over.

    Returns
    -------
    list of dict
        ``ours`` and ``theirs`` (models), ``n`` (stars), ``rmse_ours`` and ``rmse_theirs`` of each column.
    """
    found = []
    for ours, theirs in pairs:
        if not {ours, theirs} <= residuals.keys():
            continue
        both = np.isfinite(residuals[ours]).all(axis=1) & np.isfinite(residuals[theirs]).all(axis=1)
        if both.any():
            rmse = [statistics(residuals[model][both])["rmse"] for model in (ours, theirs)]
            found.append({"ours": ours, "theirs": theirs, "n": int(both.sum())})
            found[-1] |= {"rmse_ours": rmse[0], "rmse_theirs": rmse[1]}
    return found


def by_label(residuals, values, edges):
    """Bias, width and RMSE of all residuals of the stars in each bin of a label.

    Parameters
    ----------
    residuals : array (n_stars, n)
        NaN where there is no prediction.
    values : array (n_stars,)
        The label; NaN where it is not known.
    edges : array (n_bins + 1,)
        A value on an edge belongs to the bin above it.

    Returns
    -------
    list of dict
        For each bin ``from``, ``to``, ``n`` (stars with a prediction), and over these stars and all columns
        ``bias``, ``width`` and ``rmse`` as in `statistics`; None where there is no star.
    """
    known, bins = np.isfinite(residuals).all(axis=1), np.digitize(values, edges) - 1
    found = []
    for number, (low, high) in enumerate(zip(edges[:-1], edges[1:], strict=True)):
        inside = residuals[known & (bins == number) & np.isfinite(values)]
        content = dict.fromkeys(("bias", "width", "rmse"))
        if len(inside):
            pooled = statistics(inside.reshape(-1, 1))
            content = {name: pooled[name][0] for name in content}
        found.append({"from": float(low), "to": float(high), "n": len(inside)} | content)
    return found


def pulls(difference, errors, scatter, magnitude, n_bins=4):
    """How wide the residuals of all coefficients are, in units of the errors that the loss gives them.

    A pull is (model - observed) / sqrt(sigma^2 + scatter^2); where errors and scatter are right, the pulls of a
    coefficient have width one, and so their mean square.

    Parameters
    ----------
    difference, errors, scatter : array (n_stars, n_coefficients)
        Model minus observed, errors and scatter, standardised.
    magnitude : array (n_stars,)
        G [mag].
    n_bins : int
        Bins of magnitude, with equally many stars each.

    Returns
    -------
    dict
        ``coefficients``: for each, ``width`` of its pulls and ``width_error``, that of its residuals over the error
        alone (half the distance between the 16th and 84th percentile), and ``chi2``, the mean square of its
        pulls. ``magnitudes``: a list of ``g`` (brightest and faintest star) and ``n`` with ``width``, its median
        over coefficients, and ``chi2``, the mean over stars and coefficients. ``chi2``: that of all stars.
    """
    pull = difference / np.sqrt(errors**2 + scatter**2)
    order = np.array_split(np.argsort(magnitude, kind="stable"), min(n_bins, len(pull)))
    return {
        "coefficients": {
            "width": _half_width(pull).tolist(),
            "width_error": _half_width(difference / errors).tolist(),
            "chi2": np.mean(pull**2, axis=0).tolist(),
        },
        "magnitudes": [
            {
                "g": [float(magnitude[rows].min()), float(magnitude[rows].max())],
                "n": len(rows),
                "width": float(np.median(_half_width(pull[rows]))),
                "chi2": float(np.mean(pull[rows] ** 2)),
            }
            for rows in order
        ],
        "chi2": float(np.mean(pull**2)),
    }


def _half_width(values):
    low, high = np.percentile(values, (16, 84), axis=0)
    return (high - low) / 2


def measure(
    predictions,
    x,
    x_err,
    mu,
    sigma,
    correlations=None,
    *,
    rmse_units="standardised",
    flux_error="covariance",
    svae_rp="rp",
    coefficient_ratio="rmse",
    unmatched="masked",
    labels=None,
    pairs=(),
):
    """Compare all models with the observed test stars, in coefficients and in flux (Eq. 6-9, Fig. 5-9).

    Parameters
    ----------
    predictions : dict of str to xpsvae.compare.registry.Prediction
        By model; ``svae`` among them, first. A model without a prediction for any star is left out.
    x, x_err : array (n_test, n_coefficients)
        Standardised coefficients and their errors.
    mu, sigma : array (n_coefficients,)
        Normalisation of c / F_G.
    correlations : array (n_test, 2, n_pairs), optional
        As in `coefficient_rmse`.
    rmse_units : str
        ``"standardised"``: RMSE(j) has differences and covariances in one unit; or ``"mixed"``: differences
        in c / F_G, covariances standardised, as published.
    flux_error : str
        See `flux_residuals`.
    svae_rp : str
        Columns that stand for the sVAE's leading RP coefficients, see `leading_columns`.
    coefficient_ratio : str
        See `compare`.
    unmatched : str
        Stars that a model does not know are ``"masked"``, or ``"kept"`` with what it says of them.
    labels : dict of array (n_test,), optional
        Labels of the stars, those of `LABEL_EDGES`.
    pairs : sequence of (str, str)
        Models to set side by side, see `duels`.

    Returns
    -------
    leading : dict of array (n_test, 2 * N_LEADING)
        Residuals of the leading coefficients by model.
    flux : dict of array (n_test, 61)
        Residuals of the flux by model.
    per_star : dict of array (n_test,)
        ``rmse_coefficient_<model>`` and ``rmse_flux_<model>``.
    summary : dict
        ``leading``, ``coefficients`` and ``wavelengths``: `compare` of each; ``wavelength`` [nm]; ``duels`` of
        coefficients and wavelengths, and with labels ``labels``: `by_label` of each, by label and model.
    """
    leading, coefficient, flux, per_star = {}, {}, {}, {}
    scale = sigma[coefficient_columns(len(sigma))] if rmse_units == "mixed" else 1.0
    for model, prediction in predictions.items():
        shown = prediction.known if unmatched == "masked" else np.ones(len(x), dtype=bool)
        if prediction.coefficients is not None:
            difference = np.where(shown[:, None], prediction.coefficients - x, np.nan)
            residuals = coefficient_residuals(difference, x_err)
            if model != "svae" and not np.isfinite(residuals).all(axis=1).any():
                continue  # it knows no star
            coefficient[model] = residuals
            columns = leading_columns(svae_rp if model == "svae" else "rp", len(sigma))
            leading[model] = difference[:, columns] / x_err[:, columns]
            per_star[f"rmse_coefficient_{model}"] = coefficient_rmse(coefficient[model] * scale, correlations)
            if len(sigma) != _DR3:
                continue  # the matrices of its flux are not out
            residuals = flux_residuals(difference * sigma, x_err * sigma, correlations, flux_error)
        else:
            observed = coefficients_to_flux(x * sigma + mu, WAVELENGTHS)
            difference = np.where(shown[:, None], prediction.flux - observed, np.nan)
            residuals = difference / _sigma_flux(x_err * sigma, correlations, flux_error)
        # some models do not predict all that makes the flux, or know no star
        if model == "svae" or np.isfinite(residuals).all(axis=1).any():
            flux[model] = residuals
            per_star[f"rmse_flux_{model}"] = flux_rmse(residuals)
    summary = {
        "leading": compare(leading),
        "coefficients": compare(coefficient, coefficient_ratio),
        "wavelengths": compare(flux),
        "wavelength": WAVELENGTHS.tolist(),
        "duels": {"coefficients": duels(coefficient, pairs), "wavelengths": duels(flux, pairs)},
    }
    if labels is not None:
        spaces = {"coefficients": coefficient, "wavelengths": flux}
        summary["labels"] = {
            space: {
                label: {model: by_label(values, labels[label], edges) for model, values in models.items()}
                for label, edges in LABEL_EDGES.items()
            }
            for space, models in spaces.items()
        }
    return leading, flux, per_star, summary
