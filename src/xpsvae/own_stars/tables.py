"""What the model says of stars, as tables: latents, reconstruction, scatter, and how far it can be trusted.

Each function walks through the stars block by block and yields a table a block (`Block`); columns with their units
and descriptions are the same for all blocks. A star that cannot be used is a row with NaN and a reason.
"""

from dataclasses import dataclass

import numpy as np

from xpsvae.arrays import identifiers, plain
from xpsvae.errors import InputError
from xpsvae.model import infer, standardise
from xpsvae.own_stars.pretrained import load
from xpsvae.own_stars.reference import chi_square
from xpsvae.xp.basis import BANDS, COEFFICIENT_UNIT, FLUX_UNIT, coefficients_to_flux, dr3_basis
from xpsvae.xp.spectra import DR3_SIZES, as_inverted, complete_g_flux, iter_spectra

__all__ = [
    "WARNINGS",
    "Column",
    "decode",
    "describe",
    "encode",
    "iter_decoded",
    "iter_table",
    "reconstruct",
    "to_astropy",
]

_FAR = 500.0  # mean |x| of standardised coefficients beyond which they are no spectrum: 44 for the library's
_OUTLIER = 99.9  # percentile of the training stars beyond which a warning is given
_COUNT_RATE = "electron s-1"  # as FITS spells it


@dataclass(frozen=True)
class Column:
    """One column of a table: ``shape`` is () for a number a star; ``dtype`` is numpy's."""

    name: str
    dtype: str
    unit: str
    description: str
    shape: tuple = ()


def describe(source, model=None, device=None, sampled_by="archive", spectra=True):
    """Describe stars by their XP spectra.

    Parameters
    ----------
    source
        Spectra: what `xpsvae.read` takes, or returns.
    model : ScatterVAE or path-like, optional
        As `xpsvae.load` returns it, or a folder for it; by default the model that ships.
    device : str, optional
        Where to compute, if ``model`` is not loaded yet.
    sampled_by : {"archive", "gaiaxpy"}
        Who sampled the flux of sampled spectra.
    spectra : bool
        Whether to give the reconstructed spectra, too.

    Returns
    -------
    astropy.table.Table
        One row a star, in the order of ``source``, with units: ``mean_k`` and ``sigma_k`` of the latents, ``chi2``
        a coefficient, ``outlier_percentile``, ``distance`` and ``distance_percentile``; the reconstructed
        coefficients and flux with their intrinsic scatter; ``reason`` (why there is nothing), ``warnings``.

    Raises
    ------
    InputError
        If the spectra cannot be read or the model is one of other band sizes.
    """
    return to_astropy(iter_table("describe", source, model, device, sampled_by, spectra=spectra))


def encode(source, model=None, device=None, sampled_by="archive"):
    """Latents of stars, with their standard deviations; see `describe`."""
    return to_astropy(iter_table("encode", source, model, device, sampled_by))


def reconstruct(source, model=None, device=None, sampled_by="archive"):
    """Spectra as the model reconstructs them, with their intrinsic scatter; see `describe`."""
    return to_astropy(iter_table("reconstruct", source, model, device, sampled_by))


def decode(latents, g_flux=None, model=None, device=None, source_id=None):
    """Spectra of latents.

    Parameters
    ----------
    latents : array (n_stars, n_latents)
    g_flux : array (n_stars,), optional
        ``phot_g_mean_flux`` [e-/s]; by default 1, which gives coefficients and flux over the G flux.
    model, device
        See `describe`.
    source_id : array (n_stars,) of int, optional
        By default 1, 2, 3 …

    Returns
    -------
    astropy.table.Table
        As `reconstruct`.

    Raises
    ------
    InputError
        If there is another number of latents, or one is not finite.
    """
    return to_astropy(iter_decoded([(latents, g_flux, source_id)], model, device))


def iter_table(what, source, model=None, device=None, sampled_by="archive", spectra=True):
    """Work through stars block by block.

    Parameters
    ----------
    what : {"describe", "encode", "reconstruct"}
    source, model, device, sampled_by, spectra
        See `describe`.

    Yields
    ------
    list of (Column, array)
        The columns of some stars.
    """
    model = _loaded(model, device)
    sizes = model.reference.band_sizes if model.reference else None
    for block in iter_spectra(source, sampled_by, sizes):
        if block.usable.any() and block.coefficients.shape[1] != model.n_inputs:
            raise InputError(
                f"the spectra have {' and '.join(map(str, block.band_sizes))} coefficients where the model takes "
                f"{model.n_inputs} in all: use a model of such spectra (xpsvae train)."
            )
        yield _Described(model, block).table(what, spectra)


