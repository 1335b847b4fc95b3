"""What all rules share: the checked configuration, the folders, and the modules a script runs."""

import json
import os
import sys

import yaml

# A clone runs its own code, here and in its jobs, whether or not the package is installed and wherever from.
sys.path.insert(0, f"{workflow.basedir}/src")
os.environ.update(
    PYTHONPATH=os.pathsep.join([sys.path[0], os.getenv("PYTHONPATH", "")]).rstrip(
        os.pathsep
    )
)

from snakemake.exceptions import WorkflowError

from xpsvae.config import training, validate
from xpsvae.dependencies import imported_modules
from xpsvae.errors import InputError
from xpsvae.choices import choices

# `--config archive=…` says what to restore; in config.yaml the key holds the choices of the dataset of that name.
RESTORED = None
if not isinstance(config.get("archive", {}), dict):
    RESTORED = str(config.pop("archive"))
    with open(f"{workflow.basedir}/config.yaml", encoding="utf-8") as file:
        if "archive" in (choices_of_file := yaml.safe_load(file)):
            config["archive"] = choices_of_file["archive"]

try:
    validate(config)
except InputError as error:
    raise WorkflowError(str(error))

ROOT = f"{config['results']}/{config['dataset']}"
BUILD = f"{ROOT}/{config['protocol']}"  # products that the protocol changes
LOGS = f"{ROOT}/logs"
BENCHMARKS = f"{ROOT}/benchmarks"
ENVIRONMENT = f"{workflow.basedir}/envs/environment.yaml"
CHOICES = choices(config["protocol"])
RESERVED_DOI = f"{ROOT}/doi.json"
PRODUCTS = []  # of one dataset alone: its rules add to them, and `all` asks for them
PREDICTIONS = {}  # of other models, that come with a dataset: c / F_G of its test stars


def source(path):
    """Give the path of a project file as seen from here: products do not depend on where the clone lies."""
    return os.path.relpath(
        f"{workflow.basedir}/{path}" if not os.path.isabs(path) else path
    )


def code(script):
    """List the project's modules that a script imports: an edit of one reruns the rule."""
    return [
        source(path) for path in imported_modules(f"{workflow.basedir}/src/{script}")
    ]


def describe(rule):
    """Describe a rule in plain JSON, for the archive; a function of the wildcards cannot be written down."""
    script = rule.script.format(
        params=rule.params
    )  # figures name theirs by a parameter
    described = {
        "rule": rule.name,
        "description": rule.docstring or f"Draw {rule.name.removeprefix('fig_')}.",
        "script": source(f"src/{script[script.index('src/') + 4 :]}"),
        "code": [str(path) for path in dict(rule.input.items()).get("code", [])],
        "inputs": [str(path) for path in rule.input if not callable(path)],
        "outputs": [str(path) for path in rule.output],
        "params": dict(rule.params.items()),
    }
    return json.loads(
        json.dumps(
            described,
            default=lambda value: "function" if callable(value) else str(value),
        )
    )
