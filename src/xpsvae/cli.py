"""The console ``xpsvae``: describe, encode, reconstruct and decode stars, train a model, say what one is.

Only arguments, messages and progress are here; the work is done by `xpsvae.own_stars`, imported when it begins.
"""

import sys
import time
from pathlib import Path

import click

from xpsvae.errors import InputError

__all__ = ["main"]

_EVERY = 0.5  # [s] between two reports of progress


class _Group(click.Group):
    """Commands whose refusals are one sentence on stderr and exit status 1."""

    def invoke(self, context):
        try:
            return super().invoke(context)
        except InputError as error:
            raise click.ClickException(str(error)) from error


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="xpsvae")
def main():
    """Describe stars by their Gaia XP spectra, with a scatter variational auto-encoder.

    INPUT is what the Gaia archive gives: XP_CONTINUOUS or XP_SAMPLED as csv, ecsv, FITS or VOTable, also gzipped or
    in the zip archive of datalink; or Parquet with the same columns. OUTPUT is .parquet, .ecsv or .fits.

    Completion in bash: eval "$(_XPSVAE_COMPLETE=bash_source xpsvae)"; zsh and fish likewise.
    """


def _options(*options):
    def add(function):
        for option in reversed(options):
            function = option(function)
        return function

    return add


_MODEL = click.option(
    "--model",
    type=click.Path(),
    help="Folder of a model, or results of a dataset; by default the model that ships.",
)
_DEVICE = click.option("--device", help="cpu, cuda, …; by default a GPU if there is one.")
_SAMPLED_BY = click.option(
    "--sampled-by",
    type=click.Choice(["archive", "gaiaxpy"]),
    default="archive",
    show_default=True,
    help="Who sampled the flux of sampled spectra.",
)
_OUTPUT = _options(
    click.option(
        "-o",
        "--output",
        type=click.Path(),
        help="Table to write; without it, numbers go to the terminal as csv.",
    ),
    click.option("--overwrite", is_flag=True, help="Write over an output that exists."),
)
_SPECTRA = _options(
    click.argument("inputs", metavar="INPUT...", nargs=-1, type=click.Path()),
    click.option(
        "--source-ids",
        type=click.Path(),
        help="File of source_ids, one a line, whose spectra come from the Gaia archive.",
    ),
    click.option(
        "--downloads",
        type=click.Path(),
        default="downloads",
        show_default=True,
        help="Folder in which answers of the archive stay.",
    ),
    _SAMPLED_BY,
    _MODEL,
    _DEVICE,
)


@main.command()
@_SPECTRA
@_OUTPUT
@click.option("--spectra/--no-spectra", default=True, help="Give reconstructed spectra and scatter, too.")
def describe(output, overwrite, spectra, **given):
    """Latents, reconstruction, scatter, and how far to trust them."""
    _tabulate("describe", output, overwrite, given, spectra and output is not None)


@main.command()
@_SPECTRA
@_OUTPUT
def encode(output, overwrite, **given):
    """Latents and their standard deviations."""
    _tabulate("encode", output, overwrite, given)


@main.command()
@_SPECTRA
@_OUTPUT
def reconstruct(output, overwrite, **given):
    """Spectra as the model reconstructs them, with their scatter."""
    _tabulate("reconstruct", output, overwrite, given)


@main.command()
@click.argument("latents", type=click.Path())
@_MODEL
@_DEVICE
@_OUTPUT
def decode(latents, model, device, output, overwrite):
    """Spectra of latents: of a table with mean_1, mean_2, … and, if known, source_id and phot_g_mean_flux."""
    from xpsvae.own_stars.output import require_output

    if output:
        require_output(output, overwrite)
    from xpsvae.own_stars.latents import read_latents
    from xpsvae.own_stars.pretrained import load
    from xpsvae.own_stars.tables import iter_decoded

    model = load(model, device)
    _write(output, iter_decoded(read_latents(latents, model.n_latents), model))


@main.command()
@click.argument("inputs", metavar="INPUT...", nargs=-1, required=True, type=click.Path())
@click.option("-o", "--output", required=True, type=click.Path(), help="Folder for the model.")
@click.option("--recipe", help="fast, quick or published; by default that of the model that ships.")
@click.option("--epochs", type=int, help="Passes over the stars, in place of the recipe's.")
@click.option("--batch-size", type=int, help="Stars a step, in place of the recipe's.")
@click.option("--n-latents", type=int, help="Dimensions of the latent space; by default 6.")
@click.option("--seed", type=int, help="Of weights, order and noise; by default 0.")
@click.option(
    "--held-out", type=float, default=0.1, show_default=True, help="Fraction that is only validated on."
)
@_SAMPLED_BY
@_DEVICE
def train(inputs, output, **given):
    """Train a model on your own stars."""
    from xpsvae.own_stars.train import train as train_on

    given = {name: value for name, value in given.items() if value is not None}
    click.echo(f"The model: {train_on(list(inputs), output, **given)}", err=True)


