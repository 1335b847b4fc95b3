"""What `config.schema.yaml` says of each key, also in words, and YAML files in which no key stands twice."""

import math
import re
from functools import cache
from importlib import resources

from xpsvae.errors import InputError

__all__ = ["expected", "is_number", "parse", "schema", "subschema", "types", "validator"]

_TYPE_NAMES = {
    "array": "a list",
    "boolean": "true or false",
    "integer": "a whole number",
    "null": "null",
    "number": "a number",
    "object": "a group of keys",
    "string": "text",
}


def parse(text, path):
    """Read YAML.

    Parameters
    ----------
    text : str
    path : path-like
        What the file is called in a message.

    Raises
    ------
    InputError
        If a group has a key twice, of which YAML would keep the last one.
    """
    import yaml

    class Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
        def construct_mapping(self, node, deep=False):
            seen = set()
            for key, _ in node.value:
                if key.value in seen and isinstance(key, yaml.ScalarNode):
                    line = key.start_mark.line + 1
                    raise InputError(f"{path} has the key '{key.value}' again in line {line}: keep one.")
                seen |= {key.value} if isinstance(key, yaml.ScalarNode) else set()
            return super().construct_mapping(node, deep)

    return yaml.load(text, Loader)


@cache
def schema():
    """Content of `config.schema.yaml`."""
    name = "config.schema.yaml"
    return parse(resources.files("xpsvae").joinpath(name).read_text("utf-8"), name)


def subschema(parent, *path):
    """Follow a path of keys, and of numbers of list items, and the references on the way.

    Parameters
    ----------
    parent : dict
        Schema of a group or of a list.
    *path : str or int

    Returns
    -------
    dict
        Schema at the end of the path; empty where the schema says nothing.
    """
    if "$ref" in parent:
        own = {keyword: value for keyword, value in parent.items() if keyword != "$ref"}
        parent = schema()["$defs"][parent["$ref"].removeprefix("#/$defs/")] | own
    if not path:
        return parent
    part, *rest = path
    if isinstance(part, int):
        first = parent.get("prefixItems", [])
        child = first[part] if part < len(first) else parent.get("items")
    else:
        child = parent.get("properties", {}).get(part, parent.get("additionalProperties"))
    return subschema(child or {}, *rest)


def types(wanted):
    """List the names of the types that a schema allows."""
    allowed = wanted.get("type", list(_TYPE_NAMES))
    return allowed if isinstance(allowed, list) else [allowed]


def expected(wanted):
    """Say in words what a schema wants: ``"a whole number from 1 to 110 or null"``."""
    if "form" in wanted:
        return wanted["form"]
    if "enum" in wanted:
        return "one of " + ", ".join(wanted["enum"])
    words = [_TYPE_NAMES[name] for name in types(wanted)]
    if {"integer", "number"} & set(types(wanted)):
        limits = {
            "minimum": "from",
            "exclusiveMinimum": "above",
            "maximum": "to" if "minimum" in wanted else "and at most",
            "exclusiveMaximum": "and below",
        }
        words[0] += "".join(f" {word} {wanted[key]:,}" for key, word in limits.items() if key in wanted)
    if "items" in wanted:
        words[0] += f", each item {expected(subschema(wanted, 0))}"
    if "uniqueItems" in wanted:
        words[0] += ", none twice"
    return " or ".join(words)


def is_number(value):
    """Whether a value is a finite number; true and false are none."""
    return type(value) is int or (isinstance(value, float) and math.isfinite(value))


@cache
def validator():
    """Make the validator of the schema: numbers are finite, whole numbers int, patterns fit all of a text."""
    from jsonschema import Draft202012Validator, ValidationError, validators

    def pattern(_, wanted, text, __):
        if isinstance(text, str) and not re.fullmatch(wanted, text):  # $ alone allows a line end after it
            yield ValidationError("another form")

    def ascending(_, wanted, numbers, __):
        if isinstance(numbers, list) and all(map(is_number, numbers)) and numbers != sorted(set(numbers)):
            yield ValidationError("not ascending")

    checker = Draft202012Validator.TYPE_CHECKER.redefine_many(
        {
            "number": lambda _, value: is_number(value),
            "integer": lambda _, value: type(value) is int,
        }
    )
    keywords = {"pattern": pattern, "ascending": ascending}
    return validators.extend(Draft202012Validator, keywords, type_checker=checker)(schema())
