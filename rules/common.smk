"""What all rules share: the checked configuration, the folders, variants, and what a script's modules do.

Names that one file sets for the others, beside its rules:

    EXTRAS           datasets/*.smk   products of this dataset alone, by name: what comparison models may need
    RECORD_FILES     zenodo.smk       files of the authors' record, by name
    MODEL            model.smk        output of the rule that brings the model, trained or published
    RECONSTRUCTION   model.smk        reconstruction and scatter: of a variant, and of `corrected`
    COMPARED         comparison.smk   settings of the comparison models, by name
    FIGURES          figures.smk      what each figure reads, by name
    QUOTED           paper.smk        classifiers of other variants that the text quotes, by choice
"""

import atexit
import os
import shutil
import sys

# A clone runs its own code, here and in its jobs, whether or not the package is installed and wherever from.
BASE = os.path.dirname(str(workflow.current_basedir))
sys.path.insert(0, f"{BASE}/src")
os.environ.update(
    PYTHONPATH=os.pathsep.join([sys.path[0], os.getenv("PYTHONPATH", "")]).rstrip(
        os.pathsep
    )
)

from snakemake.exceptions import WorkflowError

from xpsvae import choices, cluster, dependencies, digests, listing, locks
from xpsvae.config import resolve, training
from xpsvae.errors import InputError, misspelt
from xpsvae.paper.page import figure_alias, figure_title
from xpsvae.provenance import config_hash

try:
    resolve(config, f"{BASE}/config.yaml")
except InputError as error:
    raise WorkflowError(str(error))

if workflow.is_main_process and locks.clear_stale():
    logger.info("An earlier Snakemake was killed here: its locks are removed.")

listing.shorten(logger, lambda: workflow.dryrun)

ROOT = f"{config['results']}/{config['dataset']}"
VARIANT = f"{ROOT}/{{variant}}"  # products that a choice changes
LOGS = f"{ROOT}/logs"
BENCHMARKS = f"{ROOT}/benchmarks"
ENVIRONMENT = f"{BASE}/envs/environment.yaml"
RESERVED_DOI = f"{ROOT}/doi.json"
# Of the jobs that could start those with the longest way before them do: what the first training waits for and it,
# then the other trainings and forests. Figures and small tables fill the gaps.
FIRST, EARLY = 2, 1
RESTORE_FROM = config.pop("restore_from", None)  # said on the command line only


wildcard_constraints:
    variant="[^/]+",


def source(path):
    """Give the path of a project file as seen from here: products do not depend on where the clone lies."""
    return os.path.relpath(f"{BASE}/{path}")


def code(script):
    """Say what the modules that a script imports do: an edit that changes it reruns the rule."""
    return dependencies.digest(f"{BASE}/src/{script}")


def megabytes(measured, large=None):
    """Ask for the memory of a job [MB], a quarter more than its peak with dataset library; larger catalogues need more.

    `large` is the peak with the paper's 502,311 stars, as benchmarks/scale.py finds it. Where it is not given, what
    exceeds an interpreter with its libraries is taken to grow with the number of stars.
    """
    if config["dataset"] != "library":
        grown = min(measured, 120) + max(measured - 120, 0) * 502_311 / 39_851
        measured = grown if large is None else large
    return round(1.25 * measured)


def further_gpu(wildcards):
    """Ask for a GPU where there may be one, here or in a cluster: elsewhere trainings need not wait for each other."""
    return int(not workflow.local_exec or bool(shutil.which("nvidia-smi")))


# Rule, by its name in whatever workflow uses these -> keys of the choices that its products depend on, through
# whatever they are made from.
DECIDED_BY = {}


def varied(rule, inputs, variant=None):
    """Inputs of a rule in the variant at hand; what the variant leaves as it is comes from `corrected`.

    `inputs` are paths by name, those of a variant with `{variant}` in them; a pair is such a path and the one
    that stands for `corrected`. With a `variant` the rule is that variant's alone and its inputs are paths.
    """
    pairs = {
        name: (
            value
            if isinstance(value, tuple)
            else (value, str(value).replace("{variant}", choices.CORRECTED))
        )
        for name, value in inputs.items()
    }
    makers = {name: getattr(path, "rule", None) for name, (path, _) in pairs.items()}
    decided = {
        name: DECIDED_BY.get(maker.name, set()) if maker else set()
        for name, maker in makers.items()
    }
    steering = {key for key, choice in choices.CHOICES.items() if rule in choice.steers}
    deciding = steering.union(*decided.values())
    DECIDED_BY[workflow.modifier.modify_rulename(rule)] = deciding

    def one(name, wanted):
        path, corrected = pairs[name]
        flips = choices.flipped(wanted)
        if wanted != choices.CORRECTED and not flips & deciding:
            raise InputError(
                f"variant '{wanted}' leaves the products of {rule} as they are: ask for those of "
                f"'{choices.CORRECTED}'."
            )
        return (
            str(path).replace("{variant}", wanted)
            if flips & decided[name]
            else str(corrected)
        )

    def function(name):
        def at_hand(wildcards):
            try:
                return one(name, wildcards.variant)
            except InputError as error:
                raise WorkflowError(str(error))

        return at_hand

    return {name: one(name, variant) if variant else function(name) for name in pairs}


def chosen(rule, variant=None):
    """Give what the choices of the variant at hand are for a rule."""
    if variant:
        return choices.given(variant, rule)
    return lambda wildcards: choices.given(wildcards.variant, rule)


def made(output, variant=choices.CORRECTED):
    """Give the products of a rule in one variant."""
    return [str(path).replace("{variant}", variant) for path in output]


onstart:
    # results of any name are no part of a clone
    os.makedirs(config["results"], exist_ok=True)
    with open(f"{config['results']}/.gitignore", "w", encoding="utf-8") as ignored:
        ignored.write("*\n")
    # one bulk file that does not come is no reason to leave thousands of others
    if any(
        job.rule.name.endswith("describe_dr3")
        for job in workflow.dag.needrun_jobs()
    ):
        workflow.scheduler.keepgoing = True
    # what no node can take would wait in the queue for ever
    if workflow.executor_plugin.name == "slurm":
        try:
            cluster.require_nodes(
                job for job in workflow.dag.needrun_jobs() if not job.is_local
            )
        except InputError as error:
            raise WorkflowError(str(error))


onsuccess:
    # the last lines say where to find what was asked for by name; `all` has its own last lines
    for target in workflow.dag.targetjobs:
        if (
            files := target.output
            or target.rule.name.startswith("fig_")
            and target.input
        ):
            atexit.register(print, *files, sep="\n")
