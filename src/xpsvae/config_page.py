"""Write docs/configuration.md: every key with its type, bounds, default, unit and description.

From the project's folder: ``python -m xpsvae.config_page > docs/configuration.md``.
"""

import json
import sys
from pathlib import Path

from xpsvae.config_schema import expected, parse, schema, subschema, types

__all__ = ["page", "rows"]

_START = """# Configuration

<!-- Made from config.yaml and src/xpsvae/config.schema.yaml, edit those:
     python -m xpsvae.config_page > docs/configuration.md -->

`config.yaml` holds every setting. For one run, change some of them on the command line,

```
snakemake --cores 2 all --config 'training={n_latents: 8, recipe: published}' 'library={limit: 2000}'
```

or in a file of your own that holds only what differs, `snakemake --cores 2 all --configfile mine.yaml`:

```yaml
training: {n_latents: 8, recipe: mine}
recipes:
  mine: {epochs: 100, batch_size: 512, schedule: one-cycle, learning_rate: 1e-2, warm_up: 0.3,
         weight_decay: 0, kl_warm_up: 0.7, free_bits: 0}
```

What a group leaves out keeps its default, a list replaces the whole list, and `--config` wins over
`--configfile`. A group follows `--config` in quotes, with a space after each colon. Where a key wants
something else than text, text is read as YAML reads it: `8` and `1e-4` are numbers, `true`, `yes` and `on`
are true, `false`, `no` and `off` are false, `null`, `~` and nothing at all are null. A whole number may also
be written `1e3` or `6.0`. Numbers are finite. Editors with a YAML language server complete and check
`config.yaml` by its first line.

In the column *unit*, 1 stands for a pure number.
"""


def rows(wanted, default, path=()):
    """Yield every key below a group.

    Parameters
    ----------
    wanted : dict
        Schema of the group.
    default : dict
        Its content in config.yaml.
    path : tuple of str, optional
        Names of the groups above.

    Yields
    ------
    path : tuple of str
        Names of the key and of the groups it is in; ``<recipe>``, ``<model>`` for names that are the user's.
    wanted : dict
        Its schema.
    default : object
        Its default; for a name that is the user's, defaults by name; `Ellipsis` if it has none.
    """
    for name in wanted.get("properties", {}):
        child = subschema(wanted, name)
        value = default.get(name, ...)
        yield (*path, name), child, value
        yield from rows(child, value if isinstance(value, dict) else {}, (*path, name))
    if wanted.get("additionalProperties"):
        child = subschema(wanted, "")
        above = (*path, f"<{child['title']}>")
        others = {name: value for name, value in default.items() if name not in wanted.get("properties", {})}
        yield above, child, others
        for below, its_schema, _ in rows(child, {}, above):
            yield below, its_schema, {other: value.get(below[-1], ...) for other, value in others.items()}


def page(config):
    """Write the page.

    Parameters
    ----------
    config : dict
        Content of config.yaml.

    Returns
    -------
    str
        Markdown.
    """
    heading = ["| key | value | default | unit | |", "|---|---|---|---|---|"]
    lines = [_START, *heading]
    for path, wanted, default in rows(schema(), config):
        if "object" in types(wanted) and len(path) == 1:
            lines += ["", f"## {path[0]}", "", wanted["description"], "", *heading]
        else:
            name = ".".join(path)
            cells = f"`{name}`", expected(wanted), _default(name, wanted, default)
            cells += wanted.get("unit", ""), wanted["description"]
            lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def _default(name, wanted, default):
    if default is ...:
        return "–"
    if default == {}:
        return "`{}`"
    if "properties" in wanted:
        return ", ".join(default) if "<" in name else ""
    if "<" in name:
        return ", ".join(
            f"{other}: {_default('', wanted, value)}" for other, value in default.items() if value is not ...
        )
    return f"`{default if isinstance(default, str) else json.dumps(default)}`"


if __name__ == "__main__":
    file = Path(__file__).parents[2] / "config.yaml"
    sys.stdout.write(page(parse(file.read_text("utf-8"), file)))
