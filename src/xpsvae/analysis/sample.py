"""The stars an analysis uses: catalogue, subset and latents side by side, one row a star.

All three tables are aligned by construction; this module refuses them if they are not, and names the columns
that hold latents. No star is filled in: what the dataset lacks stays NaN.
"""

import re

import numpy as np

from xpsvae.errors import InputError

__all__ = ["latent_columns", "require_aligned", "sample"]


def require_aligned(first, second, what):
    """Raise unless two tables hold the same stars in the same order.

    Parameters
    ----------
    first, second : pandas.DataFrame
        Tables with a column ``source_id``.
    what : str
        Names of the two, for the message.

    Raises
    ------
    InputError
        If the source_ids differ.
    """
    if not np.array_equal(first["source_id"].to_numpy(), second["source_id"].to_numpy()):
        raise InputError(f"{what} do not hold the same source_id in the same order: delete both and rerun.")


def latent_columns(frame, kind="mean"):
    """Names of the latent columns of a table, in order of the dimension.

    Parameters
    ----------
    frame : pandas.DataFrame
    kind : str
        ``"mean"`` or ``"sigma"`` of the posterior, or ``"draw"``, one sample from it.

    Returns
    -------
    list of str
        ``<kind>_1`` ... ``<kind>_K``.
    """
    numbers = sorted(int(name[len(kind) + 1 :]) for name in frame if re.fullmatch(rf"{kind}_\d+", name))
    return [f"{kind}_{number}" for number in numbers]


def sample(stars, subsets, latents, subset="pristine"):
    """Join stars and latents, and keep one subset.

    Parameters
    ----------
    stars, subsets, latents : pandas.DataFrame
        Row-aligned products of the catalogue and of the model, each with ``source_id``.
    subset : str
        Boolean column of ``subsets``: ``"full"``, ``"good"`` or ``"pristine"``.

    Returns
    -------
    pandas.DataFrame
        The subset's rows of ``stars`` with the columns of ``latents`` appended, and ``train`` and ``test``
        where ``subsets`` has them; the index is the row number in the catalogue.

    Raises
    ------
    InputError
        If the tables are not aligned or the subset is empty.
    """
    require_aligned(stars, subsets, "stars and subsets")
    require_aligned(stars, latents, "stars and latents")
    split = subsets[[name for name in ("train", "test") if name in subsets]]
    parts = [part.set_axis(stars.index) for part in (split, latents.drop(columns="source_id"))]
    frame = stars.join(parts)[subsets[subset].to_numpy(dtype=bool)]
    if frame.empty:
        raise InputError(f"no star is {subset}: loosen its cuts in config.yaml (cuts: {subset}).")
    return frame
