"""Numbers of the section that asks whether the model is honest: calibration, denoising, outliers."""

from xpsvae.paper.latex import count, decimal, listing

__all__ = ["check_macros"]

_WORDS = {"metal_poor": "metal-poor", "hottest": "hottest", "carbon_rich": "carbon-rich"}


def check_macros(calibration, denoising, outliers):
    """Turn the products of the checks into macros.

    Parameters
    ----------
    calibration : dict
        ``latents/calibration.json``.
    denoising : dict
        ``denoising/summary.json``.
    outliers : dict
        ``outliers/summary.json``.

    Returns
    -------
    dict of str to str
    """
    return _calibration(calibration) | _denoising(denoising) | _outliers(outliers)


def _calibration(summary):
    shown = summary["corrections"]
    macros = {
        "CalibrationTrain": count(summary["n_train"]),
        "CalibrationFactor": decimal(summary["factor"][2]),
        "CalibrationFactorRange": f"{decimal(summary['factor'][0])} to {decimal(summary['factor'][4])}",
    }
    for correction, prefix in (("none", "Raw"), ("factor", "Factor"), ("isotonic", "Isotonic")):
        scores = shown[correction]["test"]
        macros |= {
            f"Calibration{prefix}Rms": decimal(scores["rms"]),
            f"Calibration{prefix}Spread": " to ".join(decimal(value) for value in scores["spread"]),
            f"Calibration{prefix}Within": decimal(100 * scores["within_1"], 1),
            f"Calibration{prefix}WithinTwo": decimal(100 * scores["within_2"], 1),
            f"Calibration{prefix}Loss": decimal(scores["loss"], 2),
        }
    bins = shown["factor"]["phot_g_mean_mag"]
    macros["CalibrationByMagnitude"] = (
        f"{decimal(bins[0]['rms'])} for $G$ below {decimal(bins[0]['to'], 1)} and {decimal(bins[-1]['rms'])} above "
        f"{decimal(bins[-1]['from'], 1)}"
    )
    waves = shown["factor"]["wavelengths"]["width"]
    macros["CalibrationWaves"] = f"{decimal(min(waves))} to {decimal(max(waves))}"
    gains = {
        name: shown["none"]["test"]["loss"] - shown[name]["test"]["loss"] for name in ("factor", "isotonic")
    }
    best = max(gains, key=gains.get)
    macros["CalibrationVerdict"] = (
        "neither helps stars that it was not fitted to"
        if gains[best] <= 0
        else f"the {'curve' if best == 'isotonic' else 'factor'} fits them best"
    )
    return macros


def _denoising(summary):
    entries, grid = summary["magnitudes"], summary["wavelength"]
    worse = [
        f"{sum(ratio > 1 for ratio in entry['flux']['ratio'])} of {len(grid)} for $G={decimal(entry['g'], 1)}$"
        for entry in entries
    ]
    return {
        "DenoiseStars": count(summary["n"]),
        "DenoiseBright": decimal(summary["bright"], 1),
        "DenoiseFloor": decimal(summary["floor"], 1),
        "DenoiseRatios": listing(
            f"{decimal(entry['flux']['median'])} for $G={decimal(entry['g'], 1)}$" for entry in entries
        ),
        "DenoiseShares": listing(decimal(100 * entry["flux"]["share"], 1) for entry in entries),
        "DenoiseCoefficients": listing(decimal(entry["coefficients"]["median"]) for entry in entries),
        "DenoiseWorse": listing(worse),
    }


def _outliers(summary):
    rates = summary["injected"]
    return {
        "OutlierTest": count(summary["n"]),
        "OutlierLevel": decimal(100 * summary["level"], 0),
        "OutlierFalse": decimal(100 * summary["unaltered"], 1),
        "OutlierRates": listing(
            f"{decimal(100 * entry['chi2'], 1)} and {decimal(100 * entry['distance'], 1)} per cent of those "
            + _what(entry["what"])
            for entry in rates.values()
        ),
        "OutlierListed": count(summary["listed"]),
        "OutlierListedUnusual": count(summary["listed_unusual"]),
        "OutlierUnusual": listing(
            f"{count(entry['above'])} of the {count(entry['n'])} {_WORDS[name]}"
            for name, entry in summary["unusual"].items()
        ),
    }


def _what(words):
    return words.replace(" nm", r"\,nm")
