"""The words of the report: its first page, captions, tables, the configuration and where all comes from."""

import html
import re
import unicodedata

import yaml

from xpsvae.paper import html as hypertext

__all__ = ["Text", "configuration", "document", "figure_alias", "figure_title", "provenance"]

ACCENTS = {"'": "\u0301", '"': "\u0308", "`": "\u0300", "^": "\u0302", "~": "\u0303"}  # behind their letter
# Snakemake centres what it shows, so that the beginning of a long page is beyond reach: "safe" is against that.
STYLE = """<style>
.prose { max-width: 58rem !important; }
.h-screen.overflow-auto { align-items: safe center !important; justify-content: safe center !important; }
.xpsvae { font-family: Georgia, 'DejaVu Serif', serif; font-size: 14px; line-height: 1.45; color: #1a1a1a;
  max-width: 58rem; }
.xpsvae h1 { font-size: 22px; line-height: 1.25; margin: 0 0 8px; font-weight: bold; }
.xpsvae h2 { font-size: 17px; margin: 20px 0 6px; font-weight: bold; }
.xpsvae p { margin: 6px 0; }
.xpsvae table { border-collapse: collapse; margin: 6px 0; font-size: 12.5px; width: auto; }
.xpsvae caption { text-align: left; font-weight: bold; padding-bottom: 4px; }
.xpsvae th, .xpsvae td { padding: 2px 7px; border-bottom: 1px solid #cccccc; text-align: left; vertical-align: top; }
.xpsvae th { border-bottom: 2px solid #444444; }
.xpsvae a { color: #004488; text-decoration: underline; cursor: pointer; }
.xpsvae code::before, .xpsvae code::after { content: none !important; }
.xpsvae pre { background: #f4f4f4; color: #1a1a1a; padding: 8px; font-size: 12.5px; white-space: pre-wrap; }
.xpsvae .data { border: 1px solid #444444; padding: 6px 10px; margin: 8px 0; }
.xpsvae sub, .xpsvae sup { font-size: 70%; line-height: 0; }
</style>
"""


class Text:
    """The paper's LaTeX with its macros filled in, by parts.

    Parameters
    ----------
    tex : str
        The document.
    bib : str
        Its bibliography.
    definitions : sequence of str
        LaTeX that defines the macros that the document uses.
    """

    def __init__(self, tex, bib, definitions):
        self.tex = tex
        self.defined = hypertext.commands(*definitions, tex) | {"FigureScript": (1, "")}
        self.figures = hypertext.captions(tex)
        self.references = _cited(bib)
        for number, caption in self.figures.values():
            self.references |= {label: number for label in re.findall(r"\\label\{([^}]*)\}", caption)}
        equations = re.findall(r"\\begin\{equation\}(.*?)\\end\{equation\}", tex, re.DOTALL)
        for number, body in enumerate(equations, start=1):
            self.references |= {label: str(number) for label in re.findall(r"\\label\{([^}]*)\}", body)}
        self.references |= {"tab:alpha": "1", "tab:cutflow": "of the cut-flow"}

    def html(self, tex):
        """Any LaTeX of the document, as HTML."""
        return hypertext.to_html(hypertext.expand(tex, self.defined), self.references)

    def caption(self, figure):
        """Write number and caption of a figure."""
        number, caption = self.figures[figure]
        return f'<div class="xpsvae"><p><b>Figure {number}.</b> {self.html(caption)}</p></div>\n'

    def tables(self, table1, cutflow):
        """Table 1 and the cut-flow: what LaTeX shows, as HTML."""
        around = next(
            block
            for block in re.findall(r"\\begin\{table\*?\}(.*?)\\end\{table\*?\}", self.tex, re.DOTALL)
            if r"\input{table1}" in block
        )
        caption, notes = (
            self.html(_inside(around, command)) if command in around else ""
            for command in (r"\caption", r"\tablecomments")
        )
        body = hypertext.table(hypertext.expand(table1, self.defined), self.references)
        body = body.replace("<table>", f"<table><caption>Table 1. {caption}</caption>", 1)
        flow = hypertext.table(hypertext.expand(cutflow, self.defined), self.references)
        return {"table1": f"{body}<p>{notes}</p>\n", "cutflow": flow}

    def start(self, tables, figures, others):
        """Build the report's first page.

        Parameters
        ----------
        tables : dict of str to str
            Output of `tables`.
        figures : dict of str to path-like
            Figures of the report by name, shown when their line is clicked.
        others : dict of str to path-like
            ``paper`` and ``training``: two more files of the report.

        Returns
        -------
        str
            A piece of HTML.
        """
        titles = [
            f"<li>{_link(path, f'Figure {self.figures[name][0]}')}: {self._first_words(name)}</li>"
            for name, path in figures.items()
            if name in self.figures
        ]
        dataset, box = self.html(r"\DatasetName{}"), self.html(r"\DatasetBox{}")
        return f"""{STYLE}<div class="xpsvae">
<h1>{self.html(hypertext.title(self.tex))}</h1>
<p>{_link(others["paper"], "The paper (PDF)")} · {_link(others["training"], "Training curve")} · dataset
<code>{dataset}</code></p>
<div class="data"><b>Which data this is.</b> {box}</div>
<h2>Abstract</h2>
<p>{self.html(hypertext.abstract(self.tex))}</p>
<h2>Classification</h2>
{tables["table1"]}
<h2>Cut-flow</h2>
{tables["cutflow"]}
<h2>Figures</h2>
<ul>{"".join(titles)}</ul>
<p>Tables, configuration and provenance are in the menu on the left; the diagram beside this text shows the rules.</p>
</div>
"""

    def _first_words(self, figure):
        """First sentence of a caption."""
        words = self.html(self.figures[figure][1])
        end = re.search(r"\.(?=\s|$)", words)
        return words[: end.end()] if end else words


