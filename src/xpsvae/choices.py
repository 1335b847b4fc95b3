"""Every choice in which the published code and the corrected analysis differ, and the variants made of them.

A *variant* is ``corrected``, ``published`` or ``only-<key>``: corrected, with that one choice as published.
A choice names the rules that it steers and the argument by which it does; the analysis takes plain arguments
and never asks which variant it serves. To add one, write its entry here and give the function that it steers
the argument: rules, products and the archive follow.
"""

from dataclasses import dataclass

from xpsvae.errors import InputError, suggestion

__all__ = ["CHOICES", "CORRECTED", "PUBLISHED", "Choice", "flipped", "given", "require_shown", "variants"]

CORRECTED, PUBLISHED, ONLY = "corrected", "published", "only-"

# The figures that show latents, as the mean of each star's posterior or as one draw from it.
_LATENT_FIGURES = (
    "fig_kiel_vs_latent",
    "fig_latent_ms_metallicity_tracks",
    "fig_latent_giant_metallicity_tracks",
    "fig_alpha_bimodality",
    "fig_latent_tracks",
)


@dataclass(frozen=True)
class Choice:
    """One choice: what the published code does, what its text or a correct analysis asks for."""

    published: object
    corrected: object
    unit: str | None
    bears_on: str  # where in the paper it matters
    steers: dict  # rule -> the argument by which it is given
    needs: tuple = ()  # columns of the stars without which it changes nothing


CHOICES = {
    "label_features": Choice(
        published="scrambled",  # a (3, n) array is re-read row by row, so that a row mixes different stars
        corrected="stacked",
        unit=None,
        bears_on="label classifiers of Table 1 and Figure 14",
        steers={"classify_alpha": "label_features"},
    ),
    "gb_tolerance": Choice(
        published=0.2,  # the tolerance of log g, used for T_eff
        corrected=100.0,
        unit="K",
        bears_on="giant-branch track of Figures 10, 11 and 15",
        steers={"build_kiel_tracks": "gb_teff_tolerance"},
    ),
    "aspcapflag_bits": Choice(
        published=(2, 3),  # VMICRO_WARN and M_H_WARN
        corrected=(19, 23),  # M_H_BAD and STAR_BAD, as the text says
        unit="bit",
        bears_on="the good and the pristine catalogue",
        steers={"build_subsets": "aspcapflag_bits"},
        needs=("aspcapflag",),
    ),
    "rmse_covariance_units": Choice(
        published="mixed",  # residuals of c / F_G, covariances of standardised coefficients
        corrected="standardised",
        unit=None,
        bears_on="RMSE(j), middle row of Figure 9",
        steers={"build_residuals": "rmse_units"},
    ),
    "wavelength_errors": Choice(
        published="linear",  # errors of coefficients added with the sign of their basis function
        corrected="covariance",  # in quadrature, with correlations where they are known
        unit=None,
        bears_on="R(lambda), Figures 7, 8 and 9",
        steers={"build_residuals": "flux_error"},
    ),
    "latent": Choice(
        published="draw",  # the authors' is not seeded; ours is the stored draw
        corrected="mean",
        unit=None,
        bears_on="tracks, classifiers and figures in latent space; the reconstruction",
        steers={
            "reconstruct": "latent",
            "choose_dimensions": "latent",
            "build_kiel_tracks": "latent",
            "build_metallicity_tracks": "latent",
            "build_alpha_tracks": "latent",
            "classify_alpha": "latent",
            "build_explorer": "latent",
            **dict.fromkeys(_LATENT_FIGURES, "latent"),
        },
    ),
    "gse_selection": Choice(
        published="myeong2019",  # a box, credited to Lane et al. (2022)
        corrected="lane2022",
        unit=None,
        bears_on="Gaia-Enceladus in Figure 13",
        steers={"split_alpha": "enceladus"},
        needs=("j_r", "l_z", "j_z"),
    ),
    "fig5_rp_coefficients": Choice(
        published="after_bp",  # BP32-36, labelled RP0-4 for the sVAE
        corrected="rp",
        unit=None,
        bears_on="RP panels of Figure 5",
        steers={"build_residuals": "svae_rp"},
    ),
    "fig6_ratio": Choice(
        published="mean_square",
        corrected="rmse",
        unit=None,
        bears_on="Figure 6, whose axis says RMSE",
        steers={"build_residuals": "coefficient_ratio"},
    ),
    "fig5_bias_text": Choice(
        published="label_independent",  # the bias of the label-independent model, printed for all
        corrected="own",
        unit=None,
        bears_on="numbers printed in Figure 5",
        steers={"fig_lam_coeff_errs": "printed_bias"},
    ),
    "zgr23_unmatched": Choice(
        published="kept",  # stars without labels keep zeros, and pass the quality cut
        corrected="masked",
        unit=None,
        bears_on="the label-dependent model of Figures 7, 8 and 9",
        steers={"build_residuals": "unmatched"},
    ),
    "fixed_mh_track": Choice(
        published="nominal",  # drawn at exactly the [M/H] about which stars are taken
        corrected="mean",
        unit=None,
        bears_on="track of fixed [M/H] in Figure 13",
        steers={"fig_alpha_bimodality": "fixed_m_h_at"},
    ),
    "fig11_giants": Choice(
        published="median",  # of the bin
        corrected="star",  # a random one of the bin, seeded, as for dwarfs
        unit=None,
        bears_on="spectra of giants in Figure 11",
        steers={"build_track_spectra": "giants"},
    ),
    "track_bins": Choice(
        published={  # where a track is used -> half-width of its bins [K] (main sequence), [dex] (giants)
            "kiel": (10.0, 0.3),
            "latent": (15.0, 0.2),
            "spectra": (5.0, 0.1),
            "corner": (10.0, 0.2),
        },
        corrected=None,  # one half-width a track: config key tracks.kiel
        unit="K, dex",
        bears_on="Figures 10, 11 and 15",
        steers={"build_kiel_tracks": "half_widths"},
    ),
    "solar_metallicity": Choice(
        published=False,  # the tracks are said to be solar, but no star is left out
        corrected=True,  # within tracks.kiel.solar_m_h
        unit=None,
        bears_on="Kiel tracks of Figures 10, 11 and 15",
        steers={"build_kiel_tracks": "solar_only"},
    ),
    "leakage": Choice(
        published="random",  # of all stars, most of which trained the sVAE
        corrected="unseen",  # trained on stars that trained the sVAE, tested on stars that it never saw
        unit=None,
        bears_on="Table 1 and Figure 14",
        steers={"classify_alpha": "test_stars"},
    ),
    "classifier_sample": Choice(
        published="pristine",
        corrected="giants",  # log g < 3.8, T_eff < 5500 K, [Fe/H] > -1: where the sequences were told apart
        unit=None,
        bears_on="Table 1 and Figure 14",
        steers={"split_alpha": "classified"},
    ),
}


