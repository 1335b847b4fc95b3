r"""Whatever a file holds is printed by LaTeX, and nothing of it is a command."""

import shutil

import pytest

from xpsvae import provenance, tex
from xpsvae.paper import latex

HARM = [
    r"\input{/etc/passwd}",
    r"10.5072/zenodo.1}\input{secret.tex}{",
    r"a\\b^^5cinput{secret.tex}",
    "100 % of $x_1$ & {y}~#2",
    "two\nlines\r\nand\ttabs\0",
    r"\write18{touch here}",
    r"\end{document}",
    "}" * 5 + "{" * 3,
    "^^M^^5c",
    r"\ExplSyntaxOn",
    "",
]
RECORD = {"commit": "c" * 40, "dataset": "library", "inputs": {}, "config_sha256": "d" * 64}


@pytest.mark.parametrize("text", HARM)
def test_no_command_is_left(text):
    escaped = tex.escape(text)
    for word in (r"\textbackslash{}", r"\textasciicircum{}", r"\textasciitilde{}"):
        escaped = escaped.replace(word, "")
    for letter in "%&#_${}":
        escaped = escaped.replace(f"\\{letter}", "")
    assert not set(escaped) & set("\\%&#_${}^~\n\r\t\0")


@pytest.mark.parametrize("text", HARM)
def test_an_address_holds_no_special_character(text):
    assert not set(tex.address(text).replace(r"\%", "")) & set("\\%&#${}^~ \n")


def test_usual_text_stays():
    assert tex.escape("10.5281/zenodo.7") == "10.5281/zenodo.7"
    assert tex.escape("a_b") == r"a\_b"
    assert tex.address("https://doi.org/10.5281/zenodo.7") == "https://doi.org/10.5281/zenodo.7"
    assert latex.prose("[Fe/H] < -1.6 and a_b") == r"$[\mathrm{Fe}/\mathrm{H}]$ $<$ $-$1.6 and a\_b"


@pytest.mark.skipif(shutil.which("latexmk") is None, reason="no LaTeX")
def test_latex_prints_what_it_is_given(tmp_path):
    """One document of everything: it is typeset, and the file that is not to be read is not."""
    (tmp_path / "secret.tex").write_text(r"\undefinedcommand")
    harm = [text for text in HARM if text]
    body = "".join(
        provenance.to_tex(
            RECORD | {"dataset": text, "inputs": {"a": text}, "config_sha256": text},
            f"https://x/{text}",
            text,
        ).replace(r"\newcommand", r"\renewcommand")
        + "\\ProvenanceSentence\\FigureScript{alpha} \\ProvenanceSubject\n\n"
        + latex.prose(text)
        + "\n\n"
        for text in harm
    )
    (tmp_path / "ms.tex").write_text(
        "\\documentclass{article}\\usepackage{hyperref}\\newcommand{\\ProvenanceSentence}{}"
        f"\\newcommand{{\\ProvenanceSubject}}{{}}\\begin{{document}}\n{body}\\end{{document}}\n"
    )
    latex.typeset(tmp_path / "ms.tex", {"secret.tex": tmp_path / "secret.tex"}, tmp_path / "ms.pdf")
    assert (tmp_path / "ms.pdf").read_bytes().startswith(b"%PDF")
