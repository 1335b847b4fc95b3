"""Two builds side by side: Table 1, verdicts on claims, configuration, code and packages."""

from pathlib import Path

from xpsvae.choices import CORRECTED
from xpsvae.errors import InputError, suggestion
from xpsvae.products import read_json

__all__ = ["compare", "find_build"]

METRICS = {
    "accuracy": "accuracy",
    "recall_high": "P_high",
    "recall_low": "P_low",
    "balanced_accuracy": "balanced",
    "roc_auc": "AUC",
}
TABLE = f"{CORRECTED}/tables/table1.json"


def find_build(path):
    """Folder of one dataset's products: the given one, or the only one in a ``results`` folder.

    Parameters
    ----------
    path : path-like

    Returns
    -------
    pathlib.Path

    Raises
    ------
    InputError
        If it is no folder, or holds no build or several.
    """
    path = Path(path)
    if not path.is_dir():
        beside = (
            [each.name for each in path.parent.glob("*") if each.is_dir()] if path.parent.is_dir() else []
        )
        raise InputError(
            f"{path} is no folder: " + (suggestion(path.name, beside) if beside else "name one") + "."
        )
    if (path / TABLE).is_file():
        return path
    builds = sorted(each.parents[2] for each in path.glob(f"*/{TABLE}"))
    if len(builds) != 1:
        found = ", ".join(str(each) for each in builds) or f"none has {TABLE}"
        raise InputError(
            f"{path} is not the results of one dataset ({found}): name a folder such as results/library."
        )
    return builds[0]


def compare(one, other):
    """Say in what two builds differ.

    Parameters
    ----------
    one, other : path-like
        Folders of results: ``results/library``, or a ``results`` that holds one dataset.

    Returns
    -------
    str
        Lines for a terminal. A difference in Table 1 whose intervals do not overlap is marked with ``*``.

    Raises
    ------
    InputError
        If a folder holds no build, or a product of it is damaged.
    """
    builds = [find_build(path) for path in (one, other)]
    records = [_optional(build / "provenance.json") for build in builds]
    sections = [
        [f"A: {builds[0]}", f"B: {builds[1]}"],
        _table(*(read_json(build / TABLE) for build in builds)),
        _claims(*(_optional(build / "audit/claims.json") for build in builds)),
        _settings(*(_flat(record.get("config", {})) for record in records)),
        _code(*records),
    ]
    return "\n\n".join("\n".join(section) for section in sections)


def _optional(path):
    return read_json(path) if path.is_file() else {}


def _table(one, other):
    """Scores of the classifiers that both have, with intervals."""
    here = [{row["classifier"]: row for row in table if row["whose"] == "here"} for table in (one, other)]
    lines = ["Table 1 (95 % intervals; *: they do not overlap)"]
    for name, row in here[0].items():
        if name not in here[1]:
            continue
        lines.append(f"{row['name']}: {row['n_test']} and {here[1][name]['n_test']} test stars")
        for metric, short in METRICS.items():
            pair = [found[name] for found in here]
            if any(each[metric] is None for each in pair):
                continue
            values = "  ".join(_bounded(each, metric) for each in pair)
            change = pair[1][metric] - pair[0][metric]
            lines.append(f"  {short:<9} {values}  {change:+.3f}{' *' if _apart(*pair, metric) else ''}")
    only = sorted(here[0].keys() ^ here[1].keys())
    return lines + ([f"Only one of them has {', '.join(only)}."] if only else [])


def _bounded(row, metric):
    low, high = row[f"{metric}_low"], row[f"{metric}_high"]
    return f"{row[metric]:.3f}" + ("" if low is None else f" ({low:.3f} to {high:.3f})")


def _apart(one, other, metric):
    bounds = [(row[f"{metric}_low"], row[f"{metric}_high"]) for row in (one, other)]
    if any(bound is None for pair in bounds for bound in pair):
        return False
    return bounds[0][1] < bounds[1][0] or bounds[1][1] < bounds[0][0]


def _claims(one, other):
    claims = [{claim["claim"]: claim for claim in found.get("claims", ())} for found in (one, other)]
    if not all(claims):
        return [
            "Claims: "
            + ("only one build has audit/claims.json" if any(claims) else "no build has audit/claims.json")
        ]
    both = claims[0].keys() & claims[1].keys()
    changed = [
        name
        for name in claims[0]
        if name in both and claims[0][name]["verdict"] != claims[1][name]["verdict"]
    ]
    lines = [f"Claims: {len(changed)} of {len(both)} verdicts differ"]
    return lines + [
        f"  {claims[0][name]['text']}: {claims[0][name]['verdict']} -> {claims[1][name]['verdict']}"
        for name in changed
    ]


def _settings(one, other):
    lines = [
        f"  {key}: {one.get(key, 'not there')} -> {other.get(key, 'not there')}"
        for key in sorted(one.keys() | other.keys())
        if one.get(key) != other.get(key)
    ]
    differ = "1 key differs" if len(lines) == 1 else f"{len(lines) or 'no'} keys differ"
    return [f"Configuration: {differ}", *lines]


def _code(one, other):
    packages = [record.get("packages", {}) for record in (one, other)]
    lines = [f"  commit {one.get('commit', 'unknown')} -> {other.get('commit', 'unknown')}"]
    lines += (
        [f"  Python {one.get('python')} -> {other.get('python')}"]
        if one.get("python") != other.get("python")
        else []
    )
    lines += [
        f"  {name} {packages[0].get(name, 'not there')} -> {packages[1].get(name, 'not there')}"
        for name in sorted(packages[0].keys() | packages[1].keys())
        if packages[0].get(name) != packages[1].get(name)
    ]
    same = one.get("commit") == other.get("commit") and len(lines) == 1
    return [f"Code: the same, {lines[0].split(' -> ')[1]}"] if same else ["Code:", *lines]


def _flat(config, name=""):
    """Give settings by dotted key."""
    flat = {}
    for key, value in config.items():
        if isinstance(value, dict) and value:
            flat |= _flat(value, f"{name}{key}.")
        else:
            flat[f"{name}{key}"] = value
    return flat
