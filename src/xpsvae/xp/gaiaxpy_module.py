"""GaiaXPy, without what its import does to everybody's matplotlib."""

import importlib

__all__ = ["gaiaxpy_module"]


def gaiaxpy_module(name="gaiaxpy"):
    """Import a module of GaiaXPy.

    The import turns ``text.usetex`` on for the whole process, so that every figure drawn later would need LaTeX
    and its fonts. Here matplotlib's settings are as they were before.

    Parameters
    ----------
    name : str
        Full name of the module, such as ``gaiaxpy.core.config``.

    Returns
    -------
    module
    """
    import matplotlib

    with matplotlib.rc_context():
        return importlib.import_module(name)
