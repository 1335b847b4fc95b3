"""Nearest names, and words that are nearly a target."""

import pytest

from xpsvae.errors import misspelt, suggestion

TARGETS = ["all", "archive", "arxiv", "ablations", "fig_alpha_bimodality", "fig_13", "build_paper"]


def test_the_nearest_name_stands_before_all():
    assert (
        suggestion("libary", ["library", "zenodo"])
        == "did you mean 'library' (choose one of library, zenodo)"
    )
    assert suggestion("x", ["library", "zenodo"]) == "choose one of library, zenodo"
    assert (
        suggestion("libary", ["library"], "those there are")
        == "did you mean 'library' (choose one of those there are)"
    )


@pytest.mark.parametrize(
    "word", ["all", "archive", "results/library/x.pdf", "--cores", "8", "dataset=zenodo", "mtime", "rules"]
)
def test_targets_and_other_words_are_left_alone(word):
    assert misspelt(word, TARGETS) is None


@pytest.mark.parametrize(
    ("word", "near"),
    [
        ("archve", "archive"),
        ("fig_alpha_bimodal", "fig_alpha_bimodality"),
        ("fig_133", "fig_13"),
        ("abaltions", "ablations"),
    ],
)
def test_a_misspelt_target_is_answered_with_the_nearest(word, near):
    assert f"did you mean '{near}'" in misspelt(word, TARGETS)
