"""Closing the stellar labels gap, rebuilt: from spectra and labels to every figure, Table 1 and the paper."""

from snakemake.utils import min_version

min_version("9.0")


configfile: "config.yaml"


include: "rules/common.smk"
include: "rules/data.smk"
include: "rules/catalog.smk"
include: "rules/model.smk"
include: "rules/tracks.smk"
include: "rules/alpha.smk"
include: "rules/comparison.smk"
include: "rules/figures.smk"
include: "rules/paper.smk"


rule all:
    """Everything: the paper with its figures and tables."""
    default_target: True
    input:
        rules.build_paper.output.pdf,
        rules.classify_alpha.output,
        [f"{BUILD}/figures/{name}.png" for name in FIGURES],
