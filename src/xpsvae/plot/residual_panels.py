"""Panels of residual histograms, one quantity a panel, the models in it apart by colour and line.

Shared by the figures that show residuals of coefficients and of flux. Nothing here computes a result.
"""

import numpy as np
from matplotlib.lines import Line2D

from xpsvae.errors import InputError
from xpsvae.plot.style import new_figure, styled

__all__ = ["require_flux", "residual_panels"]

BINS = 51
SPAN = 4  # widths of the sVAE's residuals from the middle of a panel to its edge
TOP = 1.12  # of a panel, in units of the sVAE's peak: numbers stand beside it, above the wings


def require_flux(comparison):
    """See that models were compared in flux.

    Raises
    ------
    InputError
        If they were not, since the coefficients are those of Gaia DR4.
    """
    if not comparison["wavelengths"]:
        raise InputError(
            "this figure shows flux, and the design matrices of Gaia DR4's coefficients are not out: draw the "
            "figures of coefficients (fig_lam_coeff_errs, fig_compare_lam)."
        )


@styled
def residual_panels(residuals, statistics, models, columns, names, width, height, printed=None):
    """Draw two rows of histograms.

    Each panel spans four widths of the sVAE's residuals about zero and is scaled to the sVAE's peak, so that
    heights and widths compare between panels. Beside the peak stand the bias of each model, on its left with
    the model's line, and the width, on its right in the same order.

    Parameters
    ----------
    residuals : dict of array (n_stars, n)
        By model; NaN where a star has no prediction.
    statistics : dict of dict of list
        By model: ``bias`` and ``width`` of each column.
    models : dict of str to Look
        How each model looks.
    columns : sequence of int
        The columns shown.
    names : sequence of str
        What each stands for, in mathematical notation.
    width, height : float
        Of the figure [in].
    printed : dict of str to str, optional
        Model whose bias is printed for a model, where that is not its own.

    Returns
    -------
    matplotlib.figure.Figure
    """
    per_row = len(columns) // 2
    figure, panels = new_figure(width, height, nrows=2, ncols=per_row, sharey=True)
    figure.get_layout_engine().set(wspace=0.03)
    for axes, column, name in zip(panels.flat, columns, names, strict=True):
        reach = _round_up(SPAN * statistics["svae"]["width"][column])
        edges = np.linspace(-reach, reach, BINS + 1)
        peak, numbers = None, []
        for model, values in residuals.items():
            look = models[model]
            known = values[np.isfinite(values[:, column]), column]
            # Of all stars, not of those inside the panel: a wide histogram has to look low.
            density = np.histogram(known, edges)[0] / len(known)
            peak = peak or max(density.max(), 1 / len(known))
            bias = statistics[(printed or {}).get(model, model)]["bias"][column]
            spread = statistics[model]["width"][column]
            line = {"color": look.color, "ls": look.linestyle, "lw": 1.1, "zorder": 4}
            shown = axes.stairs(density / peak, edges, **line)
            numbers.append((shown, _signed(bias), _rounded(spread)))
            if model == "svae":
                axes.stairs(density / peak, edges, fill=True, color=look.shade(0.2), zorder=1)
        axes.vlines(0, 0, 1.04, color="0.4", lw=0.7, zorder=5)
        axes.set(xlim=(-reach, reach), ylim=(0, TOP), xlabel=rf"$\mathcal{{R}}$({name})")
        axes.set_xticks([-reach / 2, 0, reach / 2])
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}".replace("-", "−"))
        axes.set_yticks([0, 0.5, 1])
        _print(axes, numbers)
    for axes in panels[:, 0]:
        axes.set_ylabel("Density / sVAE's peak")
    handles = [shown for shown, _, _ in numbers]
    labels = [models[model].label for model in residuals]
    figure.legend(handles, labels, loc="outside upper center", ncols=len(labels), frameon=False)
    return figure


def _print(axes, numbers):
    """Write bias and width of each model to the left and to the right of the peak."""
    handles, biases, widths = zip(*numbers, strict=True)
    common = {"frameon": False, "fontsize": 7, "title_fontsize": 7, "labelspacing": 0.15, "borderpad": 0}
    common |= {"handletextpad": 0.25, "borderaxespad": 0.3}
    left = axes.legend(handles, biases, loc="upper left", title="bias", handlelength=1.35, **common)
    axes.add_artist(left)
    bare = [Line2D([], [], ls="") for _ in widths]
    axes.legend(bare, widths, loc="upper right", title="width", handlelength=0, **common)


def _round_up(value):
    """Next number of the form 1, 2, 4 or 6 times a power of ten: its half is short, too."""
    power = 10.0 ** np.floor(np.log10(value))
    return next(step * power for step in (1, 2, 4, 6, 10) if step * power >= value)


def _rounded(value):
    return f"{value:.0f}" if abs(value) >= 9.95 else f"{value:.1f}" if abs(value) >= 0.95 else f"{value:.2f}"


def _signed(value):
    return _rounded(value).replace("-", "−")
