"""The two models the sVAE is compared with, both trained on the same stars as it.

Principal components know no stellar label; the label MLP knows nothing else. Both answer in standardised
coefficients for the test stars, in the order of the catalogue; a star without a prediction is NaN.
"""

import numpy as np
from sklearn.decomposition import PCA

from xpsvae.errors import InputError
from xpsvae.model.label_mlp import fit_label_mlp
from xpsvae.xp.basis import coefficients_to_flux, dr3_basis, flux_errors

__all__ = ["MLP_LABELS", "coefficients_from_smooth_flux", "extinction", "predict_label_mlp", "predict_pca"]

MLP_LABELS = ("teff", "logg", "fe_h", "a_k")
A_K_PER_SFD = 0.310  # [mag] 2MASS K_s, R_V = 3.1: Schlafly & Finkbeiner (2011), table 6


def extinction(a_k, sfd_ebv):
    """Extinction in K_s: the dataset's own, or else from the SFD map where it has none for any star.

    The map holds all dust along a line of sight, so A_K is too large for stars in front of some of it.

    Parameters
    ----------
    a_k, sfd_ebv : array (n_stars,)
        A_K and E(B-V) of the map [mag]; NaN where unknown.

    Returns
    -------
    array (n_stars,)
        [mag].
    """
    a_k = np.asarray(a_k, dtype=float)
    return a_k if np.isfinite(a_k).any() else A_K_PER_SFD * np.asarray(sfd_ebv, dtype=float)


def predict_pca(x, train, test, components):
    """Test stars from the leading principal components of the training stars.

    Parameters
    ----------
    x : array (n_stars, n_coefficients)
        Standardised coefficients.
    train, test : bool array (n_stars,)
    components : int
        Number of components kept.

    Returns
    -------
    prediction : array (n_test, n_coefficients)
        Standardised.
    explained : array (components,)
        Fraction of the training variance in each component.

    Raises
    ------
    InputError
        If there are fewer training stars than components.
    """
    if np.count_nonzero(train) <= components:
        raise InputError(
            f"baselines.components is {components} but there are {np.count_nonzero(train)} training stars: "
            "take fewer components or more stars."
        )
    pca = PCA(components, svd_solver="covariance_eigh").fit(x[train])
    return pca.inverse_transform(pca.transform(x[test])), pca.explained_variance_ratio_


def coefficients_from_smooth_flux(flux, mean, covariance, flux_error):
    """Most probable coefficients of a modelled spectrum, given how real stars scatter.

    A modelled spectrum is no combination of the XP basis functions, and what is left over would go, much
    magnified, into the coefficients that the flux hardly fixes (`xpsvae.xp.flux_to_coefficients` is made
    for observed spectra, which are such combinations). With a Gaussian prior of the training stars' mean m
    and covariance S, and the same error on every wavelength,

        c = m + S A^T (A S A^T + flux_error^2)^-1 (f - A m).

    Parameters
    ----------
    flux : array (n_stars, n_wavelengths)
        On the default grid.
    mean : array (n_coefficients,)
    covariance : array (n_coefficients, n_coefficients)
        Of coefficients in the unit that gives ``flux``.
    flux_error : float
        How closely the flux is to be matched, in its unit.

    Returns
    -------
    array (n_stars, n_coefficients)
    """
    design = dr3_basis().design
    # In units of flux_error, so that 1e-22 squared does not underflow the solver's tolerance.
    response = design / flux_error
    gain = np.linalg.solve(response @ covariance @ response.T + np.eye(len(design)), response @ covariance)
    return mean + ((flux - mean @ design.T) / flux_error) @ gain


def predict_label_mlp(labels, x, x_err, mu, sigma, train, test, *, a_k_range, flux_error, **training):
    """Test stars from their labels alone, by `xpsvae.model.label_mlp` trained on flux / F_G.

    Trains on the training stars whose labels are all known, with A_K in a credible range, and predicts
    the test stars of the same kind.

    Parameters
    ----------
    labels : array (n_stars, 4)
        `MLP_LABELS`: T_eff [K], log g [dex], [Fe/H] [dex], A_K [mag]; NaN where unknown.
    x, x_err : array (n_stars, n_coefficients)
        Standardised coefficients and their errors.
    mu, sigma : array (n_coefficients,)
        Normalisation of c / F_G.
    train, test : bool array (n_stars,)
    a_k_range : (float, float)
        Stars outside count as having no A_K [mag].
    flux_error : float
        How closely the coefficients follow the predicted flux, as a fraction of the median flux.
    **training
        Passed to `xpsvae.model.label_mlp.fit_label_mlp`.

    Returns
    -------
    prediction : array (n_test, n_coefficients)
        Standardised; NaN where a label is unknown.
    summary : dict
        ``n_train``, ``n_predicted``, ``n_missing_label``, ``n_a_k_outside`` (test stars), ``losses``, and
        ``extinction_curve`` on ``wavelength`` [nm].

    Raises
    ------
    InputError
        If fewer training stars than one batch have complete labels.
    """
    labels = np.asarray(labels, dtype=float)
    complete = np.isfinite(labels).all(axis=1)
    credible = complete & (labels[:, 3] >= a_k_range[0]) & (labels[:, 3] <= a_k_range[1])
    fitted, asked = train & credible, test & credible
    if np.count_nonzero(fitted) < training["batch_size"]:
        raise InputError(
            f"only {np.count_nonzero(fitted)} training stars have finite {', '.join(MLP_LABELS)} where one "
            f"batch of {training['batch_size']} is needed: lower baselines.batch_size or raise library.limit."
        )
    relative = x[fitted] * sigma + mu  # c / F_G
    flux = coefficients_to_flux(relative)
    model, losses = fit_label_mlp(labels[fitted], flux, flux_errors(x_err[fitted] * sigma), **training)

    prediction = np.full((np.count_nonzero(test), x.shape[1]), np.nan)
    modelled = coefficients_from_smooth_flux(
        model.predict(labels[asked]),
        relative.mean(axis=0),
        np.cov(relative, rowvar=False),
        flux_error * np.median(np.abs(flux)),
    )
    prediction[asked[test]] = (modelled - mu) / sigma
    return prediction, {
        "n_train": int(np.count_nonzero(fitted)),
        "n_predicted": int(np.count_nonzero(asked)),
        "n_missing_label": int(np.count_nonzero(test & ~complete)),
        "n_a_k_outside": int(np.count_nonzero(test & complete & ~credible)),
        "losses": losses,
        "wavelength": dr3_basis().wavelengths.tolist(),
        "extinction_curve": model.extinction_curve.detach().double().numpy().tolist(),
    }
