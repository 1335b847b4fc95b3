"""Train the sVAE: data in, step, history, checkpoint.

The same data, recipe and machine give the same bytes on a CPU, whether or not the run was killed on its way.
Runs without the workflow, too: ``python -m xpsvae.model.train --help`` needs only torch and numpy; so does
``torchrun --nproc-per-node 4 -m xpsvae.model.train ...`` on several GPUs.
"""

import argparse
import math
import os
import sys
from contextlib import closing
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import torch

from xpsvae.errors import InputError
from xpsvae.model import loss, storage
from xpsvae.model.checkpoint import Checkpoints, State, fingerprint, require_writable
from xpsvae.model.parallel import Processes
from xpsvae.model.progress import Progress
from xpsvae.model.recipe import RECIPES, Recipe, choose
from xpsvae.model.standardise import checked, examine
from xpsvae.model.stars import Stars, shard_names
from xpsvae.model.step import Flat, adamw, stepper
from xpsvae.model.svae import ScatterVAE
from xpsvae.products import read_array, write_text

__all__ = ["Exploded", "Fitted", "fit", "history_csv", "learning_rate"]

TERMS = ("loss", "reconstruction", "kl")
COLUMNS = ("epoch", "step", "lr", *TERMS, *(f"val_{term}" for term in TERMS))
EXPLODED = 1e6  # a batch's loss beyond this is no training any more; the first steps are near 1e2 ...
EXPLODED_ALONE = 1e12  # ... and near 1e8 without a scatter, when errors alone weigh the residuals
CHUNK = 8192  # validation stars at a time


class Exploded(InputError):
    """The loss has left all bounds: a recipe that does not work for these data."""


@dataclass(frozen=True)
class Fitted:
    """What `fit` returns: the trained model, its history (one dict an epoch), its recipe, and more."""

    model: ScatterVAE
    history: list
    recipe: Recipe
    checkpoints: Checkpoints
    processes: Processes


def fit(x, x_err, validation=None, *, checkpoints=None, device=None, report=None, **training):
    """Train a `ScatterVAE` on standardised spectra (section 2).

    Parameters
    ----------
    x, x_err : array (n_stars, n_inputs), or list of such
        Standardised coefficients and their errors, whole or in shards; may be memory-mapped.
    validation : pair of arrays, optional
        ``x`` and ``x_err`` of stars that are only looked at.
    checkpoints : path-like, optional
        Folder for checkpoints. A run of the same data and recipe that finds one there goes on from it.
    device : str, optional
        By default CUDA where there is one, else the CPU; the choice is printed to stderr.
    report : function (row), optional
        Called with each row of the history as its epoch ends; by default progress goes to stderr.
    **training
        Arguments of `xpsvae.model.recipe.choose`: the name of a recipe, and what to do differently.

    Returns
    -------
    Fitted
        With the model in evaluation mode, on the CPU.

    Raises
    ------
    InputError
        If the data or the recipe cannot be trained on.
    Exploded
        If the loss explodes; the sentence names step, learning rate and star, and the last checkpoint is kept.
    """
    recipe = choose(**training)
    processes = Processes(device)
    x, x_err, validation, names = _examined(x, x_err, validation, recipe, processes)
    data = [*zip(names, x, x_err, strict=True), *([("validation", *validation)] if validation else [])]
    run = [asdict(recipe), [len(array) for _, array, _ in data], x[0].shape[1]]
    run.append(examine(data, processes, torch.get_num_threads()))
    with processes.together():
        checkpoints = Checkpoints(checkpoints if processes.first else None, fingerprint(run))
    with closing(checkpoints):
        return _trained(recipe, x, x_err, validation, checkpoints, processes, report)


