"""The controls of a whole build of dataset library in this clone: one that fails, fails a test.

Without such a build (`make`) there is nothing to test. Two controls are known to fail by tolerances that were fixed
before they were run, and the paper prints them as failed; they are expected here, so that a third one is noticed, and
these two where they pass.
"""

import json
from pathlib import Path

import pytest

from xpsvae.audit.tolerances import RULES

CONTROLS = Path(__file__).parents[2] / "results" / "library" / "audit" / "controls.json"
WHOLE = 15_000  # giants: a smaller build has wider intervals than the tolerances were made for
KNOWN = {
    "blind_labels": "no share that is made up is within the interval, but its upper end is above what was allowed",
    "pairs": "labels and photometry order more of the pairs than was allowed: they are not alike enough",
}


def measured():
    if not CONTROLS.is_file():
        pytest.skip("no build of dataset library here: run make")
    controls = json.loads(CONTROLS.read_text(encoding="utf-8"))["controls"]
    if controls["label_shuffle"]["n"] < WHOLE:
        pytest.skip("the build here is not of all stars")
    return controls


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.xfail(strict=True, reason=KNOWN[name]))
        if name in KNOWN
        else name
        for name in RULES
    ],
)
def test_a_control_passes(name):
    assert measured()[name]["passed"] is not False
