"""Table 1 of the paper: the scores of the alpha classifiers, as rows, as a LaTeX tabular and as text.

The rows are those of `xpsvae.analysis.classify`, grouped by classifier so that the variants stand side by
side, with the majority class and the published values as reference. To read it in a terminal:
``python -m xpsvae.paper.table1 results/library/tables/table1.json``.
"""

import sys

from xpsvae.analysis.classify import CLASSIFIERS, METRICS

__all__ = ["NAMES", "PUBLISHED", "plain_text", "tabular", "table_rows"]

NAMES = {
    "majority": "Majority class",
    "m_h": "[M/H]",
    "label": "Label",
    "label_extinction": "Label + extinction",
    "latent": "Latent",
    "latent_live": "Latent (live only)",
    "label_latent": "Label + latent",
    "label_permuted": "Label + permuted latent",
}
VARIANTS = {
    "paper": "paper",
    "published": "published",
    "corrected": "corrected",
    "leak_free": "leak-free",
}
# Table 1 of Laroche & Speagle, on 12,381 test stars of all types: accuracy, P_high, P_low.
PUBLISHED = {
    "m_h": (0.68, 0.40, 0.79),
    "label": (0.70, 0.15, 0.91),
    "label_extinction": (0.70, 0.15, 0.92),
    "latent": (0.84, 0.58, 0.93),
}
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
        classifier, name, variant, n_test, the metrics and ``<metric>_low``, ``<metric>_high`` (2.5 and
        97.5 %); ``None`` where there is no value. ``recall_high`` and ``recall_low`` are the paper's P_high
        and P_low.
    """
    entries = {(entry["classifier"], entry["variant"]): entry for entry in report["classifiers"]}
    rows = [_row("majority", "paper", None, {"accuracy": PUBLISHED_MAJORITY})]
    ours = [variant for variant in VARIANTS if variant in report["variants"]]
    for variant in ours:
        sample = report["variants"][variant]
        low = float(sample["n_test_high"] * 2 < sample["n_test"])  # the larger class is the answer for all
        scores = {"accuracy": sample["majority"], "recall_high": 1 - low, "recall_low": low}
        scores |= {"balanced_accuracy": 0.5, "roc_auc": 0.5}
        rows.append(_row("majority", variant, sample["n_test"], scores))
    for classifier in CLASSIFIERS:
        if classifier in PUBLISHED:
            scores = dict(zip(("accuracy", "recall_high", "recall_low"), PUBLISHED[classifier], strict=True))
            rows.append(_row(classifier, "paper", None, scores))
        for variant in ours:
            if (classifier, variant) in entries:
                entry = entries[classifier, variant]
                rows.append(_row(classifier, variant, entry["n_test"], entry, entry["intervals"]))
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
        " & ".join(["Classifier", "Variant", *(HEADS[metric] for metric in METRICS)]) + " \\\\",
    ]
    previous = None
    for row in rows:
        if row["classifier"] != previous:
            lines.append("\\hline")
        name = NAMES[row["classifier"]] if row["classifier"] != previous else ""
        previous = row["classifier"]
        # Braces: a line that began with [ would be read as the argument of the line break before it.
        cells = [f"{{{name}}}", VARIANTS[row["variant"]], *(_cell(row, metric) for metric in METRICS)]
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
    table = [("classifier", "variant", *heads)]
    table += [
        (row["name"], VARIANTS[row["variant"]], *(_cell(row, metric) for metric in METRICS)) for row in rows
    ]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in table]
    return "\n".join(
        ["Table 1 (in parentheses: half the 95 % interval, last digits)", *map(str.rstrip, lines)]
    )


def _row(classifier, variant, n_test, scores, intervals=None):
    row = {"classifier": classifier, "name": NAMES[classifier], "variant": variant, "n_test": n_test}
    for metric in METRICS:
        low, high = (intervals or {}).get(metric, (None, None))
        row |= {metric: scores.get(metric), f"{metric}_low": low, f"{metric}_high": high}
    return row


def _cell(row, metric):
    value = row[metric]
    if value is None:
        return "--"
    if row[f"{metric}_low"] is None:
        return f"{value:.2f}" if row["variant"] == "paper" else f"{value:.3f}"
    return f"{value:.3f}({1000 * (row[f'{metric}_high'] - row[f'{metric}_low']) / 2:.0f})"


if __name__ == "__main__":
    from xpsvae.products import read_json

    print(plain_text(read_json(sys.argv[1])))
