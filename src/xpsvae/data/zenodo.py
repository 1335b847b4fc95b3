"""The authors' record on Zenodo: their catalogue (HDF5) and the files beside it (PAPER section 1).

Rows keep the order of the catalogue, never that of source_id: the split is one of row numbers, and every
companion file is in the order in which scikit-learn's ``train_test_split`` returns the test stars.
"""

import os
import zipfile
from contextlib import contextmanager

import numpy as np

from xpsvae.arrays import identifiers
from xpsvae.data.manifest import read_manifest, verify_all
from xpsvae.data.unknown import unknown
from xpsvae.errors import InputError

__all__ = [
    "CATALOGUE",
    "COMPANIONS",
    "SPLIT",
    "companion_order",
    "compare_normalisation",
    "held",
    "lacking",
    "match_correlations",
    "read_catalog",
    "read_correlations",
    "read_normalisation",
    "read_predictions",
    "read_zgr23",
    "report",
]

TABLE = "__astropy_table__"
SPLIT = {"test_fraction": 0.1, "seed": 12345}  # of the authors; companions are in the order of its test stars
CATALOGUE = "xp_apogee_cat.h5"
COMPANIONS = (
    "apogee_norm.npz",
    "xp_corrs.npz",
    "lb23_xp_est_labels.npy",
    "lb23_xp_est_no_labels.npy",
    "zhang_stellar_params_xmatch.npz",
)
_ONE_FILE = f"give the authors' {CATALOGUE}, which holds all in itself"
_RATIO = 100  # bytes of a table one of the file, which is not compressed much
_SMALL = 64 << 20  # bytes that a table may have in any case
_CHUNK = 1 << 14  # rows, of about a kilobyte each
_NUMBERS = {
    **{f"{name}{error}": f"{name.lower()}{error.lower()}"
       for name in ("TEFF", "LOGG", "M_H", "ALPHA_M", "FE_H", "MG_FE") for error in ("", "_ERR")},
    **{f"GAIAEDR3_PHOT_{band}_MEAN_MAG": f"phot_{band.lower()}_mean_mag" for band in ("G", "BP", "RP")},
    "phot_g_mean_flux": "phot_g_mean_flux",
    **dict.fromkeys(("J", "H", "K", "SFD_EBV", "RA", "DEC", "GLON", "GLAT", "SNR")),
    "AK_TARG": "a_k",
    "GAIAEDR3_PARALLAX": "parallax",
    "GAIAEDR3_PARALLAX_ERROR": "parallax_error",
    "jr": "j_r",
    "Lz": "l_z",
    "jz": "j_z",
}  # fmt: skip
_NUMBERS = {column: name or column.lower() for column, name in _NUMBERS.items()}
_OPTIONAL = ("FE_H_ERR", "MG_FE_ERR", "RA", "DEC", "GLON", "GLAT", "SNR", "AK_TARG")
_FLAGS = {"STARFLAG": "starflag", "ASPCAPFLAG": "aspcapflag"}


def lacking(names, companions):
    """Companions that the record does not hold.

    Parameters
    ----------
    names, companions : sequence of str
        Files that the record holds; those that are wanted beside the catalogue.

    Returns
    -------
    list of str

    Raises
    ------
    InputError
        If the catalogue itself is not among them.
    """
    if CATALOGUE not in names:
        raise InputError(
            f"the record has no {CATALOGUE} but {', '.join(names) or 'nothing'}: correct zenodo.record in "
            "config.yaml."
        )
    return [name for name in companions if name not in names]


def held(manifest, paths):
    """Those of some files that the record holds, each verified; of any other the download left no content.

    Parameters
    ----------
    manifest : path-like
    paths : sequence of path-like

    Returns
    -------
    list of path-like

    Raises
    ------
    InputError
        As `xpsvae.data.manifest.verify_all` does.
    """
    names = {entry.name for entry in read_manifest(manifest)}
    there = [path for path in paths if os.path.basename(path) in names]
    verify_all(manifest, there)
    return there


