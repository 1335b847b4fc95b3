"""What each part of the sVAE is worth: the same training without it, over several seeds.

A variation is what is done differently from the configured training. A run that explodes or keeps no latent is
named and left out of what is averaged.
"""

import numpy as np

from xpsvae.errors import InputError

__all__ = ["MEASURES", "TITLES", "by_latents", "changes", "settings", "summarise", "variations"]

# Without a part of the model; what differs is fields of `xpsvae.model.recipe.Recipe`.
_PARTS = {
    "full": ("Full model", {}),
    "no-scatter": ("No scatter (plain VAE)", {"scatter": "none"}),
    "constant-scatter": ("One scatter per coefficient", {"scatter": "constant"}),
    "autoencoder": ("Plain autoencoder", {"scatter": "none", "latents": "means"}),
    "no-kl-warm-up": ("No KL warm-up", {"kl_warm_up": 0.0}),
}
# With the authors' recipe, at the cost of 5000 epochs a run: only where the configuration asks for it.
_PUBLISHED = {
    "published": ("Published recipe", {"recipe": "published"}),
    "published-kl-warm-up": ("Published recipe, KL warm-up", {"recipe": "published", "kl_warm_up": 0.7}),
}
TITLES = {name: title for name, (title, _) in (_PARTS | _PUBLISHED).items()}

# By name: label, unit, digits in the table.
MEASURES = {
    "loss": ("Loss", None, 1),
    "reconstruction": (r"$L_\mathrm{rec}$", None, 1),
    "kl": (r"$L_\mathrm{KL}$", "nat", 1),
    "live": ("Live", None, 0),
    "rmse": ("RMSE", "standard deviations", 3),
    "flux_rmse": ("Flux RMSE", "per cent", 2),
    "pull": ("Pull width", None, 2),
    "chi2": (r"$\chi^2/n$", None, 2),
    "accuracy": ("Accuracy", None, 3),
    "recall_high": (r"$P_\mathrm{high}$", None, 3),
    "roc_auc": ("ROC area", None, 3),
}


def variations(latents, published=False):
    """Name the variations: parts of the model left out, and numbers of latents.

    Parameters
    ----------
    latents : sequence of int
        Numbers of latents to be tried.
    published : bool
        Whether the authors' recipe is tried, too.

    Returns
    -------
    list of str
    """
    return [*_PARTS, *(_PUBLISHED if published else ()), *(f"latents-{number}" for number in latents)]


def changes(name):
    """Tell what a variation does differently.

    Parameters
    ----------
    name : str
        One of `variations`.

    Returns
    -------
    dict
        Fields of `xpsvae.model.recipe.Recipe`; ``recipe`` where it has another one.

    Raises
    ------
    InputError
        If there is no such variation.
    """
    if name.startswith("latents-") and name[8:].isdigit():
        return {"n_latents": int(name[8:])}
    if name not in TITLES:
        raise InputError(
            f"there is no ablation {name!r}: ask for one of {', '.join(TITLES)} or latents-<number>."
        )
    return dict((_PARTS | _PUBLISHED)[name][1])


def settings(training, recipes, name, seed):
    """Return what `xpsvae.model.fit` is given for a run.

    Parameters
    ----------
    training, recipes : dict
        Of the configuration; those recipes that are needed.
    name : str
        One of `variations`.
    seed : int

    Returns
    -------
    dict
        Fields of `xpsvae.model.recipe.Recipe`; only the last epoch is validated.
    """
    changed = changes(name)
    recipe = changed.pop("recipe", training["recipe"])
    chosen = training | recipes[recipe] | {"recipe": recipe, "seed": seed} | changed
    return chosen | {"validate_every": chosen["epochs"]}


def by_latents(summary):
    """Entries of a summary that differ in the number of latents alone, by that number.

    Parameters
    ----------
    summary : dict
        As `summarise` returns it.

    Returns
    -------
    list of dict
    """
    entries = [
        entry for name, entry in summary["ablations"].items() if name == "full" or name.startswith("latents-")
    ]
    return sorted(entries, key=lambda entry: entry["n_latents"])


def summarise(runs):
    """Put runs of the same variation together.

    Parameters
    ----------
    runs : list of dict
        ``ablation``, ``seed``, ``n_latents``, ``training`` (`settings`), and either ``failed``
        (a sentence), or the `MEASURES`.

    Returns
    -------
    dict
        ``ablations``: by name, ``n_latents``, ``seeds`` (those that count) and of each measure ``median``,
        ``lowest`` and ``highest`` over them; None where no run counts or the measure has no meaning. ``failed``:
        ablation, seed and why of the runs that do not count. ``recipe`` and ``epochs`` of the full model.
        ``interval``: what the bounds are.
    """
    failed = [
        {"ablation": run["ablation"], "seed": run["seed"], "why": why}
        for run in runs
        if (why := run.get("failed") or ("no latent is in use" if run["live"] == 0 else None))
    ]
    lost = {(entry["ablation"], entry["seed"]) for entry in failed}
    entries = {}
    for name in dict.fromkeys(run["ablation"] for run in runs):
        members = [run for run in runs if run["ablation"] == name]
        good = [run for run in members if (name, run["seed"]) not in lost]
        entries[name] = {"n_latents": members[0]["n_latents"], "seeds": [run["seed"] for run in good]} | {
            measure: _spread([run[measure] for run in good]) for measure in MEASURES
        }
    training = runs[0]["training"]
    return {
        "recipe": training["recipe"],
        "epochs": training["epochs"],
        "ablations": entries,
        "failed": failed,
        "interval": "median, lowest and highest over the seeds that count",
    }


def _spread(values):
    if not values or None in values:
        return {"median": None, "lowest": None, "highest": None}
    return {
        "median": float(np.median(values)),
        "lowest": float(min(values)),
        "highest": float(max(values)),
    }
