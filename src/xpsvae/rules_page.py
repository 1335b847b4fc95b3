"""Write docs/rules.md: the graph of the rules, and what each makes.

From the project's folder: ``python -m xpsvae.rules_page > docs/rules.md``.
"""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

__all__ = ["graph", "page"]

PROJECT = Path(__file__).parents[2]
_START = """# Rules

<!-- Made from the Snakefile, edit that: python -m xpsvae.rules_page > docs/rules.md -->

What the default target `all` makes on dataset `library`, from top to bottom; the figures are one box, and an arrow is
left out where a longer way leads to the same place. `snakemake --list-rules` lists every target with the same words.

```mermaid
flowchart TD
"""
_TOGETHER = {
    "fig_": "figures",
    "predict_": "predict_<model>",
}  # begin of a rule's name: the box that it is in


def page():
    """Write the page.

    Returns
    -------
    str
        Markdown with a mermaid graph.
    """
    lines = [f"    {above} --> {below}" for above, below in graph(_snakemake("--rulegraph", "--", "all"))]
    listed = re.findall(r"^(\w+) \((.+)\)$", _snakemake("--list-rules"), re.MULTILINE)
    table = [
        f"| `{rule}` | {told} |"
        for rule, told in sorted(listed)
        if not re.match("variant_|fig_[A-Z0-9]", rule)
    ]
    return "\n".join(
        [_START + "\n".join(lines), "```", "", "| target | what it makes |", "|---|---|", *table, ""]
    )


def graph(dot):
    """Read which rule needs which, with rules of a kind as one and without arrows that follow from others.

    Parameters
    ----------
    dot : str
        Output of ``snakemake --rulegraph``.

    Returns
    -------
    list of (str, str)
        Pairs of boxes, sorted; mermaid's ids with their labels.
    """
    names = dict(re.findall(r"(\d+)\[label = \"(\w+)\"", dot))
    below = {}
    for above, to in re.findall(r"(\d+) -> (\d+)", dot):
        first, second = (_box(names[number]) for number in (above, to))
        if first != second:
            below.setdefault(first, set()).add(second)
    return sorted(
        (_label(first), _label(second))
        for first, others in below.items()
        for second in others
        if not any(_reaches(below, other, second) for other in others - {second})
    )


def _box(rule):
    return next((box for start, box in _TOGETHER.items() if rule.startswith(start)), rule)


def _label(box):
    """Write a box for mermaid, whose ids are words."""
    if re.fullmatch(r"\w+", box):
        return box
    return f'{re.sub("[^a-z_]", "", box)}["{box.replace("<", "#lt;").replace(">", "#gt;")}"]'


def _reaches(below, start, end):
    queue, seen = [start], set()
    while queue:
        box = queue.pop()
        if box == end:
            return True
        if box not in seen:
            seen.add(box)
            queue += below.get(box, ())
    return False


def _snakemake(*words):
    """Ask Snakemake in an empty folder: what is there changes nothing in the answer."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "snakemake", "-s", str(PROJECT / "Snakefile"), *words]
        return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout


if __name__ == "__main__":
    sys.stdout.write(page())
