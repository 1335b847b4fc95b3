"""Judge every claim of the paper by its rule."""

from xpsvae.workflow import job

with job(snakemake):
    from types import SimpleNamespace

    from xpsvae.analysis.sample import sample
    from xpsvae.audit import claims
    from xpsvae.products import read_array, read_json, read_table, write_json

    files, params = snakemake.input, snakemake.params
    stars, subsets, latents, split = (
        read_table(files[name]) for name in ("stars", "subsets", "latents", "split")
    )
    marks = read_table(files.sequences)
    frame = sample(stars, subsets, latents)
    tables = "predictions", "drawn", "kiel", "metallicity", "alpha_tracks", "per_star", "spectra"
    documents = (
        "headline", "controls", "dimensions", "latent_summary", "directions", "alpha_summary", "comparison",
    )  # fmt: skip
    given = SimpleNamespace(
        **{name: read_table(files[name]) for name in tables},
        **{name: read_json(files[name]) for name in documents},
        flux=read_array(files.flux),
        leading=read_array(files.leading),
        stars=stars,
        split=split,
        frame=frame,
        marks=marks.loc[frame.index],
        n_good=int(subsets["good"].sum()),
        ablations=read_json(files.ablations) if "ablations" in files.keys() else None,
    )
    report = claims.judged(claims.measured(given, **params.settings))
    for claim in report["claims"]:
        print(f"{claim['verdict']:18} {claim['text']}")
    write_json(snakemake.output.claims, report)
