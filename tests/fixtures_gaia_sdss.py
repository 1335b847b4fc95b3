"""Files of exactly the forms that the archives serve, written from stars of the library.

The stars' labels and spectra are real; what the library lacks (correlations, flags, kinematics) is made up,
seeded, and the same in every form: `make_survey` once, then write it. All writers are deterministic.
"""

import gzip
import warnings
from dataclasses import dataclass

import numpy as np
import pandas as pd
from astropy import units as u
from astropy.coordinates import ICRS, Galactic, Galactocentric
from astropy.io import fits
from astropy.table import MaskedColumn, Table

from xpsvae.catalog.actions import actions

BANDS = {"bp": 56, "rp": 57}  # basis_function_id
SOLUTION_ID = 4545469030156206080
ARRAYS = ("coefficients", "coefficient_errors", "coefficient_correlations")
DATATYPES = {
    "source_id": "int64",
    "solution_id": "int64",
    **{
        f"{band}_{name}": datatype
        for band in BANDS
        for name, datatype in {
            "basis_function_id": "int16",
            "degrees_of_freedom": "int16",
            "n_parameters": "int16",
            "n_measurements": "int16",
            "n_rejected_measurements": "int16",
            "standard_deviation": "float32",
            "chi_squared": "float32",
            "coefficients": "float64[null]",
            "coefficient_errors": "float32[null]",
            "coefficient_correlations": "float32[null]",
            "n_relevant_bases": "int16",
            "relative_shrinking": "float32",
        }.items()
    },
}  # in the order of the archive


def spectra_table(source_id, coefficients, errors, seed=0, sizes=(55, 55)):
    """XP_CONTINUOUS of stars, one list a column as in the archive; the correlations are made up.

    A correlation matrix is that of a first-order autoregressive series whose strength differs from star to
    star and band to band, so it is positive definite and no two are alike.
    """
    rng = np.random.default_rng(seed)
    table = {"source_id": [int(i) for i in source_id], "solution_id": [SOLUTION_ID] * len(source_id)}
    start = 0
    for (band, basis), size in zip(BANDS.items(), sizes, strict=True):
        columns = slice(start, start + size)
        row, column = np.tril_indices(size, -1)
        strength = rng.uniform(-0.6, 0.6, len(source_id))
        measurements = rng.integers(300, 5000, len(source_id))
        values = {
            "basis_function_id": [basis] * len(source_id),
            "degrees_of_freedom": (measurements - size).tolist(),
            "n_parameters": [size] * len(source_id),
            "n_measurements": measurements.tolist(),
            "n_rejected_measurements": rng.integers(0, 30, len(source_id)).tolist(),
            "standard_deviation": rng.uniform(1.0, 1.4, len(source_id)).astype(np.float32).tolist(),
            "chi_squared": rng.uniform(300, 5000, len(source_id)).astype(np.float32).tolist(),
            "coefficients": list(np.asarray(coefficients, dtype=np.float64)[:, columns]),
            "coefficient_errors": list(np.asarray(errors, dtype=np.float32)[:, columns]),
            "coefficient_correlations": [(s ** (row - column)).astype(np.float32) for s in strength],
            "n_relevant_bases": rng.integers(5, size + 1, len(source_id)).tolist(),
            "relative_shrinking": rng.uniform(0.9, 1.0, len(source_id)).astype(np.float32).tolist(),
        }
        table |= {f"{band}_{name}": values[name] for name in values}
        start += size
    return {name: table[name] for name in DATATYPES}


def remove_band(table, row, band):
    """Leave a star without one band, as the archive does: every column of the band is null."""
    for name in table:
        if name.startswith(f"{band}_"):
            table[name][row] = None


def write_bulk(path, table):
    """Write ``XpContinuousMeanSpectrum_*.csv.gz``: ECSV header, arrays in brackets, ``null`` for missing."""
    header = ["# %ECSV 1.0", "# ---", "# delimiter: ','", "# datatype:"]
    for name, datatype in DATATYPES.items():
        kind = ["string", datatype] if "[" in datatype else [datatype]
        header += ["# -", f"#   name: {name}", f"#   datatype: {kind[0]}"]
        header += [f"#   subtype: '{subtype}'" for subtype in kind[1:]]
    header += ["# meta: {data_release: Gaia DR3}"]
    text = "\n".join(header) + "\n" + _csv(table, "[{}]", ",", "null")
    path.write_bytes(gzip.compress(text.encode(), compresslevel=6, mtime=0))


