"""The audit: a row a disagreement, differences against plain numbers, what is reproduced."""

import numpy as np
import pandas as pd
import pytest

from xpsvae.audit import audit, seeds
from xpsvae.choices import CHOICES

DRAWS = 200, 0


def test_every_choice_has_a_row():
    assert set(CHOICES) <= set(audit.DIFFERENCES)
    found = {key: [] for key in audit.DIFFERENCES}
    kinds = {row["key"]: row["kind"] for row in audit.rows(found)}
    assert {key for key, kind in kinds.items() if kind == "switch"} == set(CHOICES)


def test_a_difference_of_the_same_stars_is_paired():
    values = np.random.default_rng(0).normal(size=300)
    found = audit._of_stars("median", values + 2, values, np.median, DRAWS)
    assert found["difference"] == pytest.approx(2) and found["interval"] == pytest.approx([2, 2])
    few = audit._of_stars("median", values[:10], values[:10], np.median, DRAWS)
    assert few["difference"] is None and few["interval"] is None and "10 stars" in few["why"]


def test_width_is_that_of_a_normal():
    assert audit.width(np.random.default_rng(1).normal(0, 3, 100_000)) == pytest.approx(3 * 0.9945, rel=0.02)


def kiel(members, use="all"):
    return pd.DataFrame(
        {
            "use": use,
            "branch": "gb",
            "bin": range(len(members)),
            "n": list(map(len, members)),
            "members": members,
        }
    )


def test_stars_on_a_track_are_counted_once():
    own, other = {"kiel": kiel([[1, 2, 3], [3, 4]])}, {"kiel": kiel([[2], []])}
    found = audit._on_track(own, other, "gb", DRAWS)
    assert (found["published"], found["corrected"], found["difference"]) == (1, 4, -3)
    assert found["interval"][0] <= -3 <= found["interval"][1]


def test_marks_are_compared_star_by_star():
    published, corrected = np.array([1, 1, 0, 1, 0], bool), np.array([1, 0, 0, 0, 1], bool)
    found = audit._changed("stars", published, corrected, DRAWS)
    assert (found["published"], found["corrected"], found["difference"]) == (3, 2, 1)


def test_what_a_dataset_cannot_show_is_null_and_says_why():
    for found in (audit._flagged({}, None, DRAWS), audit._selected({}, None, DRAWS)):
        assert found["published"] is found["corrected"] is found["difference"] is None
        assert found["why"].startswith("this dataset has no")


def test_markdown_has_a_line_a_measure():
    measures = [
        audit._measure("width | at 1", 14.0, 1.0, [12.5, 13.5], 14),
        audit._none("other", "no |flags|"),
    ]
    table = audit.rows({key: measures for key in audit.DIFFERENCES})
    lines = audit.markdown(table).splitlines()
    assert len(lines) == 2 + 2 * len(audit.DIFFERENCES)
    cells = lines[2].replace(r"\|", "").split("|")
    assert len(cells) == len(lines[0].split("|"))
    assert cells[5:9] == [" 14 ", " 14 ", " 1 ", " 13 (12.5 to 13.5) "]


def classifiers(**changed):
    scores = {name: dict(zip(("accuracy", "recall_high", "recall_low"), values, strict=True))
              for name, values in audit.PUBLISHED_TABLE.items()}  # fmt: skip
    scores["latent"] |= changed
    return {"classifiers": [{"classifier": name} | values for name, values in scores.items()]}


CUTFLOW = {
    "stars": {"full": 502311, "good": 202970, "pristine": 123804},
    "paper_stars": {"full": 502311, "good": 202970, "pristine": 123804},
}


def test_what_is_printed_is_reproduced_to_the_digit_or_within_draws_or_not():
    found = audit.reproduced(
        CUTFLOW, classifiers(recall_high=0.594, accuracy=0.91), {442.0: 14.2, 542.0: 12.0}
    )
    verdicts = {each["quantity"]: each["verdict"] for each in found}
    assert verdicts["pristine stars"] == verdicts["accuracy, m_h"] == "reproduced to the printed digit"
    assert verdicts["recall_high, latent"] == "within draws" and verdicts["accuracy, latent"] == "not"
    assert verdicts["width of R(lambda) at 442 nm"] == "reproduced to the printed digit"
    assert verdicts["width of R(lambda) at 542 nm"] == "not"


def test_spread_is_that_of_a_sample():
    found = seeds.spread([0.2, 0.4, None])
    assert found == {
        "values": [0.2, 0.4, None], "mean": pytest.approx(0.3), "sd": pytest.approx(np.std([0.2, 0.4], ddof=1)),
        "low": 0.2, "high": 0.4,
    }  # fmt: skip
    assert seeds.spread([0.5])["sd"] is None
    assert seeds.spread([None])["mean"] is None


def test_forests_of_many_giants_are_trained_on_some_and_say_so(monkeypatch):
    monkeypatch.setattr(seeds, "CLASSIFIERS", ["label_latent"])
    rng = np.random.default_rng(0)
    names = ["m_h", "teff", "logg", "j", "h", "k", "z_1", "z_2"]
    frame = pd.DataFrame(rng.normal(size=(400, 8)), columns=names)
    classes = (frame["m_h"] + rng.normal(size=400) > 0).to_numpy(int)
    frame["test"] = rng.random(400) < 0.25
    frame["train"] = ~frame["test"]
    whole = seeds.forests(frame, classes, [1, 2], number=1, most=400, seed=0)
    assert whole["giants"] == {"used": 400, "of": 400}
    some = seeds.forests(frame, classes, [1, 2], number=1, most=150, seed=0)
    assert some["giants"] == {"used": 150, "of": 400}
    rows = np.sort(np.random.default_rng(0).choice(400, 150, replace=False))
    alone = seeds.forests(frame.iloc[rows], classes[rows], [1, 2], number=1, most=150, seed=0)
    assert some["classifiers"] == alone["classifiers"] != whole["classifiers"]
