r"""LaTeX of the paper as HTML, for the report page: its macros filled in, its mathematics in letters.

It knows what abstract, captions and tables of this paper use. A command that it does not know is shown as it
is written, which a test of the present text finds.
"""

import html
import re

__all__ = ["abstract", "captions", "commands", "expand", "group", "inlined", "table", "title", "to_html"]

GREEK = {
    "alpha": "α", "chi": "χ", "Delta": "Δ", "epsilon": "ε", "lambda": "λ", "mu": "μ", "rho": "ρ", "sigma": "σ",
    "varsigma": "ς",
}  # fmt: skip
SIGNS = {
    "times": "×", "pm": "±", "ge": "≥", "geq": "≥", "le": "≤", "leq": "≤", "approx": "≈", "odot": "⊙", "dots": "…",
    "nodots": "…", "nodata": "–", "to": "→", "cdot": "·",
}  # fmt: skip
UPRIGHT = ("log", "ln", "rm", "mathrm", "text", "mbox", "ensuremath", "mathcal", "mathbf", "boldsymbol", "bm")
STYLES = {"textit": "i", "emph": "i", "textbf": "b", "texttt": "code"}
ACCENTS = {"hat": "\u0302", "bar": "\u0304"}
DROPPED = {"FigureScript": 1, "label": 1, "roomy": 0, "tabletypesize": 1, "footnotesize": 0, "centering": 0}
SPACES = {",": "\u2009", ";": " ", " ": " ", "!": "", "%": "%", "&": "&amp;", "_": "_", "#": "#", "$": "$"}


def commands(*texts):
    r"""Commands that LaTeX texts define, by name; of one defined twice the first, as with ``\providecommand``.

    Parameters
    ----------
    *texts : str

    Returns
    -------
    dict of str to (int, str)
        Number of arguments, and what stands for it.
    """
    found = {}
    for text in map(_without_comments, texts):
        for match in re.finditer(r"\\(?:new|provide)command\{?\\([A-Za-z]+)\}?(?:\[(\d)\])?(?=\{)", text):
            body, _ = group(text, match.end())
            found.setdefault(match[1], (int(match[2] or 0), body))
    return found


def expand(text, defined):
    r"""Fill in commands, until none of ``defined`` is left; ``\IfKnown`` asks whether its first is available."""
    pieces, at = [], 0
    for match in re.finditer(r"\\([A-Za-z]+)[ \t]*\n?", text):
        name = match[1]
        if match.start() < at or name not in defined or name == "NotAvailable":
            continue
        count, body = defined[name]
        end = match.end() if not text[match.end() - 1].isspace() or count else match.start() + len(name) + 1
        arguments = []
        for _ in range(count):
            argument, end = _argument(text, end)
            arguments.append(argument)
        if name == "IfKnown":
            known = "not available" not in expand(arguments[0], defined)
            body = arguments[1] if known else arguments[2]
        else:
            body = re.sub(r"#(\d)", lambda place: arguments[int(place[1]) - 1], body)  # noqa: B023
        if not count and text.startswith("{}", end):
            end += 2
        pieces += [text[at : match.start()], expand(body, defined)]
        at = end
    return "".join(pieces) + text[at:]


def title(tex):
    r"""Title of a document, in one line."""
    text, _ = group(tex, tex.index(r"\title{") + len(r"\title"))
    return " ".join(text.replace(r"\\", " ").split())


def abstract(tex):
    """Abstract of a document, as LaTeX."""
    return tex.split(r"\begin{abstract}")[1].split(r"\end{abstract}")[0].strip()


def inlined(tex, sections):
    r"""Put the text of sections where a document reads them by ``\input{sections/<name>}``.

    Parameters
    ----------
    tex : str
    sections : dict of str to str
        By name; others are left out.
    """
    return re.sub(r"\\input\{sections/(\w+)\}", lambda found: sections.get(found[1], ""), tex)


def captions(tex):
    r"""Figures of a document, in their order.

    Returns
    -------
    dict of str to (str, str)
        By the name of the file: number, and caption as LaTeX.
    """
    found, number = {}, 0
    for body in re.findall(r"\\begin\{figure\*?\}(.*?)\\end\{figure\*?\}", _without_comments(tex), re.DOTALL):
        own = re.search(
            r"\\(?:renewcommand\{\\thefigure\}|appendixfloat)\{((?:\\arabic\{figure\})?\w*)\}", body
        )
        if own is None or "arabic" in own[1]:
            number += 0 if r"\addtocounter{figure}{-1}" in body else 1
        name = re.search(r"\\includegraphics(?:\[[^]]*\])?\{(\w+)\}", body)[1]
        caption, _ = group(body, body.index(r"\caption{") + len(r"\caption"))
        shown = own[1].replace(r"\arabic{figure}", str(number)) if own else str(number)
        found[name] = shown, caption
    return found


def table(tex, references=None):
    """Turn a LaTeX tabular or deluxetable into an HTML table with its caption and comments."""
    tex = _without_comments(tex)
    parts = []
    if r"\tablecaption{" in tex:
        caption, _ = group(tex, tex.index(r"\tablecaption{") + len(r"\tablecaption"))
        parts.append(f"<caption>{to_html(caption, references)}</caption>")
    if r"\startdata" in tex:
        head, _ = group(tex, tex.index(r"\tablehead{") + len(r"\tablehead"))
        body = tex.split(r"\startdata")[1].split(r"\enddata")[0]
    else:
        body = re.search(r"\\begin\{tabular\}(.*)\\end\{tabular\}", tex, re.DOTALL)[1]
        _, start = group(body, 0)
        head, _, body = body[start:].partition(r"\\")
    for tag, lines in (("th", head), ("td", body)):
        parts += [
            f"<tr>{''.join(_cell(cell, tag, references) for cell in _cells(line))}</tr>"
            for line in _rows(lines)
        ]
    comments = ""
    if r"\tablecomments{" in tex:
        text, _ = group(tex, tex.index(r"\tablecomments{") + len(r"\tablecomments"))
        comments = f"<p>{to_html(text, references)}</p>"
    return f"<table>{''.join(parts)}</table>{comments}\n"


