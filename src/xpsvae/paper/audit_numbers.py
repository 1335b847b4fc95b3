r"""Headline, controls, seeds, claims and audit as macros, sentences and tables of the paper.

Words that depend on a number are chosen here. A share is quoted in per cent of the variance.
"""

from xpsvae.audit.verdicts import FAILS, HOLDS, NOT_TESTABLE, WEAKER
from xpsvae.paper.latex import NOT_AVAILABLE, count, decimal, interval, listing, prose, signed
from xpsvae.tex import escape

__all__ = ["audit_macros", "audit_switches", "audit_table", "claims_table", "controls_table"]

COLUMNS = {
    "teff": r"$\teff$",
    "logg": r"$\logg$",
    "m_h": r"$\mh$",
    "j_h": "$J-H$",
    "j_k": "$J-K$",
    "a_k": r"$\aK$",
    "bp_rp": r"$G_\mathrm{BP}-G_\mathrm{RP}$",
    "g_k": "$G-K$",
}
CONTROLS = {
    "blind_labels": "Spectra made from labels",
    "blind_photometry": "Spectra made from labels and photometry",
    "swapped": "Residual spectrum of the most alike star",
    "label_shuffle": r"$\am$ handed out anew",
    "other_star": "Latents of another star",
    "noise": "Labels blurred by {} more of their errors; spectra know the labels",
    "injection": r"Mean high-$\alpha$ difference put into blind spectra, times {}",
    "pairs": "Matched pairs, held out: {}",
    "pairs_even": "Matched pairs that the base cannot order: {}",
}
IN_WORDS = {  # within a sentence
    "blind_labels": "spectra made from labels",
    "blind_photometry": "spectra made from labels and photometry",
    "swapped": "residual spectra of other stars",
    "label_shuffle": r"shuffled $\am$",
    "noise": "blurred labels",
    "injection": "injection",
    "pairs": "matched pairs",
    "pairs_even": "even pairs",
}
ORDERED = {"base": "labels and photometry", "base_latents": "and latents", "latents": "latents alone"}
LINES = 20  # of the audit on a page
PUBLISHED_RMSE = 0.0492  # [dex] of [alpha/M], a perceptron on the coefficients of the authors' pristine stars


def audit_macros(headline, controls, seeds, claims, grid=None):
    """Numbers and sentences on what latents add beyond labels.

    Parameters
    ----------
    headline, controls, seeds, claims : dict
        ``headline.json``, ``controls.json``, ``seeds.json``, ``claims.json``.
    grid : dict, optional
        ``grid.json``, where it was built.

    Returns
    -------
    dict of str to str
    """
    return (
        _headline_macros(headline)
        | _control_macros(controls, headline)
        | _seed_macros(seeds)
        | _claim_macros(claims)
        | _grid_macros(grid)
    )


def audit_switches(grid=None):
    r"""Facts that the text on the audit branches on, as ``\IfName{...}{...}``."""
    return {"HasGrid": grid is not None}


def _percent(entry):
    return NOT_AVAILABLE if entry["share"] is None else decimal(100 * entry["share"], 1)


def _percent_interval(entry):
    return interval(entry["interval"] and [100 * bound for bound in entry["interval"]], 1)


def _quoted(entry):
    return NOT_AVAILABLE if entry["share"] is None else f"{_percent(entry)} ({_percent_interval(entry)})"