def variants():
    """Names of all variants: ``corrected``, ``published`` and one ``only-<key>`` a choice."""
    return [CORRECTED, PUBLISHED, *(ONLY + key for key in CHOICES)]


def flipped(variant):
    """Keys of the choices that a variant makes as published.

    Raises
    ------
    InputError
        If there is no such variant; the sentence names the nearest.
    """
    if variant not in variants():
        there = f"{CORRECTED}, {PUBLISHED} and {ONLY}KEY, with KEY one of {', '.join(CHOICES)}"
        raise InputError(f"variant '{variant}' is not known: {suggestion(variant, variants(), there)}.")
    if variant == PUBLISHED:
        return frozenset(CHOICES)
    return frozenset() if variant == CORRECTED else frozenset([variant.removeprefix(ONLY)])


def given(variant, rule):
    """Arguments that a rule passes to the analysis in one variant: dict of name to value."""
    as_published = flipped(variant)
    return {
        choice.steers[rule]: choice.published if key in as_published else choice.corrected
        for key, choice in CHOICES.items()
        if rule in choice.steers
    }


def require_shown(variant, stars):
    """Refuse a variant of one choice that these stars cannot show.

    Parameters
    ----------
    variant : str
    stars : pandas.DataFrame
        With the columns that choices need; one that is null throughout is not there.

    Raises
    ------
    InputError
        If the variant's only choice needs a column that is not there: it would be a copy of ``corrected``.
    """
    for key in flipped(variant) if variant.startswith(ONLY) else ():
        missing = [name for name in CHOICES[key].needs if stars[name].isna().all()]
        if missing:
            raise InputError(
                f"variant '{variant}' cannot be shown: this dataset has no {', '.join(missing)}, on which "
                f"the choice {key} bears; ask for '{CORRECTED}' or for another variant."
            )
