"""Table 1 of the paper: the scores of the alpha classifiers, as rows, as a LaTeX tabular and as text.

The rows are those of `xpsvae.analysis.classify`, with the majority class and the published values as
reference. What other variants make of them is a table of its own, without the rows that they leave as they are.
To read Table 1 in a terminal: ``python -m xpsvae.paper.table1 FILE``, a ``table1.json``.
"""

import sys

from xpsvae.analysis.classify import CLASSIFIERS, METRICS

__all__ = ["plain_text", "table_rows", "tabular", "variants_tabular"]

PUBLISHED_MAJORITY = 0.722
HEADS = {
    "accuracy": "Acc",
    "recall_high": "Rec$_{\\rm high}$",
    "recall_low": "Rec$_{\\rm low}$",
    "precision_high": "Prec$_{\\rm high}$",
    "precision_low": "Prec$_{\\rm low}$",
    "balanced_accuracy": "Bal.\\ Acc",
    "roc_auc": "AUC",
}


def table_rows(report):
    """Rows of Table 1, grouped by classifier.

    Parameters
    ----------
    report : dict
        First output of `xpsvae.analysis.classify.classify`.

    Returns
    -------
    list of dict
        classifier, name, whose (``"paper"`` or ``"here"``), n_test, the metrics and ``<metric>_low``,
        ``<metric>_high`` (2.5 and 97.5 %); ``None`` where there is no value. ``recall_high`` and
        ``recall_low`` are the paper's P_high and P_low.
    """
    sample = report["sample"]
    low = float(sample["n_test_high"] * 2 < sample["n_test"])  # the larger class is the answer for all
    scores = {"accuracy": sample["majority"], "recall_high": 1 - low, "recall_low": low}
    scores |= {"balanced_accuracy": 0.5, "roc_auc": 0.5}
    rows = [
        _row("majority", "paper", None, {"accuracy": PUBLISHED_MAJORITY}),
        _row("majority", "here", sample["n_test"], scores),
    ]
    entries = {entry["classifier"]: entry for entry in report["classifiers"]}
    for classifier, look in CLASSIFIERS.items():
        if look.published:
            scores = dict(zip(("accuracy", "recall_high", "recall_low"), look.published, strict=True))
            rows.append(_row(classifier, "paper", None, scores))
        entry = entries[classifier]
        rows.append(_row(classifier, "here", sample["n_test"], entry, entry["intervals"]))
    return rows


def tabular(rows):
    """Table 1 as a plain LaTeX tabular, to be put into a table environment.

    Parameters
    ----------
    rows : list of dict
        Output of `table_rows`.

    Returns
    -------
    str
        Values with two decimals for the published table and three for ours, the latter with the lower and the
        upper bound of the 95 % bootstrap interval below and above.
    """
    return _tabular((row["classifier"], row["name"], row["whose"], row) for row in rows)


def variants_tabular(corrected, variants):
    """Classifiers of other variants as a plain LaTeX tabular, those left out that are as in Table 1.

    Parameters
    ----------
    corrected : dict
        First output of `xpsvae.analysis.classify.classify`, as in Table 1.
    variants : dict of str to dict
        The same of each other variant, by what is said of it.

    Returns
    -------
    str
        Cells as in `tabular`; the majority class stands before the classifiers of a variant whose test stars are
        others.
    """
    shown = {(row["classifier"], _scores(row)) for row in table_rows(corrected)}
    lines = [
        (variant, variant, row["name"], row)
        for variant, report in variants.items()
        for row in table_rows(report)
        if row["whose"] == "here" and (row["classifier"], _scores(row)) not in shown
    ]
    return _tabular(lines, "Variant", "Classifier")


def _scores(row):
    return tuple(row[metric] for metric in METRICS)


def _tabular(rows, *heads):
    """Lines of a tabular: each row has the group it belongs to, the group's name, its own, and its scores."""
    first, second = heads or ("Classifier", "")
    lines = [
        f"\\begin{{tabular}}{{ll{'c' * len(METRICS)}}}",
        "\\hline\\hline",
        " & ".join([first, second, *(HEADS[metric] for metric in METRICS)]) + " \\\\",
    ]
    previous = None
    for group, name, own, row in rows:
        if group != previous:
            lines.append("\\hline")
        # Braces: a line that began with [ would be read as the argument of the line break before it.
        cells = [f"{{{name if group != previous else ''}}}", own, *(_bounded(row, m) for m in METRICS)]
        lines.append(" & ".join(cells) + " \\\\")
        previous = group
    return "\n".join([*lines, "\\hline", "\\end{tabular}"]) + "\n"


def _bounded(row, metric):
    """Value with the bounds of its interval below and above."""
    low, high = (row[f"{metric}_{side}"] for side in ("low", "high"))
    return _value(row, metric) if low is None else f"${_value(row, metric)}_{{{low:.3f}}}^{{{high:.3f}}}$"


def plain_text(rows):
    """Table 1 for a terminal: values, with half the width of the 95 % interval.

    Parameters
    ----------
    rows : list of dict
        Output of `table_rows`.

    Returns
    -------
    str
    """
    heads = ("accuracy", "P_high", "P_low", "prec_high", "prec_low", "balanced", "AUC")
    table = [("classifier", "", *heads)]
    table += [(row["name"], row["whose"], *(_cell(row, metric) for metric in METRICS)) for row in rows]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in table]
    return "\n".join(["Table 1 (+-: half the width of the 95 % interval)", *map(str.rstrip, lines)])


def _row(classifier, whose, n_test, scores, intervals=None):
    name = CLASSIFIERS[classifier].name if classifier in CLASSIFIERS else "Majority class"
    row = {"classifier": classifier, "name": name, "whose": whose, "n_test": n_test}
    for metric in METRICS:
        low, high = (intervals or {}).get(metric, (None, None))
        row |= {metric: scores.get(metric), f"{metric}_low": low, f"{metric}_high": high}
    return row


def _cell(row, metric):
    low, high = (row[f"{metric}_{side}"] for side in ("low", "high"))
    half = "" if low is None else f"+-{(high - low) / 2:.3f}"
    return _value(row, metric) + half


def _value(row, metric):
    if row[metric] is None:
        return "--"
    return f"{row[metric]:.2f}" if row["whose"] == "paper" else f"{row[metric]:.3f}"


if __name__ == "__main__":
    from xpsvae.products import read_json

    print(plain_text(read_json(sys.argv[1])))
