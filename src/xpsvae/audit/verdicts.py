"""The paper's claims, each with the rule by which it holds, is weaker or fails here.

A rule is a function of what was measured, a dict with ``value`` and ``interval``, and says in words what it does.
What has no value is not testable here, and ``why`` says for what reason.
"""

from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["CLAIMS", "FAILS", "HOLDS", "NOT_TESTABLE", "WEAKER", "Claim", "verdict"]

HOLDS, WEAKER, FAILS, NOT_TESTABLE = "holds", "weaker", "fails", "not testable here"


@dataclass(frozen=True)
class Claim:
    """What the paper says, what it printed, and by which rule it is judged."""

    text: str
    rule: str
    judge: Callable
    paper: str  # as printed
    digits: int = 3  # of our number
    unit: str = ""


def verdict(claim, found):
    """Judge one claim.

    Parameters
    ----------
    claim : Claim
    found : dict
        ``value``, None where it could not be measured, and whatever else the rule asks for.

    Returns
    -------
    str
        `HOLDS`, `WEAKER`, `FAILS` or `NOT_TESTABLE`.
    """
    return NOT_TESTABLE if found["value"] is None else claim.judge(found)


def _graded(holds, weaker):
    return lambda found: HOLDS if holds(found) else WEAKER if weaker(found) else FAILS


def _reaches(number):
    """Rule for a gain, or for a loss where the paper's number is negative, and its words."""
    sign, side = (1, "above") if number > 0 else (-1, "below")

    def ends(found):
        low, high = sorted(sign * bound for bound in found["interval"])
        return low, high

    judge = _graded(
        lambda found: ends(found)[0] > 0 and ends(found)[1] >= abs(number), lambda found: ends(found)[0] > 0
    )
    return (
        f"holds if the interval lies {side} 0 and reaches {number:+.2f}; weaker if it lies {side} 0; else fails",
        judge,
    )


def _at_least(holds, weaker):
    """Rule for a number that ought to be large, and its words."""
    return (
        f"holds from {holds:g}, weaker from {weaker:g}, else fails",
        _graded(lambda found: found["value"] >= holds, lambda found: found["value"] >= weaker),
    )


def _at_most(holds, weaker):
    """Rule for a number that ought to be small, and its words."""
    return (
        f"holds up to {holds:g}, weaker up to {weaker:g}, else fails",
        _graded(lambda found: found["value"] <= holds, lambda found: found["value"] <= weaker),
    )


def _within(holds, weaker):
    """Rule for a difference that ought to be none, and its words."""

    def size(found):
        return max(map(abs, found["interval"]))

    return (
        f"holds if the interval lies within {holds:g} of 0, weaker within {weaker:g}, else fails",
        _graded(lambda found: size(found) <= holds, lambda found: size(found) <= weaker),
    )


