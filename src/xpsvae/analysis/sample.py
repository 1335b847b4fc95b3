"""The stars an analysis uses: catalogue, subset and latents side by side, one row a star.

All tables are aligned by construction; this module refuses them if they are not. The latents that an analysis
works on are called ``z_1 ... z_K`` from here on, whether they are posterior means or draws. No star is filled
in: what the dataset lacks stays NaN.
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


def latent_columns(frame, kind="z"):
    """Names of the latent columns of a table, in order of the dimension.

    Parameters
    ----------
    frame : pandas.DataFrame
    kind : str
        ``"z"``, what the analysis works on; ``"mean"`` or ``"sigma"`` of the posterior, or ``"draw"``, one
        sample from it.

    Returns
    -------
    list of str
        ``<kind>_1`` ... ``<kind>_K``.
    """
    numbers = sorted(int(name[len(kind) + 1 :]) for name in frame if re.fullmatch(rf"{kind}_\d+", name))
    return [f"{kind}_{number}" for number in numbers]


def sample(stars, subsets, latents, subset="pristine", latent="mean", split=None):
    """Join stars and latents, and keep one subset.

    Parameters
    ----------
    stars, subsets, latents : pandas.DataFrame
        Row-aligned products of the catalogue and of the model, each with ``source_id``.
    subset : str
        Boolean column of ``subsets``: ``"full"``, ``"good"`` or ``"pristine"``.
    latent : str
        What ``z_1 ... z_K`` are: ``"mean"`` of each star's posterior, or the stored ``"draw"`` from it.
    split : pandas.DataFrame, optional
        ``train`` and ``test``, aligned too.

    Returns
    -------
    pandas.DataFrame
        The subset's rows of ``stars`` with ``z_1 ... z_K`` and the columns of ``latents`` appended, and those
        of ``split`` if it is given; the index is the row number in the catalogue.

    Raises
    ------
    InputError
        If the tables are not aligned or the subset is empty.
    """
    require_aligned(stars, subsets, "stars and subsets")
    require_aligned(stars, latents, "stars and latents")
    used = latents[latent_columns(latents, latent)].rename(columns=lambda name: name.replace(latent, "z"))
    parts = [used, latents.drop(columns="source_id")]
    if split is not None:
        require_aligned(stars, split, "stars and split")
        parts.append(split[["train", "test"]])
    parts = [part.set_axis(stars.index) for part in parts]
    frame = stars.join(parts)[subsets[subset].to_numpy(dtype=bool)]
    if frame.empty:
        raise InputError(f"no star is {subset}: loosen its cuts in config.yaml (cuts: {subset}).")
    return frame
