"""Join labels and spectra on Gaia source_id: one row a star, sorted by source_id.

Bad values are refused by name; duplicates are resolved by the highest signal-to-noise ratio and counted;
what a dataset lacks is null, never zero.
"""

import numpy as np

from xpsvae.errors import InputError
from xpsvae.xp.inversion import flux_to_coefficients
from xpsvae.xp.photometry import g_flux_from_magnitude

__all__ = ["STAR_NOTES", "STAR_UNITS", "best_rows", "build_catalog", "coordinates", "star_table"]

_NUMBERS = (
    "teff", "teff_err", "logg", "logg_err", "m_h", "m_h_err", "alpha_m", "alpha_m_err", "fe_h", "fe_h_err",
    "mg_fe", "mg_fe_err", "phot_g_mean_mag", "phot_bp_mean_mag", "phot_rp_mean_mag", "phot_g_mean_flux",
    "j", "h", "k", "a_k", "sfd_ebv", "snr",
)  # fmt: skip
_FLAGS = ("starflag", "aspcapflag")
_KINEMATICS = ("parallax", "parallax_error", "j_r", "l_z", "j_z")
# Where a dataset has only the label that stands for another one, it does so with its error.
_SUBSTITUTES = {"m_h": "fe_h", "mg_fe": "alpha_m"}

STAR_UNITS = {
    **dict.fromkeys(("ra", "dec"), "deg"),
    **dict.fromkeys(("teff", "teff_err"), "K"),
    **{
        f"{label}{suffix}": "dex"
        for label in ("logg", "m_h", "alpha_m", "fe_h", "mg_fe")
        for suffix in ("", "_err")
    },
    **dict.fromkeys(("phot_g_mean_mag", "phot_bp_mean_mag", "phot_rp_mean_mag"), "mag"),
    "phot_g_mean_flux": "electron s-1",
    **dict.fromkeys(("j", "h", "k", "a_k", "sfd_ebv"), "mag"),
    **dict.fromkeys(("parallax", "parallax_error"), "mas"),
    **dict.fromkeys(("j_r", "l_z", "j_z"), "kpc km s-1"),
}
STAR_NOTES = {
    "ra": "from apogee_id, ICRS, J2000",
    "dec": "from apogee_id, ICRS, J2000",
    "m_h": "APOGEE [M/H]; [Fe/H] where the dataset has no [M/H]",
    "m_h_err": "of [Fe/H] where the dataset has no [M/H]",
    "mg_fe": "APOGEE [Mg/Fe]; [alpha/M] where the dataset has no [Mg/Fe]",
    "mg_fe_err": "of [alpha/M] where the dataset has no [Mg/Fe]",
    "phot_g_mean_flux": "from phot_g_mean_mag with the DR3 Vega zero point where the dataset has no flux",
}


def build_catalog(labels, spectra, sampled_by="archive", flux_weight=None, prior_scale=0.1):
    """Cross-match labels with sampled spectra and turn the spectra into coefficients.

    Of several rows with one source_id the one with the highest signal-to-noise ratio is kept (labels: snr;
    spectra: median of flux / flux_error), the first in the file if they tie.

    Parameters
    ----------
    labels : pandas.DataFrame
        source_id, apogee_id, phot_g_mean_mag, snr, and what else the dataset knows.
    spectra : pandas.DataFrame
        source_id, flux, flux_error (one array a row) [W m-2 nm-1].
    sampled_by, flux_weight, prior_scale
        See `xpsvae.xp.flux_to_coefficients`.

    Returns
    -------
    stars : pandas.DataFrame
        One row a star in order of source_id; units and notes in `STAR_UNITS`, `STAR_NOTES`.
    coefficients, coefficient_errors : float32 array (n_stars, n_coefficients)
        BP then RP [e-/s].
    report : dict
        Rows, duplicates, unmatched and matched on each side.

    Raises
    ------
    InputError
        If a column is missing, a source_id is not positive, a flux is not finite, an error is not positive,
        a matched star has no G magnitude, or nothing matches.
    """
    _require("labels", labels, ("source_id", "apogee_id", "phot_g_mean_mag", "snr"))
    _require("spectra", spectra, ("source_id", "flux", "flux_error"))
    for name, table in (("labels", labels), ("spectra", spectra)):
        if table.source_id.dtype.kind != "i":
            raise InputError(f"source_id of the {name} is {table.source_id.dtype}: give 64-bit integers.")
        _refuse(name, "source_id", table.source_id, table.source_id <= 0, "not positive")
    flux, flux_error = (_matrix(spectra, name) for name in ("flux", "flux_error"))
    _refuse("spectra", "flux", spectra.source_id, ~np.isfinite(flux).all(axis=1), "NaN or infinite")
    positive = ((flux_error > 0) & np.isfinite(flux_error)).all(axis=1)
    _refuse("spectra", "flux_error", spectra.source_id, ~positive, "not positive and finite")

    best_labels = best_rows(labels.source_id, labels.snr)
    best_spectra = best_rows(spectra.source_id, np.median(flux / flux_error, axis=1))
    source_id, in_labels, in_spectra = np.intersect1d(
        labels.source_id.to_numpy()[best_labels],
        spectra.source_id.to_numpy()[best_spectra],
        assume_unique=True,
        return_indices=True,
    )
    if not len(source_id):
        raise InputError(
            "labels and spectra have no source_id in common: check that both are Gaia DR3 identifiers."
        )
    matched = labels.iloc[best_labels[in_labels]].reset_index(drop=True)
    magnitude = matched.phot_g_mean_mag.astype(float)
    _refuse("labels", "phot_g_mean_mag", matched.source_id, ~np.isfinite(magnitude), "NaN or infinite")
    rows = best_spectra[in_spectra]
    coefficients, errors = flux_to_coefficients(
        flux[rows], flux_error[rows], sampled_by, flux_weight, prior_scale
    )
    stars = star_table(matched)
    report = {
        side: {
            "rows": len(table),
            "duplicates_dropped": len(table) - len(best),
            "sources": len(best),
            "unmatched": len(best) - len(source_id),
        }
        for side, table, best in (("labels", labels, best_labels), ("spectra", spectra, best_spectra))
    }
    report |= {
        "matched": len(source_id),
        "without_coordinates": int(stars.ra.isna().sum()),
        "duplicate_rule": "highest signal-to-noise ratio (labels: snr; spectra: median flux / flux_error), "
        "the first in the file if equal",
        "null_columns": [name for name in stars.columns if stars[name].isna().all()],
        "substituted_columns": _substitutes(labels),
    }
    return stars, coefficients.astype(np.float32), errors.astype(np.float32), report


