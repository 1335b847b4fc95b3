"""Closing the stellar labels gap, rebuilt: from spectra and labels to every figure, Table 1 and the paper."""

from snakemake.utils import min_version

min_version("9.0")


include: "rules/common.smk"
include: f"rules/datasets/{config['dataset']}.smk"
include: "rules/catalog.smk"
include: "rules/model.smk"
include: "rules/tracks.smk"
include: "rules/alpha.smk"
include: "rules/ablations.smk"
include: "rules/comparison.smk"
include: "rules/audit.smk"
include: "rules/checks.smk"
include: "rules/explorer.smk"
include: "rules/figures.smk"
include: "rules/paper.smk"
include: "rules/report.smk"


rule all:
    """The corrected paper and every product behind it: one that is deleted is made again."""
    default_target: True
    input:
        rules.build_paper.output,
        rules.build_report.output,
        rules.fig_training_curve.output,
        rules.build_catalog.output,
        rules.split_stars.output,
        MODEL,
        rules.build_reference.output,
        rules.embed_stars.output,
        rules.calibrate_scatter.output,
        rules.find_outliers.output,
        rules.denoise.output,
        [
            made(varied_rule.output)
            for varied_rule in (
                rules.build_subsets,
                rules.choose_dimensions,
                rules.build_kiel_tracks,
                rules.build_metallicity_tracks,
                rules.build_track_spectra,
                rules.split_alpha,
                rules.build_alpha_tracks,
                rules.classify_alpha,
                rules.build_residuals,
                rules.count_components,
                rules.build_numbers,
                rules.build_explorer,
            )
        ],
        [made(rules.classify_alpha.output, f"{choices.ONLY}{key}") for key in QUOTED],
        AUDIT_PRODUCTS,
        ABLATION_PRODUCTS,
        list(EXTRAS.values()),
        expand(
            f"{ROOT}/comparison/{{model}}.{{form}}",
            model=COMPARED,
            form=["npz", "json"],
        ),
        expand(
            f"{ROOT}/{choices.CORRECTED}/figures/{{figure}}.{{form}}",
            figure=FIGURES,
            form=["pdf", "png"],
        ),


include: "rules/archive.smk"
include: "rules/dr3.smk"


# Snakemake says of a misspelt target only that no rule produces it.
for word in sys.argv[1:] if workflow.is_main_process else ():
    if near := misspelt(word, [each.name for each in workflow.rules]):
        raise WorkflowError(f"there is no target '{word}': {near}.")
