"""Turn the authors' weights and normalisation into a model of the form that training leaves."""

from xpsvae.workflow import job

with job(snakemake):
    from pathlib import Path

    from xpsvae.data.manifest import Entry, verify
    from xpsvae.data.zenodo import held, read_normalisation
    from xpsvae.errors import InputError
    from xpsvae.model.published import load_published, save_published

    given = snakemake.input
    verify(
        given.weights,
        Entry("weight.pt", snakemake.config["model"]["url"], f"sha256:{snakemake.params.sha256}"),
    )
    if not held(given.manifest, [given.apogee_norm]):
        raise InputError(
            "the record has no apogee_norm.npz, the normalisation that the published weights need: set "
            "model.source to trained."
        )
    model = load_published(given.weights)
    save_published(
        Path(snakemake.output.weights).parent, model, read_normalisation(given.apogee_norm, model.n_inputs)
    )
