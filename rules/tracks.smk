"""Kiel and metallicity tracks, in labels, latents and spectra."""


rule build_kiel_tracks:
    """Average labels and latents along the Kiel tracks."""
    input:
        **varied(
            "build_kiel_tracks",
            {
                "stars": rules.build_catalog.output.stars,
                "subsets": rules.build_subsets.output.subsets,
                "latents": rules.embed_stars.output.latents,
            },
        ),
    output:
        kiel=f"{VARIANT}/tracks/kiel.parquet",
    log:
        f"{LOGS}/{{variant}}/build_kiel_tracks.log",
    benchmark:
        f"{BENCHMARKS}/{{variant}}/build_kiel_tracks.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=megabytes(190),
    params:
        tracks=config["tracks"]["kiel"],
        choices=chosen("build_kiel_tracks"),
        code=code("scripts/build_kiel_tracks.py"),
    message:
        "Building the Kiel tracks ({wildcards.variant})"
    script:
        "../src/scripts/build_kiel_tracks.py"


rule build_metallicity_tracks:
    """Average labels and latents along the tracks of fixed metallicity."""
    input:
        **varied(
            "build_metallicity_tracks",
            {
                "stars": rules.build_catalog.output.stars,
                "subsets": rules.build_subsets.output.subsets,
                "latents": rules.embed_stars.output.latents,
            },
        ),
    output:
        metallicity=f"{VARIANT}/tracks/metallicity.parquet",
    log:
        f"{LOGS}/{{variant}}/build_metallicity_tracks.log",
    benchmark:
        f"{BENCHMARKS}/{{variant}}/build_metallicity_tracks.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=megabytes(190),
    params:
        tracks=config["tracks"]["metallicity"],
        choices=chosen("build_metallicity_tracks"),
        code=code("scripts/build_metallicity_tracks.py"),
    message:
        "Building the metallicity tracks ({wildcards.variant})"
    script:
        "../src/scripts/build_metallicity_tracks.py"


rule build_track_spectra:
    """Pick one star a track bin and set its spectrum beside its reconstruction."""
    input:
        **varied(
            "build_track_spectra",
            {
                "stars": rules.build_catalog.output.stars,
                "coefficients": rules.build_catalog.output.coefficients,
                "errors": rules.build_catalog.output.errors,
                "kiel": rules.build_kiel_tracks.output.kiel,
                **RECONSTRUCTION,
                "normalisation": MODEL.normalisation,
            },
        ),
    output:
        spectra=f"{VARIANT}/tracks/spectra.parquet",
    log:
        f"{LOGS}/{{variant}}/build_track_spectra.log",
    benchmark:
        f"{BENCHMARKS}/{{variant}}/build_track_spectra.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=megabytes(360),
    params:
        seed=config["tracks"]["seed"],
        choices=chosen("build_track_spectra"),
        code=code("scripts/build_track_spectra.py"),
    message:
        "Reconstructing spectra along the Kiel tracks ({wildcards.variant})"
    script:
        "../src/scripts/build_track_spectra.py"
