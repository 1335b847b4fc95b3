"""The report's pages: LaTeX as HTML against hand-written pages, and the present paper without a leftover."""

import re
from pathlib import Path

import pytest
import yaml

from xpsvae.paper import html, page

PROJECT = Path(__file__).parents[2]
PAPER = PROJECT / "paper"
TEX = html.inlined(
    (PAPER / "ms.tex").read_text(encoding="utf-8"),
    {"checks": (PAPER / "sections" / "checks.tex").read_text(encoding="utf-8")},
)
BIB = (PAPER / "references.bib").read_text(encoding="utf-8")
DATASET = (PAPER / "datasets" / "library.tex").read_text(encoding="utf-8")
RULES = (PROJECT / "rules" / "figures.smk").read_text(encoding="utf-8")


def numbers():
    """Give every macro of the paper that no text defines the value 7, and every switch a side."""
    text = TEX + DATASET
    used, known = set(re.findall(r"\\([A-Z][A-Za-z]+)", text)), html.commands(DATASET, TEX)
    switches = {name for name in used if name.startswith("If")}
    missing = used - set(known) - {"Alph", "Roman", "Large", "Huge"}
    return "".join(
        rf"\newcommand{{\{name}}}[2]{{#1}}" if name in switches else rf"\newcommand{{\{name}}}{{7}}"
        for name in sorted(missing)
    )


@pytest.fixture(scope="module")
def text():
    return page.Text(TEX, BIB, [numbers(), DATASET])


@pytest.mark.parametrize(
    ("tex", "shown"),
    [
        ("34{,}045 stars, 2--3\\,nm", "34,045 stars, 2–3\u2009nm"),
        (r"$T_\mathrm{eff}$ and $\log g$", "<i>T</i><sub>eff</sub> and log\u2009<i>g</i>"),
        (r"\ensuremath{-0.12}, \ensuremath{3\times10^{-7}}", "−0.12, 3×10<sup>−7</sup>"),
        (r"$[\alpha/\mathrm{M}] < 0.1$", "[α/M] &lt; 0.1"),
        (r"$0.909_{0.896}^{0.922}$", "0.909<sub>0.896</sub><sup>0.922</sup>"),
        (r"\textit{a} \textbf{b \texttt{c}} \& 5 \%% comment", "<i>a</i> <b>b <code>c</code></b> &amp; 5 %"),
        (r"$\hat x_j$", "<i>x\u0302</i><sub><i>j</i></sub>"),
        (r"``a'' of the sVAE's~b --- c", "“a” of the sVAE’s\u00a0b — c"),
        (r"\citep{a,b}, \citet{a}, Figure~\ref{f}", "(A 1999, B &amp; C 2000), A 1999, Figure\u00a012a"),
        (r"a < b \newthing{x}", r"a &lt; b <code>\newthing</code>x"),
    ],
)
def test_latex_as_html(tex, shown):
    references = {"a": "A 1999", "b": "B & C 2000", "f": "12a"}
    assert html.to_html(tex, references) == shown


def test_commands_are_filled_in():
    defined = html.commands(
        r"\newcommand{\N}{34{,}045}\newcommand{\IfSo}[2]{#2}\newcommand\both[2]{#2 \N{} #1}",
        r"\providecommand{\N}{none}\newcommand{\NotAvailable}{\mbox{not available}}"
        r"\newcommand{\M}{\mbox{not available}}"
        r"\newcommand{\IfKnown}[3]{\ifx#1\NotAvailable#3\else#2\fi}",
    )
    assert html.expand(r"\N{} stars, \N\ stars", defined) == r"34{,}045 stars, 34{,}045\ stars"
    assert html.expand(r"\IfSo{flags}{no {flags}}, \both{a}{b}.", defined) == r"no {flags}, b 34{,}045 a."
    assert html.expand(r"\IfKnown{\N}{\N{} are}{none is}, \IfKnown{\M}{\M{} are}{none is}", defined) == (
        "34{,}045 are, none is"
    )


def test_figures_have_the_numbers_of_the_paper(text):
    shown = [number for number, _ in text.figures.values()]
    assert shown[:15] == [*map(str, range(1, 12)), "12a", "12b", "12c", "13"]
    for name, (number, _) in text.figures.items():
        title = page.figure_title((PROJECT / "src" / "figures" / f"{name}.py").read_text(encoding="utf-8"))
        said = re.match(r"Figure\s*\u2007?(\w+)(?: \((\w)\))? – [A-Zs]", title)
        assert (said[1] + (said[2] or "")) == number, title


