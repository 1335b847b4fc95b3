"""The one exception users are meant to read: a single sentence that says what is wrong and what to do."""

import difflib
import re

__all__ = ["InputError", "misspelt", "suggestion"]


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


def misspelt(word, targets):
    """End of a sentence about a word that is nearly a target; None if it is one, or like none.

    Parameters
    ----------
    word : str
        Of a command line: a target, an option or what follows one.
    targets : list of str
    """
    if word in targets or not re.fullmatch(r"\w{5,}", word):
        return None
    figures = [target for target in targets if target.startswith("fig_")]
    if word.startswith("fig_"):
        named = [figure for figure in figures if not re.fullmatch(r"fig_[A-Z]?\d+[a-z]?", figure)]
        return suggestion(word, figures, f"{', '.join(named)}, or a number such as fig_13")
    near = difflib.get_close_matches(word, targets, n=1, cutoff=0.8)
    return f"did you mean '{near[0]}' (snakemake --list-rules lists all)" if near else None
