"""Divide the stars that have labels among the parts in which their spectra come."""

from xpsvae.workflow import job

with job(snakemake):
    from xpsvae.data.gaia_archive import divide
    from xpsvae.products import read_table, write_text

    source_ids = read_table(snakemake.input.labels, ["source_id"])["source_id"]
    lists = divide(source_ids, len(snakemake.output), snakemake.params.largest)
    for path, part in zip(snakemake.output, lists, strict=True):
        write_text(path, "".join(f"{source_id}\n" for source_id in part))
