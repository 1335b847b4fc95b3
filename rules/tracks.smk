"""Kiel and metallicity tracks, in labels, latents and spectra."""


rule build_tracks:
    """Average labels and latents along the Kiel and the metallicity tracks."""
    input:
        stars=rules.build_catalog.output.stars,
        subsets=rules.build_subsets.output.subsets,
        latents=rules.embed_stars.output.latents,
        code=code("scripts/build_tracks.py"),
    output:
        kiel=f"{BUILD}/tracks/kiel.parquet",
        metallicity=f"{BUILD}/tracks/metallicity.parquet",
    log:
        f"{LOGS}/build_tracks.log",
    benchmark:
        f"{BENCHMARKS}/build_tracks.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    params:
        tracks=config["tracks"],
        gb_teff_tolerance=CHOICES["gb_teff_tolerance"],
    message:
        "Building the Kiel and metallicity tracks"
    script:
        "../src/scripts/build_tracks.py"


rule build_track_spectra:
    """Pick one star a track bin and set its spectrum beside its reconstruction."""
    input:
        stars=rules.build_catalog.output.stars,
        coefficients=rules.build_catalog.output.coefficients,
        errors=rules.build_catalog.output.errors,
        kiel=rules.build_tracks.output.kiel,
        reconstruction=rules.embed_stars.output.reconstruction,
        scatter=rules.embed_stars.output.scatter,
        normalisation=MODEL.normalisation,
        code=code("scripts/build_track_spectra.py"),
    output:
        spectra=f"{BUILD}/tracks/spectra.parquet",
    log:
        f"{LOGS}/build_track_spectra.log",
    benchmark:
        f"{BENCHMARKS}/build_track_spectra.tsv"
    conda:
        ENVIRONMENT
    threads: 1
    params:
        seed=config["tracks"]["seed"],
    message:
        "Reconstructing spectra along the Kiel tracks"
    script:
        "../src/scripts/build_track_spectra.py"