def read_catalog(path, invalid="drop", duplicates="keep", aligned=True):
    """Read ``xp_apogee_cat.h5``: labels, coefficients and their errors, in the order of the file.

    Parameters
    ----------
    path : path-like
    invalid : str
        ``"drop"`` or ``"refuse"`` rows without a positive id, finite coefficients, positive errors or a
        positive G flux.
    duplicates : str
        ``"keep"``, ``"drop"`` (all but the first) or ``"refuse"`` rows that repeat an id. The paper's counts
        are of all rows.
    aligned : bool
        Whether companion files are used: then a row that would be dropped is refused, since it would shift
        the split and with it every companion.

    Returns
    -------
    labels : pandas.DataFrame
        Columns of ``stars.parquet``, NaN or null where not known.
    coefficients, errors : float32 array (n_stars, n_coefficients)
        BP then RP [e-/s].
    report : dict
        ``rows``, ``duplicates``, ``duplicates_dropped``, ``invalid`` (count by reason) and ``unknown``
        (values turned into null, by column).

    Raises
    ------
    InputError
        If the file is damaged, lacks a column, holds text where numbers belong, or a row is refused.
    """
    with _open_table(path) as table:
        labels, coefficients, errors, nulls = _read_rows(path, table)
    reasons = {
        "id not positive": labels["source_id"] <= 0,
        "coefficient not finite": _rows_where(coefficients, lambda x: ~np.isfinite(x)),
        "coefficient error not positive and finite": _rows_where(
            errors, lambda x: ~(np.isfinite(x) & (x > 0))
        ),
        "G flux not positive": ~(labels["phot_g_mean_flux"] > 0),
    }
    bad = np.logical_or.reduce(list(reasons.values()))
    repeated = _repeated(labels["source_id"]) & ~bad
    counts = {name: int(np.sum(mask)) for name, mask in reasons.items() if np.any(mask)}
    found = ", ".join(f"{count} with {name}" for name, count in counts.items())
    _decide(path, labels["source_id"], bad, found, "invalid", invalid, aligned)
    found = f"{repeated.sum()} that repeat an id"
    _decide(path, labels["source_id"], repeated, found, "duplicates", duplicates, aligned)
    report = {
        "rows": len(bad),
        "duplicates": int(repeated.sum()),
        "duplicates_dropped": int(repeated.sum()) if duplicates == "drop" else 0,
        "invalid": counts,
        "unknown": {name: count for name, count in nulls.items() if count},
    }
    gone = bad | (repeated & (duplicates == "drop"))
    if gone.any():
        labels = {name: values[~gone] for name, values in labels.items()}
        coefficients, errors = coefficients[~gone], errors[~gone]
    if not len(coefficients):
        raise InputError(f"{path} holds no valid row of {len(bad)}: download it again.")
    return _frame(labels), coefficients, errors, report


def report(stars, counts):
    """Report of the catalogue in the form of that of a crossmatch, which the authors have made.

    Parameters
    ----------
    stars : pandas.DataFrame
        ``stars.parquet``.
    counts : dict
        Of `read_catalog`.

    Returns
    -------
    dict
    """
    side = {"rows": counts["rows"], "duplicates_dropped": counts["duplicates_dropped"], "unmatched": 0}
    side["sources"] = int(stars["source_id"].nunique())
    return {
        "labels": side,
        "spectra": side,
        "matched": len(stars),
        "duplicates": counts["duplicates"],
        "invalid": counts["invalid"],
        "unknown_values": counts["unknown"],
        "without_coordinates": int(stars["ra"].isna().sum()),
        "null_columns": [name for name in stars if stars[name].isna().all()],
        "substituted_columns": {},
    }


def companion_order(n_stars):
    """Row numbers of the test stars, in the order of the companion files."""
    from sklearn.model_selection import train_test_split

    return train_test_split(np.arange(n_stars), test_size=SPLIT["test_fraction"], random_state=SPLIT["seed"])[
        1
    ]


def read_correlations(path, n_stars, n_pairs=1485, invalid="drop"):
    """Read ``xp_corrs.npz``: correlations between the coefficients of each test star.

    Parameters
    ----------
    path : path-like
    n_stars : int
        Rows of the catalogue.
    n_pairs : int
        Length of the strict lower triangle of one band, row by row.
    invalid : str
        ``"drop"``: a star with a matrix that is not finite or not positive definite has NaN throughout;
        ``"refuse"``: it is an error.

    Returns
    -------
    correlations : float32 array (n_test, 2, n_pairs)
        BP then RP, test stars in the order of the catalogue (not of the file).
    report : dict
        ``stars`` and ``not_positive_definite``.

    Raises
    ------
    InputError
        If the file is damaged or of another shape, or a matrix is refused.
    """
    places = np.argsort(np.argsort(companion_order(n_stars)))
    correlations = np.empty((len(places), 2, n_pairs), dtype=np.float32)
    for band, name in enumerate(("bp_corrs", "rp_corrs")):
        correlations[places, band] = _member(path, name, (len(places), n_pairs))
    bad = ~(_positive_definite(correlations[:, 0]) & _positive_definite(correlations[:, 1]))
    if bad.any() and invalid == "refuse":
        raise InputError(
            f"{path} holds {bad.sum()} of {len(bad)} correlation matrices that are not positive definite, "
            f"first of test star {bad.argmax()}: set zenodo.invalid to drop to do without them."
        )
    correlations[bad] = np.nan
    report = {"from": "record", "stars": len(bad), "not_positive_definite": int(bad.sum())}
    return correlations, report


