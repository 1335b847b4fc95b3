"""Figure 3: how data pass through the scatter VAE."""

from matplotlib.patches import Polygon, Rectangle

from xpsvae.plot.style import DOUBLE, arrow, box, new_diagram, save, styled

ENCODER, DECODER, SCATTER, LATENT = "#D9740B", "#1B7837", "#542788", "#B2182B"
HEIGHT = 2.75  # of the figure [in]
TALLEST, TALLEST_DECODER = 2.1, 1.08  # height of the widest layer [in]
THICKNESS, STEP = 0.11, 0.215  # of a layer, and from one layer to the next [in]
LOSS = (  # Eqs. 1-5
    r"$\mathcal{L}=\chi^2+P+\mathcal{L}_\mathrm{KL}$",
    r"$\chi^2=\frac{1}{2}\sum\,(x-\hat{x})^2\,/\,(\sigma_x^2+\hat{s}^2)$",
    r"$P=\frac{1}{2}\sum\,\ln\,(\sigma_x^2+\hat{s}^2)$",
    r"$\mathcal{L}_\mathrm{KL}=\frac{1}{2}\sum\,(\mu^2+\sigma^2-\ln\sigma^2-1)$",
)


@styled
def draw(widths, n_latents):
    """Draw the network with one bar a layer, as tall as the layer is wide.

    Parameters
    ----------
    widths : sequence of int
        Encoder layers from the coefficients to the narrowest; decoder and scatter estimator run backwards.
    n_latents : int

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure, axes = new_diagram(DOUBLE, HEIGHT)
    middle, upper, lower = HEIGHT / 2, 0.75 * HEIGHT + 0.03, 0.25 * HEIGHT + 0.03

    start = 0.53
    _named(axes, 0.2, middle, TALLEST, r"$x$")
    encoder_end = _layers(axes, start, middle, widths, TALLEST, ENCODER, "Encoder")
    arrow(axes, (0.33, middle), (start - 0.05, middle))

    fork, heads, latent = encoder_end + 0.17, encoder_end + 0.48, encoder_end + 1.2
    join = latent - 0.38
    arrow(axes, (encoder_end + 0.03, middle), (fork, middle), head=False)
    for height, name in ((middle + 0.62, r"$\mu$"), (middle - 0.62, r"$\sigma$")):
        arrow(axes, (fork, middle), (fork, height), (heads - 0.13, height))
        _named(axes, heads, height, 0.34, name, ENCODER)
        arrow(axes, (heads + 0.13, height), (join, height), (join, middle), head=False)
    _named(axes, heads, middle, 0.34, r"$\epsilon$", linestyle=(0, (3, 1.5)))
    axes.text(heads, middle - 0.2, r"$\sim\mathcal{N}(0,1)$", ha="center", va="top", size=7)
    arrow(axes, (heads + 0.13, middle), (latent - 0.13, middle))
    _named(axes, latent, middle, 0.5, r"$z$", LATENT)
    axes.text(latent, middle + 0.3, f"{n_latents} latents", ha="center", va="bottom", size=8)
    axes.text(latent, middle - 0.31, r"$z=\mu+\sigma\epsilon$", ha="center", va="top", size=8)

    fork, start = latent + 0.32, latent + 0.58
    arrow(axes, (latent + 0.13, middle), (fork, middle), head=False)
    for height, name, colour, output in (
        (upper, "Decoder", DECODER, r"$\hat{x}$"),
        (lower, "Scatter", SCATTER, r"$\hat{s}$"),
    ):
        arrow(axes, (fork, middle), (fork, height), (start - 0.05, height))
        end = _layers(axes, start, height, widths[::-1], TALLEST_DECODER, colour, name)
        arrow(axes, (end + 0.03, height), (end + 0.2, height))
        _named(axes, end + 0.33, height, TALLEST_DECODER, output)
        loss = end + 1.36
        side = 0.5 if height > middle else -0.5
        arrow(axes, (end + 0.46, height), (loss, height), (loss, middle + side))
    box(axes, loss, middle, 1.68, 1.0)
    for i, line in enumerate(LOSS):
        axes.text(loss - 0.79, middle + 0.36 - 0.24 * i, line, va="center", size=7.5)
    return figure


def _layers(axes, left, middle, widths, tallest, colour, name):
    """Draw a bar a layer inside a trapezoid and return the right edge."""
    heights = [max(tallest * width / max(widths), 0.14) for width in widths]
    right = left + STEP * (len(widths) - 1) + THICKNESS
    first, last = heights[0] / 2 + 0.05, heights[-1] / 2 + 0.05

    def edge(x):
        return first + (last - first) * (x - left) / (right - left)

    corners = [(left - 0.03, side * edge(left - 0.03)) for side in (1, -1)]
    corners += [(right + 0.03, side * edge(right + 0.03)) for side in (-1, 1)]
    corners = [(x, middle + y) for x, y in corners]
    axes.add_patch(Polygon(corners, facecolor=colour, alpha=0.16, linewidth=0))
    for i, (width, height) in enumerate(zip(widths, heights, strict=True)):
        x = left + i * STEP
        axes.add_patch(Rectangle((x, middle - height / 2), THICKNESS, height, facecolor=colour, linewidth=0))
        x += THICKNESS / 2
        axes.text(x, middle - edge(x) - 0.03, str(width), ha="center", va="top", size=6.5)
    narrow = right if last < first else left
    side = "right" if last < first else "left"
    end = right - 0.45 if last < first else left + 0.45  # of the name, on the side of the wide layers
    axes.text(narrow, middle + edge(end) + 0.04, name, ha=side, va="bottom", size=9, color=colour)
    return right


def _named(axes, x, y, height, text, colour="black", **patch):
    filled = colour != "black"
    settings = {"size": 12, "color": "white" if filled else "black"}
    face = colour if filled else "white"
    box(axes, x, y, 0.26, height, text, edgecolor=colour, facecolor=face, text_settings=settings, **patch)


if __name__ == "__main__":
    from xpsvae.workflow import job

    with job(snakemake):
        from xpsvae.shape import read_shape

        config = read_shape(snakemake.input.model_config)
        widths = [config["n_inputs"], *config["hidden"]]
        save(draw(widths, config["n_latents"]), snakemake.output.pdf, snakemake.output.png)
