"""Tracks in label space and what the latents and spectra do along them (paper Eq. 10-12, Fig. 10-12).

Tables have one row a bin: the number of stars, the mean of every label and latent over them, and the
standard error of that mean (``<column>_se``, sample standard deviation / sqrt(n), from two stars on). A bin
without stars keeps its row with n = 0 and nothing else.

Columns of the spectra table (`track_spectra`), one row a Kiel bin that has stars:

branch, bin, centre      the bin, as in the Kiel table
source_id                the star shown, drawn at random from the bin
teff, logg, m_h          its labels [K, dex, dex]
wavelength               [nm], list
flux, flux_error         observed, and its error from the coefficient errors [W m-2 nm-1], lists
flux_reconstructed       by the sVAE, from the posterior mean [W m-2 nm-1], list
flux_scatter             the sVAE's scatter for this star, propagated to flux [W m-2 nm-1], list
residual                 (flux_reconstructed - flux) / flux, list
residual_median          median of that over all n stars of the bin, list
n                        stars in the bin
"""

import numpy as np

from xpsvae.analysis.sample import latent_columns
from xpsvae.errors import InputError

__all__ = [
    "bin_means",
    "giant_branch_teff",
    "is_main_sequence",
    "kiel_tracks",
    "main_sequence_logg",
    "metallicity_tracks",
    "plausible",
    "track_spectra",
    "units",
    "used_for",
]

LABELS = ("teff", "logg", "m_h", "alpha_m")
FEWEST_PLAUSIBLE, LARGEST_ERROR = 30, 0.1  # stars in a bin at fixed [M/H], error of their mean log g [dex]


def is_main_sequence(teff, logg):
    """Whether a star lies on the main-sequence side of log g = 5.9 - 4 (T_eff / 10^4 K) (paper Eq. 10).

    Parameters
    ----------
    teff : array (n,)
        Effective temperature [K].
    logg : array (n,)
        Surface gravity [dex].

    Returns
    -------
    array (n,) of bool
        True at or above the line (main sequence), False below it (giant branch) and where a label is NaN.
    """
    return np.asarray(logg, dtype=float) >= 5.9 - 4 * np.asarray(teff, dtype=float) / 1e4


def main_sequence_logg(teff):
    """Surface gravity [dex] of the main-sequence relation at T_eff [K] (paper Eq. 11)."""
    return 4.6 - 0.0005 * (np.clip(teff, 5000.0, 6300.0) - 5000.0)


def giant_branch_teff(logg):
    """Effective temperature [K] of the giant-branch relation at log g [dex] (paper Eq. 12)."""
    logg = np.asarray(logg, dtype=float)
    return np.where(logg < 3.65, 5200.0 - 441.86 * (3.65 - logg), 5900.0 - 1400.0 * (4.15 - logg))


def bin_means(frame, columns):
    """Count, means and standard errors of one bin.

    Parameters
    ----------
    frame : pandas.DataFrame
        The bin's stars.
    columns : sequence of str
        Columns to average; NaN entries are left out.

    Returns
    -------
    dict
        ``n``, and per column the mean and ``<column>_se``; NaN where there are too few stars.
    """
    row = {"n": len(frame)}
    for column in columns:
        values = frame[column].to_numpy(dtype=float)
        values = values[np.isfinite(values)]
        row[column] = values.mean() if values.size else np.nan
        row[f"{column}_se"] = values.std(ddof=1) / np.sqrt(values.size) if values.size > 1 else np.nan
    return row


