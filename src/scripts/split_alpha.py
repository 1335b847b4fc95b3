"""Split the giants into the two alpha sequences and select Gaia-Enceladus."""

from xpsvae.workflow import job

with job(snakemake):
    from xpsvae.analysis.alpha import sequences, summary
    from xpsvae.choices import require_shown
    from xpsvae.products import read_table, write_json, write_table

    stars, subsets = (read_table(snakemake.input[name]) for name in ("stars", "subsets"))
    require_shown(snakemake.wildcards.variant, stars)
    marks, selection = sequences(stars, subsets["pristine"].to_numpy(dtype=bool), **snakemake.params.choices)
    counts = summary(marks, selection, stars)
    write_table(snakemake.output.sequences, marks, notes={"enceladus": counts["enceladus_selection"]})
    write_json(snakemake.output.summary, counts)
