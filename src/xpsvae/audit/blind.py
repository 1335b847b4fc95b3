"""Spectra that know labels but nothing else of [alpha/M], and pairs of stars that are alike.

A blind spectrum is what stars of the same labels look like on average, out of fold, plus noise of the star's
own errors; the sVAE encodes it as it encodes the star. Whatever its latents tell of [alpha/M] beyond the labels
that it was made from is made up.
"""

from concurrent.futures import ThreadPoolExecutor

import numpy as np

__all__ = ["CALIPERS", "expected", "matched_pairs", "nearest", "noisy", "scaled"]

# Fixed before any pair was made; not among the tolerances, since another value trains models anew.
CALIPERS = {  # how alike the stars of a pair are: [K], [dex], [mag]
    "teff": 50.0,
    "logg": 0.1,
    "m_h": 0.05,
    "j_h": 0.04,
    "j_k": 0.04,
    "bp_rp": 0.05,
    "g_k": 0.10,
}
COMPONENTS = 600  # of the kernel's approximation
RIDGE = 1e-3
CHUNK = 8192  # stars at a time


def expected(labels, x, fold, threads=1):
    """Mean spectrum of stars of given labels, out of fold.

    A ridge regression of the spectra on a radial kernel of the labels (Nystroem's approximation), with the labels
    themselves, all in units of their spread. Its normal equations are summed over some stars at a time: the kernel
    of all would be five times as large as the spectra.

    Parameters
    ----------
    labels : array (n, k)
    x : array (n, n_coefficients)
        Standardised coefficients.
    fold : int array (n,)
    threads : int
        The result does not depend on it.

    Returns
    -------
    float64 array (n, n_coefficients)
    """
    found = np.empty(np.shape(x))
    with ThreadPoolExecutor(threads) as pool:
        for each in np.unique(fold):
            test = fold == each
            found[test] = _regressed(labels, x, ~test, test, pool)
    return found


def _regressed(labels, x, train, test, pool):
    """Spectra of the test stars, as a regression says that is fitted to the others."""
    from sklearn.kernel_approximation import Nystroem
    from sklearn.preprocessing import StandardScaler

    scaler = StandardScaler().fit(labels[train])
    known = scaler.transform(labels[train])
    number = min(COMPONENTS, len(known))
    kernel = Nystroem(gamma=0.5 / labels.shape[1], n_components=number, random_state=0).fit(known)

    def features(rows):
        """Of some stars, after a column of ones."""
        scaled = scaler.transform(labels[rows])
        return np.hstack([np.ones((len(rows), 1)), scaled, kernel.transform(scaled)])

    def products(rows):
        shown = features(rows)
        return shown.T @ shown, shown.T @ x[rows].astype(float)

    weights = _ridge(*map(sum, zip(*pool.map(products, _chunks(train)), strict=True)))
    return np.concatenate(list(pool.map(lambda rows: features(rows) @ weights, _chunks(test))))


def _chunks(chosen):
    rows = np.flatnonzero(chosen)
    return [rows[start : start + CHUNK] for start in range(0, len(rows), CHUNK)]


def _ridge(own, across):
    """Weights of a ridge regression whose first feature is one and free of the penalty.

    ``own`` holds the products of the features with themselves, ``across`` with the targets.
    """
    from scipy.linalg import solve

    number, sums, targets = own[0, 0], own[0, 1:], across[0]
    centred = own[1:, 1:] - np.outer(sums, sums) / number
    weights = solve(
        centred + RIDGE * np.eye(len(centred)), across[1:] - np.outer(sums, targets) / number, assume_a="pos"
    )
    return np.vstack([(targets - sums @ weights) / number, weights])


def noisy(x, x_err, seed):
    """Spectra with noise of the stars' own errors: float64 array (n, n_coefficients)."""
    found = np.random.default_rng(seed).standard_normal(np.shape(x))
    found *= x_err
    found += x
    return found


def nearest(places):
    """Nearest other star of each star, by the largest difference: int array (n,).

    Parameters
    ----------
    places : array (n, k)
        What has to be alike, in units of how close it has to be.
    """
    from scipy.spatial import cKDTree

    _, neighbours = cKDTree(places).query(places, k=2, p=np.inf)
    itself = neighbours[:, 0] == np.arange(len(places))
    return np.where(itself, neighbours[:, 1], neighbours[:, 0])


def scaled(frame):
    """Labels and colours of giants in units of how alike a pair has to be (`CALIPERS`): array (n, k)."""
    known = {name: width for name, width in CALIPERS.items() if name in frame}
    return np.column_stack([frame[name].to_numpy(dtype=float) / width for name, width in known.items()])


def matched_pairs(places, first, second):
    """Pairs of a star of one kind and a star of another within one unit in everything, each star in one pair.

    The closest pair is made first, and so on among the stars that are left.

    Parameters
    ----------
    places : array (n, k)
        What has to be alike, in units of how close it has to be (`scaled`).
    first, second : bool array (n,)

    Returns
    -------
    int array (n_pairs, 2)
        Rows.
    """
    from scipy.spatial import cKDTree

    ones, others = np.flatnonzero(first), np.flatnonzero(second)
    if not len(ones) or not len(others):
        return np.empty((0, 2), dtype=int)
    near = cKDTree(places[others]).query_ball_point(places[ones], r=1, p=np.inf, return_sorted=True)
    pairs = np.array([(i, j) for i, found in enumerate(near) for j in found], dtype=int).reshape(-1, 2)
    distance = np.abs(places[ones[pairs[:, 0]]] - places[others[pairs[:, 1]]]).max(axis=1)
    made, used = [], (set(), set())
    for i, j in pairs[np.argsort(distance, kind="stable")].tolist():
        if i not in used[0] and j not in used[1]:
            made.append((ones[i], others[j]))
            used[0].add(i)
            used[1].add(j)
    return np.array(made, dtype=int).reshape(-1, 2)
