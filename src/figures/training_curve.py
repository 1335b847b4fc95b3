"""Training: loss of the training and of the test stars, and its part from the latents, epoch by epoch."""

from matplotlib.ticker import MaxNLocator

from xpsvae.plot.style import SINGLE, new_figure, save, styled

SETS = {  # prefix of the columns: name, colour, line
    "": ("Training stars", "#004488", "-"),
    "val_": ("Test stars", "#DDAA33", (0, (4, 1.5))),
}
ROOM = 0.1  # above what the first half of the training has left behind, as a fraction of the axis


@styled
def draw(history):
    """Draw the loss above, the Kullback-Leibler divergence below.

    Parameters
    ----------
    history : pandas.DataFrame
        epoch, and loss and kl of the training stars and, with the prefix val_, of the test stars.

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure, panels = new_figure(SINGLE, 3.6, nrows=2, sharex=True, height_ratios=(3, 2))
    for axes, column, label in zip(panels, ("loss", "kl"), ("Loss", "KL [nats]"), strict=True):
        for prefix, (name, colour, line) in SETS.items():
            if f"{prefix}{column}" in history and history[f"{prefix}{column}"].notna().any():
                axes.plot(history.epoch, history[f"{prefix}{column}"], color=colour, ls=line, label=name)
        axes.set_ylabel(label)
    losses = history[[name for name in ("loss", "val_loss") if name in history]]
    if len(history) > 10:  # the first epochs would hide all others
        low, high = losses.min().min(), losses.iloc[len(history) // 20 :].max().max()
        panels[0].set_ylim(low - ROOM * (high - low), high + ROOM * (high - low))
    panels[0].legend(loc="upper right")
    panels[1].set_xlabel("Epoch")
    panels[1].xaxis.set_major_locator(MaxNLocator(integer=True))
    return figure


if __name__ == "__main__":
    from xpsvae.workflow import job

    with job(snakemake):
        import pandas as pd

        figure = draw(pd.read_csv(snakemake.input.history))
        save(figure, snakemake.output.pdf, snakemake.output.png)
