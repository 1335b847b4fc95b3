r"""LaTeX at both ends: values to macros, and a folder of sources to one PDF.

What is not known reads "not available". LaTeX runs in a temporary folder and gives the same bytes for equal
sources; the PDF moves to its place only if nothing is undefined, else one sentence says what is.
"""

import gzip
import math
import os
import re
import shutil
import subprocess
import tarfile
import tempfile
from contextlib import contextmanager
from pathlib import Path

from xpsvae import scratch
from xpsvae.errors import InputError
from xpsvae.paper.pdf import require_whole
from xpsvae.products import write_atomically
from xpsvae.tex import escape

__all__ = [
    "NOT_AVAILABLE",
    "count",
    "decimal",
    "first_problem",
    "interval",
    "listing",
    "prose",
    "signed",
    "significant",
    "submission",
    "to_tex",
    "typeset",
]

NOT_AVAILABLE = r"\mbox{not available}"
_LATEXMK = "latexmk", "-norc", "-pdf", "-interaction=nonstopmode", "-halt-on-error", "-file-line-error"
_ENVIRONMENT = {
    "SOURCE_DATE_EPOCH": "0",  # with the next, every date that pdfTeX writes
    "FORCE_SOURCE_DATE": "1",
    "max_print_line": "1000",  # a wrapped log line would hide what was undefined
}


def count(value):
    """Whole number with thousands apart, for text and mathematics: ``34{,}045``."""
    if _missing(value):
        return NOT_AVAILABLE
    return f"{int(value):,}".replace(",", "{,}")


def decimal(value, digits=2):
    r"""Decimal number of so many digits, with a real minus sign: ``\ensuremath{-0.12}``."""
    if _missing(value):
        return NOT_AVAILABLE
    text = f"{value:.{digits}f}"
    if float(text) == 0:
        text = text.lstrip("-")
    return rf"\ensuremath{{{text}}}" if text.startswith("-") else text


def signed(value, digits=3):
    r"""Decimal number that shows its sign either way: ``\ensuremath{+0.012}``."""
    if _missing(value):
        return NOT_AVAILABLE
    text = f"{value:+.{digits}f}"
    return text[1:] if float(text) == 0 else rf"\ensuremath{{{text}}}"


def significant(value, digits=2):
    r"""Round to significant digits, with a power of ten below 0.01 and from 10000: ``3\times10^{-7}``."""
    if _missing(value):
        return NOT_AVAILABLE
    if value == 0:
        return "0"
    exponent = math.floor(math.log10(abs(float(f"{value:.{digits - 1}e}"))))
    if -3 < exponent < 4:
        return decimal(value, max(0, digits - 1 - exponent))
    mantissa = f"{value / 10**exponent:.{digits - 1}f}"
    return rf"\ensuremath{{{mantissa}\times10^{{{exponent}}}}}"


def interval(bounds, digits=3):
    """Lower and upper bound with a dash: ``0.901--0.933``."""
    if bounds is None or any(_missing(bound) for bound in bounds):
        return NOT_AVAILABLE
    low, high = (decimal(bound, digits) for bound in bounds)
    return f"{low}--{high}" if low[0] != "\\" and high[0] != "\\" else f"{low} to {high}"


def listing(items):
    """Words in a row: ``a``, ``a and b``, ``a, b and c``; ``none`` of no items."""
    items = list(items)
    if not items:
        return "none"
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}"


def prose(text):
    r"""Plain text as LaTeX, abundances and relations in mathematics: ``$-$1.6 $<$ $[\mathrm{Fe}/...$``."""
    text = escape(text)
    text = re.sub(r"\[(\w+)/(\w+)\]", _abundance, text)
    text = re.sub(r"(?<![\w.])-(?=[\d ])", "$-$", text)
    return re.sub(r"([<>])", r"$\1$", text)


def to_tex(macros, flags):
    r"""LaTeX definitions of all macros.

    Parameters
    ----------
    macros : dict of str to str
        Text by name; each becomes ``\newcommand{\Name}{text}``.
    flags : dict of str to bool
        Each becomes ``\IfName{if so}{otherwise}``.

    Raises
    ------
    ValueError
        If a name has a character that TeX does not take in one.
    """
    lines = ["% Written by the rule build_numbers from the products of the workflow: do not edit."]
    for name in (*macros, *flags):
        if not re.fullmatch(r"[A-Za-z]+", name):
            raise ValueError(f"{name!r} cannot be a LaTeX macro: letters only")
    lines += [rf"\newcommand{{\{name}}}{{{text}}}" for name, text in macros.items()]
    lines += [rf"\newcommand{{\If{name}}}[2]{{#{1 if flag else 2}}}" for name, flag in flags.items()]
    return "\n".join(lines) + "\n"


def typeset(tex, sources, output):
    """Compile a LaTeX document.

    Parameters
    ----------
    tex : path-like
        The main document.
    sources : dict of str to path-like
        What it includes: name relative to the document (``"figures/catalog_cuts.pdf"``) and the file.
    output : path-like
        The PDF, written atomically.

    Raises
    ------
    InputError
        If latexmk or a source is missing, a figure is damaged, the folder for temporary files is full, or at
        the first LaTeX error, undefined reference or citation.
    """
    with _compiled(tex, sources) as folder, write_atomically(output) as temporary:
        shutil.copyfile(folder / "ms.pdf", temporary)


