"""Figure 14: confusion matrices of the classifiers of the alpha sequences, beside a perfect one."""

import numpy as np
import seaborn

from xpsvae.analysis.classify import CLASSIFIERS
from xpsvae.plot.style import DOUBLE, SEQUENCES, new_figure, save, styled

HEAT = {"square": True, "cbar": False, "linewidths": 0.5, "linecolor": "black"}
CLASSES = ("high_alpha", "low_alpha")  # class 0, class 1
CMAP = "Blues"


@styled
def draw(classifiers):
    """Draw a key, the perfect classifier and those of `CLASSIFIERS` that are to be shown.

    Parameters
    ----------
    classifiers : dict
        ``classifiers``: entries with classifier, ``confusion`` (fractions of the test stars; rows are the
        true class, high-alpha first), accuracy, recall_high, recall_low; ``sample``: n_test, n_test_high,
        majority.

    Returns
    -------
    matplotlib.figure.Figure
    """
    entries = {entry["classifier"]: entry for entry in classifiers["classifiers"]}
    entries = [(shown.in_figure, entries[key]) for key, shown in CLASSIFIERS.items() if shown.in_figure]
    test = classifiers["sample"]
    high = test["n_test_high"] / test["n_test"]

    figure, panels = new_figure(DOUBLE, 1.95, ncols=2 + len(entries), squeeze=True)
    _key(panels[0])
    _matrix(panels[1], [[high, 0], [0, 1 - high]], "Perfect")
    _scores(panels[1], 1, 1, 1)
    for panel, (name, entry) in zip(panels[2:], entries, strict=True):
        image = _matrix(panel, entry["confusion"], name)
        _scores(panel, entry["accuracy"], entry["recall_high"], entry["recall_low"])
    figure.colorbar(image, ax=panels, label="Fraction of test stars", aspect=18, pad=0.01, shrink=0.75)
    majority = f"accuracy of always answering the majority class {test['majority']:.2f}"
    figure.supxlabel(f"{test['n_test']:,} test stars; {majority}", size=8)
    return figure


def _matrix(panel, confusion, title):
    settings = {"annot": True, "fmt": ".2f", "annot_kws": {"size": 9}} | HEAT
    seaborn.heatmap(np.asarray(confusion), ax=panel, vmin=0, vmax=1, cmap=CMAP, **settings)
    _frame(panel, title)
    return panel.collections[0]


def _scores(panel, accuracy, recall_high, recall_low):
    words = f"accuracy {accuracy:.2f}\nrecall high-α {recall_high:.2f}\nrecall low-α {recall_low:.2f}"
    panel.set_xlabel(words, size=7)


def _key(panel):
    words = [
        [
            f"{'true' if i == j else 'false'}\n{SEQUENCES[name].label.lower()}"
            for j, name in enumerate(CLASSES)
        ]
        for i in range(2)
    ]
    colours = ["white", *(SEQUENCES[name].color for name in CLASSES)]  # an answer that is right in its colour
    settings = {"annot": np.array(words), "fmt": "", "annot_kws": {"size": 7}} | HEAT
    seaborn.heatmap(np.diag([1, 2]), ax=panel, cmap=colours, vmin=0, vmax=2, **settings)
    _frame(panel, "Key")
    panel.set_xlabel("high-α      low-α\nas classified", size=7)
    panel.set_ylabel("by abundance\nlow-α      high-α", size=7)


def _frame(panel, title):
    panel.set_title(title, size=8.5)
    for spine in panel.spines.values():
        spine.set_visible(True)
    panel.tick_params(which="both", length=0, labelbottom=False, labelleft=False)


if __name__ == "__main__":
    from xpsvae.workflow import job

    with job(snakemake):
        from xpsvae.products import read_json

        save(draw(read_json(snakemake.input.classifiers)), snakemake.output.pdf, snakemake.output.png)
