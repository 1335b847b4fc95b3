"""Train recipes on dataset library, and show what a recipe buys: loss against wall time, latents, Table 1.

OMP_NUM_THREADS=1 python benchmarks/recipes.py train published fast --seeds 0 1 2
python benchmarks/recipes.py show

`train` starts from the products of `snakemake --cores 2 split_alpha`, on one thread. It leaves one JSON a run
in benchmarks/recipes; a run whose JSON is there is not made again. `show` draws benchmarks/recipes.png and
prints README's table. The clock runs through validations, too: every epoch, or some 500 in all.
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np
import torch
from common import count, machine

from xpsvae.analysis.quality import Stars, quality
from xpsvae.model import train
from xpsvae.plot import style
from xpsvae.products import read_array, read_json, read_table, write_text

HERE = Path(__file__).parent
VARIATIONS = {  # recipe, and what is done differently
    "published": ("published", {}),
    "published, KL warm-up 0.7": ("published", {"kl_warm_up": 0.7}),
    "published, free bits 0.1": ("published", {"free_bits": 0.1}),
    "fast": ("fast", {}),
    "fast-bf16": ("fast-bf16", {}),
    "fast-linear": ("fast-linear", {}),
    "fast-linear, no KL warm-up": ("fast-linear", {"kl_warm_up": 0.0}),
    "fast-linear, free bits 0.1": ("fast-linear", {"free_bits": 0.1}),
    "quick": ("quick", {}),
    "quick, linear KL warm-up": ("quick", {"kl_power": 1.0}),
    "quick, wide posteriors": ("quick", {"first_sigma": 1.0}),
}
LOOKS = {
    "quick": style.Look("quick", "#DDAA33", (0, (1, 1))),
    "published": style.Look("published", "#BB5566", (0, (4, 1.5))),
    "fast": style.Look("fast", "#004488"),
    "fast-linear": style.Look("fast-linear", "#6699CC", (0, (5, 1, 1, 1))),
}
METRICS = {"accuracy": "accuracy", "recall_high": "P_high", "recall_low": "P_low", "roc_auc": "AUC"}
VALIDATIONS = 500  # of a run, about
TOP = -60  # of the picture
PER_DECADE = 20  # steps of time in it
TICKS = {1: "1 s", 3: "3 s", 10: "10 s", 30: "30 s", 60: "1 min", 180: "3 min", 600: "10 min", 1800: "30 min"}


class Library:
    """The products of dataset library: stars, standardised spectra and the alpha sequences."""

    def __init__(self, folder):
        tables = (
            read_table(f"{folder}/{name}.parquet")
            for name in ("catalog/stars", "corrected/subsets", "catalog/split", "corrected/alpha/sequences")
        )
        arrays = (
            read_array(f"{folder}/catalog/{name}.npy") for name in ("coefficients", "coefficient_errors")
        )
        self.stars = Stars.of(*tables, *arrays)

    def fit(self, name, seed, epochs):
        """Train one variation; return its curve, its times [s] and what became of the model."""
        recipe, changes = VARIATIONS[name]
        changes = changes | ({"epochs": epochs} if epochs else {})
        every = max(1, train.choose(recipe, **changes).epochs // VALIDATIONS)
        clock, (wall, cpu) = [], (time.monotonic(), time.process_time())
        x, x_err, test = self.stars.x, self.stars.x_err, self.stars.test
        fitted = train.fit(
            x[self.stars.train],
            x_err[self.stars.train],
            (x[test], x_err[test]),
            device="cpu",
            report=lambda row: clock.append((time.monotonic() - wall, time.process_time() - cpu)),
            recipe=recipe,
            seed=seed,
            validate_every=every,
            **changes,
        )
        rows = [(*now, row) for now, row in zip(clock, fitted.history, strict=True) if "val_loss" in row]
        curve = {
            "seconds": [round(row[0], 2) for row in rows],
            "cpu_seconds": [round(row[1], 2) for row in rows],
            "epoch": [row[2]["epoch"] for row in rows],
            **{term: [round(row[2][f"val_{term}"], 4) for row in rows] for term in train.TERMS},
        }
        return {
            "variation": name,
            "recipe": recipe,
            "changes": changes,
            "seed": seed,
            "device": machine(),
            "threads": torch.get_num_threads(),
            "torch": torch.__version__,
            "curve": curve,
            **quality(fitted.model, self.stars),
        }


def make(given):
    """Make the runs that are not there yet."""
    torch.set_num_threads(1)
    given.folder.mkdir(parents=True, exist_ok=True)
    library = None
    for name in given.variations:
        for seed in given.seeds:
            path = given.folder / f"{name.replace(',', '').replace(' ', '-').lower()}-{seed}.json"
            if not path.exists():
                library = library or Library(given.results)
                write_text(path, json.dumps(library.fit(name, seed, given.epochs), sort_keys=True) + "\n")


def show(given):
    """Draw the picture and print the table."""
    runs = {name: [] for name in VARIATIONS}
    for path in sorted(given.folder.glob("*.json")):
        run = read_json(path)
        runs[run["variation"]].append(run)
    runs = {name: members for name, members in runs.items() if members}
    goal = np.median([run["curve"]["loss"][-1] for run in runs["published"]])
    draw({name: runs[name] for name in LOOKS}, goal, given.picture)
    print("\n".join(table(runs, goal)))


def table(runs, goal):
    """Give README's table, line by line: a row for each variation, medians over its seeds."""
    head = ["recipe", "seeds", "s", f"s to {_number(goal, 1)}", "loss", "L_rec", "L_KL", "live"]
    head += ["RMSE", *METRICS.values()]
    yield "| " + " | ".join(head) + " |"
    yield "|---" * len(head) + "|"
    for name, members in runs.items():
        scores = [run["table1"]["latent"] for run in members]
        cells = [
            name,
            str(len(members)),
            _number([run["curve"]["seconds"][-1] for run in members], 0),
            _number([reached(run["curve"], goal) for run in members], 0),
            *(_number([run["curve"][term][-1] for run in members], 1) for term in train.TERMS),
            ", ".join(str(run["live"]) for run in members),
            _number([run["rmse"] for run in members], 3),
            *(_number([score[metric] for score in scores], 3) for metric in METRICS),
        ]
        yield "| " + " | ".join(cells) + " |"


