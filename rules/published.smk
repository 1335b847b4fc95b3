"""The authors' weights in place of training; they go with the normalisation of the authors' record."""

if config["dataset"] != "zenodo" or "apogee_norm" not in RECORD_FILES:
    raise WorkflowError(
        "model.source is published, but these weights need the authors' normalisation: set dataset to zenodo and "
        "keep apogee_norm.npz among zenodo.companions."
    )


rule retrieve_weights:
    """Download the authors' weights of one commit, checksum verified."""
    output:
        weights=f"{ROOT}/data/weight.pt",
    log:
        f"{LOGS}/retrieve_weights.log",
    benchmark:
        f"{BENCHMARKS}/retrieve_weights.tsv"
    localrule: True
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=150,
    params:
        sha256=config["model"]["sha256"],
    message:
        "Downloading the authors' weights"
    script:
        "../src/scripts/retrieve_weights.py"


rule convert_weights:
    """Convert the authors' weights and normalisation to the form that training leaves."""
    input:
        weights=rules.retrieve_weights.output.weights,
        apogee_norm=RECORD_FILES["apogee_norm"],
        manifest=rules.retrieve_manifest.output.manifest,
    output:
        weights=f"{ROOT}/model/svae.safetensors",
        config=f"{ROOT}/model/config.json",
        normalisation=f"{ROOT}/model/normalisation.npz",
        history=f"{ROOT}/model/history.csv",
    log:
        f"{LOGS}/convert_weights.log",
    benchmark:
        f"{BENCHMARKS}/convert_weights.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=400,
    params:
        sha256=config["model"]["sha256"],
        code=code("scripts/convert_weights.py"),
    message:
        "Converting the authors' weights"
    script:
        "../src/scripts/convert_weights.py"