def iter_decoded(blocks, model=None, device=None):
    """Decode latents block by block; see `decode` for what a block (latents, g_flux, source_id) has."""
    model, first = _loaded(model, device), 0
    sizes = _band_sizes(model)
    for latents, g_flux, source_id in blocks:
        latents = np.asarray(plain("latents", latents), dtype=float)
        if latents.ndim != 2 or latents.shape[1] != model.n_latents:
            raise InputError(
                f"latents have shape {latents.shape} where (n_stars, {model.n_latents}) is needed: give the latents "
                "of this model."
            )
        n_stars = len(latents)
        known = g_flux is not None
        g_flux = np.asarray(plain("g_flux", g_flux, COEFFICIENT_UNIT), float) if known else np.ones(n_stars)
        source_id = (
            np.arange(first + 1, first + n_stars + 1)
            if source_id is None
            else identifiers("source_id", source_id)
        )
        if len(g_flux) != n_stars or len(source_id) != n_stars:
            raise InputError("latents, g_flux and source_id have different lengths: give one row a star.")
        first += n_stars
        good = np.isfinite(latents).all(axis=1) & (g_flux > 0) & np.isfinite(g_flux)
        reason = np.where(good, "", "a latent or the G flux is missing").astype(object)
        x_hat, scatter = _reconstructed(model, latents, good)
        yield [
            (_SOURCE_ID, source_id),
            *_spectrum_columns(model, sizes, x_hat, scatter, g_flux, known),
            (_REASON, reason),
        ]


def to_astropy(blocks):
    """Gather blocks of columns into one astropy Table with units and descriptions."""
    from astropy.table import Column as AstropyColumn
    from astropy.table import Table

    blocks = list(blocks)
    table = Table()
    for number, (column, _) in enumerate(blocks[0]):
        values = np.concatenate([block[number][1] for block in blocks])
        values = values.astype(column.dtype, copy=False)
        table[column.name] = AstropyColumn(values, unit=column.unit or None, description=column.description)
    return table


_SOURCE_ID = Column("source_id", "int64", "", "Gaia source identifier")
_G_FLUX = Column(
    "phot_g_mean_flux", "float64", "electron / s", "G flux by which the coefficients are divided"
)
_REASON = Column("reason", "U100", "", "why the star has no values; empty if it has")
# Words of the column of warnings -> what they mean.
WARNINGS = {
    "synthetic_g": "the G flux is that of the spectrum",
    "sampled": "the coefficients are those of a sampled spectrum",
    "faint": "fainter than the training stars",
    "bright": "brighter than the training stars",
    "poor_fit": f"chi2 above that of {_OUTLIER} % of the training stars",
    "far": f"latents farther out than those of {_OUTLIER} % of the training stars",
}
_WARNINGS = Column("warnings", "U48", "", "; ".join(f"{word}: {means}" for word, means in WARNINGS.items()))


class _Described:
    """What the model says of a block of stars, computed as far as it is asked for."""

    def __init__(self, model, block):
        self.model, self.block, self.sizes = model, block, block.band_sizes
        self.g_flux, self.reason, self.synthetic = complete_g_flux(block)
        coefficients = block.coefficients
        if model.reference and model.reference.inverted and self.sizes == DR3_SIZES:
            coefficients = as_inverted(block)
        with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
            if block.coefficients.shape[1] == model.n_inputs:
                self.x, self.x_err = standardise.standardise(
                    coefficients, block.errors, self.g_flux, *model.normalisation
                )
            else:  # no spectrum of the block can be used
                self.x = self.x_err = np.full((len(block), model.n_inputs), np.nan, np.float32)
            far = ~(np.abs(self.x).mean(axis=1) < _FAR)
        self._mark(
            far, "the spectrum is unlike any star: its standardised coefficients are beyond all bounds"
        )
        self.good = self.reason == ""
        self.mean, self.sigma = (self._empty(model.n_latents) for _ in range(2))
        if self.good.any():
            self.mean[self.good], self.sigma[self.good] = infer.embed(model, self.x[self.good])

    def table(self, what, spectra):
        n_latents = range(self.model.n_latents)
        columns = [(_SOURCE_ID, self.block.source_id), (_G_FLUX, np.where(self.good, self.g_flux, np.nan))]
        if what != "reconstruct":
            for name, values, words in (
                ("mean", self.mean, "posterior mean of latent"),
                ("sigma", self.sigma, "posterior standard deviation of latent"),
            ):
                columns += [
                    (Column(f"{name}_{k + 1}", "float32", "", f"{words} {k + 1}"), values[:, k])
                    for k in n_latents
                ]
        warnings = self._warnings()
        if what != "encode":
            x_hat, scatter = _reconstructed(self.model, self.mean, self.good)
            if what == "describe":
                columns += self._trust(x_hat, scatter, warnings)
            if what == "reconstruct" or spectra:
                columns += _spectrum_columns(self.model, self.sizes, x_hat, scatter, self.g_flux, True)
        warnings = np.array([" ".join(words) for words in warnings], dtype=object)
        return [*columns, (_REASON, self.reason), (_WARNINGS, warnings)]

    def _trust(self, x_hat, scatter, warnings):
        """Measures of how well the model holds for a star."""
        reference = self.model.reference
        chi2, chi2_percentile, distance, distance_percentile = (self._empty() for _ in range(4))
        good = self.good
        if good.any():
            factors = reference.factors if reference else 1.0
            chi2[good] = chi_square(self.x[good], self.x_err[good], x_hat[good], scatter[good], factors)
            if reference:
                distance[good] = reference.distances(self.mean[good])
                chi2_percentile[good] = reference.percentile("chi2", chi2[good])
                distance_percentile[good] = reference.percentile("distance", distance[good])
        for values, words in (
            (chi2_percentile, "poor_fit"),
            (distance_percentile, "far"),
        ):
            for row in np.flatnonzero(values > _OUTLIER):
                warnings[row].append(words)
        return [
            (
                Column(
                    "chi2",
                    "float32",
                    "",
                    "chi-square a coefficient of the reconstruction, scatter calibrated",
                ),
                chi2,
            ),
            (
                Column("outlier_percentile", "float32", "", "percentage of training stars of lower chi2"),
                chi2_percentile,
            ),
            (
                Column(
                    "distance", "float32", "", "Mahalanobis distance of the latents from the training stars'"
                ),
                distance,
            ),
            (
                Column(
                    "distance_percentile",
                    "float32",
                    "",
                    "percentage of training stars closer to their centre",
                ),
                distance_percentile,
            ),
        ]

    def _warnings(self):
        """Make lists of what to mind, one a star, before anything is said of the fit."""
        warnings, reference = [[] for _ in self.reason], self.model.reference
        said = [(self.synthetic, "synthetic_g"), (self.block.sampled, "sampled")]
        if reference:
            faintest, brightest = reference.g_flux_range
            said += [
                (self.g_flux < faintest, "faint"),
                (self.g_flux > brightest, "bright"),
            ]
        for which, words in said:
            for row in np.flatnonzero(which & self.good):
                warnings[row].append(words)
        return warnings

    def _mark(self, bad, why):
        self.reason[bad & (self.reason == "")] = why

    def _empty(self, *width):
        return np.full((len(self.block), *width), np.nan, np.float32)


