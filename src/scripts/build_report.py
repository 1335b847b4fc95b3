"""Write what the report shows besides figures: its first page, captions, tables, configuration, provenance."""

from xpsvae.workflow import job

with job(snakemake):
    from pathlib import Path

    from xpsvae.paper import html as hypertext
    from xpsvae.paper import page
    from xpsvae.products import read_json, write_text

    files, outputs = snakemake.input, snakemake.output
    tex, bib, dataset, numbers, table1, cutflow = (
        Path(files[name]).read_text(encoding="utf-8")
        for name in ("tex", "bib", "dataset", "numbers", "table1", "cutflow")
    )
    record = read_json(files.provenance)
    sections = {Path(path).stem: Path(path).read_text(encoding="utf-8") for path in files.sections}
    text = page.Text(hypertext.inlined(tex, sections), bib, [numbers, dataset])
    figures = {Path(path).stem: path for path in files.figures}
    tables = text.tables(table1, cutflow)
    for path in outputs.captions:
        write_text(path, text.caption(Path(path).stem))
    write_text(outputs.table1, page.document("Table 1", tables["table1"]))
    write_text(outputs.cutflow, page.document("Cut-flow", tables["cutflow"]))
    write_text(outputs.configuration, page.document("Configuration", page.configuration(record)))
    write_text(outputs.provenance, page.document("Provenance", page.provenance(record)))
    write_text(outputs.start, text.start(tables, figures, {"paper": files.pdf, "training": files.training}))