def write_datalink(path, table):
    """Write what the datalink service returns for RETRIEVAL_TYPE=XP_CONTINUOUS, DATA_STRUCTURE=RAW.

    The format follows the suffix: ``.csv``, ``.ecsv``, ``.fits`` or ``.xml`` (VOTable).
    """
    if path.suffix == ".csv":
        path.write_text(_csv(table, "({})", ", ", ""))
    elif path.suffix == ".fits":
        _write_fits(path, table)
    elif path.suffix == ".xml":
        _write_votable(path, table)
    else:
        raise ValueError(path)


def compress(path):
    """Gzip a file beside itself; return the new path."""
    zipped = path.with_name(path.name + ".gz")
    zipped.write_bytes(gzip.compress(path.read_bytes(), mtime=0))
    return zipped


def _csv(table, brackets, separator, missing):
    def cell(value):
        if value is None:
            return missing
        if isinstance(value, np.ndarray):
            return '"' + brackets.format(separator.join(map(str, value))) + '"'
        return str(value)

    lines = [",".join(table)] + [",".join(map(cell, row)) for row in zip(*table.values(), strict=True)]
    return "\n".join(lines) + "\n"


def _write_fits(path, table):
    columns = []
    for name, datatype in DATATYPES.items():
        kind = datatype.split("[")[0]
        code = {"int64": "K", "int16": "I", "float32": "E", "float64": "D"}[kind]
        if "[" in datatype:
            arrays = np.empty(len(table[name]), dtype=object)
            arrays[:] = [np.array([] if a is None else a, dtype=kind) for a in table[name]]
            columns.append(fits.Column(name, f"P{code}()", array=arrays))
        else:
            missing = np.nan if kind == "float32" else -32768
            values = np.array([missing if v is None else v for v in table[name]], dtype=kind)
            null = {"null": -32768} if kind == "int16" else {}
            columns.append(fits.Column(name, code, array=values, **null))
    fits.HDUList([fits.PrimaryHDU(), fits.BinTableHDU.from_columns(columns)]).writeto(path)


def _write_votable(path, table):
    columns = []
    for name, datatype in DATATYPES.items():
        kind = datatype.split("[")[0]
        if "[" in datatype:
            arrays = np.empty(len(table[name]), dtype=object)
            arrays[:] = [np.ma.array([] if a is None else a, dtype=kind, mask=False) for a in table[name]]
            columns.append(MaskedColumn(arrays, name))
        else:
            values = np.array([0 if v is None else v for v in table[name]], dtype=kind)
            columns.append(MaskedColumn(values, name, mask=[v is None for v in table[name]]))
    Table(columns).write(path, format="votable", tabledata_format="binary2")


LABELS = [
    name + error for name in ("TEFF", "LOGG", "M_H", "ALPHA_M", "FE_H", "MG_FE") for error in ("", "_ERR")
]
# astroNN's in the authors' file; `make_survey` calls them nn_teff and so on
ASTRONN = ["TEFF", "TEFF_ERR", "LOGG", "LOGG_ERR"]
MAGNITUDES = {f"GAIAEDR3_PHOT_{band}_MEAN_MAG": f"phot_{band.lower()}_mean_mag" for band in ("G", "BP", "RP")}
SUN = {"r0": 8.125, "v0": 220.0, "z_sun": 0.0208, "solar_motion": (11.1, 25.7, 7.25)}
BAD_MAGNITUDE = 99.999  # of allStar


@dataclass(frozen=True)
class Survey:
    """Stars with everything that the archives say of them; rows of all arrays belong together."""

    stars: pd.DataFrame
    coefficients: np.ndarray
    errors: np.ndarray
    seed: int

    @property
    def spectra(self):
        return spectra_table(self.stars.source_id, self.coefficients, self.errors, self.seed)


