"""Train the forests of Table 1 again, each with other random states."""

from xpsvae.workflow import job

with job(snakemake):
    from xpsvae.analysis.classify import common_sample
    from xpsvae.analysis.sample import sample
    from xpsvae.audit.seeds import forests
    from xpsvae.products import read_json, read_table, write_json

    files = snakemake.input
    tables = (read_table(files[name]) for name in ("stars", "subsets", "latents"))
    frame = sample(*tables, split=read_table(files.split))
    frame, classes = common_sample(frame, read_table(files.sequences))
    live = read_json(files.latent_summary)["live"]
    params = dict(snakemake.params)
    del params["code"]
    report = forests(frame, classes, live, threads=snakemake.threads, **params)
    write_json(snakemake.output.forests, report)
