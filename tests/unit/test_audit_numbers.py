"""Macros, sentences and tables of headline, controls, seeds, claims and audit, from small products."""

import copy
import re

import pytest

from xpsvae.audit import audit
from xpsvae.audit.claims import judged
from xpsvae.audit.sets import BASE
from xpsvae.audit.tolerances import RULES
from xpsvae.audit.verdicts import CLAIMS
from xpsvae.paper import audit_numbers
from xpsvae.paper.latex import NOT_AVAILABLE


def share(value, half=0.05):
    return {"share": value, "interval": [value - half, value + half], "n": 100, "base": list(BASE)}


GROUPS = ("all", "high_alpha", "low_alpha", "unseen", "teff_3500_4000", "teff_4000_5500")
SHARES = {"latents": 0.3, "latents_live": 0.29, "pca_6": 0.1}


def score(value):
    return {
        "all": {
            metric: {"value": value, "interval": [value - 0.01, value + 0.01]}
            for metric in ("roc_auc", "accuracy")
        }
    }


def gain(one, other, value):
    entry = {
        metric: {"gain": value, "interval": [value - 0.001, value + 0.001]}
        for metric in ("roc_auc", "accuracy")
    }
    return {"features": one, "over": other, "all": entry}


HEADLINE = {
    "shares": {name: {group: share(value) for group in GROUPS} for name, value in SHARES.items()},
    "rmse": {
        name: {"all": {"rmse": 0.05, "interval": [0.04, 0.06]}}
        for name in ("base", "base_latents", "latents", "labels", "coefficients")
    },
    "classifiers": {name: score(0.9) for name in ("labels", "labels_latents", "latents")},
    "gains": [gain("labels_latents", "labels", 0.017), gain("base_latents", "base", 0.016)],
    "sample": {"n": {"all": 19921, "unseen": 2005}, "base": list(BASE), "lacking": []},
    "teff_edges": [3500, 4000, 5500],
}
HEADLINE["shares"]["latents"]["teff_4000_5500"] = share(0.1)


def control(name, passed=True, **found):
    return {"rule": RULES[name], "strict": name != "other_star", "passed": passed, **found}


RIGHT = {name: {"fraction": 0.8, "interval": [0.7, 0.9]} for name in ("base", "base_latents", "latents")}
ORDERED = {
    "n_pairs": 466,
    "right": RIGHT,
    "difference": {"alpha_m": 0.155},
    "predicted_difference": {"base": 0.02, "base_latents": 0.055},
}
CONTROLS = {
    "controls": {
        **{name: control(name, **share(0.0, 0.01)) for name in list(RULES)[:5]},
        "noise": control(
            "noise", steps=[{"errors": k, "faked": share(0.01 * k), "real": share(0.3)} for k in (1, 2, 3)]
        ),
        "injection": control(
            "injection", limit=0.35, steps=[{"scale": s, **share(s / 5)} for s in (0.0, 0.1, 0.35, 1.0)]
        ),
        "pairs": control("pairs", **ORDERED),
        "pairs_even": control("pairs_even", **ORDERED | {"n_pairs": 221}),
    },
    "failed": [],
}


def spread(mean, sd=0.01, n=5):
    return {"values": [mean] * n, "mean": mean, "sd": sd, "low": mean - sd, "high": mean + sd}


SEEDS = {
    "model": {"seed": 0, "source": "trained", "recipe": "fast"},
    "seeds": [0, 1, 2, 3, 4],
    "shares": {"all": spread(0.28)},
    "gain_roc_auc": {"labels_latents_over_labels": spread(0.017, 0.001)},
    "roc_auc": {"latents": spread(0.92)},
    "pairs": spread(0.83),
    "live": [5, 5, 5, 5, 5],
    "forests": {name: {"accuracy": spread(0.9, 0.002, 10)} for name in ("latent", "label", "label_latent")},
    "forest_giants": {"used": 20_447, "of": 20_447},
}
ENOUGH = {"sequences": [0.1, 0.1], "failed": [], "roc_auc": 0.9, "matched": 0.6, "density": 0.2}
MEASURED = {name: {"value": 0.5, "interval": [0.4, 0.6], **ENOUGH} for name in CLAIMS}
MEASURED["enceladus_apart"] = {
    "value": None,
    "why": "without actions Gaia-Enceladus is selected by [alpha/M] itself",
}
AUDIT = (HEADLINE, CONTROLS, SEEDS, judged(MEASURED))
GRID = {
    "boosting": {"classifiers": {"labels_coefficients": score(0.97)}},
    "forest": {"classifiers": {"labels_latents": score(0.96)}},
    "shares": {"coefficients": {"all": share(0.35)}, "pca_20": {"all": share(0.2)}},
}
MEASURES = [
    audit._measure("width of R(lambda) at 442 nm", 14.2, 1.04, [12.9, 13.4], 14),
    audit._none("stars", "this dataset has no ASPCAPFLAG"),
]
ROWS = {"rows": audit.rows({key: MEASURES for key in audit.DIFFERENCES})}


def changed(path, value):
    """Give the controls with one entry changed."""
    controls = copy.deepcopy(CONTROLS)
    controls["controls"][path[0]][path[1]] = value
    return controls