def _headline_macros(headline):
    shares, sample, rmse = headline["shares"], headline["sample"], headline["rmse"]
    latents, edges = shares["latents"], headline["teff_edges"]
    bins = [f"teff_{low:g}_{high:g}" for low, high in zip(edges[:-1], edges[1:], strict=True)]
    known = [name for name in bins if latents[name]["share"] is not None]
    coolest, warmest = (known[0], known[-1]) if known else (bins[0], bins[-1])
    gains = {(gain["features"], gain["over"]): gain["all"] for gain in headline["gains"]}
    found = {
        "NShareGiants": count(sample["n"]["all"]),
        "NShareUnseen": count(sample["n"]["unseen"]),
        "ShareBase": listing(COLUMNS[name] for name in sample["base"]),
        "ShareLacking": (
            ""
            if not sample["lacking"]
            else f" The dataset lacks {listing(COLUMNS[name] for name in sample['lacking'])}, so every number "
            "here stands on less."
        ),
        "ShareVerdict": _explains(latents["all"]),
        "ShareAll": _percent(latents["all"]),
        "ShareAllInterval": _percent_interval(latents["all"]),
        "ShareHigh": _quoted(latents["high_alpha"]),
        "ShareLow": _quoted(latents["low_alpha"]),
        "ShareUnseen": _quoted(latents["unseen"]),
        "SharePca": _quoted(shares["pca_6"]["all"]),
        "ShareCoolest": _quoted(latents[coolest]),
        "ShareWarmest": _quoted(latents[warmest]),
        "CoolestBin": _range(coolest),
        "WarmestBin": _range(warmest),
        "ShareTrend": _trend(latents[coolest], latents[warmest]),
        "RmseBase": _rmse(rmse["base"]),
        "RmseBoth": _rmse(rmse["base_latents"]),
        "RmseLatents": _rmse(rmse["latents"]),
        "RmseLabels": _rmse(rmse["labels"]),
        "RmseCoefficients": _rmse(rmse["coefficients"]),
        "PaperRmseAlpha": decimal(PUBLISHED_RMSE, 4),
    }
    if "latents_live" in shares:
        found["ShareLive"] = _quoted(shares["latents_live"]["all"])
    else:
        found["ShareLive"] = NOT_AVAILABLE
    for name, suffix in (
        (("labels_latents", "labels"), ""),
        (("base_latents", "base"), "Base"),
    ):
        gain = gains[name]["roc_auc"]
        found[f"BoostGain{suffix}"] = signed(gain["gain"] if gain else None)
        found[f"BoostGain{suffix}Interval"] = interval(gain["interval"] if gain else None)
    for name, suffix in (("labels", "Labels"), ("labels_latents", "LabelsLatents"), ("latents", "Latents")):
        score = headline["classifiers"][name]["all"]["roc_auc"]
        found[f"BoostAuc{suffix}"] = decimal(score["value"] if score else None, 3)
    return found


def _explains(entry):
    """Verdict on the headline."""
    if entry["share"] is None:
        return "too few stars decide whether the latents add anything"
    if entry["interval"][0] > 0:
        return "the latents do know more of $\\am$ than labels and photometry"
    return "the latents are not shown to know more of $\\am$ than labels and photometry"


def _range(name):
    _, low, high = name.split("_")
    return rf"{low} to {high}\,K"


def _trend(cool, warm):
    if cool["share"] is None or warm["share"] is None or cool is warm:
        return "a trend with $\\teff$ cannot be given"
    if cool["interval"][0] > warm["interval"][1]:
        return "the share falls with $\\teff$"
    if cool["interval"][1] < warm["interval"][0]:
        return "the share rises with $\\teff$"
    return "the coolest and the warmest giants do not differ beyond doubt"


def _rmse(entry):
    return decimal(entry["all"]["rmse"], 4)


