r"""Text from files as LaTeX: whatever it holds is printed, nothing of it is a command."""

import re

__all__ = ["address", "escape"]

_SPECIAL = {
    "\\": r"\textbackslash{}",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    **{letter: f"\\{letter}" for letter in "%&#_${}"},
}


def escape(text):
    """Escape what is special in LaTeX; control characters, line ends among them, become blanks."""
    letters = (letter if letter.isprintable() else " " for letter in str(text))
    return "".join(_SPECIAL.get(letter, letter) for letter in letters)


def address(text):
    r"""Make a web address fit for the first argument of ``\href``: what none holds is percent-encoded."""
    encoded = re.sub(r"[^A-Za-z0-9._:/?@!+,;=()*\[\]-]", _percent, str(text))
    return encoded.replace("%", r"\%")


def _percent(match):
    return "".join(f"%{byte:02X}" for byte in match[0].encode(errors="replace"))
