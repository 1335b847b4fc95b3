"""Controls of the headline, each with what it had to show before it was run (`xpsvae.audit.tolerances`).

blind_labels, blind_photometry
    Spectra made from labels alone, and from labels and photometry (`xpsvae.audit.blind`), take the place of the
    stars' own.
swapped
    A star's spectrum is the mean one of its labels and photometry plus what is left of the spectrum of the star
    that is most alike in these.
label_shuffle
    [alpha/M] is handed out anew among the stars.
other_star
    Each star has the latents of another.
noise
    Labels are blurred by one, two and three more of their errors. Blind spectra, made from the labels before
    they were blurred, then know more than the labels do: what they seem to add is how much of the headline
    a better measurement of the labels could explain.
injection
    Blind spectra of high-alpha stars get the mean difference of high- and low-alpha spectra of matched pairs, scaled:
    the smallest scale that is found is the method's detection limit.
pairs
    Pairs of a high- and a low-alpha star alike in labels and colours. A model trained without them encodes them, a
    regressor trained without them predicts them: how often is the high-alpha star given the larger [alpha/M]?
pairs_even
    Of these, the pairs for which labels and photometry predict the same [alpha/M].
"""

import numpy as np

from xpsvae.audit import blind, bootstrap
from xpsvae.audit.headline import SETTINGS, base_columns, crossfit, folds, groups, shares
from xpsvae.audit.sets import LABELS, matrix
from xpsvae.audit.tolerances import (
    BASE_PAIRS,
    EVEN,
    FEWEST_PAIRS,
    INJECTED,
    LIMIT,
    NOISE,
    NULL,
    RULES,
    SCALES,
)

__all__ = ["judge", "measure", "pairs"]

CHUNK = 32_768  # stars at a time

STRICT = (
    "blind_labels",
    "blind_photometry",
    "swapped",
    "label_shuffle",
    "noise",
    "injection",
    "pairs",
    "pairs_even",
)


