"""What the residual panels show, read back from the artists, against NumPy on the same residuals."""

import numpy as np
import pytest

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
        for text, width in zip(axes.get_legend().get_texts(), WIDTHS.values(), strict=True):
            bias, spread = (float(part) for part in text.get_text().replace("−", "-").split(" ± "))
            assert bias == pytest.approx(0.2 * width, abs=0.12 * width)
            assert spread == pytest.approx(width, rel=0.08)
    assert [text.get_text() for text in figure.legends[0].get_texts()] == [
        f"{MODELS[model].label}, bias ± width" for model in WIDTHS
    ]


def test_the_bias_printed_for_a_model_may_be_that_of_another(residuals, figure):
    found = {model: statistics(values) for model, values in residuals.items()}
    given = residuals, found, MODELS, [3, 2, 1, 0], ["A", "B", "C", "D"], DOUBLE, 3
    changed = residual_panels(*given, printed={"label_mlp": "pca"})
    for own, other in zip(figure.axes, changed.axes, strict=True):
        before, after = ([text.get_text() for text in axes.get_legend().get_texts()] for axes in (own, other))
        assert before[:2] == after[:2]
        assert after[2].split(" ± ") == [before[1].split(" ± ")[0], before[2].split(" ± ")[1]]