def test_shares_are_in_per_cent_with_their_interval():
    macros = audit_numbers.audit_macros(*AUDIT)
    assert macros["ShareAll"] == "30.0" and macros["ShareAllInterval"] == "25.0--35.0"
    assert macros["ShareCoolest"] == "30.0 (25.0--35.0)" and macros["CoolestBin"] == r"3500 to 4000\,K"
    assert macros["ShareTrend"] == r"the share falls with $\teff$"
    assert macros["ShareSeeds"] == r"28.0 $\pm$ 1.0" and macros["NForests"] == "10"
    assert macros["ForestsGiants"] == "all giants"
    many = SEEDS | {"forest_giants": {"used": 40_000, "of": 257_623}}
    macros = audit_numbers.audit_macros(HEADLINE, CONTROLS, many, AUDIT[-1])
    assert macros["ForestsGiants"] == "40{,}000 of the 257{,}623 giants, drawn at random"
    assert macros["ShareVerdict"].startswith("the latents do know more")


def test_words_follow_the_numbers():
    headline = copy.deepcopy(HEADLINE)
    headline["shares"]["latents"]["all"] = share(0.02)
    headline["shares"]["latents"]["teff_4000_5500"] = share(0.45)
    del headline["shares"]["latents_live"]
    macros = audit_numbers.audit_macros(headline, *AUDIT[1:])
    assert "are not shown to know more" in macros["ShareVerdict"]
    assert macros["ShareTrend"] == r"the share rises with $\teff$" and macros["ShareLive"] == NOT_AVAILABLE


def test_what_the_base_lacks_is_said():
    headline = copy.deepcopy(HEADLINE)
    headline["sample"] |= {"base": ["teff", "logg", "m_h"], "lacking": ["j_h", "a_k"]}
    macros = audit_numbers.audit_macros(headline, *AUDIT[1:])
    assert macros["ShareBase"] == r"$\teff$, $\logg$ and $\mh$"
    assert macros["ShareLacking"].startswith(r" The dataset lacks $J-H$ and $\aK$")


def test_a_group_that_is_too_small_reads_not_available():
    headline = copy.deepcopy(HEADLINE)
    none = {"share": None, "interval": None, "n": 7, "why": "7 stars, where an interval needs 50"}
    headline["shares"]["latents"]["high_alpha"] = headline["shares"]["latents"]["all"] = none
    macros = audit_numbers.audit_macros(headline, *AUDIT[1:])
    assert macros["ShareHigh"] == macros["ShareAll"] == macros["ShareAllInterval"] == NOT_AVAILABLE


@pytest.mark.parametrize(
    ("controls", "said"),
    [
        (CONTROLS, "all 8 strict controls pass"),
        (
            changed(("swapped", "passed"), False),
            "of 8 strict controls 1 fails (residual spectra of other stars)",
        ),
        (changed(("pairs", "passed"), None), "1 of 8 strict controls has too few stars to be measured"),
    ],
)
def test_failed_controls_are_named(controls, said):
    assert audit_numbers.audit_macros(HEADLINE, controls, *AUDIT[2:])["ControlsVerdict"] == said


def test_a_failed_control_is_printed_as_failed():
    lines = audit_numbers.controls_table(changed(("swapped", "passed"), False)).splitlines()
    (line,) = (line for line in lines if line.startswith("Residual spectrum"))
    assert line.endswith(r"\textbf{fails} \\")
    assert sum(r"\textbf{fails}" in line for line in lines) == 1


def test_every_claim_has_a_row():
    table = audit_numbers.claims_table(AUDIT[3])
    rows = [line for line in table.splitlines() if line.count(" & ") == 4 and "colhead" not in line]
    assert len(rows) == len(CLAIMS)
    assert table.count(r"\label{tab:claims}") == 1
    assert any(
        "selected by $[\\alpha/\\mathrm{M}]$ itself & " in row and "not testable here" in row for row in rows
    )
    assert not re.search(r"T\\_eff|log g|(?<!\\)_", table.replace("$z_5$", ""))


def test_counts_of_verdicts_add_up():
    macros = audit_numbers.audit_macros(*AUDIT)
    counts = [int(macros[f"NClaims{kind}"]) for kind in ("Hold", "Weaker", "Fail", "Untested")]
    assert sum(counts) == int(macros["NClaims"]) == len(CLAIMS) and counts[3] == 1


def test_the_audit_has_a_line_a_measure():
    table = audit_numbers.audit_table(ROWS)
    rows = [line for line in table.splitlines() if line.count(" & ") == 5 and "colhead" not in line]
    assert len(rows) == 2 * len(audit.DIFFERENCES)
    assert "14.2 [14] & 1.040 & \\ensuremath{+13.2} (12.900--13.400)" in rows[0]
    assert rows[1].endswith(r"\nodata & \nodata & this dataset has no ASPCAPFLAG \\")


def test_what_is_reproduced_has_a_table_of_its_own():
    found = [
        {
            "quantity": "good stars",
            "printed": 202970,
            "ours": 202970.0,
            "verdict": "reproduced to the printed digit",
        }
    ]
    table = audit_numbers.audit_table(ROWS | {"reproduced": found})
    assert "good stars & 202{,}970 & 202{,}970 & reproduced to the printed digit" in table