def _reconstructed(model, latents, good):
    """Standardised reconstruction and scatter, float32 arrays (n_stars, n_inputs); NaN for other stars."""
    x_hat, scatter = (np.full((len(latents), model.n_inputs), np.nan, np.float32) for _ in range(2))
    if good.any():
        x_hat[good], scatter[good] = infer.reconstruct(model, latents[good])
    return x_hat, scatter


def _spectrum_columns(model, sizes, x_hat, scatter, g_flux, known):
    """Reconstructed coefficients and, where the matrices are public, flux, both with their scatter."""
    mu, sigma = model.normalisation
    factors = model.reference.factors if model.reference else 1.0
    flux_of_g = g_flux[:, None]
    coefficients, spread = (x_hat * sigma + mu) * flux_of_g, scatter * factors * sigma * flux_of_g
    per_g = "" if known else " over the G flux"
    unit = _COUNT_RATE if known else ""
    columns, first = [], 0
    for band, size in zip(BANDS, sizes, strict=True):
        held, first = slice(first, first + size), first + size
        for name, values, words in (
            ("coefficients", coefficients, "coefficients"),
            ("coefficient_scatter", spread, "intrinsic scatter of the coefficients"),
        ):
            column = Column(
                f"{band}_{name}", "float32", unit, f"reconstructed {band.upper()} {words}{per_g}", (size,)
            )
            columns.append((column, values[:, held].astype(np.float32)))
    if tuple(sizes) == DR3_SIZES:
        grid = dr3_basis()
        with np.errstate(invalid="ignore"):
            spread = np.sqrt(spread**2 @ (grid.design**2).T)
        unit = FLUX_UNIT if known else f"{FLUX_UNIT} s electron-1"
        for name, values, words in (
            ("flux", coefficients_to_flux(coefficients), "flux"),
            ("flux_scatter", spread, "intrinsic scatter of the flux"),
        ):
            column = Column(
                name, "float32", unit, f"reconstructed {words}{per_g}, 336 to 1020 nm in steps of 2 nm",
                (len(grid.wavelengths),),
            )  # fmt: skip
            columns.append((column, values.astype(np.float32)))
    return columns


def _band_sizes(model):
    if model.reference:
        return model.reference.band_sizes
    if model.n_inputs == sum(DR3_SIZES):
        return DR3_SIZES
    raise InputError(
        f"{model.folder} has no reference.json, so the sizes of the bands are not known: make it with xpsvae train."
    )


def _loaded(model, device):
    if model is None or not hasattr(model, "encode"):
        return load(model, device)
    if model.normalisation is None:
        raise InputError("the model has no normalisation: load it with xpsvae.load.")
    if not hasattr(model, "reference"):  # from xpsvae.model.load
        model.reference = None
    return model