CLAIMS = {
    "alpha_beyond_labels": Claim(
        "XP spectra hold information on [alpha/M] that is independent of stellar labels",
        "holds if latents explain variance beyond labels and photometry (interval above 0) among all giants and in "
        "each sequence, and every strict control passes; weaker if among all giants; else fails",
        _graded(
            lambda found: (
                found["interval"][0] > 0
                and all(low is not None and low > 0 for low in found["sequences"])
                and not found["failed"]
            ),
            lambda found: found["interval"][0] > 0,
        ),
        "from Table 1",
    ),
    "accuracy_over_m_h": Claim(
        "A forest on latents is more accurate than one on [M/H]", *_reaches(0.16), "+0.16"
    ),
    "accuracy_over_labels": Claim(
        "A forest on latents is more accurate than one on labels", *_reaches(0.14), "+0.14"
    ),
    "recall_over_m_h": Claim(
        "It finds more of the high-alpha stars than one on [M/H]", *_reaches(0.18), "+0.18"
    ),
    "recall_over_labels": Claim(
        "It finds more of the high-alpha stars than one on labels", *_reaches(0.43), "+0.43"
    ),
    "teff_logg_worsen": Claim(
        "Beside [M/H], T_eff and log g make fewer high-alpha stars be found", *_reaches(-0.25), "-0.25"
    ),
    "colours_add_nothing": Claim(
        "Colours add nothing to labels",
        "holds if the interval of the gain in ROC area, by boosting over all giants, holds 0; weaker if it lies within "
        "0.005 of 0; else fails",
        _graded(
            lambda found: found["interval"][0] <= 0 <= found["interval"][1],
            lambda found: max(map(abs, found["interval"])) <= 0.005,
        ),
        "accuracy 0.00",
        digits=4,
    ),
    "bimodality_below_5000": Claim(
        "Below 5000 K the sequences part in the latents without labels",
        "by Ashman's D of two normal components along the latents' direction of [alpha/M], near the fixed [M/H]: "
        "holds if its interval lies above 2; weaker if the sequences' ROC area along it is above 0.8; else fails",
        _graded(lambda found: found["interval"][0] > 2, lambda found: found["roc_auc"] > 0.8),
        "Fig. 13",
        digits=2,
    ),
    "fixed_track_crosses": Claim(
        "The track at fixed [M/H] crosses from one sequence to the other",
        "in units of the distance of the sequences along the latents' direction of [alpha/M]: holds if the track "
        "that is matched in T_eff, log g and [M/H] covers half of it, too; weaker if only that at fixed [M/H]; "
        "else fails",
        _graded(
            lambda found: found["value"] >= 0.5 and found["matched"] is not None and found["matched"] >= 0.5,
            lambda found: found["value"] >= 0.5,
        ),
        "Fig. 13",
        digits=2,
    ),
    "enceladus_apart": Claim(
        "Gaia-Enceladus stands apart in the latents",
        "by the ROC area of its stars against giants of the same [M/H] along the latents' direction of [alpha/M]: "
        "holds from 0.8, weaker from 0.6, else fails",
        _graded(lambda found: found["value"] >= 0.8, lambda found: found["value"] >= 0.6),
        "Fig. 13",
    ),
    "one_latent_separates": Claim(
        "One latent separates main sequence and giant branch", *_at_least(0.95, 0.90), "z_5 = 0.75"
    ),
    "tracks_ordered": Claim(
        "Both tracks are ordered in two latents, by rank correlation", *_at_least(0.95, 0.80), "Fig. 10"
    ),
    "monotone_metallicity": Claim(
        "One latent is monotone in [M/H], by rank correlation at fixed T_eff",
        *_at_least(0.95, 0.80),
        "Fig. 12",
    ),
    "ms_tracks_separate": Claim(
        "Main-sequence tracks of fixed [M/H] lie further apart in latents than in the Kiel diagram, in units of "
        "their scatter",
        "the ratio: holds from 1.2, weaker from 1, else fails",
        _graded(lambda found: found["value"] >= 1.2, lambda found: found["value"] >= 1),
        "Fig. 12",
        digits=2,
    ),
    "labels_spread": Claim(
        "Information on labels spreads over all latents: share of pairs of live latent and label that share more than "
        "chance gives",
        *_at_least(1.0, 0.75),
        "Fig. 15",
        digits=2,
    ),
    "six_dimensions": Claim(
        "Six latents are the best balance",
        "holds if no other number reaches a validation loss lower by more than 1; weaker if by no more than 3; "
        "else fails",
        _graded(lambda found: found["value"] <= 1, lambda found: found["value"] <= 3),
        "text",
        digits=2,
    ),
    "scatter_helps": Claim(
        "The scatter estimator helps: error in flux without it over that with it",
        "holds if its lower end lies above 1; weaker if its mean does; else fails",
        _graded(lambda found: found["interval"][0] > 1, lambda found: found["value"] > 1),
        "text",
        digits=2,
    ),
    "draws_alike": Claim(
        "Draws from the posterior differ little: accuracy of the latent forest, draw less mean",
        *_within(0.02, 0.05),
        "text",
    ),
    "errors_follow_density": Claim(
        "Errors follow how densely stars lie among the labels, not the labels",
        "rank correlation of RMSE(j) with density less that with the strongest label: holds if the interval lies above "
        "0; weaker if the correlation with density is above 0.1; else fails",
        _graded(lambda found: found["interval"][0] > 0, lambda found: found["density"] > 0.1),
        "Fig. 9",
        digits=2,
    ),
    "per_cent_redward": Claim(
        "Along the tracks spectra are right to a per cent redward of 640 nm",
        *_at_most(1.0, 2.0),
        "about 1",
        digits=2,
        unit="per cent",
    ),
    "better_at_550_900": Claim(
        "Better than label-driven models at 550-900 nm: ratio of errors",
        "holds if the lower end lies above 1; weaker if the ratio does; else fails",
        _graded(lambda found: found["interval"][0] > 1, lambda found: found["value"] > 1),
        "above 1",
        digits=2,
    ),
    "orders_better_low": Claim(
        "Better than label-driven models by one to two orders at low orders: ratio of errors",
        *_at_least(10.0, 1.0),
        "10-100",
        digits=1,
    ),
    "worse_than_lb23": Claim(
        "Worse than the label-independent model of LB23: ratio of errors",
        "holds up to 1, else fails",
        _graded(lambda found: found["value"] <= 1, lambda found: False),
        "below 1",
        digits=2,
    ),
    "robust_cool": Claim(
        "Robust for cool stars and for low log g: largest ratio of their median RMSE(j) to that of all",
        *_at_most(1.5, 2.5),
        "Fig. 9",
        digits=2,
    ),
    "seconds_to_project": Claim(
        "Projecting the catalogue takes a few seconds", *_at_most(10.0, 60.0), "a few s", digits=0, unit="s"
    ),
    "training_six_hours": Claim(
        "Training takes six hours on one GPU", *_at_most(7.0, 14.0), "6.35", digits=2, unit="h"
    ),
    "dr3_gpu_days": Claim(
        "All of DR3 would take 120 GPU days", *_at_most(120.0, 240.0), "120", digits=0, unit="d"
    ),
}