def measure(
    frame,
    x,
    x_err,
    latents,
    encode,
    errors,
    alike,
    held_out,
    *,
    number_of_folds,
    teff_edges,
    n_bootstrap,
    seed,
    threads=1,
):
    """Run all controls.

    Parameters
    ----------
    frame : pandas.DataFrame (n,)
        Of `xpsvae.audit.sets.giants`.
    x, x_err : array (n, n_coefficients)
        Standardised coefficients and their errors.
    latents : array (n, n_latents)
        Of the model at hand.
    encode : function
        Standardised coefficients to its latents.
    errors : dict of str to array (n,)
        Of ``base`` and ``base_latents`` [dex], as `xpsvae.audit.headline.headline` predicts.
    alike : int array (n_pairs, 2)
        Rows of the pairs (`xpsvae.audit.blind.matched_pairs`).
    held_out : dict of str to array (n, k), and int array (m, 2)
        Latents of a model that was trained without the pairs, ``latents``, and ``pca_6``; and the pairs.
    number_of_folds, teff_edges, n_bootstrap, seed
        As for the headline.
    threads : int
        The result does not depend on it.

    Returns
    -------
    dict
        ``controls``: by name what was measured, ``rule``, ``strict`` and ``passed`` (None where it could not be
        measured); ``failed``: names.
    """
    alpha = frame["alpha_m"].to_numpy(dtype=float)
    high = frame["high_alpha"].to_numpy(dtype=bool)
    fold = folds(len(frame), number_of_folds, seed)
    base, columns = matrix("base", frame, {}), base_columns(frame)
    members = groups(frame, teff_edges)
    everyone = {"all": members["all"]}
    generator = np.random.default_rng(seed)

    def regressed(features, target):
        return crossfit(features, target, fold, threads=threads)

    def encoded(spectra):
        parts = (slice(start, start + CHUNK) for start in range(0, len(alpha), CHUNK))
        return np.concatenate([encode(spectra(rows)) for rows in parts])

    def explained(shown_latents, shown=base, before=errors["base"], target=alpha, of=everyone):
        error = regressed(np.hstack([shown, shown_latents]), target) - target
        return shares(before, error, of, columns, n_bootstrap, seed)

    def swap(expected):
        other = blind.nearest(base / base.std(axis=0))
        return encoded(lambda rows: expected[rows] + (x[other[rows]] - expected[other[rows]]))

    from_labels = blind.expected(matrix("labels", frame, {}), x, fold, threads)
    blind_labels = encoded(blind.noisy(from_labels, x_err, [seed, 1]).__getitem__)
    from_base = blind.expected(base, x, fold, threads)
    variance, swapped = _variance(x, from_base, x_err), swap(from_base)
    blind_base_x = blind.noisy(from_base, x_err, [seed, 2])
    del from_labels, from_base  # each as large as the spectra in float64
    blind_base = encoded(blind_base_x.__getitem__)
    shuffled = generator.permutation(alpha)
    headline = shares(errors["base"], errors["base_latents"], everyone, columns, n_bootstrap, seed)["all"]
    found = {
        "blind_labels": explained(blind_labels)["all"],
        "blind_photometry": explained(blind_base)["all"],
        "swapped": {"groups": explained(swapped, of=members)},
        "label_shuffle": explained(latents, before=regressed(base, shuffled) - shuffled, target=shuffled)[
            "all"
        ],
        "other_star": explained(latents[generator.permutation(len(alpha))])["all"],
        "noise": {"headline": headline, "steps": []},
        "injection": {"steps": []},
    }
    found["swapped"] |= found["swapped"]["groups"]["all"]
    found["blind_photometry"]["variance"] = variance

    for times in NOISE:
        blurred = base.copy()
        for number, name in enumerate(LABELS):
            scale = frame[f"{name}_err"].to_numpy(dtype=float)
            blurred[:, number] += (
                times * np.where(np.isfinite(scale), scale, 0) * generator.standard_normal(len(alpha))
            )
        before = regressed(blurred, alpha) - alpha
        found["noise"]["steps"].append(
            {
                "errors": times,
                "faked": explained(blind_base, blurred, before)["all"],
                "real": explained(latents, blurred, before)["all"],
            }
        )

    found["injection"]["n_pairs"] = len(alike)
    if len(alike) >= FEWEST_PAIRS:
        difference = (x[alike[:, 0]] - x[alike[:, 1]]).mean(axis=0)
        found["injection"]["per_error"] = float(
            np.sqrt(np.mean((difference / np.median(x_err, axis=0)) ** 2))
        )
        for scale in SCALES:
            put_in = encoded(
                lambda rows, scale=scale: blind_base_x[rows] + scale * high[rows, None] * difference
            )
            found["injection"]["steps"].append({"scale": scale, **explained(put_in)["all"]})
    found["injection"]["limit"] = _limit(found["injection"]["steps"])
    found["pairs"], found["pairs_even"] = pairs(frame, *held_out, n_bootstrap, seed)
    controls = {
        name: {"rule": RULES[name], "strict": name in STRICT, "passed": judge(name, entry), **entry}
        for name, entry in found.items()
    }
    return {
        "controls": controls,
        "failed": [name for name, entry in controls.items() if entry["passed"] is False],
        "base": columns,
        "interval": "2.5 to 97.5 % of paired bootstrap resamples of the stars",
    }


def pairs(frame, arrays, alike, n_bootstrap, seed):
    """Order pairs of a high- and a low-alpha star that neither sVAE nor regressor has seen.

    Parameters
    ----------
    frame : pandas.DataFrame (n,)
    arrays : dict of str to array (n, k)
        ``latents``, of a model that was trained without the pairs, and perhaps ``pca_6``.
    alike : int array (n_pairs, 2)
        Rows of the high- and the low-alpha star.
    n_bootstrap, seed : int
        Of the bootstrap over pairs.

    Returns
    -------
    whole, even : dict
        Of all pairs, and of those for which labels and photometry predict the same [alpha/M] within `EVEN`.
        ``n_pairs``; ``right``: by set of features the ``fraction`` of pairs whose high-alpha star is given the
        larger [alpha/M], with its ``interval``; ``gain``: that of base and latents over the base, paired;
        ``difference``: mean true difference of [alpha/M] [dex], and of the labels and colours, and
        ``predicted_difference`` [dex] by set of features. None for all but the number where there are too few
        pairs, and ``why``.
    """
    from sklearn.ensemble import HistGradientBoostingRegressor
    from threadpoolctl import threadpool_limits

    alpha = frame["alpha_m"].to_numpy(dtype=float)
    others = ~np.isin(np.arange(len(frame)), alike)
    if len(alike) < FEWEST_PAIRS or not others.any():
        return _too_few(len(alike)), _too_few(len(alike))
    predicted = {}
    for name in ("base", "base_latents", "latents", *(["base_pca_6"] if "pca_6" in arrays else [])):
        features = matrix(name, frame, arrays)
        with threadpool_limits(1, "openmp"):  # sums of gradients depend on how many there are
            model = HistGradientBoostingRegressor(**SETTINGS).fit(features[others], alpha[others])
        predicted[name] = model.predict(features[alike[:, 0]]) - model.predict(features[alike[:, 1]])
    true = {"alpha_m": alpha[alike[:, 0]] - alpha[alike[:, 1]]} | {
        name: frame[name].to_numpy()[alike[:, 0]] - frame[name].to_numpy()[alike[:, 1]]
        for name in blind.CALIPERS
        if name in frame
    }
    even = np.abs(predicted["base"]) <= EVEN
    return tuple(
        _ordered(true, predicted, chosen, n_bootstrap, seed) for chosen in (np.ones_like(even), even)
    )


