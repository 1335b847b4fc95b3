"""Figure 9: error of each test star, in coefficients and in flux, against its stellar labels."""

import numpy as np
from matplotlib.colors import Normalize
from matplotlib.patches import Patch
from matplotlib.ticker import NullFormatter

from xpsvae.plot.style import DOUBLE, LABELS, looks, new_figure, note, save, styled

BINS, ERROR_BINS = 36, 40
FEW = 20  # stars beyond the edge of a shaded zone
FEWEST = 5  # stars in a bin whose median is drawn
EDGES = {
    "teff": np.geomspace(3000, 20000, BINS + 1),
    "logg": np.linspace(-0.6, 5.2, BINS + 1),
    "m_h": np.linspace(-2.5, 0.6, BINS + 1),
}
ERRORS = {"coefficient": r"$\log_{10}$ RMSE($j$)", "flux": r"$\log_{10}$ RMSE($\lambda$)"}
ROMAN = ("i", "ii", "iii", "iv", "v", "vi", "vii", "viii", "ix")


@styled
def draw(stars, comparison):
    """Draw counts, errors of the coefficients and errors of the flux against three labels.

    Parameters
    ----------
    stars : pandas.DataFrame
        teff, logg, m_h and ``rmse_{coefficient,flux}_{model}``; null where there is no label or prediction.
    comparison : dict
        ``models``: how each looks, and whether it knows labels.

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure, panels = new_figure(DOUBLE, 5.4, nrows=3, ncols=3, sharex="col", sharey="row")
    models = looks(comparison)
    labelled = [card["model"] for card in comparison["models"] if card["knows_labels"]]
    predicted = {
        models[name]: stars[[f"rmse_{kind}_{name}" for kind in ERRORS if f"rmse_{kind}_{name}" in stars]]
        .notna()
        .any(axis=1)
        for name in labelled
    }
    for column, (label, edges) in enumerate(EDGES.items()):
        _counts(panels[0, column], stars[label], predicted, edges)
        for row, kind in enumerate(ERRORS, start=1):
            mesh = _errors(panels[row, column], stars, label, kind, edges, models)
        panels[2, column].set(xlabel=LABELS[label], xlim=(edges[0], edges[-1]))
        for axes in panels[:, column]:
            _shade(axes, stars.loc[stars[label].notna(), label].to_numpy(float))
    panels[2, 0].set_xscale("log")
    panels[2, 0].set_xticks([3000, 5000, 10000, 20000], ["3000", "5000", "10000", "20000"])
    panels[2, 0].get_xticklabels()[-1].set_ha("right")  # keeps clear of the next panel
    panels[2, 0].xaxis.set_minor_formatter(NullFormatter())
    panels[0, 0].set_ylabel("Number of test stars")
    for row, (kind, name) in enumerate(ERRORS.items(), start=1):
        panels[row, 0].set(ylabel=name, ylim=_limits(stars, kind, models))
    for axes, numeral in zip(panels.flat, ROMAN, strict=True):
        note(axes, f"({numeral})", style="italic")
    lines = {}  # a model that knows nothing of coefficients has a line in the last row alone
    for axes in panels[1:, 0]:
        for line, name in zip(*axes.get_legend_handles_labels(), strict=True):
            lines.setdefault(name, line)
    top = panels[0, 0].get_legend_handles_labels()
    few = Patch(facecolor="none", edgecolor="0.55", hatch="////", lw=0)
    figure.legend(
        [*lines.values(), *top[0], few],
        [*lines, *top[1], f"fewer than {FEW} stars beyond"],
        loc="outside upper center",
        ncols=5,
        columnspacing=1.2,
        frameon=False,
    )
    label = "sVAE: share of the stars in a column"
    bar = figure.colorbar(mesh, ax=panels[1:], label=label, aspect=40, pad=0.01, extend="max")
    bar.set_ticks([0, 0.05, 0.1, 0.15, 0.2])
    return figure


def _counts(axes, values, predicted, edges):
    """Histogram of a label for all test stars and, in its line, those that each label-driven model predicts."""
    every, _ = np.histogram(values.dropna(), edges)
    axes.stairs(every, edges, fill=True, color="0.8", label="All test stars")
    for look, known in predicted.items():
        some, _ = np.histogram(values[known].dropna(), edges)
        axes.stairs(some, edges, color=look.color, ls=look.linestyle, lw=1.3)
    axes.set_ylim(0)


def _errors(axes, stars, label, kind, edges, models):
    """Distribution of the sVAE's error in each bin of a label, and the median error of every model."""
    low, high = _limits(stars, kind, models)
    known = stars[label].notna()
    x = stars.loc[known, label].to_numpy(float)
    y_edges = np.linspace(low, high, ERROR_BINS + 1)
    errors = {
        model: np.log10(stars.loc[known, column].to_numpy(float))
        for model in models
        if (column := f"rmse_{kind}_{model}") in stars
    }
    counts, _, _ = np.histogram2d(x, errors["svae"].clip(low, high), (edges, y_edges))
    totals = counts.sum(axis=1, keepdims=True)
    shares = np.ma.masked_where(counts < 1, counts / np.maximum(totals, FEWEST))
    mesh = axes.pcolormesh(
        edges, y_edges, shares.T, cmap=models["svae"].cmap, norm=Normalize(0, 0.2), rasterized=True, zorder=1
    )
    middles = np.sqrt(edges[1:] * edges[:-1]) if label == "teff" else (edges[1:] + edges[:-1]) / 2
    bins = np.digitize(x, edges) - 1
    for model, look in ((model, models[model]) for model in errors):
        medians = [_median(errors[model][bins == number]) for number in range(BINS)]
        line = {"color": look.color, "ls": look.linestyle, "lw": 1.5, "label": look.label}
        axes.plot(middles, medians, color="white", lw=2.8, zorder=4)
        axes.plot(middles, medians, zorder=5, **line)
    return mesh


def _median(values):
    values = values[np.isfinite(values)]
    return np.median(values) if len(values) >= FEWEST else np.nan


def _limits(stars, kind, models):
    """Axis limits that hold all but a few errors of every model."""
    columns = [name for model in models if (name := f"rmse_{kind}_{model}") in stars]
    errors = np.log10(stars[columns].to_numpy(float))
    low, high = np.nanpercentile(errors, (0.1, 99.5))
    return np.floor(low * 5) / 5, np.ceil(high * 5) / 5


def _shade(axes, values):
    """Hatch the two ends beyond which there are few stars."""
    values = np.sort(values)
    if len(values) > 2 * FEW:
        for ends in ((-np.inf, values[FEW]), (values[-FEW - 1], np.inf)):
            ends = np.clip(ends, *axes.get_xlim())
            axes.axvspan(*ends, facecolor="none", edgecolor="0.55", hatch="////", lw=0, zorder=3)


if __name__ == "__main__":
    from xpsvae.workflow import job

    with job(snakemake):
        from xpsvae.products import read_json, read_table

        figure = draw(read_table(snakemake.input.per_star), read_json(snakemake.input.comparison))
        save(figure, snakemake.output.pdf, snakemake.output.png)
