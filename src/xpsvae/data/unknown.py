"""What stands for "not known" in the columns of catalogues: one rule for every dataset."""

import numpy as np

__all__ = ["unknown"]

_NONE, _LOWEST = -999.0, -9990.0  # -9999, -9999.99 and -999999 are at or below the second
_FAINTEST = 90.0  # [mag] beyond which stand 99 and 99.999
_UNBOUND = 9999.99  # what galpy returns as an action
_MAGNITUDES, _ACTIONS, _FLAGS = ("j", "h", "k", "a_k", "sfd_ebv"), ("j_r", "l_z", "j_z"), ("flag",)


def unknown(values, column):
    """Where a column holds what stands for "not known" in place of a value.

    That is -999, and -9990 and all below, in any column; beyond 90 in magnitudes and reddenings; 9999.99 in
    actions; anything negative in flags; NaN and infinity.

    Parameters
    ----------
    values : array of real numbers
    column : str
        Its name in ``stars.parquet``, with or without a prefix (``vac_j_r``).

    Returns
    -------
    bool array
        Of the shape of ``values``.
    """
    values = np.asarray(values)
    absent = (values == _NONE) | (values <= _LOWEST)
    if values.dtype.kind == "f":
        absent |= ~np.isfinite(values)
    if column in _MAGNITUDES or column.endswith("_mag"):
        absent |= values > _FAINTEST
    elif column.endswith(_ACTIONS):
        absent |= np.abs(values - _UNBOUND) < 0.01  # single precision too
    elif column.endswith(_FLAGS):
        absent |= values < 0
    return absent
