"""Where a number of the paper comes from: its products, and of each the job that wrote it."""

import re
from pathlib import Path

from xpsvae.choices import CORRECTED
from xpsvae.errors import InputError, suggestion
from xpsvae.paper.differences import find_build
from xpsvae.products import read_json

__all__ = ["describe_number"]

VARIANT = CORRECTED  # what the paper shows


def describe_number(name, results="results"):
    r"""Say what a number of the paper is, and where it comes from.

    Parameters
    ----------
    name : str
        Its macro: ``AccLatent`` of ``\AccLatent`` in ``numbers.tex``.
    results : path-like
        Folder of one dataset's products, or a ``results`` that holds one.

    Returns
    -------
    str
        Lines for a terminal: the value; for each product behind it rule, script, commit and inputs.

    Raises
    ------
    InputError
        If there is no such number; the sentence names the nearest.
    """
    build = find_build(results)
    numbers = build / VARIANT / "numbers.tex"
    if not numbers.is_file():
        raise InputError(
            f"{numbers} does not exist: build the paper first (make, or snakemake --cores 2 all)."
        )
    text = numbers.read_text(encoding="utf-8")  # a value may have several lines
    values = dict(
        re.findall(
            r"^\\newcommand\{\\(\w+)\}\{(.*?)\}$(?=\n\\newcommand|\s*\Z)", text, re.MULTILINE | re.DOTALL
        )
    )
    name = name.lstrip("\\")
    if name not in values:
        raise InputError(
            f"the paper has no number '{name}': {suggestion(name, list(values), f'those of {numbers}')}."
        )
    products = read_json(build / VARIANT / "origins.json")[name]
    lines = [f"{name} = {values[name]}"]
    if not products:
        lines.append("  a setting, or quoted from the literature: see src/xpsvae/paper/numbers.py")
    writers = _writers(build / "logs")
    for product in products:
        lines.append(f"  from {product}")
        lines += [
            f"    {line}" for line in writers.get(str(Path(product)), ["no log says which job wrote it"])
        ]
    return "\n".join(lines)


def _writers(folder):
    """Give what the logs say of each product: rule, script and commit, then what was read."""
    found = {}
    for log in sorted(folder.rglob("*.log")):
        text = log.read_text(encoding="utf-8", errors="replace")
        head = re.match(r"rule .*", text)
        if head:
            read = ", ".join(re.findall(r"^read (.+?): ", text, re.MULTILINE))
            told = [*head[0].split("; ", 2), f"inputs {read}"]
            found |= {product: told for product in re.findall(r"^wrote (.+?): ", text, re.MULTILINE)}
    return found