def match_correlations(wanted, source_id, correlations):
    """Give each test star the correlations that the Gaia archive sent for it.

    Parameters
    ----------
    wanted : int64 array (n_test,)
        Test stars in the order of the catalogue; an id may repeat.
    source_id : int64 array (n,)
    correlations : float32 array (n, 2, n_pairs)
        Of ``source_id``.

    Returns
    -------
    correlations : float32 array (n_test, 2, n_pairs)
        Zero, which means uncorrelated, where no answer came.
    report : dict
        ``stars`` and ``without_answer``.

    Raises
    ------
    InputError
        If no answer came for any star.
    """
    order = np.argsort(source_id, kind="stable")
    places = np.searchsorted(source_id, wanted, sorter=order).clip(max=max(len(order) - 1, 0))
    answered = source_id[order[places]] == wanted if len(order) else np.zeros(len(wanted), dtype=bool)
    if not answered.any():
        raise InputError(
            f"the Gaia archive has spectra of none of the {len(wanted)} test stars: set zenodo.correlations to "
            "record in config.yaml to do without their correlations."
        )
    matched = np.zeros((len(wanted), *correlations.shape[1:]), dtype=np.float32)
    matched[answered] = correlations[order[places[answered]]]
    report = {"from": "datalink", "stars": len(wanted), "without_answer": int((~answered).sum())}
    return matched, report


def read_normalisation(path, n_inputs=110):
    """Read ``apogee_norm.npz``: mean and standard deviation of c / F_G, which the published weights need.

    Returns
    -------
    mu, sigma : float64 array (n_inputs,)

    Raises
    ------
    InputError
        If the file is damaged, of another shape (a row of one axis more is taken, too), not finite, or a
        standard deviation is not positive.
    """
    mu, sigma = (_member(path, name, (n_inputs,), squeeze=True).astype(float) for name in ("mu", "sig"))
    if not (np.isfinite(mu).all() and np.isfinite(sigma).all() and (sigma > 0).all()):
        raise InputError(f"{path} holds a mean or standard deviation that is not usable: download it again.")
    return mu, sigma


def compare_normalisation(path, coefficients, flux):
    """Compare the authors' normalisation with that of the training stars, and of all stars.

    Parameters
    ----------
    path : path-like
        ``apogee_norm.npz``.
    coefficients : array (n_stars, n_inputs)
        [e-/s].
    flux : array (n_stars,)
        ``phot_g_mean_flux`` [e-/s].

    Returns
    -------
    dict
        For ``train`` (what this project standardises by) and ``all`` stars, largest and median over the
        coefficients of |mean - theirs| in their standard deviations and |standard deviation / theirs - 1|.
    """
    mu, sigma = read_normalisation(path, coefficients.shape[1])
    flux = np.asarray(flux, dtype=float)
    train = np.ones(len(flux), dtype=bool)
    train[companion_order(len(flux))] = False
    comparison = {}
    for name, chosen in (("train", train), ("all", np.ones_like(train))):
        ratio = coefficients[chosen] / flux[chosen, np.newaxis].astype(np.float32)
        differences = {
            "mean": np.abs(ratio.mean(axis=0, dtype=float) - mu) / sigma,
            "standard_deviation": np.abs(ratio.std(axis=0, dtype=float) / sigma - 1),
        }
        comparison[name] = {
            quantity: {"largest": float(values.max()), "median": float(np.median(values))}
            for quantity, values in differences.items()
        }
    return comparison


def read_predictions(path, n_stars, n_columns=64):
    """Read a prediction of Leung & Bovy's model, ``lb23_xp_est_labels.npy`` or ``..._no_labels.npy``.

    Returns
    -------
    float32 array (n_test, n_columns)
        c / F_G, 32 BP then 32 RP, test stars in the order of the catalogue; NaN throughout a row of the file
        that has one.
    """
    order = np.argsort(companion_order(n_stars))
    predictions = _array(path, (len(order), n_columns))[order].astype(np.float32)
    predictions[~np.isfinite(predictions).all(axis=1)] = np.nan
    return predictions


