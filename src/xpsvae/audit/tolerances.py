"""What each control has to show, fixed before any control was run: the history of this file says when.

A *null* control destroys what a spectrum tells of [alpha/M] beyond labels and photometry, and keeps the rest;
the share of variance that its latents seem to explain is what the method makes up. The headline only counts if
these stay small, if errors of the labels cannot fake it, and if a difference that is put in is found again.

One control was added after the first run, on dataset library: ``pairs_even``. There labels and photometry ordered
71 per cent of the matched pairs, more than `BASE_PAIRS` allows, so that the pairs were not alike enough. Its own
tolerance was fixed before it was run; no other was changed.
"""

__all__ = [
    "ADDED",
    "BASE_PAIRS",
    "EVEN",
    "FEWEST_PAIRS",
    "FEWEST_STARS",
    "INJECTED",
    "LIMIT",
    "NOISE",
    "NULL",
    "RULES",
    "SCALES",
]

FEWEST_STARS = 50  # of a class or bin, for an interval
FEWEST_PAIRS = 20

NULL = 0.03  # of the variance: the upper end of a null control's 95 per cent interval stays below
NOISE = (1, 2, 3)  # errors of the labels that are added to the labels
SCALES = (0.0, 0.1, 0.2, 0.35, 0.5, 0.7, 1.0)  # of the injected difference
INJECTED = 1.0  # scale at which the injected share's interval has to lie above `NULL`
LIMIT = 0.5  # largest scale at which an injected difference has to be told from none
BASE_PAIRS = 0.65  # of the matched pairs: labels and photometry alone rank no more of them rightly
EVEN = 0.02  # [dex]: difference of [alpha/M] that labels and photometry predict for a pair that is even
ADDED = ("pairs_even",)  # after the first run

RULES = {
    "blind_labels": f"upper end below {100 * NULL:g} per cent",
    "blind_photometry": f"upper end below {100 * NULL:g} per cent",
    "swapped": f"upper end below {100 * NULL:g} per cent",
    "label_shuffle": f"upper end below {100 * NULL:g} per cent",
    "other_star": f"upper end below {100 * NULL:g} per cent; shown, but not strict: any mismatch passes it",
    "noise": "upper end of what blind spectra fake below the lower end of the headline, for each noise",
    "injection": (
        f"lower end above {100 * NULL:g} per cent at scale {INJECTED:g}; told from none at scale {LIMIT:g}: lower end "
        "above the upper end at scale 0"
    ),
    "pairs": (
        "with latents more pairs in the right order than without: lower end of the difference above 0; "
        f"without, at most {100 * BASE_PAIRS:g} per cent of them"
    ),
    "pairs_even": (
        f"as pairs, of those for which labels and photometry predict the same [alpha/M] within {EVEN:g} dex; added "
        "after the first run"
    ),
}