def figure_title(source):
    """Read number and title of a figure in the first line of its script: ``Figure 6 – RMSE of each model``.

    Numbers of one digit get a blank as wide as a digit, so that a list sorted by letters is in order.
    """
    line = re.match(r'"""(.*?)(?:\.?""")?\s*\n', source)[1].rstrip(".")
    name, _, title = line.partition(": ")
    name = re.sub(r"^Figure (\d)(?!\d)", "Figure \u2007\\1", name)
    return f"{name} – {title[:1].upper()}{title[1:]}"


def figure_alias(title):
    """Name of a figure by its number: ``fig_6`` of ``Figure 6 – RMSE of each model``, ``fig_12a``, ``fig_A1``."""
    number, part = re.match(r"Figure\s+(\w+)(?: \((\w)\))?", title).groups()
    return f"fig_{number}{part or ''}"


def document(title, body):
    """Make a page of its own of a piece of HTML."""
    head = f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{html.escape(title)}</title>'
    return f'{head}{STYLE}</head><body><div class="xpsvae"><h1>{html.escape(title)}</h1>\n{body}</div></body></html>\n'


def configuration(record):
    """All settings of a build, as they were after defaults and command line."""
    settings = yaml.safe_dump(record["config"], sort_keys=True, allow_unicode=True)
    return f"<p>SHA-256 of all choices: <code>{record['config_sha256']}</code></p><pre>{html.escape(settings)}</pre>\n"


def provenance(record):
    """Commit, inputs, device and versions of a build."""
    lines = {"commit": record["commit"], "dataset": record["dataset"], "Python": record["python"]}
    lines |= {f"input {name}": value for name, value in sorted(record["inputs"].items())}
    lines |= {f"device, {name}": value for name, value in sorted(record["device"].items()) if value}
    packages = "".join(_row(name, version) for name, version in sorted(record["packages"].items()))
    first = "".join(_row(name, value) for name, value in lines.items())
    return f"<table>{first}</table><h2>Packages</h2><table>{packages}</table>\n"


def _row(name, value):
    return f"<tr><td>{html.escape(str(name))}</td><td><code>{html.escape(str(value))}</code></td></tr>"


def _link(path, words):
    """Words that open a file of the report, as its own buttons do."""
    path = str(path)
    content = "pdf" if path.endswith(".pdf") else "img"
    shown = f"{{content: '{content}', contentPath: results['{path}'].data_uri, resultPath: '{path}'}}"
    return f"<a onclick=\"app.showResultInfo('{path}'); app.setView({shown});\">{html.escape(words)}</a>"


def _inside(tex, command):
    start = tex.index(command + "{") + len(command)
    return hypertext.group(tex, start)[0]


def _cited(bib):
    """Name each entry as the text does: ``Leung & Bovy 2024``."""
    found = {}
    for key, fields in re.findall(r"^@\w+\{(\w+),(.*?)^\}", bib, re.DOTALL | re.MULTILINE):
        year = re.search(r"\byear\s*=\s*\{?(\d{4})", fields)
        start = re.search(r"\bauthor\s*=\s*", fields)
        people = hypertext.group(fields, start.end())[0].split(" and ") if start else [key]
        family = [_name(person.partition(",")[0]) for person in people]
        names = " & ".join(family) if len(family) <= 2 else f"{family[0]} et al."
        found[key] = f"{names} {year[1]}" if year else names
    return found


def _name(tex):
    """Letters of a name, accents put upon them."""
    accented = re.sub(r"\\(['\"`^~])\{?\\?(\w)\}?", lambda found: found[2] + ACCENTS[found[1]], tex)
    return unicodedata.normalize("NFC", re.sub(r"[{}\\]", "", accented)).strip()
