"""Go through the latents of DR3 file by file: counts, density, the most anomalous stars."""

from xpsvae.workflow import job

with job(snakemake):
    from pathlib import Path

    from xpsvae.data import gaia_archive
    from xpsvae.own_stars.pretrained import load
    from xpsvae.own_stars.survey import NOTES, UNITS, Survey
    from xpsvae.products import write_arrays, write_json, write_table

    given, made, params = snakemake.input, snakemake.output, snakemake.params
    entries = gaia_archive.read_bulk_list(given.checksums, params.url, params.files)
    folder = Path(given.weights).parent if "weights" in given.keys() else None  # None: the model that ships
    survey = Survey(load(folder).reference, params.listed)
    for entry, path in zip(entries, given.tables, strict=False):  # the first files alone, if so configured
        survey.add(path, entry.name)
    write_json(made.summary, survey.summary())
    write_arrays(made.density, **survey.density())
    write_table(made.outliers, survey.outliers(), UNITS, NOTES)
    write_table(made.files, survey.files())
