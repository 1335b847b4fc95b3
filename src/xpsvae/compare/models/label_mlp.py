"""A perceptron from stellar labels to a spectrum, in the form of Zhang, Green & Rix (2023).

It knows nothing but labels. Trained on flux / F_G of the training stars whose labels are all known.
"""

import numpy as np

from xpsvae.compare.registry import Prediction
from xpsvae.errors import InputError
from xpsvae.xp.basis import coefficients_to_flux, dr3_basis, flux_errors

LABEL = "label MLP"
PROSE = "the label MLP"
LOOK = {"color": "#DDAA33", "linestyle": (0, (1, 1)), "marker": "^", "cmap": "YlOrBr"}
KNOWS_LABELS = True
NEEDS = ()
CHAIN = (
    ("$T_\\mathrm{eff}$, $\\log g$, [Fe/H],\nextinction $A_K$", "labels"),
    ("MLP", "learnt"),
    ("XP\nspectrum", "data"),
)
TEXT = r"""\textit{Label MLP} is a label-dependent baseline. A multilayer perceptron maps $(\teff,\logg,\feh)$
to the logarithm of the flux divided by $F_G$, from which an extinction curve, learnt with it, times $\aK$ is
subtracted. This is the form of the model of \citet{zhang2023}; size, labels and training are ours. As a
modelled spectrum is no exact combination of the XP basis functions, its coefficients are the most probable
ones given the mean and the covariance of the training stars. It predicts the <n_predicted> test stars with
all four labels and a credible $\aK$; the other <n_unknown> are left out wherever it is compared."""

MLP_LABELS = ("teff", "logg", "fe_h", "a_k")
A_K_PER_SFD = 0.310  # [mag] 2MASS K_s, R_V = 3.1: Schlafly & Finkbeiner (2011), table 6
CHUNK = 8192  # stars at a time


def predict(
    given,
    *,
    a_k_range,
    hidden,
    epochs,
    batch_size,
    learning_rate,
    error_floor,
    huber_width,
    flux_error,
    seed,
):
    """Test stars from their labels alone.

    Trains on the training stars whose labels are all known, with A_K in a credible range. A test star that
    lacks one of these is not ``known``; what stands for it is predicted from labels of zero, as the published
    code does with the stars that its catalogue of labels lacks.

    Parameters
    ----------
    given : xpsvae.compare.registry.Given
    a_k_range : (float, float)
        Stars outside count as having no A_K [mag].
    flux_error : float
        How closely the coefficients follow the predicted flux, as a fraction of the median flux.
    hidden, epochs, batch_size, learning_rate, error_floor, huber_width, seed
        See `xpsvae.compare.perceptron.fit_label_mlp`.

    Returns
    -------
    xpsvae.compare.registry.Prediction
        Coefficients; the summary counts stars and has ``losses`` and ``extinction_curve`` on ``wavelength``.

    Raises
    ------
    InputError
        If fewer training stars than one batch have complete labels.
    """
    from xpsvae.compare.perceptron import fit_label_mlp

    stars, train, test, mu, sigma = given.stars, given.train, given.test, given.mu, given.sigma
    labels = np.column_stack(
        [*(stars[name] for name in MLP_LABELS[:3]), extinction(stars["a_k"], stars["sfd_ebv"])]
    ).astype(float)
    complete = np.isfinite(labels).all(axis=1)
    credible = complete & (labels[:, 3] >= a_k_range[0]) & (labels[:, 3] <= a_k_range[1])
    fitted = train & credible
    if np.count_nonzero(fitted) < batch_size:
        raise InputError(
            f"only {np.count_nonzero(fitted)} training stars have finite {', '.join(MLP_LABELS)} where one "
            f"batch of {batch_size} is needed: lower comparison.label_mlp.batch_size or raise "
            "library.limit."
        )
    rows = np.flatnonzero(fitted)

    def relative(chosen):
        return given.x[chosen] * sigma + mu  # c / F_G

    def spectra(chosen):
        chosen = rows[chosen]
        return coefficients_to_flux(relative(chosen)), flux_errors(given.x_err[chosen] * sigma)

    def chunks():
        return (relative(rows[start : start + CHUNK]) for start in range(0, len(rows), CHUNK))

    population = moments(chunks)
    model, losses = fit_label_mlp(
        labels[fitted],
        spectra,
        coefficients_to_flux(population[0][None])[0],
        hidden=hidden,
        epochs=epochs,
        batch_size=batch_size,
        learning_rate=learning_rate,
        error_floor=error_floor,
        huber_width=huber_width,
        seed=seed,
    )
    error = flux_error * median(lambda: (np.abs(coefficients_to_flux(chunk)) for chunk in chunks()))

    known = credible[test]
    asked, modelled = np.where(known[:, None], labels[test], 0.0), np.empty((len(known), len(mu)))
    for start in range(0, len(known), CHUNK):
        some = slice(start, start + CHUNK)
        modelled[some] = coefficients_from_smooth_flux(model.predict(asked[some]), *population, error)
    return Prediction(
        known=known,
        coefficients=(modelled - mu) / sigma,
        summary={
            "n_train": int(np.count_nonzero(fitted)),
            "n_predicted": int(known.sum()),
            "n_unknown": int((~known).sum()),
            "n_missing_label": int(np.count_nonzero(test & ~complete)),
            "n_a_k_outside": int(np.count_nonzero(test & complete & ~credible)),
            "losses": losses,
            "wavelength": dr3_basis().wavelengths.tolist(),
            "extinction_curve": model.extinction_curve.detach().double().numpy().tolist(),
        },
    )


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


def moments(chunks):
    """Mean and covariance of rows that come a chunk at a time.

    Parameters
    ----------
    chunks : function
        Gives an iterable of arrays (n_rows, k), the same each time.

    Returns
    -------
    mean : array (k,)
    covariance : array (k, k)
        Of a sample.
    """
    number = sum(len(chunk) for chunk in chunks())
    mean = sum(chunk.sum(axis=0) for chunk in chunks()) / number
    return mean, sum((chunk - mean).T @ (chunk - mean) for chunk in chunks()) / (number - 1)


def median(chunks):
    """Median of positive numbers that come a chunk at a time, exactly.

    The first bits of such numbers are in the order of their values: they are counted, and then only the numbers
    whose bits are those of the median are looked at.

    Parameters
    ----------
    chunks : function
        Gives an iterable of float64 arrays, the same each time.

    Returns
    -------
    float
    """

    def first_bits(chunk):
        return np.ravel(chunk).view(np.int64) >> 44

    counts = np.zeros(1 << 19, dtype=np.int64)
    for chunk in chunks():
        counts += np.bincount(first_bits(chunk), minlength=len(counts))
    ends = counts.cumsum()
    middle = np.array([(ends[-1] - 1) // 2, ends[-1] // 2])
    low, high = np.searchsorted(ends, middle, side="right")
    near = [
        np.ravel(chunk)[(bits >= low) & (bits <= high)] for chunk in chunks() for bits in [first_bits(chunk)]
    ]
    return float(np.mean(np.sort(np.concatenate(near))[middle - (ends[low] - counts[low])]))


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