def _too_few(number):
    why = f"{number} pairs, where {FEWEST_PAIRS} are needed"
    return {"n_pairs": number, "right": None, "gain": None, "difference": None, "why": why}


def _ordered(true, predicted, chosen, n_bootstrap, seed):
    """How often some of the pairs are in the right order, from their differences by label and set of features."""
    number = int(chosen.sum())
    if number < FEWEST_PAIRS:
        return _too_few(number)
    right = {name: (1 + np.sign(values[chosen])) / 2 for name, values in predicted.items()}  # a tie is half
    resampled = bootstrap.resampled_means(np.column_stack(list(right.values())), n_bootstrap, seed)
    return {
        "n_pairs": number,
        "right": {
            name: {"fraction": float(values.mean()), "interval": bootstrap.interval(resampled[:, place])}
            for place, (name, values) in enumerate(right.items())
        },
        "gain": bootstrap.gain(right["base"], right["base_latents"], n_bootstrap, seed),
        "difference": {name: float(values[chosen].mean()) for name, values in true.items()},
        "predicted_difference": {name: float(values[chosen].mean()) for name, values in predicted.items()},
    }


def judge(name, entry):
    """Whether a control shows what `tolerances` asked of it; None where it could not be measured.

    Parameters
    ----------
    name : str
    entry : dict
        What `measure` found.

    Returns
    -------
    bool or None
    """
    if name == "noise":
        ends = [step["faked"]["interval"] for step in entry["steps"]]
        headline = entry["headline"]["interval"]
        if headline is None or not ends or None in ends:
            return None
        return all(end[1] < headline[0] for end in ends)
    if name == "injection":
        whole = [step["interval"] for step in entry["steps"] if step["scale"] == INJECTED]
        if not whole or whole[0] is None:
            return None
        return whole[0][0] > NULL and entry["limit"] is not None and entry["limit"] <= LIMIT
    if name in ("pairs", "pairs_even"):
        if entry["right"] is None:
            return None
        return entry["gain"]["interval"][0] > 0 and entry["right"]["base"]["fraction"] <= BASE_PAIRS
    return None if entry["interval"] is None else entry["interval"][1] < NULL


def _limit(steps):
    """Smallest injected scale from which on every share lies above what is found without an injection."""
    none = [step["interval"] for step in steps if step["scale"] == 0]
    if not none or none[0] is None:
        return None
    limit = None
    for step in sorted(steps, key=lambda each: -each["scale"]):
        if step["scale"] == 0 or step["interval"] is None or step["interval"][0] <= none[0][1]:
            break
        limit = step["scale"]
    return limit


def _variance(x, expected, x_err):
    """Share of the spectra's variance, in units of their errors and these taken off, that the labels explain."""

    def squares(of):
        starts = range(0, len(x), CHUNK)
        parts = (slice(start, start + CHUNK) for start in starts)
        return sum(np.sum(np.square((x[rows] - of[rows]) / x_err[rows])) for rows in parts) / x.size - 1

    left, whole = (squares(of) for of in (expected, np.broadcast_to(x.mean(axis=0), x.shape)))
    return float(1 - left / whole)
