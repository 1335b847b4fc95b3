"""What the residual panels show, read back from the artists, against NumPy on the same residuals."""

import numpy as np
import pytest
from matplotlib.legend import Legend

from xpsvae.compare.residuals import statistics
from xpsvae.plot.residual_panels import BINS, SPAN, residual_panels
from xpsvae.plot.style import DOUBLE, Look

WIDTHS = {"svae": 1.0, "pca": 30.0, "label_mlp": 5.0}
MODELS = {
    "svae": Look("sVAE", "#004488", "-", "o", "Blues"),
    "pca": Look("PCA (6 components)", "#BB5566", (0, (4, 1.5)), "s", "Reds"),
    "label_mlp": Look("label MLP", "#DDAA33", (0, (1, 1)), "^", "YlOrBr"),
}


@pytest.fixture
def residuals():
    """Residuals of four columns; half of the stars have no label-MLP prediction."""
    rng = np.random.default_rng(0)
    drawn = {model: width * rng.normal(0.2, 1, size=(4000, 4)) for model, width in WIDTHS.items()}
    drawn["label_mlp"][::2] = np.nan
    return drawn


@pytest.fixture
def figure(residuals):
    """Draw all columns, in reverse."""
    found = {model: statistics(values) for model, values in residuals.items()}
    return residual_panels(residuals, found, MODELS, [3, 2, 1, 0], ["A", "B", "C", "D"], DOUBLE, 3)


def numbers(axes):
    """Return what a panel prints of the models: biases on the left, widths on the right."""
    legends = [child for child in axes.get_children() if isinstance(child, Legend)]
    printed = {legend.get_title().get_text(): legend for legend in legends}
    assert set(printed) == {"bias", "width"}
    return [[text.get_text() for text in printed[name].get_texts()] for name in ("bias", "width")]


def test_heights_are_shares_of_all_predicted_stars_over_the_peak(figure, residuals):
    for axes, column in zip(figure.axes, (3, 2, 1, 0), strict=True):
        edge = axes.get_xlim()[1]
        edges = np.linspace(-edge, edge, BINS + 1)
        shares = {}
        for model, values in residuals.items():
            known = values[~np.isnan(values[:, column]), column]
            shares[model] = [
                np.mean((known >= a) & (known < b)) for a, b in zip(edges, edges[1:], strict=False)
            ]
        lines = [patch for patch in axes.patches if not patch.get_fill()]
        for line, model in zip(lines, residuals, strict=True):
            np.testing.assert_allclose(
                line.get_data().values, np.array(shares[model]) / max(shares["svae"]), atol=1e-9
            )


def test_panels_span_the_residuals_of_the_svae(figure, residuals):
    for axes, column in zip(figure.axes, (3, 2, 1, 0), strict=True):
        spread = statistics(residuals["svae"])["width"][column]
        assert SPAN * spread <= axes.get_xlim()[1] <= 2.01 * SPAN * spread


def test_each_model_has_its_own_bias_and_width(figure):
    """Of a normal distribution of mean 0.2 w and standard deviation w, both are known."""
    for axes in figure.axes:
        biases, spreads = ([float(text.replace("−", "-")) for text in texts] for texts in numbers(axes))
        for bias, spread, width in zip(biases, spreads, WIDTHS.values(), strict=True):
            assert bias == pytest.approx(0.2 * width, abs=0.12 * width)
            assert spread == pytest.approx(width, rel=0.08)
    assert [text.get_text() for text in figure.legends[0].get_texts()] == [
        MODELS[model].label for model in WIDTHS
    ]


def test_numbers_stand_on_either_side_of_the_peak_and_clear_of_each_other(figure):
    figure.canvas.draw()
    for axes in figure.axes:
        legends = [child for child in axes.get_children() if isinstance(child, Legend)]
        places = {legend.get_title().get_text(): legend.get_window_extent() for legend in legends}
        middle = axes.transData.transform((0, 0))[0]
        assert places["bias"].x1 < middle < places["width"].x0
        inside = axes.get_window_extent()
        assert inside.x0 <= places["bias"].x0 and places["width"].x1 <= inside.x1
        tops = [legend.get_texts()[i].get_window_extent().y0 for i in range(3) for legend in legends]
        assert np.allclose(tops[::2], tops[1::2], atol=1)  # in lines


def test_the_bias_printed_for_a_model_may_be_that_of_another(residuals, figure):
    found = {model: statistics(values) for model, values in residuals.items()}
    given = residuals, found, MODELS, [3, 2, 1, 0], ["A", "B", "C", "D"], DOUBLE, 3
    changed = residual_panels(*given, printed={"label_mlp": "pca"})
    for own, other in zip(figure.axes, changed.axes, strict=True):
        (before, spreads), (after, unchanged) = numbers(own), numbers(other)
        assert after == [*before[:2], before[1]] and before[2] != before[1]
        assert unchanged == spreads