def coordinates(apogee_id):
    """Right ascension and declination written in a 2MASS-style name, 2Mhhmmssss+ddmmsss.

    Parameters
    ----------
    apogee_id : sequence of str

    Returns
    -------
    ra, dec : array (n,)
        ICRS [deg], to 0.15 and 0.1 arcsec; NaN where the name is of another form.
    """
    import pandas as pd

    parts = pd.Series(apogee_id, dtype="str").str.extract(
        r"^(?:2M|AP)(\d\d)(\d\d)(\d\d)(\d\d)([+-])(\d\d)(\d\d)(\d\d)(\d)$"
    )
    number = parts.drop(columns=4).astype(float)
    ra = 15.0 * (number[0] + number[1] / 60 + (number[2] + number[3] / 100) / 3600)
    dec = number[5] + number[6] / 60 + (number[7] + number[8] / 10) / 3600
    return ra.to_numpy(), np.where(parts[4] == "-", -dec, dec)


def star_table(labels):
    """Columns of stars.parquet, in their order, from what a dataset knows of its stars.

    Parameters
    ----------
    labels : pandas.DataFrame
        source_id, phot_g_mean_mag, and any other of the columns.

    Returns
    -------
    pandas.DataFrame
        Row by row as ``labels``; null where the dataset lacks a column. Coordinates are ra and dec of
        ``labels``, or else come from apogee_id.
    """
    import pandas as pd

    names = labels.get("apogee_id", pd.Series(None, index=labels.index, dtype="str"))
    ra, dec = (labels["ra"], labels["dec"]) if {"ra", "dec"} <= set(labels) else coordinates(names)
    stars = {"source_id": labels.source_id, "apogee_id": names, "ra": ra, "dec": dec}
    instead = _substitutes(labels)
    for name in (*_NUMBERS, *_FLAGS, *_KINEMATICS):
        if name in labels:
            stars[name] = labels[name]
        elif name == "phot_g_mean_flux":
            stars[name] = g_flux_from_magnitude(labels.phot_g_mean_mag)
        elif name in instead:
            stars[name] = labels[instead[name]]
        else:
            stars[name] = pd.Series(pd.NA, index=labels.index, dtype="Int64" if name in _FLAGS else "Float64")
        stars[name] = pd.Series(stars[name], index=labels.index).astype(
            "Int64" if name in _FLAGS else "float64"
        )
    return pd.DataFrame(stars)


def _substitutes(labels):
    """Column that is absent -> the one that stands for it."""
    return {
        f"{name}{error}": f"{other}{error}"
        for name, other in _SUBSTITUTES.items()
        if name not in labels
        for error in ("", "_err")
        if f"{other}{error}" in labels
    }


def best_rows(source_id, quality):
    """Row of the highest quality for each source_id, in order of source_id; NaN quality comes last."""
    quality = np.nan_to_num(np.asarray(quality, dtype=float), nan=-np.inf)
    order = np.lexsort((np.arange(len(quality)), -quality, source_id))
    ordered = np.asarray(source_id)[order]
    first = np.ones(len(order), dtype=bool)
    first[1:] = ordered[1:] != ordered[:-1]
    return order[first]


def _matrix(spectra, column):
    try:
        return np.stack(spectra[column].to_numpy()).astype(float, copy=False)
    except ValueError as error:
        raise InputError(
            f"the spectra's column {column} holds arrays of several lengths: sample all on one grid."
        ) from error


def _require(table, frame, columns):
    missing = [name for name in columns if name not in frame]
    if missing:
        raise InputError(
            f"the {table} have no column {', '.join(missing)}: add it, or rerun the rule that makes them."
        )


def _refuse(table, column, source_id, bad, what):
    bad = np.asarray(bad)
    if bad.any():
        first = np.asarray(source_id)[bad.argmax()]
        raise InputError(
            f"the {table} have {int(bad.sum())} rows whose {column} is {what}, first at source_id {first}: "
            "drop or mend them."
        )
