"""Files of exactly the forms that the archives serve, written from stars of the library.

The stars' labels and spectra are real; what the library lacks (correlations, flags, kinematics) is made up,
seeded, and the same in every form. All writers are deterministic.
"""

import gzip

import numpy as np
from astropy.table import MaskedColumn, Table

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
    from astropy.io import fits

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
