"""Numbers out of whatever holds them: masked values become NaN, units are converted, the rest is refused.

numpy drops a mask and a unit without a word: what lies under the mask then counts as a value, and pc as kpc.
So every public function that takes columns takes them through `plain`. An array of numpy costs one look at
its type, and astropy is imported for nothing but what has a unit.
"""

from decimal import Decimal

import numpy as np

from xpsvae.errors import InputError

__all__ = ["convert", "identifiers", "plain"]

_REAL = {int, float, Decimal, *(np.dtype(code).type for code in "efdgbhilqBHILQ")}
_KINDS = {
    "b": "truth values",
    "c": "complex numbers",
    "M": "dates",
    "m": "time spans",
    "S": "text",
    "U": "text",
    "V": "records",
}


def plain(name, values, unit=""):
    """Real numbers without mask and unit: NaN where masked or missing, in the documented unit.

    Parameters
    ----------
    name : str
        What the values are called in an error.
    values : array-like
        Array, list, masked array, column or frame of pandas, column or Quantity of astropy, tensor. What has
        no unit is taken to be in the documented one.
    unit : str
        The documented unit, as astropy writes it; the empty string for numbers without one.

    Returns
    -------
    array
        ``values`` itself if it is an array of numpy or a dataset on disk that is sliced like one.

    Raises
    ------
    InputError
        If there is anything else than real numbers, or the unit is of another dimension.
    """
    if type(values) not in (np.ndarray, np.memmap):
        values = _opened(name, values, unit)
    kind = values.dtype.kind
    if kind == "O" and values.ndim:
        return _gathered(name, values.tolist(), unit)
    if kind not in "fiu":
        raise InputError(f"{name} holds {_KINDS.get(kind, 'no numbers')}: give real numbers.")
    return values


def identifiers(name, values):
    """Gaia source_ids as int64; floats are refused, since they do not hold all digits.

    Parameters
    ----------
    name : str
        What the values are called in an error.
    values : array (n,) of any integer type

    Returns
    -------
    int64 array (n,)

    Raises
    ------
    InputError
        If they are not integers, one is masked, or one needs more than 64 bits with a sign.
    """
    array = np.asarray(values)
    if array.dtype.kind == "O" and set(map(type, array.ravel())) <= {int}:
        array = np.array(array.tolist())  # unless an integer is too large
    if not array.size:
        return np.empty(array.shape, dtype=np.int64)
    if array.dtype.kind not in "iu":
        kind = _KINDS.get(
            array.dtype.kind, "text or objects" if array.dtype.kind == "O" else array.dtype.name
        )
        why = ", which need not hold all digits of a source_id" if array.dtype.kind == "f" else ""
        raise InputError(f"{name} is {kind}{why}: give 64-bit integers.")
    mask = getattr(values, "mask", False)  # a method of pandas
    if (not callable(mask) and np.any(mask)) or array.max() > np.iinfo(np.int64).max:
        raise InputError(f"{name} has masked or too large values: give 64-bit integers for all stars.")
    return array.astype(np.int64)


def convert(name, array, given, unit):
    """Numbers of one unit in another one.

    Parameters
    ----------
    name : str
        What the numbers are called in an error.
    array : array
    given, unit : str or astropy unit
        The unit they are in, and the one that is wanted.

    Returns
    -------
    array

    Raises
    ------
    InputError
        If the unit is unknown or of another dimension.
    """
    from astropy import units

    # The Gaia archive writes 'electron'.s**-1, quotes and all, and VOTable has units of its own.
    in_words = str(given).replace("'", "").replace("e-", "electron")
    for there in (given, in_words):
        try:
            return np.asarray(units.Unit(there).to(units.Unit(unit), array))
        except (TypeError, ValueError):
            pass  # the next, or the refusal
    expected = f"in {unit}" if unit else "a number without unit"
    raise InputError(f"{name} is in {given}, but must be {expected}: convert it.")


def _opened(name, values, unit):
    """Take the array out of its holder."""
    if isinstance(values, (list, tuple)):
        return _gathered(name, values, unit)
    if hasattr(values, "detach"):  # a tensor
        return values.detach().cpu().numpy()
    if hasattr(values, "iloc"):  # of pandas, where a column may well be called mask or unit
        return values.to_numpy()
    mask = getattr(values, "mask", None)
    given = getattr(values, "unit", getattr(values, "units", None))
    if mask is None and given is None and not isinstance(values, np.ndarray):
        if getattr(getattr(values, "dtype", None), "kind", "O") in "fiu":
            return values  # a dataset on disk: who takes it slices it
    array = np.asarray(getattr(values, "unmasked", values))
    if mask is not None or given is not None:
        if np.any(mask) and array.dtype.kind in "fiuO":
            array = np.where(mask, np.nan, array)  # first, since what lies under a mask may be anything
        array = plain(name, array)
        if given is not None:
            array = convert(name, array, given, unit)
    return array


def _gathered(name, items, unit):
    """Array of a sequence whose elements may be rows, missing, or have units of their own."""

    def number(item):
        if item is None or item is np.ma.masked or type(item).__name__ == "NAType":
            return np.nan
        return item if type(item) in _REAL else plain(name, item, unit)

    try:
        return np.array([number(item) for item in items], dtype=float)
    except (TypeError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            f"{name} has rows of different lengths: give one of the same length a star."
        ) from error