def kiel_tracks(
    frame,
    *,
    main_sequence,
    giant_branch,
    teff_half_width,
    logg_half_width,
    logg_tolerance,
    solar_m_h,
    gb_teff_tolerance=100.0,
    solar_only=True,
    half_widths=None,
):
    """Means along the main sequence and the giant branch of the Kiel diagram (paper Fig. 10).

    A star belongs to a track if it lies on that side of Eq. 10, close to the track's relation (Eq. 11 in
    log g, Eq. 12 in T_eff) and has solar metallicity; the track is then cut into bins of T_eff (main
    sequence) or log g (giant branch), half-open intervals [centre - half-width, centre + half-width).

    Parameters
    ----------
    frame : pandas.DataFrame
        Stars with ``source_id``, ``teff`` [K], ``logg``, ``m_h``, ``alpha_m`` [dex] and latents ``z_k``.
    main_sequence : (float, float, int)
        First and last bin centre [K] and number of bins.
    giant_branch : (float, float, int)
        First and last bin centre [dex] and number of bins.
    teff_half_width, logg_half_width : float
        Half-widths of the bins [K, dex]; half the spacing of the centres makes bins that touch and share no
        star.
    logg_tolerance, gb_teff_tolerance : float
        Largest distance from the relation on the main sequence [dex] and on the giant branch [K].
    solar_m_h : float
        Largest |[M/H]| [dex].
    solar_only : bool
        Whether ``solar_m_h`` is asked for.
    half_widths : dict of str to (float, float), optional
        Half-widths [K, dex] by what the track is used for, where the published code has several; each use has
        rows of its own then.

    Returns
    -------
    pandas.DataFrame
        One row a bin: use (``"all"``, or a key of ``half_widths``; see `used_for`), branch (``"ms"``,
        ``"gb"``), bin, centre, teff_relation, logg_relation, the columns of `bin_means`, and ``members``, the
        source_ids of the bin's stars.
    """
    import pandas as pd

    teff, logg = frame["teff"].to_numpy(dtype=float), frame["logg"].to_numpy(dtype=float)
    main = is_main_sequence(teff, logg)
    giant = ~main & np.isfinite(teff + logg)
    solar = np.abs(frame["m_h"].to_numpy(dtype=float)) < (solar_m_h if solar_only else np.inf)
    on_track = {
        "ms": solar & main & (np.abs(logg - main_sequence_logg(teff)) < logg_tolerance),
        "gb": solar & giant & (np.abs(teff - giant_branch_teff(logg)) < gb_teff_tolerance),
    }
    columns = [*LABELS, *latent_columns(frame)]
    rows = []
    for use, widths in (half_widths or {"all": (teff_half_width, logg_half_width)}).items():
        branches = {"ms": (teff, main_sequence, widths[0]), "gb": (logg, giant_branch, widths[1])}
        for branch, (coordinate, centres, half_width) in branches.items():
            for number, centre in enumerate(np.linspace(*centres)):
                if branch == "ms":
                    relation = {"teff_relation": centre, "logg_relation": main_sequence_logg(centre)}
                else:
                    relation = {"teff_relation": giant_branch_teff(centre).item(), "logg_relation": centre}
                members = frame[on_track[branch] & _within(coordinate, centre, half_width)]
                rows.append(
                    {"use": use, "branch": branch, "bin": number, "centre": centre}
                    | relation
                    | bin_means(members, columns)
                    | {"members": members["source_id"].to_numpy()}
                )
    return pd.DataFrame(rows)


def used_for(kiel, use):
    """Rows of the `kiel_tracks` table for a use: ``"kiel"``, ``"latent"``, ``"spectra"`` or ``"corner"``."""
    return kiel[kiel["use"].isin([use, "all"])]


def metallicity_tracks(frame, *, m_h, m_h_half_width, giants, main_sequence, teff_half_width):
    """Means along tracks of fixed [M/H], giants and main sequence apart (paper Fig. 12).

    Parameters
    ----------
    frame : pandas.DataFrame
        Stars with ``teff`` [K], ``logg``, ``m_h``, ``alpha_m`` [dex] and latents ``z_k``.
    m_h : (float, float, int)
        First and last [M/H] [dex] and how many; the first is left out, as in the paper.
    m_h_half_width : float
        [dex]; at 0.2 and a spacing of 1/3 dex neighbouring tracks overlap a little, as published.
    giants, main_sequence : (float, float, int)
        First and last T_eff bin centre [K] and number of bins, below and above the line of Eq. 10.
    teff_half_width : float
        [K].

    Returns
    -------
    pandas.DataFrame
        One row a bin: branch (``"gb"``, ``"ms"``), m_h_centre, teff_centre and the columns of `bin_means`.
    """
    import pandas as pd

    teff, logg, metallicity = (frame[name].to_numpy(dtype=float) for name in ("teff", "logg", "m_h"))
    main = is_main_sequence(teff, logg)
    branches = {"gb": (~main & np.isfinite(teff + logg), giants), "ms": (main, main_sequence)}
    columns = [*LABELS, *latent_columns(frame)]
    rows = []
    for branch, (on_branch, centres) in branches.items():
        for m_h_centre in np.linspace(*m_h)[1:]:
            on_track = on_branch & _within(metallicity, m_h_centre, m_h_half_width)
            for teff_centre in np.linspace(*centres):
                members = frame[on_track & _within(teff, teff_centre, teff_half_width)]
                rows.append(
                    {"branch": branch, "m_h_centre": m_h_centre, "teff_centre": teff_centre}
                    | bin_means(members, columns)
                )
    return pd.DataFrame(rows)