def _control_macros(controls, headline):
    entries = controls["controls"]
    strict = {name: entry["passed"] for name, entry in entries.items() if entry["strict"]}
    failed = [name for name, passed in strict.items() if passed is False]
    unknown = [name for name, passed in strict.items() if passed is None]
    pairs, injection = entries["pairs"], entries["injection"]
    found = {
        "ControlsVerdict": _passed(len(strict), failed, unknown),
        "NPairs": count(pairs["n_pairs"]),
        "InjectionLimit": decimal(injection["limit"], 2),
        "FakedShares": listing(_quoted(step["faked"]) for step in entries["noise"]["steps"]),
        "NoiseErrors": listing(count(step["errors"]) for step in entries["noise"]["steps"]),
    }
    found["NEven"] = count(entries["pairs_even"]["n_pairs"])
    for prefix, control in (("Pairs", pairs), ("Even", entries["pairs_even"])):
        for name, suffix in (("base", "Base"), ("base_latents", "Both")):
            found[f"{prefix}{suffix}"] = _in_order(control, name)
    found["PairsDifference"] = decimal(pairs["difference"]["alpha_m"] if pairs["difference"] else None)
    found["PairsPredicted"] = decimal(
        pairs["predicted_difference"]["base_latents"] if pairs.get("predicted_difference") else None
    )
    found["PairsPredictedBase"] = decimal(
        pairs["predicted_difference"]["base"] if pairs.get("predicted_difference") else None
    )
    return found


def _in_order(control, name):
    """Per cent of pairs that a set of features orders rightly, with its interval."""
    entry = (control["right"] or {}).get(name)
    if entry is None:
        return NOT_AVAILABLE
    bounds = [100 * bound for bound in entry["interval"]]
    return f"{decimal(100 * entry['fraction'], 1)} ({interval(bounds, 1)})"


def _passed(number, failed, unknown):
    """Verdict on the strict controls."""
    parts = []
    if failed:
        verb = "fails" if len(failed) == 1 else "fail"
        said = listing(IN_WORDS[name] for name in failed)
        parts.append(f"of {count(number)} strict controls {count(len(failed))} {verb} ({said})")
    if unknown:
        verb = "has" if len(unknown) == 1 else "have"
        parts.append(
            f"{count(len(unknown))} of {count(number)} strict controls {verb} too few stars to be measured"
        )
    return "; ".join(parts) if parts else f"all {count(number)} strict controls pass"


def _spread(entry, digits, scale=1):
    if entry["mean"] is None:
        return NOT_AVAILABLE
    mean = decimal(scale * entry["mean"], digits)
    return mean if entry["sd"] is None else rf"{mean} $\pm$ {decimal(scale * entry['sd'], digits)}"


def _giants(used, of):
    return "all giants" if used == of else f"{count(used)} of the {count(of)} giants, drawn at random"


def _seed_macros(seeds):
    forests, values = seeds["forests"], seeds["shares"]["all"]
    return {
        "NSeeds": count(len(seeds["seeds"])),
        "ModelShown": (
            "The model that figures and tables show is that of the authors' weights"
            if seeds["model"]["source"] == "published"
            else f"The model that figures and tables show is that of seed {seeds['model']['seed']}, recipe "
            rf"\texttt{{{escape(seeds['model']['recipe'])}}}"
        ),
        "ShareSeeds": _spread(values, 1, 100),
        "ShareSeedsRange": interval(
            None if values["low"] is None else [100 * values["low"], 100 * values["high"]], 1
        ),
        "GainSeeds": _spread(seeds["gain_roc_auc"]["labels_latents_over_labels"], 4),
        "PairsSeeds": _spread(seeds["pairs"], 1, 100),
        "ForestsGiants": _giants(**seeds["forest_giants"]),
        "NForests": count(len(forests["latent"]["accuracy"]["values"])),
        "ForestsLatent": _spread(forests["latent"]["accuracy"], 4),
        "ForestsLabel": _spread(forests["label"]["accuracy"], 4),
        "ForestsBoth": _spread(forests["label_latent"]["accuracy"], 4),
    }


def _claim_macros(claims):
    counts = claims["counts"]
    return {
        "NClaims": count(len(claims["claims"])),
        "NClaimsHold": count(counts[HOLDS]),
        "NClaimsWeaker": count(counts[WEAKER]),
        "NClaimsFail": count(counts[FAILS]),
        "NClaimsUntested": count(counts[NOT_TESTABLE]),
    }