@main.command()
@click.argument("one", type=click.Path())
@click.argument("other", type=click.Path())
def compare(one, other):
    """Say in what two builds differ: Table 1, verdicts on claims, settings, code.

    ONE and OTHER are folders of results: results/library, or a results folder with one dataset.
    """
    from xpsvae.paper.differences import compare as told

    click.echo(told(one, other))


@main.command()
@click.argument("model", required=False, type=click.Path())
@click.option(
    "--number", help="Say where this number of the paper comes from: the name of its macro, AccLatent."
)
@click.option("--results", default="results", show_default=True, help="Of which build, with --number.")
def info(model, number, results):
    """Say what a model is, by default the one that ships; or where a number of the paper comes from."""
    if number is not None:
        from xpsvae.paper.origin import describe_number

        click.echo(describe_number(number, results))
        return
    from xpsvae.own_stars.pretrained import load
    from xpsvae.products import read_json

    loaded = load(model, "cpu")
    training = read_json(Path(loaded.folder) / "config.json")["training"] or {}
    reference = loaded.reference
    lines = {
        "folder": loaded.folder,
        "inputs": f"{loaded.n_inputs} coefficients"
        + (f" ({reference.band_sizes[0]} BP + {reference.band_sizes[1]} RP)" if reference else ""),
        "latents": loaded.n_latents,
        "parameters": sum(each.numel() for each in loaded.parameters()),
        "recipe": ", ".join(f"{name} {value}" for name, value in training.items() if name != "recipe"),
    }
    if training.get("recipe"):
        lines["recipe"] = f"{training['recipe']}: {lines['recipe']}"
    if reference:
        low, high = reference.g_flux_range
        lines |= {
            "trained on": f"{reference.n_stars} stars of G flux {low:.4g} to {high:.4g} e-/s",
            "chi2": f"median {reference.chi2[50]:.3g}, 99 % below {reference.chi2[99]:.3g}",
        }
    for name, value in lines.items():
        click.echo(f"{name + ':':12} {value}")


def _tabulate(what, output, overwrite, given, spectra=True):
    from xpsvae.own_stars.output import require_output

    if output:
        require_output(output, overwrite)
    inputs = [*given["inputs"]]
    if not inputs and not given["source_ids"]:
        raise InputError("there is nothing to read: give a file of spectra, or --source-ids.")
    for path in inputs:
        if output and Path(output).exists() and Path(path).exists() and Path(output).samefile(path):
            raise InputError(f"{output} is the input: give the output another name.")
    from xpsvae.own_stars.pretrained import load
    from xpsvae.own_stars.tables import iter_table

    model = load(given["model"], given["device"])
    if given["source_ids"]:
        from xpsvae.own_stars.archive import fetch_stars

        inputs += fetch_stars(given["source_ids"], given["downloads"])
    _write(output, iter_table(what, inputs, model, sampled_by=given["sampled_by"], spectra=spectra))


def _write(output, blocks):
    """Write the blocks to a file, or their numbers to standard output; say how many stars there are."""
    counted = _Counted(blocks)
    if output is None:
        from xpsvae.own_stars.output import write_text

        write_text(sys.stdout, counted)
    else:
        from xpsvae.own_stars.output import write_blocks

        write_blocks(output, counted)
    counted.end(output)


class _Counted:
    """Blocks on their way, with a line on a terminal that says how many stars went by, and why some are null."""

    def __init__(self, blocks):
        self.blocks, self.rows, self.reasons = blocks, 0, {}
        self.start = self.told = time.monotonic()

    def __iter__(self):
        for block in self.blocks:
            yield block
            reason = next(values for column, values in block if column.name == "reason")
            self.rows += len(reason)
            for why in reason[reason != ""]:
                self.reasons[why] = self.reasons.get(why, 0) + 1
            now = time.monotonic()
            if sys.stderr.isatty() and now - self.told > _EVERY:
                self.told = now
                rate = self.rows / (now - self.start)
                click.echo(f"\r{self.rows} stars, {rate:.0f} a second ", err=True, nl=False)

    def end(self, output):
        null = sum(self.reasons.values())
        where = f" in {output}" if output else ""
        if sys.stderr.isatty():
            click.echo("\r", err=True, nl=False)
        click.echo(f"{self.rows} stars{where}{f', {null} of them without values:' if null else ''}", err=True)
        for why, count in sorted(self.reasons.items(), key=lambda pair: -pair[1]):
            click.echo(f"  {count}: {why}", err=True)


if __name__ == "__main__":
    main()