def make_survey(stars, coefficients, errors, seed=0):
    """Give library stars (rows of ``stars.parquet``) flags, reddening, distances, velocities, astroNN's labels.

    Stars below [Fe/H] = -1 move as a halo drawn out along the radius (150, 45 and 60 km/s along R, phi and
    z, no rotation), the others as a disc; actions follow from the velocities. One star in five has a
    STARFLAG, one in ten M_H_BAD, one in twenty STAR_BAD, one in eight bits 2 or 3 of the ASPCAPFLAG.

    Temperature and gravity of astroNN (``nn_teff`` and so on) have errors as in the authors' catalogue: the
    pristine cuts on them remove all dwarfs and few giants, together about half of the stars; the good ones
    3 and 9 per cent.
    """
    rng = np.random.default_rng(seed)
    n = len(stars)
    stars = stars.reset_index(drop=True).copy()
    bright = np.where(stars.logg.fillna(4.5) < 3.8, 0.5, 4.5) + rng.normal(0, 0.4, n)  # absolute G
    stars["distance"] = (10 ** ((stars.phot_g_mean_mag - bright) / 5 - 2)).clip(0.05, 8.0)  # kpc
    stars["parallax_error"] = rng.uniform(0.01, 0.04, n)
    stars["parallax"] = 1 / stars.distance + stars.parallax_error * rng.standard_normal(n)
    halo = (stars.fe_h < -1.0).to_numpy()
    spread = np.where(halo, [[150.0], [45.0], [60.0]], [[35.0], [25.0], [18.0]])
    v_r, v_t, v_z = spread * rng.standard_normal((3, n)) + np.where(halo, 0.0, 1.0) * [[0.0], [205.0], [0.0]]
    stars["halo"] = halo
    stars["pmra"], stars["pmdec"], stars["radial_velocity"] = _observe(stars, v_r, v_t, v_z)
    stars["j_r"], stars["l_z"], stars["j_z"] = actions(
        *(stars[name] for name in ("ra", "dec", "pmra", "pmdec", "radial_velocity")),
        distance=stars.distance,
        **SUN,
    )
    stars["sfd_ebv"] = rng.gamma(1.5, 0.15, n)
    stars["starflag"] = np.where(rng.random(n) < 0.2, 1 << rng.choice([3, 9, 16, 17], n), 0)
    flags = [rng.random(n) < fraction for fraction in (0.1, 0.05, 0.125)]
    bits = np.where(flags[0], 1 << 19, 0) | np.where(flags[1], 1 << 23, 0)
    stars["aspcapflag"] = bits | np.where(flags[2], 1 << rng.choice([2, 3], n), 0)
    dwarf = (stars.logg >= 5.9 - 4e-4 * stars.teff).to_numpy()
    ratio = np.where(rng.random(n) < 0.03, rng.uniform(5, 20, n), rng.uniform(30, 99, n))
    ratio = np.where(~dwarf & (rng.random(n) < 0.85), rng.uniform(101, 400, n), ratio)
    stars["nn_teff_err"] = stars.teff / ratio
    stars["nn_teff"] = stars.teff * (1 + 0.3 / ratio * rng.standard_normal(n))
    poor = np.where(rng.random(n) < 0.09, rng.uniform(0.41, 1.0, n), rng.uniform(0.11, 0.39, n))
    stars["nn_logg_err"] = np.where(ratio > 100, rng.uniform(0.02, 0.09, n), poor)
    stars["nn_logg"] = stars.logg + 0.02 * rng.standard_normal(n)
    return Survey(stars, np.asarray(coefficients), np.asarray(errors), seed)


def _observe(stars, v_r, v_t, v_z):
    """Proper motions [mas/yr] and radial velocity [km/s] of stars with given Galactocentric velocities."""
    frame = Galactocentric(
        galcen_coord=Galactic(l=0 * u.deg, b=0 * u.deg).transform_to(ICRS()),
        galcen_distance=np.hypot(SUN["r0"], SUN["z_sun"]) * u.kpc,
        galcen_v_sun=np.add(SUN["solar_motion"], (0, SUN["v0"], 0)) * u.km / u.s,
        z_sun=SUN["z_sun"] * u.kpc,
        roll=0 * u.deg,
    )
    place = ICRS(
        stars.ra.to_numpy() * u.deg, stars.dec.to_numpy() * u.deg, stars.distance.to_numpy() * u.kpc
    ).transform_to(frame)
    radius = np.hypot(place.x, place.y)
    cos, sin = (place.x / radius).value, (place.y / radius).value
    moving = Galactocentric(
        place.x,
        place.y,
        place.z,
        v_x=(v_r * cos + v_t * sin) * u.km / u.s,  # the Galaxy turns clockwise in this frame
        v_y=(v_r * sin - v_t * cos) * u.km / u.s,
        v_z=v_z * u.km / u.s,
        **{name: getattr(frame, name) for name in frame.frame_attributes},
    ).transform_to(ICRS())
    return (
        moving.pm_ra_cosdec.to_value(u.mas / u.yr),
        moving.pm_dec.to_value(u.mas / u.yr),
        moving.radial_velocity.to_value(u.km / u.s),
    )