def _grid_macros(grid):
    if grid is None:
        return dict.fromkeys(
            ("GridShareCoefficients", "GridSharePca", "GridAucAll", "GridAucForest"), NOT_AVAILABLE
        )
    scores = {method: grid[method]["classifiers"] for method in ("boosting", "forest")}

    def area(method, name):
        entry = scores[method][name]["all"]["roc_auc"]
        return decimal(entry["value"] if entry else None, 3)

    return {
        "GridShareCoefficients": _quoted(grid["shares"]["coefficients"]["all"]),
        "GridSharePca": _quoted(grid["shares"]["pca_20"]["all"]),
        "GridAucAll": area("boosting", "labels_coefficients"),
        "GridAucForest": area("forest", "labels_latents"),
    }


# Tables ---------------------------------------------------------------------------------------------


def controls_table(controls):
    """LaTeX table of the controls: what each shows, what it had to show, and whether it does."""
    entries, lines = controls["controls"], []

    def line(name, cells, words=""):
        passed = {True: "passes", False: r"\textbf{fails}", None: "not measured"}[entries[name]["passed"]]
        return " & ".join([CONTROLS[name].format(words), *cells, passed]) + r" \\"

    for name in ("blind_labels", "blind_photometry", "swapped", "label_shuffle", "other_star"):
        lines.append(line(name, [_quoted(entries[name]), prose(entries[name]["rule"])]))
    noise = entries["noise"]
    for step in noise["steps"]:
        words = {1: "one", 2: "two", 3: "three"}.get(step["errors"], count(step["errors"]))
        shown = [
            _quoted(step["faked"]),
            f"below the headline's lower end; real spectra: {_percent(step['real'])}",
        ]
        lines.append(line("noise", shown, words))
    injection = entries["injection"]
    for step in injection["steps"]:
        if step["scale"] in (0, injection["limit"], 1):
            asked = "" if step["scale"] == 0 else prose(injection["rule"])
            asked = "found from here on" if step["scale"] == injection["limit"] != 1 else asked
            lines.append(line("injection", [_quoted(step), asked], f"{step['scale']:g}"))
    for control in ("pairs", "pairs_even"):
        for name, words in ORDERED.items():
            asked = prose(entries[control]["rule"]) if name == "base" else ""
            lines.append(line(control, [_in_order(entries[control], name), asked], words))
    body = "\n".join(lines)
    return rf"""\begin{{tabular}}{{P{{5.6cm}}P{{3.2cm}}P{{5.6cm}}l}}
\hline\hline
Control & Per cent (95\,\%) & What it had to show & \\
\hline
{body}
\hline
\end{{tabular}}
"""


VERDICTS = {HOLDS: "holds", WEAKER: "weaker", FAILS: r"\textbf{fails}", NOT_TESTABLE: "not testable here"}


def claims_table(claims):
    """LaTeX rows of all claims, in two tables, each with the paper's number, ours, the rule and the verdict."""
    entries = claims["claims"]
    half = (len(entries) + 1) // 2
    tables = []
    for number, part in enumerate((entries[:half], entries[half:])):
        caption = r"Claims of \original{} and what these data say" + (" (continued)" if number else "")
        label = "" if number else r"\label{tab:claims}"
        body = " \\\\\n".join(
            " & ".join(
                [
                    _symbols(entry["text"]),
                    _symbols(entry["paper"]),
                    _ours(entry),
                    _symbols(entry["rule"]),
                    VERDICTS[entry["verdict"]],
                ]
            )
            for entry in part
        )
        tables.append(rf"""\begin{{deluxetable*}}{{P{{4.8cm}}P{{1.4cm}}P{{2.9cm}}P{{5.7cm}}P{{1.3cm}}}}
\tablecaption{{{caption}{label}}}
\tabletypesize{{\footnotesize}}
\tablehead{{\colhead{{Claim}} & \colhead{{Original}} & \colhead{{Here}} & \colhead{{Rule}} & \colhead{{Verdict}}}}
\startdata
{body}
\enddata
\end{{deluxetable*}}
""")
    return "\n".join(tables)


