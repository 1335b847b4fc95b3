"""The one exception users are meant to read: a single sentence that says what is wrong and what to do."""

__all__ = ["InputError"]


class InputError(ValueError):
    """Input, configuration or environment that the user has to mend.

    The message is one sentence that names the file, column or key, what was expected, and what to do.
    The workflow and the console print it without a traceback and exit with a non-zero status.
    """
