"""Figure 12 (b): tracks of fixed metallicity on the main sequence, in latent space."""

from xpsvae.analysis.sample import sample
from xpsvae.analysis.tracks import is_main_sequence
from xpsvae.plot.corner import metallicity_corner
from xpsvae.plot.style import save


def draw(stars, metallicity, dimensions, m_h_half_width):
    """Draw the main sequence of good ``stars``; see `metallicity_corner`."""
    on_branch = is_main_sequence(stars.teff, stars.logg)
    return metallicity_corner(stars[on_branch], metallicity, dimensions, "ms", m_h_half_width)


if __name__ == "__main__":
    from xpsvae.workflow import job

    with job(snakemake):
        from xpsvae.products import read_json, read_table

        stars, subsets, latents, metallicity = (
            read_table(snakemake.input[name]) for name in ("stars", "subsets", "latents", "metallicity")
        )
        dimensions = read_json(snakemake.input.dimensions)
        good = sample(stars, subsets, latents, subset="good", **snakemake.params.choices)
        figure = draw(good, metallicity, dimensions, snakemake.params.m_h_half_width)
        save(figure, snakemake.output.pdf, snakemake.output.png)
