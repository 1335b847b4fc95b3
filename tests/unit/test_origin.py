"""Where a number of the paper comes from, in a build of three files."""

import pytest
from click.testing import CliRunner

from xpsvae.cli import main
from xpsvae.errors import InputError
from xpsvae.paper.origin import describe_number
from xpsvae.products import write_json, write_text

NUMBERS = r"""% Written by a rule.
\newcommand{\AccLatent}{0.883}
\newcommand{\PaperAccLatent}{0.84}
\newcommand{\ModelTexts}{One line,
and \textit{another}.}
\newcommand{\IfHasFlags}[2]{#2}
"""


@pytest.fixture
def build(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    root = tmp_path / "results/library"
    product = "results/library/corrected/alpha/classifiers.json"
    write_json(root / "corrected/tables/table1.json", [])
    write_json(
        root / "corrected/origins.json", {"AccLatent": [product], "PaperAccLatent": [], "ModelTexts": []}
    )
    write_text(root / "corrected/numbers.tex", NUMBERS)
    head = (
        "rule classify_alpha; script src/scripts/classify_alpha.py; xpsvae commit abc; dataset library: x 1\n"
    )
    read = "read results/library/catalog/stars.parquet: 39,851 rows, 33 columns\n"
    log = f"{head}{read}{read.replace('catalog/stars', 'latents/latents')}12 of 12\nwrote {product}: n_test 2051\n"
    write_text(root / "logs/corrected/classify_alpha.log", log)
    return "results"


def test_a_number_names_product_rule_script_commit_and_inputs(build):
    assert describe_number(r"\AccLatent", build).splitlines() == [
        "AccLatent = 0.883",
        "  from results/library/corrected/alpha/classifiers.json",
        "    rule classify_alpha",
        "    script src/scripts/classify_alpha.py",
        "    xpsvae commit abc; dataset library: x 1",
        "    inputs results/library/catalog/stars.parquet, results/library/latents/latents.parquet",
    ]


def test_a_quoted_number_says_so(build):
    assert "quoted from the literature" in describe_number("PaperAccLatent", build)


def test_a_value_of_several_lines_is_shown_whole(build):
    told = describe_number("ModelTexts", build)
    assert told.startswith("ModelTexts = One line,\nand \\textit{another}.\n")


@pytest.mark.parametrize("name", ["AccLatnt", "acclatent", "IfHasFlags"])
def test_an_unknown_number_is_answered_with_the_nearest(name, build):
    with pytest.raises(InputError, match=f"no number '{name}': (did you mean 'AccLatent'|choose one of)"):
        describe_number(name, build)


def test_a_product_without_a_log_is_said(build, tmp_path):
    (tmp_path / "results/library/logs/corrected/classify_alpha.log").unlink()
    assert "no log says which job wrote it" in describe_number("AccLatent", build)


def test_the_console_tells_it(build):
    told = CliRunner().invoke(main, ["info", "--number", "AccLatent"])
    assert told.exit_code == 0 and "rule classify_alpha" in told.output
    wrong = CliRunner().invoke(main, ["info", "--number", "AccLatnt"])
    assert wrong.exit_code == 1 and "did you mean 'AccLatent'" in wrong.output
