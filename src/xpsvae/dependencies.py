"""Which modules of this package a script runs, and what they do: what Snakemake watches besides the script.

Snakemake notices an edited script, not an edited module that the script imports. Rules have a digest of what
these modules do as a parameter, so that an edit which changes that reruns them, and a comment, a docstring or
a copied clone does not. The modules are found by reading import statements.
"""

import ast
import hashlib
import re
from functools import cache
from pathlib import Path

__all__ = ["digest", "imported_modules"]

PACKAGE = Path(__file__).resolve().parent
# They carry bytes and messages but decide no number: an edit of them need not rebuild every product.
PLUMBING = {
    "cluster.py",
    "contents.py",
    "debug.py",
    "dependencies.py",
    "digests.py",
    "errors.py",
    "listing.py",
    "locks.py",
    "parquet_units.py",
    "products.py",
    "provenance.py",
    "scratch.py",
    "shape.py",
    "tex.py",
    "workflow.py",
}


def imported_modules(script):
    """Find the modules of this package that a Python file imports, directly or not.

    Parameters
    ----------
    script : path-like
        A Python file.

    Returns
    -------
    list of pathlib.Path
        Sorted, without the script and without the modules that only read, write and log. A package's
        ``__init__`` counts where a name is imported from the package itself, and C code beside a module of
        its name counts with it.
    """
    found, queue = set(), [Path(script)]
    while queue:
        for module in _read(queue.pop())[0] - found:
            found.add(module)
            queue.append(module)
    found |= {path for module in found if (path := module.with_suffix(".c")).is_file()}
    return sorted(module for module in found if module.relative_to(PACKAGE).as_posix() not in PLUMBING)


def digest(script):
    """Say what the modules that a script imports do, whatever their comments and layout.

    Parameters
    ----------
    script : path-like
        A Python file; itself it does not count, unless it is a module of this package.

    Returns
    -------
    str
        Hexadecimal; it changes with the syntax trees of the modules without docstrings, and with C code
        without comments.
    """
    script, modules = Path(script).resolve(), imported_modules(script)
    own = [script] if PACKAGE in script.parents else []
    return hashlib.sha256("".join(_read(path)[1] for path in sorted({*own, *modules})).encode()).hexdigest()[
        :16
    ]


@cache
def _read(path):
    """Modules that a file imports itself, and a line that says what the file does; of C code only the line."""
    text, modules = path.read_text(encoding="utf-8"), set()
    if path.suffix == ".c":
        text = " ".join(re.sub(r"/\*.*?\*/|//[^\n]*", " ", text, flags=re.DOTALL).split())
    else:
        tree = ast.parse(text)
        for node in (tree, *_statements(tree)):
            if isinstance(node, ast.Import):
                modules.update(_locate(alias.name) for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                # `from package import name`: the name is a module of the package, or stands in its __init__
                modules.update(
                    _locate(f"{node.module}.{alias.name}") or _locate(node.module) for alias in node.names
                )
            elif isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                if ast.get_docstring(node, clean=False) is not None:
                    del node.body[0]
        text = ast.dump(tree)
    name = path.relative_to(PACKAGE).as_posix() if PACKAGE in path.parents else path.name
    return modules - {None}, f"{name} {hashlib.sha256(text.encode()).hexdigest()}\n"


def _statements(block):
    """Yield the statements of a block and of the blocks in them: a tenth of a tree's nodes, read at every start."""
    for field in ("body", "orelse", "finalbody", "handlers", "cases"):
        for statement in getattr(block, field, ()):
            yield statement
            yield from _statements(statement)


def _locate(name):
    top, *parts = name.split(".")
    if top != PACKAGE.name or not parts:
        return None
    base = PACKAGE.joinpath(*parts)
    return next((path for path in (base.with_suffix(".py"), base / "__init__.py") if path.is_file()), None)
