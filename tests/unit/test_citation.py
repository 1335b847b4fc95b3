"""CITATION.cff has what a BibTeX entry needs, and the entries of the README say the same."""

import re
import tomllib
from pathlib import Path

import yaml

PROJECT = Path(__file__).resolve().parents[2]
CITATION = yaml.safe_load((PROJECT / "CITATION.cff").read_text(encoding="utf-8"))


def entries():
    """BibTeX entries of the README: key to kind and fields, without braces that protect capitals."""
    text = (PROJECT / "README.md").read_text(encoding="utf-8")
    block = re.search(r"```bibtex\n(.*?)```", text, re.DOTALL)[1]
    found = {}
    for kind, key, body in re.findall(r"@(\w+)\{(\w+),\n(.*?)\n\}", block, re.DOTALL):
        fields = re.findall(r"^  (\w+) += \{(.*)\},?$", body, re.MULTILINE)
        assert len(fields) == len(body.splitlines())
        found[key] = (
            kind,
            {name: re.sub(r"[{}]", "", value).replace(r"$\alpha$", "α") for name, value in fields},
        )
    return found


def people(entry):
    return " and ".join(f"{each['family-names']}, {each['given-names']}" for each in entry["authors"])


def test_entries_of_the_readme_are_those_of_the_citation_file():
    paper = CITATION["references"][0]
    assert entries() == {
        "laroche2025": (
            "article",
            {"author": people(paper), "pages": paper["start"]}
            | {name: str(paper[name]) for name in ("title", "journal", "year", "volume", "doi")},
        ),
        "xpsvae": (
            "software",
            {"author": CITATION["authors"][0]["name"], "year": str(CITATION["date-released"].year)}
            | {name: CITATION[name] for name in ("title", "version", "license")},
        ),
    }


def test_the_citation_is_of_this_version():
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    released = f"## {CITATION['version']}, {CITATION['date-released']}"
    assert CITATION["version"] == project["version"]
    assert released in (PROJECT / "CHANGELOG.md").read_text().splitlines()