def reached(curve, goal):
    """First time at which a curve is at ``goal`` or below it [s]; infinite if never."""
    below = np.flatnonzero(np.array(curve["loss"]) <= goal)
    return curve["seconds"][below[0]] if len(below) else np.inf


def _number(values, digits):
    middle = np.median(values)
    return f"{middle:.{digits}f}".replace("-", "−") if np.isfinite(middle) else "never"


@style.styled
def draw(runs, goal, path):
    """Draw validation loss against wall time: a thin line a seed, a thick one of medians in steps of time."""
    figure, axes = style.new_figure(style.DOUBLE, 3.3, nrows=1)
    visible = []
    for name, members in runs.items():
        look = LOOKS[name]
        seconds, losses = (np.array([run["curve"][key] for run in members]) for key in ("seconds", "loss"))
        axes.plot(seconds.T, losses.T, color=look.color, lw=0.5, alpha=0.5)
        step = np.floor(PER_DECADE * np.log10(seconds))
        shared = [at for at in np.unique(step) if (step == at).any(axis=1).all()]  # by all seeds
        middle = [(np.median(seconds[step == at]), np.median(losses[step == at])) for at in shared]
        label = f"{name} ({len(members)} seed{'s' * (len(members) > 1)})"
        axes.plot(*zip(*middle, strict=True), color=look.color, ls=look.linestyle, lw=2, label=label)
        visible.extend(seconds[losses < TOP])
    axes.axhline(goal, color="0.2", lw=0.7, ls=(0, (1, 2)))
    axes.annotate("where published ends, median", (min(visible), goal), (0, 3), textcoords="offset points")
    axes.set(xscale="log", xlabel="Wall time", ylabel="Loss on the test stars", ylim=(None, TOP))
    axes.set_xticks(list(TICKS), TICKS.values())
    axes.set_xticks([], minor=True)
    axes.set_xlim(min(visible) / 1.1, 1.1 * max(visible))
    axes.legend()
    figure.savefig(path, dpi=200, metadata={"Software": None})


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--folder", type=Path, default=HERE / "recipes", help="of the runs' JSON files")
    commands = parser.add_subparsers(required=True)
    training = commands.add_parser("train", help=make.__doc__)
    training.set_defaults(function=make)
    training.add_argument(
        "variations",
        nargs="+",
        choices=VARIATIONS,
        metavar="VARIATION",
        help=f"of {', '.join(map(repr, VARIATIONS))}",
    )
    training.add_argument("--seeds", type=int, nargs="+", default=[0])
    training.add_argument("--epochs", type=count, help="default: the recipe's; fewer to try it out")
    training.add_argument("--results", default="results/library")
    showing = commands.add_parser("show", help=show.__doc__)
    showing.set_defaults(function=show)
    showing.add_argument("--picture", default=HERE / "recipes.png")
    given = parser.parse_args()
    given.function(given)


if __name__ == "__main__":
    main()
