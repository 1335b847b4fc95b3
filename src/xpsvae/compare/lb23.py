"""Leung & Bovy's model: the predictions that the authors' record holds, or its own code with its weights.

The code comes from a clone that the user names (github.com/henrysky/astroNN_stars_foundation). It runs in a
process of its own, `xpsvae.compare.lb23_process`: its packages have names as common as ``utils``.
"""

import contextlib
import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np

from xpsvae.compare import lb23_process
from xpsvae.compare.registry import Prediction, Unusable
from xpsvae.compare.residuals import coefficient_columns
from xpsvae.products import read_array, write_array

__all__ = [
    "CODE",
    "TEXT",
    "WEIGHTS",
    "blob_or_none",
    "fingerprint",
    "git_blob",
    "live",
    "predict",
    "recorded",
]

WEIGHTS = "1dc8204732df05fbd355f0667961383839e2dc98"  # git blob of model_torch/weights.pt
CODE = (
    "stellarperceptron/__init__.py",
    "stellarperceptron/layers.py",
    "stellarperceptron/model.py",
    "stellarperceptron/model_core.py",
    "stellarperceptron/nn_utils.py",
    "utils/__init__.py",
    "utils/data_utils.py",
    "model_torch/config.json",
)
WEIGHTS_FILE = "model_torch/weights.pt"
TEXT = r"""<source>; <n_predicted> test stars have one. Its authors divided APOGEE DR17 into training and test
stars at random and without a seed, so most test stars of this comparison are likely to be among those that
trained it: its errors are, if anything, too small."""
FROM_RECORD = "Its predictions come with the authors' record"
FROM_CLONE = "Its predictions were made here by its authors' code and weights"


def predict(given, product, clone, weights, by_labels):
    """Leading coefficients of the test stars.

    Parameters
    ----------
    given : xpsvae.compare.registry.Given
    product : str
        The record's predictions among the extras.
    clone : path-like or None
        None: as recorded.
    weights : str or None
        Git blob of the weights; None takes any.
    by_labels : bool
        Whether the model sees labels in place of coefficients.

    Returns
    -------
    xpsvae.compare.registry.Prediction
        NaN in columns that the model does not predict; its summary has ``n_predicted``.

    Raises
    ------
    Unusable
        As `live` and `recorded` do.
    """
    columns = coefficient_columns()
    if clone:
        test = np.flatnonzero(given.test)
        relative = given.x[np.ix_(test, columns)].astype(float) * given.sigma[columns] + given.mu[columns]
        relative = live(relative, clone, weights, by_labels, given.checkpoints)
    else:
        relative = recorded(given.extras[product])
    coefficients = np.full((len(relative), len(given.mu)), np.nan)
    coefficients[:, columns] = (relative - given.mu[columns]) / given.sigma[columns]
    known = np.isfinite(relative).all(axis=1)
    summary = {"n_predicted": int(known.sum()), "n_coefficients": len(columns)}
    return Prediction(known, coefficients, summary=summary | {"source": FROM_CLONE if clone else FROM_RECORD})


def recorded(path):
    """Predictions of the record, c / F_G, (n_test, 64).

    Raises
    ------
    Unusable
        If the record has no such file.
    """
    relative = read_array(path).astype(float)
    if not len(relative):
        raise Unusable(
            f"the authors' record has no predictions for {path}: name a clone of the model's code in config "
            "group comparison, or leave the model out.",
            "the authors' record holds no predictions of it",
        )
    return relative


