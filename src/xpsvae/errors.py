"""The one exception users are meant to read: a single sentence that says what is wrong and what to do."""

import difflib

__all__ = ["InputError", "suggestion"]


class InputError(ValueError):
    """Input, configuration or environment that the user has to mend.

    The message is one sentence that names the file, column or key, what was expected, and what to do.
    The workflow and the console print it without a traceback and exit with a non-zero status.
    """


def suggestion(name, known, listed=None):
    """End of a sentence about a name that is not known: the nearest that is, and all of them.

    Parameters
    ----------
    name : str
    known : list of str
    listed : str, optional
        Says what there is, where that is too long to be listed name by name.
    """
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.4)
    choices = f"choose one of {listed or ', '.join(known)}"
    return f"did you mean '{near[0]}' ({choices})" if near else choices