def _trained(recipe, x, x_err, validation, checkpoints, processes, report):
    """Train from the newest checkpoint, or from the beginning, to the last epoch."""
    stars = Stars(x, x_err, recipe.window, recipe.batch_size, processes)
    held_out = tuple(torch.from_numpy(array).to(processes.device) for array in validation)
    model, step, state, generator = _begin(recipe, x[0].shape[1], stars, processes)
    history = checkpoints.resume(state)
    history, snapshot = processes.gather((history, state.snapshot()))[0]
    state.restore(snapshot)
    steps = stars.steps()  # an epoch
    if processes.first:
        where = processes.device.upper() if torch.cuda.is_available() else "CPU (no GPU is available)"
        n_stars = sum(map(len, x))
        print(f"Training on the {where}: {n_stars} stars, {steps} steps an epoch.", file=sys.stderr)
    report = report or Progress(recipe.epochs, len(history))
    for epoch in range(len(history), recipe.epochs):
        losses = _epoch(model, step, state, generator, epoch, recipe, stars, processes)
        taken = (epoch + 1) * steps
        rate = learning_rate(recipe, taken - 1, steps)
        row = {"epoch": epoch + 1, "step": taken, "lr": rate, **_means(losses)}
        last = epoch + 1 == recipe.epochs
        if held_out and (last or (epoch + 1) % recipe.validate_every == 0):
            row |= {f"val_{term}": value for term, value in _validate(model, *held_out, recipe).items()}
        history.append(row)
        if processes.first:
            if last or (epoch + 1) % recipe.checkpoint_every == 0:
                checkpoints.save(state, history)
            report(row)
    return Fitted(model.eval().cpu(), history, recipe, checkpoints, processes)


def _examined(x, x_err, validation, recipe, processes):
    """Check data against recipe and processes; return shards of both, the validation pair, shard names."""
    if recipe.batch_size % processes.number:
        raise InputError(
            f"training: batch_size is {recipe.batch_size}, which {processes.number} processes cannot share "
            "evenly: take a multiple of their number."
        )
    with processes.together():
        x, x_err, names = _checked_shards(x, x_err)
        width, n_stars = x[0].shape[1], sum(map(len, x))
        if min(n_stars, recipe.window or n_stars) < recipe.batch_size:
            raise InputError(
                f"there are {n_stars} training stars (training: window is {recipe.window}) but a batch has "
                f"{recipe.batch_size}: give more stars or a smaller batch_size."
            )
        validation = checked(*validation, "validation", width) if validation else ()
    return x, x_err, validation, names


def _begin(recipe, width, stars, processes):
    """Make the model and all that changes with it: step, state, generator of the order and the noise."""
    device = processes.device
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        model = ScatterVAE(width, recipe.n_latents, scatter=recipe.scatter)
    with torch.no_grad():  # a latent whose noise is as wide as its spread is soon ignored by the decoder
        model.log_var.bias += 2 * math.log(recipe.first_sigma)
    model = processes.share(model.to(device))
    flat = Flat(model, recipe.scatter)
    optimiser = adamw(flat, recipe.weight_decay)
    generator = torch.Generator(device).manual_seed(recipe.seed)
    state = State(flat.tensors() | optimiser.state[flat.parameters], generator)
    step = stepper(flat, optimiser, stars.data, stars.variance, recipe.free_bits, recipe.precision, processes)
    return model, step, state, generator


def _epoch(model, step, state, generator, epoch, recipe, stars, processes):
    """Take the steps of an epoch; return their losses, or name the star with which they exploded."""
    before = state.snapshot()
    losses = torch.empty(stars.steps(), 2, device=processes.device)
    model.train()
    for number, batch in enumerate(_batches(recipe, epoch, stars, generator, processes)):
        losses[number, 0], losses[number, 1] = step(*batch)
    if recipe.latents == "means":
        losses[:, 1] = 0  # the posteriors of an autoencoder mean nothing
    processes.average(losses)
    exploded = torch.nonzero(~(losses.sum(1) < (EXPLODED_ALONE if recipe.scatter == "none" else EXPLODED)))
    if len(exploded):
        state.restore(before)
        batches = _batches(recipe, epoch, stars, generator, processes)
        _explain(model, step, batches, int(exploded[0]), epoch, stars, processes)
    return losses


