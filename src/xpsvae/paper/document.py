"""What the paper is made of: which product LaTeX finds under which name."""

from pathlib import Path

__all__ = ["BIBLIOGRAPHY", "sources"]

BIBLIOGRAPHY = "references.bib"
_ABLATIONS = {"ablations.tex": "ablations.tex", "ablations.pdf": "figures/ablations.pdf"}


def sources(inputs, provenance):
    """Name, as the document includes it, to path.

    Parameters
    ----------
    inputs : namespace
        Inputs of the rules that typeset: ``DOCUMENT`` of rules/paper.smk.
    provenance : path-like
        What the document says of its own making.

    Returns
    -------
    dict of str to path-like
    """
    return {
        BIBLIOGRAPHY: inputs.bib,
        "dataset.tex": inputs.dataset,
        "numbers.tex": inputs.numbers,
        "cutflow.tex": inputs.cutflow,
        "variants.tex": inputs.variants,
        "claims.tex": inputs.claims,
        "controls.tex": inputs.controls,
        "audit.tex": inputs.audit,
        **{f"sections/{Path(section).name}": section for section in inputs.sections},
        "provenance.tex": provenance,
        "table1.tex": inputs.table1,
        **{f"figures/{Path(figure).name}": figure for figure in inputs.figures},
        **{_ABLATIONS[Path(each).name]: each for each in inputs.ablations if Path(each).name in _ABLATIONS},
    }
