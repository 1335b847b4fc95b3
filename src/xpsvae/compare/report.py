"""``comparison.json``: bias, width, RMSE and stars of every model, where a reader looks for them by name."""

__all__ = ["divide", "pairs", "report"]


def pairs(cards):
    """Our stand-ins beside the peers that they stand in for: both know labels, or neither does.

    Parameters
    ----------
    cards : list of dict
        What each model says of itself (`xpsvae.compare.registry.card`), the sVAE among them.

    Returns
    -------
    list of (str, str)
        Names: ours and theirs.
    """
    ours = [card for card in cards if card["model"] != "svae" and not card.get("peer")]
    return [
        (mine["model"], card["model"])
        for card in cards
        if card.get("peer")
        for mine in ours
        if mine["knows_labels"] == card["knows_labels"]
    ]


def divide(cards, summary):
    """Models that are compared, and those left out with the reason.

    Parameters
    ----------
    cards : list of dict
    summary : dict
        Of `xpsvae.compare.residuals.measure`.

    Returns
    -------
    dict
        ``models``: cards of those that predict a star; ``left_out``: ``model``, ``label``, ``prose`` and
        ``reason`` of the others.
    """
    compared = summary["coefficients"].keys() | summary["wavelengths"].keys()
    left_out = [
        {name: card[name] for name in ("model", "label", "prose")}
        | {"reason": card["summary"].get("left_out", "it predicts no test star")}
        for card in cards
        if card["model"] not in compared
    ]
    return {"models": [card for card in cards if card["model"] in compared], "left_out": left_out}


def report(summary):
    """Arrange the numbers of a comparison by model.

    Parameters
    ----------
    summary : dict
        Of `xpsvae.compare.residuals.measure` with labels, and of `divide`.

    Returns
    -------
    dict
        ``models``: a list with ``model``, ``label``, ``knows_labels`` and ``peer``, and, for each space that the
        model predicts, ``coefficients`` (rows with ``band`` and ``number``) and ``wavelengths`` (rows with ``nm``):
        ``n`` stars, and per row ``bias``, ``width``, ``rmse`` and, for all but the sVAE, ``ratio`` of its RMSE to
        the sVAE's over the same stars; ``labels``: rows per bin of each label. ``left_out``: see `divide`.
        ``duels``: see `xpsvae.compare.residuals.duels`. Residuals are in units of the error.
    """
    half = len(summary["coefficients"]["svae"]["rmse"]) // 2
    places = {
        "coefficients": [{"band": band, "number": number} for band in ("BP", "RP") for number in range(half)],
        "wavelengths": [{"nm": wavelength} for wavelength in summary["wavelength"]],
    }
    models = []
    for card in summary["models"]:
        entry = {name: card[name] for name in ("model", "label", "knows_labels")}
        entry["peer"] = card.get("peer", False)
        for space, where in places.items():
            numbers = summary[space].get(card["model"])
            if numbers is None:
                continue
            columns = [name for name in ("bias", "width", "rmse", "ratio") if name in numbers]
            entry[space] = {
                "n": numbers["n"],
                "rows": [
                    place | {name: numbers[name][row] for name in columns} for row, place in enumerate(where)
                ],
                "labels": {
                    label: by_model[card["model"]] for label, by_model in summary["labels"][space].items()
                },
            }
        models.append(entry)
    return {"models": models, "left_out": summary["left_out"], "duels": summary["duels"]}