def read_zgr23(path, source_id):
    """Read ``zhang_stellar_params_xmatch.npz``: stellar parameters of Zhang, Green & Rix (2023).

    The file lists the test stars; parameters and flags of one that has no match, or of one that was listed
    before, are zeros.

    Parameters
    ----------
    path : path-like
    source_id : int64 array (n,)
        Stars asked for.

    Returns
    -------
    pandas.DataFrame
        source_id, matched, teff [K], fe_h, logg [dex], e (extinction), parallax [mas], quality_flags; null,
        never zero, for a star without a match or with a value that is not finite.

    Raises
    ------
    InputError
        If the file is damaged or of another shape, or its ids are not integers.
    """
    import pandas as pd

    ids = identifiers(f"source_ids of {path}", _member(path, "source_ids", None))
    parameters = _member(path, "stellar_params", (len(ids), 5)).astype(float)
    flags = _member(path, "quality_flags", (len(ids),)).astype(float)
    known = (ids > 0) & (parameters != 0).any(axis=1)  # a row of zeros is one that was never filled
    known &= np.isfinite(parameters).all(axis=1) & np.isfinite(flags)
    known &= ~_repeated(np.where(known, ids, 0))
    names = ["teff", "fe_h", "logg", "e", "parallax"]
    table = pd.DataFrame(parameters[known] * (1000.0, 1, 1, 1, 1), index=ids[known], columns=names)
    table["quality_flags"] = pd.array(flags[known].astype(np.int64), dtype="Int64")
    table = table.reindex(source_id).reset_index(drop=True)
    table.insert(0, "source_id", np.asarray(source_id))
    table.insert(1, "matched", table["quality_flags"].notna().to_numpy())
    return table


@contextmanager
def _open_table(path):
    import h5py

    try:
        with h5py.File(path) as file:
            link = file.get(TABLE, getlink=True)
            if link is not None and not isinstance(link, h5py.HardLink):
                raise InputError(f"{path} has only a link in place of the table {TABLE}: {_ONE_FILE}.")
            table = file.get(TABLE)
            if not isinstance(table, h5py.Dataset) or table.dtype.names is None or table.ndim != 1:
                raise InputError(
                    f"{path} has no table {TABLE} but {', '.join(file) or 'nothing'}: give the authors' "
                    f"{CATALOGUE}."
                )
            if table.external or table.is_virtual:
                raise InputError(f"{path} keeps its table {TABLE} in other files: {_ONE_FILE}.")
            size = os.path.getsize(path)
            if table.nbytes > max(_SMALL, _RATIO * size):
                raise InputError(
                    f"{path} has {size} bytes for {len(table)} rows of {table.nbytes} bytes: it is not the "
                    "authors' catalogue; download it again."
                )
            yield table
    except FileNotFoundError as error:
        raise InputError(f"{path} does not exist: run the rule that downloads it.") from error
    except InputError:
        raise
    # TypeError and ValueError: types and kinds of links that h5py does not know
    except (OSError, RuntimeError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path} is truncated or not HDF5 ({error}): download it again.") from error


def _read_rows(path, table):
    """All columns, a chunk of rows at a time: no more than the result is ever held."""
    numbers = {c: n for c, n in _NUMBERS.items() if c not in _OPTIONAL or c in table.dtype.names}
    needed = ["ids", "coeffs", "coeff_errs", *numbers, *_FLAGS]
    if missing := [name for name in needed if name not in table.dtype.names]:
        raise InputError(f"{path} has no column {', '.join(missing)}: give the authors' {CATALOGUE}.")
    shape = table.dtype["coeffs"].shape
    if len(shape) != 1 or table.dtype["coeff_errs"].shape != shape:
        raise InputError(
            f"{path} holds coefficients of shape {shape} and errors of shape "
            f"{table.dtype['coeff_errs'].shape}: give both of one length."
        )
    for name in needed:
        kind = table.dtype[name].base.kind
        if kind not in ("iu" if name in ("ids", *_FLAGS) else "iuf"):
            raise InputError(f"{path} holds {table.dtype[name].base} in column {name}: give numbers there.")
    n_rows = len(table)
    labels = {"source_id": np.empty(n_rows, dtype=np.int64)}
    labels |= {name: np.empty(n_rows) for name in numbers.values()}
    labels |= {name: np.ma.masked_all(n_rows, dtype=np.int64) for name in _FLAGS.values()}
    coefficients, errors = (np.empty((n_rows, *shape), dtype=np.float32) for _ in range(2))
    arrays = {
        "ids": (labels["source_id"], 0),
        "coeffs": (coefficients, np.nan),
        "coeff_errs": (errors, np.nan),
    }
    nulls = dict.fromkeys((*numbers.values(), *_FLAGS.values()), 0)
    for start in range(0, n_rows, _CHUNK):
        rows = slice(start, min(start + _CHUNK, n_rows))
        chunk = table[rows]
        for column, (array, missing) in arrays.items():
            array[rows] = chunk[column]
            array[rows][_masked(chunk, column)] = missing
        for column, name in (numbers | _FLAGS).items():
            absent = unknown(chunk[column], name) | _masked(chunk, column)
            missing = np.ma.masked if column in _FLAGS else np.nan
            labels[name][rows] = chunk[column]
            labels[name][rows][absent] = missing
            nulls[name] += int(absent.sum())
    _add_equatorial(labels)
    return labels, coefficients, errors, nulls