def write_all_star(path, survey, duplicates=0, unmatched=0):
    """Write ``allStar-dr17-synspec_rev1.fits``: its first table, with DR17's columns of what is used here.

    ``duplicates`` rows at the end repeat the first stars with a lower SNR and bit 4 of EXTRATARG;
    ``unmatched`` rows have no Gaia source (0). Labels that are missing are NaN, magnitudes 99.999.
    """
    rows = _all_star_rows(survey, duplicates, unmatched)
    stars = survey.stars.iloc[rows]
    n_stars = len(survey.stars)
    repeated = (np.arange(len(rows)) >= n_stars) & (np.arange(len(rows)) < n_stars + duplicates)
    lost = np.arange(len(rows)) >= n_stars + duplicates
    columns = [
        ("APOGEE_ID", "18A", stars.apogee_id),
        ("TELESCOPE", "8A", np.full(len(rows), "apo25m")),
        ("LOCATION_ID", "J", np.full(len(rows), 4321)),
        ("FIELD", "16A", np.full(len(rows), "090+00")),
        *((name, "E", stars[name.lower()].fillna(BAD_MAGNITUDE)) for name in "JHK"),
        ("RA", "D", stars.ra),
        ("DEC", "D", stars.dec),
        ("AK_TARG", "E", stars.a_k.fillna(-9999.0)),
        ("SFD_EBV", "E", stars.sfd_ebv),
        ("SNR", "E", np.where(repeated, stars.snr / 2, stars.snr)),
        ("EXTRATARG", "J", np.where(repeated, 1 << 4, 0)),
        ("STARFLAG", "K", stars.starflag),
        ("ASPCAPFLAG", "K", stars.aspcapflag),
        ("VHELIO_AVG", "E", stars.radial_velocity),
        *((name, "E", stars[name.lower()]) for name in LABELS),
        ("GAIAEDR3_SOURCE_ID", "K", np.where(lost, 0, stars.source_id)),
        ("GAIAEDR3_PARALLAX", "E", stars.parallax),
        ("GAIAEDR3_PARALLAX_ERROR", "E", stars.parallax_error),
        ("GAIAEDR3_PMRA", "E", stars.pmra),
        ("GAIAEDR3_PMDEC", "E", stars.pmdec),
        *((name, "E", stars[ours]) for name, ours in MAGNITUDES.items()),
    ]
    _write_tables(path, columns, [("NAMES", "8A", np.array(["TEFF", "LOGG"]))])


def write_vac(path, survey, duplicates=0, unmatched=0):
    """Write ``apogee_astroNN-DR17.fits``: row by row the stars of allStar."""
    rows = _all_star_rows(survey, duplicates, unmatched)
    stars = survey.stars.iloc[rows]
    lost = np.arange(len(rows)) >= len(survey.stars) + duplicates

    def known(values):
        return np.where(lost, np.nan, values)

    columns = [
        ("APOGEE_ID", "18A", stars.apogee_id),
        ("LOCATION_ID", "J", np.full(len(rows), 4321)),
        ("TELESCOPE", "8A", np.full(len(rows), "apo25m")),
        ("RA_APOGEE", "D", stars.ra),
        ("DEC_APOGEE", "D", stars.dec),
        *((name, "E", stars[f"nn_{name.lower()}"]) for name in ASTRONN),
        *((name, "E", stars[name.lower()]) for name in ("FE_H", "FE_H_ERR")),
        ("weighted_dist", "D", known(1e3 * stars.distance)),
        ("weighted_dist_error", "D", known(50 * stars.distance)),
        ("RA", "D", known(stars.ra)),
        ("DEC", "D", known(stars.dec)),
        ("pmra", "D", known(stars.pmra)),
        ("pmdec", "D", known(stars.pmdec)),
        ("phot_g_mean_mag", "D", known(stars.phot_g_mean_mag)),
        ("VHELIO_AVG", "E", stars.radial_velocity),
        ("source_id", "K", np.where(lost, 0, stars.source_id)),
        *((name, "D", known(stars[ours])) for name, ours in (("jr", "j_r"), ("Lz", "l_z"), ("jz", "j_z"))),
    ]
    _write_tables(path, columns)


