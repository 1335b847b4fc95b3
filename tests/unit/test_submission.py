"""What is packed for arXiv: compiled by itself in an empty folder."""

import shutil
import subprocess
import tarfile

import pytest
from matplotlib.figure import Figure

from xpsvae.errors import InputError
from xpsvae.paper import latex

pytestmark = pytest.mark.skipif(shutil.which("latexmk") is None, reason="latexmk is not installed")
TEX = r"""\documentclass{article}
\usepackage{graphicx}
\pdftrailerid{}
\pdfsuppressptexinfo=-1
\begin{document}
\input{numbers}
As \cite{first} said. \includegraphics{figures/line}
\bibliographystyle{plain}
\bibliography{references}
\end{document}
"""
BIB = "@article{first, author={A. Author}, title={A title}, journal={J}, year=2024}\n"


@pytest.fixture
def paper(tmp_path):
    figure = Figure()
    figure.subplots().plot([0, 1])
    figure.savefig(tmp_path / "line.pdf", metadata={"CreationDate": None})
    for name, text in (("ms.tex", TEX), ("references.bib", BIB), ("numbers.tex", "Seven.\n")):
        (tmp_path / name).write_text(text)
    names = {"references.bib": "references.bib", "numbers.tex": "numbers.tex", "figures/line.pdf": "line.pdf"}
    return tmp_path / "ms.tex", {name: tmp_path / path for name, path in names.items()}


def test_it_compiles_on_its_own_to_the_papers_pdf(paper, tmp_path):
    latex.typeset(*paper, tmp_path / "paper.pdf")
    latex.submission(*paper, "references.bib", tmp_path / "arxiv.tar.gz")
    alone = tmp_path / "alone"
    with tarfile.open(tmp_path / "arxiv.tar.gz") as tar:
        assert tar.getnames() == ["figures/line.pdf", "ms.bbl", "ms.tex", "numbers.tex"]
        tar.extractall(alone, filter="data")
    assert "A title" in (alone / "ms.bbl").read_text()
    for _ in range(2):  # as arXiv does: pdflatex alone, no BibTeX
        run = subprocess.run(
            ["pdflatex", "-interaction=nonstopmode", "ms.tex"], cwd=alone, capture_output=True
        )
        assert run.returncode == 0
    assert "undefined" not in (alone / "ms.log").read_text()
    assert (alone / "ms.pdf").stat().st_size == pytest.approx(
        (tmp_path / "paper.pdf").stat().st_size, rel=0.01
    )


def test_equal_sources_give_equal_bytes(paper, tmp_path):
    for name in ("a", "b"):
        latex.submission(*paper, "references.bib", tmp_path / f"{name}.tar.gz")
    assert (tmp_path / "a.tar.gz").read_bytes() == (tmp_path / "b.tar.gz").read_bytes()


def test_what_does_not_compile_is_not_packed(paper, tmp_path):
    tex, sources = paper
    with pytest.raises(InputError, match="undefined citation 'second'"):
        tex.write_text(TEX.replace("{first}", "{second}"))
        latex.submission(tex, sources, "references.bib", tmp_path / "arxiv.tar.gz")
    with pytest.raises(InputError, match="numbers.tex does not exist: the paper needs it as numbers.tex"):
        (tmp_path / "numbers.tex").unlink()
        latex.submission(tex, sources, "references.bib", tmp_path / "arxiv.tar.gz")
    assert not (tmp_path / "arxiv.tar.gz").exists()