def submission(tex, sources, bibliography, output):
    """Pack a LaTeX document as arXiv takes it: text, figures and the finished list of references.

    Parameters
    ----------
    tex, sources
        As for `typeset`.
    bibliography : str
        Which of the sources BibTeX reads; it stays behind.
    output : path-like
        The ``.tar.gz``, written atomically; the same bytes for equal sources.

    Raises
    ------
    InputError
        As `typeset`, and if what is packed does not give the same PDF on its own, without BibTeX.
    """
    packed = {name: path for name, path in {"ms.tex": tex, **sources}.items() if name != bibliography}
    with _compiled(tex, sources) as folder:
        packed["ms.bbl"] = folder / "ms.bbl"
        pdf = (folder / "ms.pdf").read_bytes()
        with write_atomically(output) as temporary:
            _pack(packed, temporary)
            with tempfile.TemporaryDirectory(prefix="xpsvae-arxiv-") as alone:
                with tarfile.open(temporary) as tar:
                    tar.extractall(alone, filter="data")
                _latexmk(alone, tex, "-bibtex-")
                if Path(alone, "ms.pdf").read_bytes() != pdf:
                    raise InputError(
                        f"{output} does not give the paper's PDF on its own: compile it, and compare."
                    )


def _pack(files, output):
    """Write a tar file without times and owners: name in it to path."""
    with (
        open(output, "wb") as stream,
        gzip.GzipFile("", "wb", fileobj=stream, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as tar,
    ):
        for name, path in sorted(files.items()):
            member = tarfile.TarInfo(name)
            member.size = Path(path).stat().st_size
            with open(path, "rb") as content:
                tar.addfile(member, content)


@contextmanager
def _compiled(tex, sources):
    """Compile a document in a folder of its own, which is there as long as the block lasts."""
    if shutil.which("latexmk") is None:
        raise InputError(
            "latexmk is not installed: apt-get install latexmk texlive-latex-recommended texlive-publishers "
            "texlive-plain-generic texlive-fonts-recommended lmodern."
        )
    for path in sources.values():
        if Path(path).suffix == ".pdf" and Path(path).exists():
            require_whole(path)
    scratch.require_space()
    with tempfile.TemporaryDirectory(prefix="xpsvae-paper-") as folder:
        for name, path in {"ms.tex": tex, **sources}.items():
            target = Path(folder, name)
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                shutil.copyfile(path, target)
            except FileNotFoundError:
                raise InputError(f"{path} does not exist: the paper needs it as {name}.") from None
        _latexmk(folder, tex)
        yield Path(folder)


def _latexmk(folder, tex, *options):
    """Compile ms.tex in a folder; an `InputError`, which names ``tex``, at the first problem."""
    run = subprocess.run(
        [*_LATEXMK, *options, "ms.tex"],
        cwd=folder,
        env={**os.environ, **_ENVIRONMENT},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
    )
    log = Path(folder, "ms.log")
    text = log.read_text(encoding="latin-1") if log.exists() else run.stdout + run.stderr
    problem = first_problem(text)
    if problem is None and run.returncode:
        problem = f"latexmk stopped with status {run.returncode}: {_last_line(run.stderr or run.stdout)}"
    if problem:
        scratch.require_space()
        raise InputError(f"{tex} cannot be typeset: {problem}.")


def first_problem(log):
    r"""Return what is wrong according to a LaTeX log, or None.

    Parameters
    ----------
    log : str
        Written with ``-file-line-error`` and unwrapped lines.

    Returns
    -------
    str or None
        For example ``"undefined control sequence \foo in ms.tex, line 9"``.
    """
    error = re.search(r"^(?:\./)?([^\s:]+\.\w+):(\d+): (.+?)\.?$", log, re.MULTILINE)
    if error:
        file, line, message = error.groups()
        shown = re.search(rf"^l\.{line} (.*)$", log[error.end() :], re.MULTILINE)
        macro = re.search(r"(\\[A-Za-z@]+)\s*$", shown.group(1)) if shown else None
        if "Undefined control sequence" in message and macro:
            message = f"undefined control sequence {macro.group(1)}"
        return f"{message} in {file}, line {line}"
    fatal = re.search(r"^! ?(.+?)\.?$", log, re.MULTILINE)  # pdfTeX's own have no space
    if fatal:
        return fatal.group(1)
    undefined = re.search(r"Warning: (Reference|Citation) [`'](.+?)' on page \S+ undefined", log)
    if undefined:
        kind, name = undefined.groups()
        return f"undefined {kind.lower()} '{name}'"
    return None


def _last_line(text):
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "it printed nothing"


def _abundance(match):
    above, below = (r"\alpha" if name == "alpha" else rf"\mathrm{{{name}}}" for name in match.groups())
    return f"$[{above}/{below}]$"


def _missing(value):
    return value is None or not math.isfinite(value)