def write_authors(folder, survey):
    """Write ``xp_apogee_cat.h5`` of the authors' record and the companions that need no other model.

    Temperature and gravity are astroNN's; places are Galactic coordinates. `apogee_norm.npz` is the mean and
    scatter of all c / F_G, a row each; `xp_corrs.npz` has the correlations of the test
    stars in test order (`train_test_split` of the row numbers, a tenth, random_state 12345).
    """
    from sklearn.model_selection import train_test_split

    stars, spectra = survey.stars, survey.spectra
    galactic = ICRS(stars.ra.to_numpy() * u.deg, stars.dec.to_numpy() * u.deg).transform_to(Galactic())
    table = {
        "ids": stars.source_id.to_numpy(np.int64),
        "coeffs": survey.coefficients,
        "coeff_errs": survey.errors,
        "phot_g_mean_flux": stars.phot_g_mean_flux,
        **{name: stars[name.lower()] for name in (*LABELS, "J", "H", "K", "SFD_EBV")},
        **{name: stars[f"nn_{name.lower()}"] for name in ASTRONN},
        "GLON": galactic.l.deg,
        "GLAT": galactic.b.deg,
        "STARFLAG": stars.starflag.to_numpy(np.int64),
        "ASPCAPFLAG": stars.aspcapflag.to_numpy(np.int64),
        **{name: stars[ours] for name, ours in MAGNITUDES.items()},
        "GAIAEDR3_PARALLAX": stars.parallax,
        "GAIAEDR3_PARALLAX_ERROR": stars.parallax_error,
        "Lz": stars.l_z,
        "jr": stars.j_r,
        "jz": stars.j_z,
    }
    for name, values in table.items():
        values = np.asarray(values)
        table[name] = values if values.dtype == np.int64 else values.astype(np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # astropy warns of its own default name, which the authors kept
        Table(table).write(folder / "xp_apogee_cat.h5", path="__astropy_table__", overwrite=True)
    scaled = table["coeffs"] / table["phot_g_mean_flux"][:, None]
    np.savez(folder / "apogee_norm.npz", mu=scaled.mean(axis=0)[None], sig=scaled.std(axis=0)[None])
    test = train_test_split(np.arange(len(stars)), test_size=0.1, random_state=12345)[1]
    correlations = {f"{b}_corrs": np.stack(spectra[f"{b}_coefficient_correlations"])[test] for b in BANDS}
    np.savez(folder / "xp_corrs.npz", **correlations)


def _all_star_rows(survey, duplicates, unmatched):
    return np.r_[np.arange(len(survey.stars)), np.arange(duplicates), np.arange(unmatched)]


def _write_tables(path, *tables):
    hdus = [fits.PrimaryHDU()]
    for columns in tables:
        columns = [fits.Column(name, code, array=np.asarray(values)) for name, code, values in columns]
        hdus.append(fits.BinTableHDU.from_columns(columns))
    fits.HDUList(hdus).writeto(path, overwrite=True)


def write_predictions(folder, survey):
    """Write the companions that other models make, in their forms with made-up numbers.

    Predictions of Leung & Bovy's model are the stars' own c / F_G with noise. Zhang, Green & Rix's parameters
    are rows of the test stars in test order, with flags in double precision; one star in ten has no match, and
    keeps zeros in both.
    """
    from sklearn.model_selection import train_test_split

    rng = np.random.default_rng(survey.seed)
    stars, n = survey.stars, len(survey.stars)
    test = train_test_split(np.arange(n), test_size=0.1, random_state=12345)[1]
    columns = np.r_[:32, 55:87]
    scaled = (survey.coefficients / stars.phot_g_mean_flux.to_numpy()[:, None])[test][:, columns]
    for name, noise in (("labels", 0.1), ("no_labels", 0.03)):
        prediction = scaled * (1 + noise * rng.standard_normal(scaled.shape))
        np.save(folder / f"lb23_xp_est_{name}.npy", prediction.astype(np.float32))
    found, matched = stars.iloc[test], rng.random(len(test)) < 0.9
    parameters = np.stack([found.teff / 1e3, found.fe_h, found.logg, found.sfd_ebv, found.parallax], axis=1)
    flags = rng.choice([0.0, 8.0, 40.0], len(test), p=[0.75, 0.15, 0.1])
    np.savez(
        folder / "zhang_stellar_params_xmatch.npz",
        source_ids=found.source_id.to_numpy(np.int64),
        stellar_params=np.nan_to_num(parameters) * matched[:, None],
        quality_flags=flags * matched,
    )
