"""Train the random forests that tell the alpha sequences apart, and build Table 1."""

from xpsvae.workflow import job

with job(snakemake):
    import pandas as pd

    from xpsvae.analysis.classify import classify, common_sample
    from xpsvae.analysis.sample import sample
    from xpsvae.paper.table1 import table_rows, tabular
    from xpsvae.products import read_json, read_table, write_json, write_table, write_text

    files, params = snakemake.input, dict(snakemake.params)
    del params["code"]
    choices = params.pop("choices")
    tables = (read_table(files[name]) for name in ("stars", "subsets", "latents"))
    frame = sample(*tables, latent=choices["latent"], split=read_table(files.split))
    frame, classes = common_sample(frame, read_table(files.sequences))
    live = read_json(files.latent_summary)["live"]
    report, predictions = classify(
        frame,
        classes,
        live,
        label_features=choices["label_features"],
        test_stars=choices["test_stars"],
        threads=snakemake.threads,
        **params,
    )
    rows = table_rows(report)
    write_json(snakemake.output.classifiers, report)
    write_table(snakemake.output.predictions, predictions)
    write_text(snakemake.output.csv, pd.DataFrame(rows).to_csv(index=False, lineterminator="\n"))
    write_json(snakemake.output.json, rows)
    write_text(snakemake.output.tex, tabular(rows))
