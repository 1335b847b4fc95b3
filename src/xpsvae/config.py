"""The workflow's configuration: `config.yaml`, what was given on top of it, and how both are checked.

Text is read as what `config.schema.yaml` wants, because Snakemake hands over every value within a group of
``--config`` as text. An unknown key, a wrong type or a value out of range is refused in one sentence that
names the key, what was found, what is expected and what to do, so that a misspelt choice never falls back to
a default.
"""

import os
import re

from xpsvae.config_schema import expected, is_number, parse, schema, subschema, types, validator
from xpsvae.errors import InputError, suggestion

__all__ = ["resolve", "training", "validate"]

# What YAML takes for something else than text, in any case; None is how Snakemake passes null on to its jobs.
_WORDS = {
    **dict.fromkeys(("null", "none", "~", ""), None),
    **dict.fromkeys(("true", "yes", "on"), True),
    **dict.fromkeys(("false", "no", "off"), False),
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
        As `validate`; or if ``config.yaml`` cannot be read or has a key twice.
    """
    given = dict(config)
    complete = _read(_merged(_load(defaults), given), schema(), given)
    _check(complete, given)
    complete["results"] = os.path.normpath(complete["results"])
    config.clear()
    config.update(complete)


def validate(config):
    """Check a complete configuration; return nothing.

    Parameters
    ----------
    config : dict
        As `resolve` leaves it.

    Raises
    ------
    InputError
        For the first unknown key, missing key, wrong type or value out of range.
    """
    _check(config, {})


def training(config):
    """Return what `xpsvae.model.fit` is given: what all recipes share, and all that the named one says."""
    return config["training"] | config["recipes"][config["training"]["recipe"]]


def _load(path):
    import yaml

    try:
        with open(path, encoding="utf-8") as file:
            content = parse(file.read(), path)
    except InputError:
        raise
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise InputError(f"{path} cannot be read, correct it: {' '.join(str(error).split())}.") from None
    if not isinstance(content, dict):
        raise InputError(f"{path} is not a group of keys: take the project's config.yaml and change values.")
    return content


def _merged(defaults, given):
    if not (isinstance(defaults, dict) and isinstance(given, dict)):
        return given
    return defaults | {key: _merged(defaults.get(key), value) for key, value in given.items()}


def _read(value, wanted, given, path=()):
    """Read text as the schema wants it, wherever the text can be read so."""
    if isinstance(value, dict):
        for name in value:
            if not isinstance(name, str):
                raise InputError(
                    f"config key '{_dotted((*path, _shown(name)))}' has a name that is not text: correct it "
                    f"or put it in quotes {_where((*path, name), given)}."
                )
        return {
            name: _read(item, subschema(wanted, name), given, (*path, name)) for name, item in value.items()
        }
    if isinstance(value, list):
        return [_read(item, subschema(wanted, number), given, path) for number, item in enumerate(value)]
    allowed = types(wanted)
    meant = _scalar(value) if isinstance(value, str) else value
    if isinstance(meant, float) and meant.is_integer() and "number" not in allowed:
        meant = int(meant)  # 1e3 is a whole number
    return meant if any(validator().is_type(meant, name) for name in allowed) else value


def _scalar(text):
    if text.strip().lower() in _WORDS:
        return _WORDS[text.strip().lower()]
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            pass
    return text


def _check(config, given):
    errors = validator().iter_errors(config)
    error = min(
        errors,
        key=lambda error: (error.validator != "additionalProperties", list(map(str, error.path))),
        default=None,
    )
    if error:
        raise InputError(_sentence(error, config, given))
    recipes = list(config["recipes"])
    for group in ("training", "ablations"):
        if (recipe := config[group]["recipe"]) not in recipes:
            raise InputError(
                f"config key '{group}.recipe' is {_shown(recipe)}: {suggestion(recipe, recipes)}."
            )


def _sentence(error, config, given):
    path = tuple(error.path)
    if error.validator == "additionalProperties":
        known = list(error.schema["properties"])
        name = next(name for name in error.instance if name not in known)
        space = ", with a space after the colon" if re.match(r"\w+:", name) else ""
        return f"config key '{_dotted((*path, name))}' is not known: {suggestion(name, known)}{space}."
    if error.validator == "required":
        name = next(name for name in error.validator_value if name not in error.instance)
        wanted = expected(subschema(schema(), *path, name))
        return f"config key '{_dotted((*path, name))}' is missing: add it {_where(path, given)}, {wanted}."
    if "propertyNames" in error.absolute_schema_path:
        name, form = _dotted((*path, error.instance)), error.schema["form"]
        return f"config key '{name}' has a name that is not {form}: give it another one."
    key = path[: next((place for place, part in enumerate(path) if isinstance(part, int)), len(path))]
    if error.validator == "enum":
        start = f"config key '{_dotted(key)}' {'is' if key == path else 'has'} {_shown(error.instance)}"
        return f"{start}: {suggestion(error.instance, error.validator_value)}."
    found = config
    for part in key:
        found = found[part]
    wanted = subschema(schema(), *key)
    return (
        f"config key '{_dotted(key)}' is {_shown(found)}, but must be {expected(wanted)}: "
        f"change it {_where(key, given)}{_advice(key, found, wanted)}."
    )


def _advice(key, found, wanted):
    if found is None:
        return ", or leave the key out"
    if "object" in types(wanted) and isinstance(found, str):
        group = "{key: value}"
        for part in key[:0:-1]:
            group = f"{{{part}: {group}}}"
        return f", for instance --config '{key[0]}={group}'"
    if "string" in types(wanted) and is_number(found) and "enum" not in wanted:
        # Only outside of groups the command line makes numbers of what looks like one.
        return ", with quotes in a file" + f" or as ./{found} on the command line" * (len(key) == 1)
    return ""


def _where(path, given):
    for part in path:
        if not isinstance(given, dict):
            break
        if part not in given:
            return "in config.yaml"
        given = given[part]
    return "in --config or --configfile"


def _dotted(path):
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in ".".join(map(str, path)))


def _shown(value):
    """Write a value as config.yaml has it, shortened."""
    if isinstance(value, list):
        text = f"[{', '.join(map(_shown, value))}]"
    elif isinstance(value, dict):
        text = f"{{{', '.join(f'{name}: {_shown(item)}' for name, item in value.items())}}}"
    elif value is None or isinstance(value, bool):
        text = {None: "null", True: "true", False: "false"}[value]
    else:
        text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
