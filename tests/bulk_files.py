"""Bulk files of XP spectra, as the archive names and writes them, of copies of a real star."""

import hashlib

import fixtures_gaia_sdss as archive
import numpy as np
import real_star

FOLDER = "/xp"  # on a server
PIXELS = ((0, 3111), (3112, 450_000), (450_001, 786_431))  # HEALPix of level 8, a file each
ARRAYS = ("coefficients", "coefficient_errors")


def spectra(n_stars=40, seed=0, pixels=PIXELS):
    """Columns of XP_CONTINUOUS for each file: the star brighter and fainter, each of its coefficients moved a little.

    Its correlations are shrunk a little, for each star differently, so that no two have the same digits.
    """
    rng, texts = np.random.default_rng(seed), real_star.columns()
    star = [
        np.concatenate([real_star.array(texts[f"{band}_{name}"]) for band in ("bp", "rp")]) for name in ARRAYS
    ]
    tables = []
    for first, last in pixels:
        source_id = np.sort(rng.integers(first * 2**43, (last + 1) * 2**43, n_stars))
        bright = rng.uniform(0.1, 3, (n_stars, 1))
        coefficients = star[0] * bright * (1 + 0.02 * rng.normal(size=(n_stars, len(star[0]))))
        errors = (star[1] * np.sqrt(bright)).astype(np.float32)
        table = archive.spectra_table(np.unique(source_id), coefficients, errors, seed)
        shrunk = 1 - 0.02 * rng.uniform(size=(n_stars, 1))
        for name in ("bp_coefficient_correlations", "rp_coefficient_correlations"):
            table[name] = list((shrunk * real_star.array(texts[name])).astype(np.float32))
        tables.append(table)
    return tables


def write(folder, tables=None):
    """Write the files into a folder; return what a server of them has: path -> bytes, the list of MD5 sums among it."""
    served = {}
    for (first, last), table in zip(PIXELS, tables or spectra(), strict=True):
        path = folder / f"XpContinuousMeanSpectrum_{first:06d}-{last:06d}.csv.gz"
        archive.write_bulk(path, table)
        served[f"{FOLDER}/{path.name}"] = path.read_bytes()
    lines = (f"{hashlib.md5(content).hexdigest()}  {path[4:]}\n" for path, content in served.items())
    return served | {f"{FOLDER}/_MD5SUM.txt": "".join(lines).encode()}


def configure(clone, server, **settings):
    """Let a clone take the files of a server for all of DR3."""
    bulk = {"url": server.base + FOLDER, "files": len(PIXELS)}
    clone.configure(gaia_sdss={"bulk": bulk}, **settings)
