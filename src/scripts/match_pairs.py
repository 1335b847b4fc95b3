"""Pair giants of both sequences that are alike in labels and colours, and leave them out of training."""

from xpsvae.workflow import job

with job(snakemake):
    import numpy as np
    import pandas as pd

    from xpsvae.audit import blind, load
    from xpsvae.products import read_table, write_table

    frame = load.sample(snakemake.input)
    high = frame["high_alpha"].to_numpy(dtype=bool)
    alike = frame.index.to_numpy()[blind.matched_pairs(blind.scaled(frame), high, ~high)]
    pairs = pd.DataFrame(alike, columns=["high", "low"])
    split = read_table(snakemake.input.split)
    split.loc[np.unique(alike), "train"] = False
    write_table(
        snakemake.output.pairs, pairs, notes={"high": "row of the catalogue", "low": "row of the catalogue"}
    )
    write_table(snakemake.output.split, split)