def test_figures_are_in_order_when_sorted_by_letters():
    titles = [page.figure_title(f'"""Figure {number}: the x."""\n') for number in (2, 10)]
    assert titles == ["Figure \u20072 – The x", "Figure 10 – The x"]  # a space sorts before digits


def test_nothing_of_the_present_paper_is_left_as_latex(text):
    pieces = {name: text.caption(name) for name in text.figures}
    pieces |= {"title": text.html(html.title(TEX)), "abstract": text.html(html.abstract(TEX))}
    pieces["box"] = text.html(r"\DatasetBox{}")
    for name, piece in pieces.items():
        assert not re.search(r"[\\{}$~]|#\d|\w:\w", re.sub(r"<[^>]*>", "", piece)), (name, piece)
        assert piece.count("<i>") == piece.count("</i>")


TABLE1 = r"""\begin{tabular}{llcc}
\hline\hline
Classifier &  & Acc & Rec$_{\rm high}$ \\
\hline
{Majority class} & paper & 0.72 & -- \\
{} & here & $0.784_{0.770}^{0.801}$ & \nodata \\[2pt]
\hline
\end{tabular}
"""
CUTFLOW = r"""\begin{deluxetable*}{lr}
\tablecaption{Cut-flow\label{tab:cutflow}}
\tablehead{& \multicolumn{2}{c}{Good} \\
\colhead{Cut} & \colhead{Limit} & \colhead{Remain}}
\startdata
$G$ & 6--17.5 & 34{,}129 \\
remaining &  & 34{,}084
\enddata
\tablecomments{``Remain'' counts.}
\end{deluxetable*}
"""


def test_tables_are_read_as_latex_sets_them(text):
    tables = text.tables(TABLE1, CUTFLOW)
    rows = [
        re.findall(r"<t[hd]>(.*?)</t[hd]>", row) for row in re.findall(r"<tr>(.*?)</tr>", tables["table1"])
    ]
    assert rows == [
        ["Classifier", "", "Acc", "Rec<sub>high</sub>"],
        ["Majority class", "paper", "0.72", "–"],
        ["", "here", "0.784<sub>0.770</sub><sup>0.801</sup>", "–"],
    ]
    assert "<caption>Table 1. " in tables["table1"] and "tab:alpha" not in tables["table1"]
    assert '<th colspan="2">Good</th>' in tables["cutflow"]
    assert "<tr><td><i>G</i></td><td>6–17.5</td><td>34,129</td></tr>" in tables["cutflow"]
    assert tables["cutflow"].endswith("<p>“Remain” counts.</p>\n")


def test_the_first_page_has_title_data_abstract_tables_and_a_line_a_figure(text):
    figures = {name: f"results/library/corrected/figures/{name}.png" for name in text.figures}
    others = {
        "paper": "results/library/paper/ms.pdf",
        "training": "results/library/report/training_curve.png",
    }
    shown = text.start(text.tables(TABLE1, CUTFLOW), figures, others)
    parts = (
        "Closing the Stellar Labels Gap",
        "Which data this is",
        "real Gaia DR3 XP",
        "Abstract",
        "Table 1.",
        "Cut-flow",
    )
    places = [shown.index(part) for part in parts]
    assert places == sorted(places)
    assert shown.count("<li>") == len(text.figures)
    for path in (*figures.values(), *others.values()):
        assert f"results['{path}'].data_uri" in shown


def test_configuration_and_provenance_are_complete_and_escaped():
    record = {
        "commit": "abc+dirty",
        "config": {"dataset": "library", "cuts": {"good": {"g": [6, 17.5]}}, "note": "<b>"},
        "config_sha256": "f" * 64,
        "dataset": "library",
        "inputs": {"library.sha256": "sha256:12"},
        "packages": {"numpy": "2.4.6"},
        "python": "3.11.7",
        "device": {"gpu": None, "machine": "x86_64"},
    }
    shown = page.configuration(record)
    settings = shown.split("<pre>")[1].split("</pre>")[0]
    assert (
        yaml.safe_load(settings.replace("&lt;", "<").replace("&gt;", ">").replace("&#x27;", "'"))
        == record["config"]
    )
    shown = page.provenance(record)
    for word in ("abc+dirty", "sha256:12", "numpy", "2.4.6", "x86_64"):
        assert word in shown
    assert "None" not in shown
    assert page.document("A & B", "<p>c</p>").count("A &amp; B") == 2


def test_names_of_authors_keep_their_accents():
    bib = "@article{m,\n  author = {{M{\\\"o}lder}, F. and {P{\\'e}rez}, A.}, year = 2021\n}\n"
    assert page.Text(TEX, bib, []).references["m"] == "Mölder & Pérez 2021"