def learning_rate(recipe, step, steps_per_epoch):
    """Learning rate of a step, counted from zero.

    ``cosine`` is torch's CosineAnnealingWarmRestarts stepped per epoch, as the authors train; ``one-cycle``
    is its OneCycleLR stepped per step, without the cycle of the momentum.
    """
    top = recipe.learning_rate
    if recipe.schedule == "cosine":
        phase = step // steps_per_epoch % recipe.restart_every / recipe.restart_every
        return _cosine(top, recipe.final_learning_rate, phase)
    first, last, total = top / 25, top / 25e4, recipe.epochs * steps_per_epoch
    peak = recipe.warm_up * total - 1
    if step < peak:
        return _cosine(first, top, step / peak)
    return _cosine(top, last, (step - peak) / (total - 1 - peak))


def history_csv(history):
    """Return the history as CSV text; a validation that was not made is empty."""
    lines = [",".join(COLUMNS)]
    lines += [",".join(_number(row.get(column)) for column in COLUMNS) for row in history]
    return "\n".join(lines) + "\n"


def _cosine(start, end, phase):
    return end + (start - end) * (1 + math.cos(math.pi * phase)) / 2


def _number(value):
    return "" if value is None else str(value) if isinstance(value, int) else f"{value:.8g}"


def _checked_shards(x, x_err):
    if hasattr(x, "ndim"):
        x, x_err = [x], [x_err]
    if len(x) != len(x_err) or not len(x):
        raise InputError(
            f"there are {len(x)} shards of coefficients and {len(x_err)} of errors: give as many."
        )
    names = [f"training shard {name}'s" for name in shard_names(x)] if len(x) > 1 else ["training"]
    pairs, width = [], None
    for which, *pair in zip(names, x, x_err, strict=True):
        pairs.append(checked(*pair, which, width))
        width = pairs[0][0].shape[1]
    return *map(list, zip(*pairs, strict=True)), names


def _batches(recipe, epoch, stars, generator, processes):
    """Yield the arguments of each step of an epoch: rows, noise, learning rate, weight of the divergence."""
    device, epoch_steps = generator.device, stars.steps()
    step, shape = epoch * epoch_steps, (recipe.batch_size, recipe.n_latents)
    drawn = float(recipe.latents == "drawn")
    for order in stars.windows(generator):
        noise = torch.randn(len(order), *shape, generator=generator, device=device) * drawn
        for rows, numbers in zip(order, noise, strict=True):
            grown = (
                (step + 1) / (recipe.kl_warm_up * recipe.epochs * epoch_steps) if recipe.kl_warm_up else 1.0
            )
            rate = learning_rate(recipe, step, epoch_steps)
            yield rows, processes.part(numbers), rate, drawn * min(1.0, grown) ** recipe.kl_power
            step += 1


def _means(losses):
    reconstruction, kl = losses.double().mean(0).tolist()
    return {"loss": reconstruction + kl, "reconstruction": reconstruction, "kl": kl}


@torch.inference_mode()
def _validate(model, x, x_err, recipe):
    """Mean loss of held-out stars, with the same noise and the same order of sums (one thread) each time.

    An autoencoder has neither noise nor divergence.
    """
    model.eval()
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    generator = torch.Generator(x.device).manual_seed(recipe.seed)
    noise = torch.randn(len(x), model.n_latents, generator=generator, device=x.device)
    drawn = float(recipe.latents == "drawn")
    noise *= drawn
    terms = []
    for chunk, errors, numbers in zip(x.split(CHUNK), x_err.split(CHUNK), noise.split(CHUNK), strict=True):
        mean, log_var, x_hat, scatter = model(chunk, numbers)
        kl = drawn * loss.kl_divergence(mean, log_var).sum(1)
        terms.append(torch.stack((loss.reconstruction(chunk, errors**2, x_hat, scatter), kl), 1))
    means = _means(torch.cat(terms))
    torch.set_num_threads(threads)
    return means