def live(relative, clone, weights, by_labels, checkpoints):
    """Ask the model itself; what it has answered before is kept and not asked again.

    Parameters
    ----------
    relative : array (n, 64)
        c / F_G of the leading coefficients, BP then RP.
    clone : path-like
        Of the model's code; its ``model_torch`` holds the weights.
    weights : str or None
        Git blob of the weights; None takes any.
    by_labels : bool
        Whether the model sees labels in place of coefficients.
    checkpoints : path-like
        Answers are kept in a folder in here, which is named by all that decides them.

    Returns
    -------
    float64 array (n, 64)
        c / F_G.

    Raises
    ------
    Unusable
        If files are missing, weights are not the expected ones, a star has a value that is not finite, or the
        model answers in another way than it should.
    """
    clone = Path(clone).expanduser()
    blobs = _require_files(clone, weights)
    if not np.isfinite(relative).all():
        stars = np.count_nonzero(~np.isfinite(relative).all(axis=1))
        raise Unusable(
            f"{stars} test stars have coefficients that are not finite, for which {clone} answers all the same: "
            "drop them from the catalogue.",
            "some test stars have no finite coefficients to show it",
        )
    relative = np.ascontiguousarray(relative, dtype=float)
    mode = "labels" if by_labels else "coefficients"
    decides = [*blobs, git_blob(lb23_process.__file__), hashlib.sha256(relative.tobytes()).hexdigest()]
    key = hashlib.sha256("\n".join(decides).encode()).hexdigest()[:16]
    folder = Path(checkpoints) / f"lb23-{mode}-{key}"
    parts = [folder / f"{start:08d}.npy" for start in range(0, len(relative), lb23_process.BATCH)]
    for part in parts:
        if part.exists() and not _sound(part):
            part.unlink()
    if not all(part.exists() for part in parts):
        write_array(folder / lb23_process.STARS, relative)
        _run(clone, mode, folder)
    answers = np.concatenate([read_array(part) for part in parts])
    if answers.shape != relative.shape:
        raise Unusable(
            f"the model of {clone} answers with shape {answers.shape} where {relative.shape} was asked: use the "
            "commit that docs/peers.md names.",
            "it answered for another number of stars than it was asked for",
        )
    return answers


def fingerprint(clone):
    """Git blobs of the code and the size of the weights; null for a file that is missing."""
    clone = Path(clone).expanduser()
    weights = clone / WEIGHTS_FILE
    size = weights.stat().st_size if weights.is_file() else None
    return {name: blob_or_none(clone / name) for name in CODE} | {WEIGHTS_FILE: size}


def blob_or_none(path):
    """Git blob of a file, or None if there is none that can be read."""
    try:
        return git_blob(path)
    except OSError:
        return None


def git_blob(path):
    """Name that git gives to the content of a file (SHA-1 over a head with its size, and the content)."""
    digest = hashlib.sha1(f"blob {os.path.getsize(path)}\0".encode(), usedforsecurity=False)
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _require_files(clone, weights):
    """Git blobs of the code and the weights."""
    missing = [name for name in (*CODE, WEIGHTS_FILE) if not (clone / name).is_file()]
    if missing:
        raise Unusable(
            f"{clone} has no {', '.join(missing)}: clone github.com/henrysky/astroNN_stars_foundation there, with "
            "its weights (docs/peers.md), or correct clone in config group comparison.",
            "its code or its weights are not where the configuration says",
        )
    try:
        blobs = [git_blob(clone / name) for name in (*CODE, WEIGHTS_FILE)]
    except OSError as error:
        raise Unusable(
            f"{error.filename} cannot be read ({error.strerror}): mend the clone.",
            "its code or its weights cannot be read",
        ) from error
    if weights and blobs[-1] != weights:
        size = (clone / WEIGHTS_FILE).stat().st_size
        raise Unusable(
            f"{clone / WEIGHTS_FILE} has {size} bytes and git blob {blobs[-1]} where {weights} is expected: download "
            "it again, or set weights in config group comparison to null to take any.",
            "the weights at hand are not its published ones",
        )
    return blobs


def _sound(part):
    try:
        answer = np.load(part, allow_pickle=False)
        return answer.ndim == 2 and bool(np.isfinite(answer).all())
    except (OSError, ValueError, EOFError):
        return False


def _run(clone, mode, folder):
    """Start the process, pass on what it says, and turn how it ends into a sentence."""
    environment = {
        name: value for name, value in os.environ.items() if name != "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"
    }
    environment |= {"PYTHONDONTWRITEBYTECODE": "1"}  # nothing is written into the clone
    command = [sys.executable, lb23_process.__file__, str(clone.resolve()), mode, str(folder.resolve())]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True, "errors": "replace"}
    last = ""
    with subprocess.Popen(command, env=environment, **pipes) as process:
        try:
            for line in process.stdout:
                last = line.strip() or last
                if not line.startswith(lb23_process.REFUSED):
                    print(line, end="", file=sys.stderr, flush=True)
        except BaseException:
            with contextlib.suppress(OSError):
                process.kill()
            raise
    if process.returncode:
        told = last.removeprefix(lb23_process.REFUSED)
        raise Unusable(
            f"the model of {clone} could not be asked ({told.rstrip('.')}): use the commit and the packages that "
            "docs/peers.md names.",
            "its code did not answer as it should",
        )
