"""The rules of a workflow as an archive describes them, with what functions of the variant give for it."""

import json
import os
import re
from types import SimpleNamespace

from xpsvae import choices, dependencies

__all__ = ["describe", "describe_all"]

# Once Snakemake has put a constraint into an output, the wildcard reads {variant,[^/]+}.
_VARIANT = re.compile(r"\{variant(,[^}]*)?\}")


def describe_all(rules, base, archived, optional=()):
    """Describe every rule that a product of the archive can be from, in each variant that is archived.

    Parameters
    ----------
    rules : iterable of snakemake.rules.Rule
        Rules of another workflow, which uses these, are left out.
    base : path-like
        Folder of the project.
    archived : collection of str
        Paths of the products.
    optional : collection of str
        Paths that a rule reads where they are there: they are no part of its description, so that a clone without
        them knows the rule again.

    Returns
    -------
    list of dict
        See `describe`.
    """
    described, base = [], os.path.realpath(base)
    for rule in rules:
        own = os.path.realpath(str(rule.snakefile)).startswith(base)
        if not (own and rule.output and rule.script):
            continue
        if not _VARIANT.search(str(rule.output[0])):
            described.append(describe(rule, choices.CORRECTED, base, optional))
            continue
        for variant in choices.variants():
            made = {_VARIANT.sub(variant, str(path)) for path in rule.output} & set(archived)
            if any(map(rule.is_producer, made)):
                described.append(describe(rule, variant, base, optional))
    return described


def describe(rule, variant, base, optional=()):
    """Describe a rule as it is in one variant, in plain JSON.

    Parameters
    ----------
    rule : snakemake.rules.Rule
    variant : str
    base : path-like
        Folder of the project.
    optional : collection of str
        Inputs that are left out.

    Returns
    -------
    dict
        rule, description, script, code, inputs, outputs, params, as `xpsvae.archive.bundle.describe_rules`
        takes them.
    """

    def resolved(value):
        return value(SimpleNamespace(variant=variant)) if callable(value) else value

    def path(value):
        return _VARIANT.sub(variant, str(resolved(value)))

    script = str(rule.script).format(params=rule.params)  # figures name theirs by a parameter
    script = f"src/{script[script.index('src/') + 4 :]}"
    code = dependencies.imported_modules(f"{base}/{script}")
    described = {
        "rule": rule.name if variant == choices.CORRECTED else f"{rule.name} ({variant})",
        "description": rule.docstring or f"Draw {rule.name.removeprefix('fig_')}.",
        "script": os.path.relpath(f"{base}/{script}"),
        "code": [os.path.relpath(module) for module in code],
        "inputs": [path(value) for value in rule.input if path(value) not in optional],
        "outputs": [path(value) for value in rule.output],
        # what the code does stands there; the files of it stand here
        "params": {name: resolved(value) for name, value in rule.params.items() if name != "code"},
    }
    return json.loads(json.dumps(described, default=str))