def _explain(model, step, batches, failed, epoch, stars, processes):
    """Walk an epoch again to the batch that failed; raise with the star that weighs most in it."""
    taken = 0
    for rows, noise, rate, kl_weight in batches:
        if taken == failed:
            break
        step(rows, noise, rate, kl_weight)
        taken += 1
    with torch.no_grad():
        mean, log_var, x_hat, scatter = model(stars.data[rows], noise)
        each = loss.reconstruction(stars.data[rows], stars.variance[rows], x_hat, scatter)
        each += loss.kl_divergence(mean, log_var).sum(1)
    own = torch.where(each.isfinite(), each, torch.inf)
    weights = processes.gather((float(own.max()), stars.origin(rows[own.argmax()])))
    weight, star = max(weights, key=lambda pair: pair[0])
    raise Exploded(
        f"the loss exploded in step {failed + 1} of epoch {epoch + 1} at learning rate {rate:.3g}, "
        f"most of all by training {star} (loss {weight:.3g}): look at "
        "its coefficients and errors, or lower learning_rate; the last good checkpoint is kept."
    )


def main(arguments=None):
    """Train from ``.npy`` files; see ``--help``."""
    parser = argparse.ArgumentParser(
        prog="python -m xpsvae.model.train",
        description="Train the scatter VAE on standardised spectra; standard error says how far it is.",
    )
    parser.add_argument(
        "x", help=".npy of standardised coefficients (n_stars, n_inputs), or a folder of such"
    )
    parser.add_argument("x_err", help="the same of their errors")
    parser.add_argument("folder", help="where svae.safetensors, config.json and history.csv go")
    parser.add_argument("--validation", nargs=2, metavar=("X", "X_ERR"), help=".npy files of held-out stars")
    parser.add_argument("--checkpoints", help="folder from which a killed run goes on")
    parser.add_argument("--device", choices=("cpu", "cuda"), help="default: a GPU if there is one")
    parser.add_argument("--recipe", choices=RECIPES, default="fast", help="default: fast")
    for field in fields(Recipe)[1:]:
        own = [f"{name}: {recipe[field.name]}" for name, recipe in RECIPES.items() if field.name in recipe]
        help = ", ".join(own) or f"default: {field.default}"
        option = "--" + field.name.replace("_", "-")
        parser.add_argument(option, type=field.type, default=argparse.SUPPRESS, help=help)
    given = vars(parser.parse_args(arguments))
    folder, names = given.pop("folder"), given.pop("validation")
    try:
        processes = Processes(given["device"])
        with processes.together():
            if processes.first:
                require_writable(folder)
            x, x_err = (_read_shards(given.pop(name)) for name in ("x", "x_err"))
            validation = names and tuple(map(read_array, names))
        fitted = fit(x, x_err, validation, **given)
        with processes.together():
            if processes.first:
                save(folder, fitted)
        Processes.close()
    except InputError as error:  # of all processes
        Processes.close()
        raise SystemExit(f"Error: {error}" if int(os.environ.get("RANK", 0)) == 0 else 1) from None


def _read_shards(path):
    paths = sorted(Path(path).glob("*.npy")) if Path(path).is_dir() else [path]
    if not paths:
        raise InputError(f"the folder {path} holds no .npy file: name one that does, or a file.")
    return [read_array(shard, memory_map=True) for shard in paths]


def save(folder, fitted, normalisation=None):
    """Write the products of a run: the model's files and ``history.csv``; then drop its checkpoints."""
    storage.save(folder, fitted.model, normalisation, asdict(fitted.recipe))
    write_text(f"{folder}/history.csv", history_csv(fitted.history))
    fitted.checkpoints.discard()


if __name__ == "__main__":
    main()