def to_html(tex, references=None):
    """Turn text with mathematics into HTML.

    Parameters
    ----------
    tex : str
        Commands of its own filled in by `expand`.
    references : dict of str to str, optional
        What stands for each label and each citation key; a key stands for itself without.
    """
    return _convert(_without_comments(tex).strip(), references or {}, mathematics=False)


def _convert(tex, references, mathematics):
    pieces, at = [], 0
    while at < len(tex):
        sign = tex[at]
        if sign == "\\":
            piece, at = _command(tex, at + 1, references, mathematics)
        elif sign == "$":
            end = tex.index("$", at + 1)
            piece, at = _convert(tex[at + 1 : end], references, True), end + 1
        elif sign == "{":
            inner, at = group(tex, at)
            piece = _convert(inner, references, mathematics)
        elif mathematics and sign in "_^":
            tag = "sub" if sign == "_" else "sup"
            if tex.startswith("\\", at + 1):  # with what the command takes
                inner, at = _command(tex, at + 2, references, True)
            else:
                inner, at = _argument(tex, at + 1)
                inner = _convert(inner, references, True)
            piece = f"<{tag}>{inner}</{tag}>"
        elif mathematics:
            piece, at = _letter(sign), at + 1
        else:
            run = re.compile(r"[^\\${]+").match(tex, at)
            piece, at = _prose(run[0]), run.end()
        pieces.append(piece)
    return "".join(pieces)


def _command(tex, at, references, mathematics):
    """HTML of the command whose name begins at ``at``, and where the text goes on."""
    name = re.compile(r"[A-Za-z]+|.", re.DOTALL).match(tex, at)[0]
    end = at + len(name)
    if not name.isalpha():
        return ("<br>" if name == "\\" else SPACES.get(name, html.escape(name))), end
    spaced = re.compile(r"\s*").match(tex, end).end()
    if name in DROPPED:
        end = spaced
        for _ in range(DROPPED[name]):
            _, end = _argument(tex, end)
        return "", end
    if name in GREEK or name in SIGNS:
        return GREEK.get(name) or SIGNS[name], spaced
    if name in STYLES:
        inner, end = _argument(tex, spaced)
        return f"<{STYLES[name]}>{_convert(inner, references, False)}</{STYLES[name]}>", end
    if name in ACCENTS:
        inner, end = _argument(tex, spaced)
        return f"<i>{html.escape(inner)}{ACCENTS[name]}</i>", end
    if name in ("log", "ln"):
        return f"{name}\u2009", spaced
    if name in UPRIGHT:
        if name == "rm":
            return _prose(tex[spaced:]), len(tex)
        inner, end = _argument(tex, spaced)
        return _convert(inner, references, mathematics=name == "ensuremath"), end
    if name in ("ref", "citet", "citep", "citealt"):
        keys, end = _argument(tex, spaced)
        words = ", ".join(references.get(key.strip(), key.strip()) for key in keys.split(","))
        return html.escape(f"({words})" if name == "citep" else words), end
    return f"<code>\\{name}</code>", end


def _prose(text):
    for written, shown in (("---", "—"), ("--", "–"), ("``", "“"), ("''", "”"), ("~", "\u00a0"), ("'", "’")):
        text = text.replace(written, shown)
    return html.escape(text, quote=False)


def _letter(sign):
    if sign == "-":
        return "−"
    return f"<i>{sign}</i>" if sign.isalpha() else html.escape(sign)


def _rows(tex):
    tex = re.sub(r"\\(?:hline|roomy)\b", "", tex)
    return [line for line in re.split(r"\\\\(?:\[[^]]*\])?", tex) if line.strip()]


def _cells(line):
    return [cell.strip() for cell in re.split(r"(?<!\\)&", line)]


def _cell(tex, tag, references):
    wide = re.fullmatch(r"\\multicolumn\{(\d+)\}\{[^}]*\}\{(.*)\}", tex, re.DOTALL)
    span = f' colspan="{wide[1]}"' if wide else ""
    tex = re.sub(r"\\colhead(?=\{)", "", wide[2] if wide else tex)
    return f"<{tag}{span}>{to_html(tex, references)}</{tag}>"


def _argument(text, at):
    """Find what a command takes at ``at``, a group, a command or a sign, and where the text goes on."""
    at = re.compile(r"\s*").match(text, at).end()
    if text.startswith("{", at):
        return group(text, at)
    found = re.compile(r"\\[A-Za-z]+|\\.|.", re.DOTALL).match(text, at)
    return found[0], found.end()


def group(text, at):
    """Inside of the braces that open at ``at``, and where the text goes on behind them."""
    depth = 0
    for match in re.compile(r"\\.|[{}]", re.DOTALL).finditer(text, at):
        depth += {"{": 1, "}": -1}.get(match[0], 0)
        if depth == 0:
            return text[at + 1 : match.start()], match.end()
    raise ValueError(f"a brace is not closed: {text[at : at + 40]!r}")


def _without_comments(tex):
    return re.sub(r"(?<!\\)%.*\n?", "", tex)
