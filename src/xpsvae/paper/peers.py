"""What the paper says of models that others trained: which are not shown and why, and whether ours do better."""

from xpsvae.paper.latex import count, listing

__all__ = ["peer_macros"]

MOST_RUNS = 4  # stretches of wavelength that a sentence lists


def peer_macros(summary):
    """Sentences on peers; all empty where the dataset and the configuration have none.

    Parameters
    ----------
    summary : dict
        ``comparison/summary.json``.
    """
    prose = {card["model"]: card["prose"] for card in summary["models"]}
    duels = summary.get("duels", {"coefficients": [], "wavelengths": []})
    return {
        "PeersLeftOut": " ".join(
            f"{_capital(card['prose'])} is not shown, for {card['reason']}."
            for card in summary.get("left_out", ())
        ),
        "PeersCoefficients": " ".join(_coefficients(duel, prose) for duel in duels["coefficients"]),
        "PeersFlux": " ".join(
            _wavelengths(duel, prose, summary["wavelength"]) for duel in duels["wavelengths"]
        ),
    }


def _coefficients(duel, prose):
    ours = _ours(duel)
    return (
        f"Over the {count(duel['n'])} test stars that both predict, {prose[duel['ours']]} is closer to the data than "
        f"{prose[duel['theirs']]} for {count(sum(ours))} of {count(len(ours))} coefficients."
    )


def _wavelengths(duel, prose, wavelength):
    """Say which of two models is the better one at which wavelengths."""
    ours, names = _ours(duel), (prose[duel["ours"]], prose[duel["theirs"]])
    start = f"Over the {count(duel['n'])} test stars that both predict, "
    if len(set(ours)) == 1:
        better, worse = names if ours[0] else names[::-1]
        return f"{start}{better} is closer to the data than {worse} at every wavelength."
    runs = [(_runs(ours, wavelength, side), name) for side, name in ((True, names[0]), (False, names[1]))]
    if min(len(stretches) for stretches, _ in runs) > MOST_RUNS:
        return (
            f"{start}{names[0]} is closer to the data than {names[1]} at {count(sum(ours))} of {count(len(ours))} "
            "wavelengths."
        )
    stretches, better = min(runs, key=lambda run: len(run[0]))
    other = names[1] if better == names[0] else names[0]
    return f"{start}{better} is the one closer to the data at {listing(stretches)}, {other} at all other wavelengths."


def _ours(duel):
    """Whether our model has the smaller error, column by column; a tie is theirs."""
    return [mine < theirs for mine, theirs in zip(duel["rmse_ours"], duel["rmse_theirs"], strict=True)]


def _runs(ours, wavelength, side):
    """Stretches of neighbouring wavelengths at which one side is better."""
    runs = []
    for number, better in enumerate(ours):
        if better is not side:
            continue
        if runs and runs[-1][1] == number - 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return [
        f"{wavelength[a]:.0f}\\,nm" if a == b else f"{wavelength[a]:.0f} to {wavelength[b]:.0f}\\,nm"
        for a, b in runs
    ]


def _capital(text):
    return text[:1].upper() + text[1:]
