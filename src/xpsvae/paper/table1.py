"""Table 1 of the paper: the scores of the alpha classifiers, as rows, as a LaTeX tabular and as text.

The rows are those of `xpsvae.analysis.classify`, with the majority class and the published values as
reference. To read it in a terminal:
``python -m xpsvae.paper.table1 results/library/corrected/tables/table1.json``.
"""

import sys

from xpsvae.analysis.classify import CLASSIFIERS, METRICS

__all__ = ["plain_text", "tabular", "table_rows"]

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
        Values with two decimals for the published table and three for ours, the latter with the half-width of
        the 95 % bootstrap interval in units of the last digit: 0.913(12) is 0.913 +- 0.012.
    """
    lines = [
        f"\\begin{{tabular}}{{ll{'c' * len(METRICS)}}}",
        "\\hline\\hline",
        " & ".join(["Classifier", "", *(HEADS[metric] for metric in METRICS)]) + " \\\\",
    ]
    previous = None
    for row in rows:
        if row["classifier"] != previous:
            lines.append("\\hline")
        name = row["name"] if row["classifier"] != previous else ""
        previous = row["classifier"]
        # Braces: a line that began with [ would be read as the argument of the line break before it.
        cells = [f"{{{name}}}", row["whose"], *(_cell(row, metric) for metric in METRICS)]
        lines.append(" & ".join(cells) + " \\\\")
    return "\n".join([*lines, "\\hline", "\\end{tabular}"]) + "\n"


def plain_text(rows):
    """Table 1 for a terminal, with the cells of `tabular`.

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
    return "\n".join(
        ["Table 1 (in parentheses: half the 95 % interval, last digits)", *map(str.rstrip, lines)]
    )


def _row(classifier, whose, n_test, scores, intervals=None):
    name = CLASSIFIERS[classifier].name if classifier in CLASSIFIERS else "Majority class"
    row = {"classifier": classifier, "name": name, "whose": whose, "n_test": n_test}
    for metric in METRICS:
        low, high = (intervals or {}).get(metric, (None, None))
        row |= {metric: scores.get(metric), f"{metric}_low": low, f"{metric}_high": high}
    return row


def _cell(row, metric):
    value = row[metric]
    if value is None:
        return "--"
    if row[f"{metric}_low"] is None:
        return f"{value:.2f}" if row["whose"] == "paper" else f"{value:.3f}"
    return f"{value:.3f}({1000 * (row[f'{metric}_high'] - row[f'{metric}_low']) / 2:.0f})"


if __name__ == "__main__":
    from xpsvae.products import read_json

    print(plain_text(read_json(sys.argv[1])))