def _symbols(text):
    """Plain words of a claim as LaTeX."""
    shown = prose(text)
    for plain, symbol in (
        (r"T\_eff", r"$\teff$"),
        ("log g", r"$\logg$"),
        (r"z\_5", "$z_5$"),
        ("high-alpha", r"high-$\alpha$"),
    ):
        shown = shown.replace(plain, symbol)
    return shown


def _ours(entry):
    if entry["value"] is None:
        return _symbols(entry["why"])
    digits = entry["digits"]
    value = decimal(entry["value"], digits)
    unit = f" {entry['unit']}" if entry["unit"] else ""
    return (
        f"{value}{unit}"
        if entry["interval"] is None
        else f"{value}{unit} ({interval(entry['interval'], digits)})"
    )


def audit_table(report):
    """LaTeX tables of the audit: a line a measure, and where it applies a table of what is reproduced."""
    lines = []
    for row in report["rows"]:
        for number, each in enumerate(row["measures"]):
            first = [
                prose(f"{row['published_does']}; corrected: {row['corrected_does']}"),
                prose(row["bears_on"]),
            ]
            shown = each["difference"] is not None
            cells = [
                *(first if number == 0 else ("", "")),
                _symbols(each["quantity"]).replace("lambda", r"$\lambda$").replace("|", r"$|$"),
                _value(each["published"])
                + (f" [{_value(each['printed'])}]" if each["printed"] is not None else ""),
                _value(each["corrected"]),
                (_value(each["difference"], sign=True) + _bounds(each))
                if shown
                else prose(each["why"] or ""),
            ]
            lines.append((number == 0, " & ".join(cells)))
    each, parts = (
        -(-len(lines) // -(-len(lines) // LINES)),
        [[]],
    )  # parts of about equal length, at most LINES
    for is_first, line in lines:
        if is_first and len(parts[-1]) >= each:
            parts.append([])
        parts[-1].append(line)
    tables = []
    for number, lines_ in enumerate(parts):
        caption = "Published against corrected, on these stars" + (" (continued)" if number else "")
        label = "" if number else r"\label{tab:audit}"
        body = " \\\\\n".join(lines_)
        tables.append(rf"""\begin{{deluxetable*}}{{P{{4.6cm}}P{{2.4cm}}P{{3.0cm}}P{{1.9cm}}P{{1.4cm}}P{{2.6cm}}}}
\tablecaption{{{caption}{label}}}
\tabletypesize{{\footnotesize}}
\tablehead{{\colhead{{Published}} & \colhead{{Bears on}} & \colhead{{Quantity}} & \colhead{{Published}} &
\colhead{{Corrected}} & \colhead{{Difference}}}}
\startdata
{body}
\enddata
\end{{deluxetable*}}
""")
    if report.get("reproduced"):
        body = " \\\\\n".join(
            f"{_symbols(each['quantity'])} & {_value(each['printed'])} & {_value(each['ours'])} & {each['verdict']}"
            for each in report["reproduced"]
        )
        tables.append(rf"""\begin{{deluxetable*}}{{lrrl}}
\tablecaption{{What the authors printed, and the same from their stars and weights}}
\tablehead{{\colhead{{Quantity}} & \colhead{{Printed}} & \colhead{{Here}} & \colhead{{}}}}
\startdata
{body}
\enddata
\end{{deluxetable*}}
""")
    return "\n".join(tables)


def _value(value, sign=False):
    if value is None:
        return r"\nodata"
    if float(value).is_integer() and abs(value) >= 2:
        return (r"\ensuremath{+}" if sign and value > 0 else "") + _whole(value)
    digits = 3 if abs(value) < 10 else 1
    return signed(value, digits) if sign else decimal(value, digits)


def _whole(value):
    return count(value) if value >= 0 else rf"\ensuremath{{-}}{count(-value)}"


def _bounds(each):
    return f" ({interval(each['interval'], 3)})" if each["interval"] else ""
