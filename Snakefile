"""Closing the stellar labels gap, rebuilt: from spectra and labels to every figure, Table 1 and the paper."""

from snakemake.utils import min_version

min_version("9.0")


configfile: "config.yaml"


include: "rules/common.smk"
include: f"rules/datasets/{config['dataset']}.smk"
include: "rules/catalog.smk"
include: "rules/model.smk"
include: "rules/tracks.smk"
include: "rules/alpha.smk"
include: "rules/comparison.smk"
include: "rules/figures.smk"
include: "rules/paper.smk"


rule all:
    """The paper and every product behind it: one that is deleted is made again."""
    default_target: True
    input:
        rules.build_paper.output,
        rules.build_catalog.output,
        rules.build_subsets.output,
        MODEL,
        rules.embed_stars.output,
        rules.choose_dimensions.output,
        rules.build_tracks.output,
        rules.build_track_spectra.output,
        rules.split_alpha.output,
        rules.classify_alpha.output,
        rules.train_baselines.output,
        rules.build_residuals.output,
        rules.build_numbers.output,
        PRODUCTS,
        expand(
            f"{BUILD}/figures/{{figure}}.{{form}}", figure=FIGURES, form=["pdf", "png"]
        ),


include: "rules/archive.smk"