def _masked(chunk, column):
    """Mask of a column as astropy writes it beside the values."""
    return chunk[f"{column}.mask"] if f"{column}.mask" in chunk.dtype.names else np.zeros((), dtype=bool)


def _add_equatorial(labels):
    """Turn Galactic coordinates, where they are all that is known, into right ascension and declination."""
    galactic = [labels.pop(name, None) for name in ("glon", "glat")]
    if any(values is None for values in galactic):
        return
    nowhere = np.full(len(labels["source_id"]), np.nan)
    ra, dec = (labels.setdefault(name, nowhere.copy()) for name in ("ra", "dec"))
    gained = ~(np.isfinite(ra) & np.isfinite(dec)) & np.isfinite(galactic).all(axis=0)
    if gained.any():
        from astropy.coordinates import SkyCoord

        places = SkyCoord(*(values[gained] for values in galactic), frame="galactic", unit="deg").icrs
        ra[gained], dec[gained] = places.ra.deg, places.dec.deg


def _frame(labels):
    import pandas as pd

    flags = {
        name: pd.arrays.IntegerArray(labels[name].data, np.ma.getmaskarray(labels[name]))
        for name in _FLAGS.values()
    }
    return pd.DataFrame({**labels, **flags})


def _decide(path, source_id, rows, found, key, choice, aligned):
    """Refuse rows if the configuration says so, or if dropping them would misalign the companions."""
    if choice == "keep" or not rows.any():
        return
    first = f"{path} has {rows.sum()} rows to leave out ({found}), first row {rows.argmax()}, "
    first += f"id {source_id[rows.argmax()]}"
    if choice == "refuse":
        raise InputError(f"{first}: mend the file, or set zenodo.{key} in config.yaml.")
    if aligned:
        raise InputError(
            f"{first}, and without them the split and the companion files would no longer belong to the same "
            "stars: set zenodo.companions to [] in config.yaml to do without the companions."
        )


def _repeated(ids):
    """Whether an id has been there in an earlier row."""
    repeated = np.ones(len(ids), dtype=bool)
    repeated[np.unique(ids, return_index=True)[1]] = False
    return repeated


def _rows_where(array, condition):
    rows = np.empty(len(array), dtype=bool)
    for start in range(0, len(array), _CHUNK):
        rows[start : start + _CHUNK] = condition(array[start : start + _CHUNK]).any(axis=1)
    return rows


def _positive_definite(pairs):
    """Whether each strict lower triangle, row by row, is that of a positive definite correlation matrix."""
    size = int(np.sqrt(2 * pairs.shape[1])) + 1
    row, column = np.tril_indices(size, -1)
    good = np.isfinite(pairs).all(axis=1)
    for start in range(0, len(pairs), 2048):
        part = slice(start, start + 2048)
        matrix = np.tile(np.eye(size), (len(pairs[part]), 1, 1))
        matrix[:, row, column] = matrix[:, column, row] = np.where(good[part, None], pairs[part], 0)
        try:
            np.linalg.cholesky(matrix)
        except np.linalg.LinAlgError:
            good[part] &= np.linalg.eigvalsh(matrix)[:, 0] > 0
    return good


def _array(path, shape):
    """Memory-map an ``.npy`` file."""
    from xpsvae.products import read_array

    array = read_array(path, memory_map=True)
    _require_shape(path, array, shape)
    return array


def _member(path, name, shape, squeeze=False):
    """One array of an ``.npz`` file, the others left unread."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            array = arrays[name]
    except KeyError as error:
        raise InputError(f"{path} holds no array {name}: download it again.") from error
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(f"{path} is not a readable NumPy file ({error}): download it again.") from error
    array = array.squeeze() if squeeze else array
    _require_shape(f"{name} of {path}", array, shape)
    return array


def _require_shape(what, array, shape):
    if array.dtype.kind not in "iuf":
        raise InputError(f"{what} holds {array.dtype}, not numbers: download it again.")
    if shape is not None and array.shape != shape:
        raise InputError(
            f"{what} has shape {array.shape} where {shape} is needed: it is of another catalogue or split."
        )
