"""Zhang, Green & Rix (2023), live: their forward model on the stellar parameters of their catalogue.

It knows labels, extinction and parallax, and predicts the flux; coefficients it does not predict.
"""

from pathlib import Path

import numpy as np

from xpsvae.compare import zgr23
from xpsvae.compare.lb23 import blob_or_none
from xpsvae.compare.registry import Prediction, Unusable
from xpsvae.compare.residuals import WAVELENGTHS
from xpsvae.errors import InputError
from xpsvae.products import read_table

LABEL = "ZGR23"
PROSE = "the model of Zhang, Green and Rix (2023)"
LOOK = {"color": "#44AA99", "linestyle": (0, (8, 2)), "marker": "P", "cmap": "GnBu"}
KNOWS_LABELS = True
PEER = True
NEEDS = ("zgr23_parameters",)
CHAIN = (
    ("$T_\\mathrm{eff}$, $\\log g$, [Fe/H],\n$E$, parallax", "labels"),
    ("MLP", "learnt"),
    ("XP\nspectrum", "data"),
)
TEXT = r"""\textit{ZGR23} is the model of \citet{zhang2023}, with its published weights. From $\teff$, $\logg$, $\feh$,
extinction and parallax, which its catalogue has inferred from the very XP spectra that are compared here, it
predicts the flux. It is shown for the <n_predicted> test stars that the catalogue holds with quality flags below
<quality>; <n_unmatched> test stars are not in it, and <n_flagged> are flagged."""
QUALITY = 8  # flags from here on mark parameters that are not reliable


def needs(extras, model=None, parameters=None):
    """Return the product that is read: none where the user has the parameters, None without the model."""
    if not model:
        return None
    return () if parameters else tuple(name for name in NEEDS if name in extras)


def fingerprint(model=None, parameters=None):
    """Return git blobs of the user's files; null for one that is missing."""
    return [blob_or_none(Path(path).expanduser()) for path in (model, parameters) if path]


def predict(given, model=None, parameters=None):
    """Test stars from the stellar parameters of Zhang, Green and Rix.

    Parameters
    ----------
    given : xpsvae.compare.registry.Given
    model : path-like
        What `xpsvae.compare.convert_zgr23` wrote.
    parameters : path-like, optional
        ``.npz`` with ``source_ids``, ``stellar_params`` and ``quality_flags``, as in the authors' record; if not
        given, that of the dataset.

    Returns
    -------
    xpsvae.compare.registry.Prediction
        Flux / F_G. Known are stars that are matched, listed for the first time, and of good quality. What stands
        for unmatched ones and repetitions is predicted from zeros, as the published code does; flux of flagged
        stars is NaN.

    Raises
    ------
    Unusable
        If the files are missing or not as they should be, or belong to other stars.
    """
    weights = zgr23.read_model(Path(model).expanduser())
    stars = given.stars[given.test]
    table = _parameters(given, stars["source_id"].to_numpy(), parameters)
    values = table[["teff", "fe_h", "logg", "e", "parallax"]].to_numpy(dtype=float) / (1000.0, 1, 1, 1, 1)
    matched = table["matched"].to_numpy(bool) & ~table["source_id"].duplicated().to_numpy()
    good = table["quality_flags"].fillna(0).to_numpy(np.int64) < QUALITY
    asked = np.where(matched[:, None], values, 0.0)
    flux = zgr23.flux(weights, asked[:, :3], asked[:, 3], asked[:, 4])[:, : len(WAVELENGTHS)]
    flux *= zgr23.UNIT / stars["phot_g_mean_flux"].to_numpy(float)[:, None]
    flux[matched & ~good] = np.nan
    known = matched & good
    if not np.isfinite(flux[known]).all():
        raise Unusable(
            f"{model} predicts flux that is not finite for {np.count_nonzero(~np.isfinite(flux[known]).all(axis=1))} "
            "test stars: convert the SavedModel again.",
            "its predicted flux is not finite",
        )
    return Prediction(
        known,
        flux=flux,
        summary={
            "n_predicted": int(known.sum()),
            "n_unmatched": int((~matched).sum()),
            "n_flagged": int((matched & ~good).sum()),
            "quality": QUALITY,
        },
    )


def _parameters(given, source_id, path):
    """Parameters of the test stars, row by row."""
    from xpsvae.data.zenodo import read_zgr23

    if path:
        try:
            return read_zgr23(Path(path).expanduser(), source_id)
        except InputError as error:
            raise Unusable(str(error), "its stellar parameters cannot be read") from error
    if NEEDS[0] not in given.extras:
        raise Unusable(
            "this dataset has no stellar parameters of Zhang, Green and Rix: name a file of them in config key "
            "comparison.zgr23.parameters.",
            "there are no stellar parameters of it for these stars",
        )
    table = read_table(given.extras[NEEDS[0]])
    if not len(table):
        raise Unusable(
            "the authors' record has no zhang_stellar_params_xmatch.npz: name a file of stellar parameters in "
            "config key comparison.zgr23.parameters.",
            "the authors' record holds no stellar parameters of it",
        )
    if not np.array_equal(table["source_id"], source_id):
        raise Unusable(
            f"{given.extras[NEEDS[0]]} has other stars than the test stars: set split as the authors have it.",
            "its stellar parameters are those of other stars",
        )
    return table
