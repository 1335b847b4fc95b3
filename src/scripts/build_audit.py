"""Set published against corrected, for every place where text, code and figures of the paper disagree."""

from xpsvae.workflow import job

with job(snakemake):
    from types import SimpleNamespace

    import numpy as np

    from xpsvae.audit import audit
    from xpsvae.model.standardise import normalisation
    from xpsvae.paper.audit_numbers import audit_table
    from xpsvae.products import read_array, read_json, read_table, write_json, write_text

    files, params = snakemake.input, snakemake.params
    readers = {
        "classifiers": read_json,
        "summary": read_json,
        "cutflow": read_json,
        "flux": read_array,
        "leading": read_array,
        "enceladus": lambda path: read_table(path, ["enceladus"])["enceladus"],
    }

    def product(name, path):
        return readers.get(name, read_table)(path)

    corrected = {name: product(name, files[name]) for name in params.corrected}
    only = {key: {} for key in params.only}
    for key, names in params.only.items():
        only[key] = {name: product(name, files[f"{key}_{name}"]) for name in names}
    stars, coefficients = read_table(files.stars), read_array(files.coefficients)
    every = normalisation(coefficients, stars["phot_g_mean_flux"].to_numpy())
    finite = np.isfinite(coefficients)
    corrected |= {
        "latent_summary": read_json(files.latent_summary),
        "normalisation": read_array(files.normalisation),
        "all_normalisation": dict(zip(("mu", "sigma"), every, strict=True)),
        "n_incomplete": int((finite.any(axis=1) & ~finite.all(axis=1)).sum()),
    }
    given = SimpleNamespace(
        corrected=corrected, only=only, seeds=read_json(files.seeds), stars=stars, fixed_m_h=params.fixed_m_h
    )
    report = {"rows": audit.rows(audit.measured(given, **params.settings))}
    report["interval"] = "2.5 to 97.5 % of bootstrap resamples of the stars, of published less corrected"
    report["figures"] = dict(params.figures)
    if "published_cutflow" in files.keys():  # the authors' stars and weights
        flux = read_array(files.published_flux)
        widths = {
            at: float(audit.width(flux["svae"][:, int(np.argmin(np.abs(flux["wavelength"] - at)))]))
            for at in audit.WIDTHS_AT
        }
        report["reproduced"] = audit.reproduced(
            read_json(files.published_cutflow), read_json(files.published_classifiers), widths
        )
    write_json(snakemake.output.json, report)
    write_text(snakemake.output.md, audit.markdown(report["rows"]))
    write_text(snakemake.output.tex, audit_table(report))