def plausible(bins):
    """Which bins of tracks at fixed [M/H] are worth showing: enough stars, and of one kind.

    At the ends of the tracks a bin may hold a handful of stars of misread labels, whose log g scatters over
    the whole branch.

    Parameters
    ----------
    bins : pandas.DataFrame
        n, and logg_se [dex]: the standard error of the mean log g; null where a bin is empty.

    Returns
    -------
    pandas.Series of bool
    """
    return (bins["n"] >= FEWEST_PLAUSIBLE) & (bins["logg_se"] <= LARGEST_ERROR)


def track_spectra(
    kiel, stars, coefficients, errors, reconstruction, scatter, normalisation, seed=0, giants="star"
):
    """Observed and reconstructed flux of one random star per Kiel bin (paper Fig. 11).

    Parameters
    ----------
    kiel : pandas.DataFrame
        The table of `kiel_tracks`.
    stars : pandas.DataFrame (n,)
        All stars of the catalogue: ``source_id``, labels and ``phot_g_mean_flux`` [e-/s].
    coefficients, errors : array (n, n_coefficients)
        Observed coefficients and their errors [e-/s]; row-aligned with ``stars``, may be memory-mapped.
    reconstruction, scatter : array (n, n_coefficients)
        The model's reconstruction and scatter, standardised.
    normalisation : dict of array (n_coefficients,)
        ``mu`` and ``sigma`` of c / F_G, which undo the standardisation.
    seed : int
        Of the random choice of stars.
    giants : str
        What stands for a bin of the giant branch: ``"star"``, one at random as on the main sequence, or
        ``"median"``, the median over the bin's stars of each flux (``source_id`` is null then), as published.

    Returns
    -------
    pandas.DataFrame
        See the head of the module.

    Raises
    ------
    InputError
        If no bin of ``kiel`` has a star, or a star of a bin is not in ``stars``.
    """
    import pandas as pd

    from xpsvae.xp.basis import coefficients_to_flux, dr3_basis, flux_errors

    generator = np.random.default_rng(seed)
    wavelengths = dr3_basis().wavelengths
    filled = used_for(kiel, "spectra")
    filled = filled[filled["n"] > 0]
    if filled.empty:
        raise InputError("no bin of the Kiel tracks has a star: widen them in config.yaml (tracks: kiel).")
    row_of = pd.Series(np.arange(len(stars)), index=stars["source_id"].to_numpy())
    rows = []
    for entry in filled.itertuples():
        if not np.isin(entry.members, row_of.index).all():
            raise InputError("the Kiel tracks hold stars that the catalogue lacks: delete them and rerun.")
        members = row_of[entry.members].to_numpy()
        g_flux = stars["phot_g_mean_flux"].to_numpy(dtype=float)[members, None]
        observed = coefficients_to_flux(np.asarray(coefficients[members], dtype=float))
        modelled = coefficients_to_flux(
            (reconstruction[members] * normalisation["sigma"] + normalisation["mu"]) * g_flux
        )
        residual = (modelled - observed) / observed
        pick = generator.integers(len(members))
        shown = slice(None) if entry.branch == "gb" and giants == "median" else slice(pick, pick + 1)
        some, chosen = stars.iloc[members[shown]], members[shown]
        fluxes = {
            "flux": observed[shown],
            "flux_error": flux_errors(np.asarray(errors[chosen], dtype=float)),
            "flux_reconstructed": modelled[shown],
            "flux_scatter": flux_errors(scatter[chosen] * normalisation["sigma"] * g_flux[shown]),
            "residual": residual[shown],
        }
        rows.append(
            {"branch": entry.branch, "bin": entry.bin, "centre": entry.centre, "n": entry.n}
            | {"source_id": some["source_id"].iloc[0] if len(some) == 1 else None}
            | {label: some[label].median() for label in ("teff", "logg", "m_h")}
            | {"wavelength": wavelengths}
            | {name: np.median(values, axis=0) for name, values in fluxes.items()}
            | {"residual_median": np.median(residual, axis=0)}
        )
    return pd.DataFrame(rows).astype({"source_id": "Int64" if giants == "median" else "int64"})


def units(table):
    """Units of a table's columns, for `xpsvae.products.write_table`: dict of column to unit."""
    known = {"teff": "K", "logg": "dex", "m_h": "dex", "alpha_m": "dex", "wavelength": "nm"}
    known |= {f"{label}_se": known[label] for label in LABELS}
    known |= {"teff_relation": "K", "logg_relation": "dex", "m_h_centre": "dex", "teff_centre": "K"}
    flux = ("flux", "flux_error", "flux_reconstructed", "flux_scatter")
    known |= dict.fromkeys(flux, "W m-2 nm-1")
    return {column: unit for column, unit in known.items() if column in table}


def _within(values, centre, half_width):
    return (values >= centre - half_width) & (values < centre + half_width)
