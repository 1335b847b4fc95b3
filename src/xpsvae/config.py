"""Validation of the workflow's configuration against `config.schema.yaml`.

An unknown key or a wrong type is refused with the path of the key and what was expected, so that a
misspelt choice never falls back to a default in silence.
"""

import difflib
from importlib import resources

from xpsvae.errors import InputError

__all__ = ["resolve", "training", "validate"]

_TYPE_NAMES = {
    "array": "a list",
    "boolean": "true or false",
    "integer": "a whole number",
    "null": "null",
    "number": "a number",
    "object": "a group of keys",
    "string": "text",
}


def resolve(config, defaults):
    """Complete what was given on the command line by the defaults, in place, and check it.

    Parameters
    ----------
    config : dict
        Keys of ``--config`` and of configuration files; groups may be partial.
    defaults : path-like
        The project's ``config.yaml``.

    Raises
    ------
    InputError
        As `validate`.
    """
    import yaml

    with open(defaults, encoding="utf-8") as file:
        complete = _merged(yaml.safe_load(file), config)
    config.clear()
    config.update(complete)
    validate(config)


def _merged(defaults, given):
    if not (isinstance(defaults, dict) and isinstance(given, dict)):
        return given
    return defaults | {key: _merged(defaults.get(key), value) for key, value in given.items()}


def validate(config):
    """Check a configuration; return nothing.

    Parameters
    ----------
    config : dict
        The content of ``config.yaml`` with the overrides of the command line.

    Raises
    ------
    InputError
        For the first unknown key, missing key, wrong type or value out of range.
    """
    import yaml
    from jsonschema import Draft202012Validator

    schema = yaml.safe_load(resources.files("xpsvae").joinpath("config.schema.yaml").read_text("utf-8"))
    errors = sorted(
        Draft202012Validator(schema).iter_errors(config),
        key=lambda error: (error.validator != "additionalProperties", [str(part) for part in error.path]),
    )
    if errors:
        raise InputError(_sentence(errors[0]))
    recipe, recipes = config["training"]["recipe"], list(config["recipes"])
    if recipe not in recipes:
        raise InputError(f"config key 'training.recipe' is {recipe!r}: {_nearest(recipe, recipes)}.")


def training(config):
    """Return what `xpsvae.model.fit` is given: what all recipes share, and all that the named one says."""
    return config["training"] | config["recipes"][config["training"]["recipe"]]


def _sentence(error):
    path = ".".join(str(part) for part in error.path)
    key = f"config key '{path}'"
    if error.validator == "additionalProperties":
        known = list(error.schema["properties"])
        name = next(name for name in error.instance if name not in known)
        return f"config key '{path + '.' if path else ''}{name}' is not known: {_nearest(name, known)}."
    if error.validator == "required":
        name = next(name for name in error.validator_value if name not in error.instance)
        return f"config key '{path + '.' if path else ''}{name}' is missing: add it to config.yaml."
    if error.validator == "type":
        types = error.validator_value if isinstance(error.validator_value, list) else [error.validator_value]
        expected = " or ".join(_TYPE_NAMES[name] for name in types)
        return f"{key} is {error.instance!r}, but must be {expected}: mend it in config.yaml."
    if error.validator == "enum":
        choices = [str(choice) for choice in error.validator_value]
        return f"{key} is {error.instance!r}: {_nearest(str(error.instance), choices)}."
    return f"{key} is not valid ({error.message}): mend it in config.yaml."


def _nearest(name, known):
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    choices = "choose one of " + ", ".join(known)
    return f"did you mean '{near[0]}'" + f" ({choices})" if near else choices
