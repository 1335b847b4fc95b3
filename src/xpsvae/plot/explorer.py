"""The page of the latent explorer: one HTML file with Bokeh's JavaScript, the stars, and no address in it.

Python brings the numbers, as base64 in JSON, and the looks; `src/explorer/` has the page, its style and its
program. The same input gives the same bytes: Bokeh's own embedding would put random identifiers in.
"""

import base64
import html
import json

import matplotlib
import numpy as np
from matplotlib.colors import to_hex

from xpsvae.analysis import explorer
from xpsvae.plot.style import METALLICITY_MAP, SEQUENCES, distinct_dimensions, traced_labels

__all__ = ["decode", "encode", "facts", "page", "quantise"]

_LEVELS = np.iinfo(np.uint16).max
_NEITHER = {"name": "In neither", "color": "#9A9A9A", "marker": "triangle"}
_MARKERS = {"o": "circle", "s": "square"}  # Bokeh's names of matplotlib's
LABELS = {
    "teff": {"name": "Teff", "unit": "K", "digits": 0},
    "logg": {"name": "log g", "unit": "dex", "digits": 2},
    "m_h": {"name": "[M/H]", "unit": "dex", "digits": 2},
    "alpha_m": {"name": "[α/M]", "unit": "dex", "digits": 2},
}
NAMES = {label: known["name"] for label, known in LABELS.items()}


def encode(array):
    """Put an array into JSON: type, shape and base64 of its little-endian bytes."""
    array = np.ascontiguousarray(array)
    content = array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes()
    return {
        "type": array.dtype.name,
        "shape": list(array.shape),
        "data": base64.b64encode(content).decode("ascii"),
    }


def decode(entry):
    """Undo `encode`."""
    content = np.frombuffer(base64.b64decode(entry["data"]), np.dtype(entry["type"]).newbyteorder("<"))
    return content.reshape(entry["shape"])


def quantise(rows):
    """Squeeze each row into 16 bits a value: ``values = low + step * levels``.

    Parameters
    ----------
    rows : array (n_rows, n)

    Returns
    -------
    dict
        ``low`` and ``step`` float32 (n_rows,), ``levels`` uint16 (n_rows, n). A value is off by half a step at
        most, 1 / 131070 of its row's range, and the rounding of ``low`` and ``step``.
    """
    low = rows.min(axis=1).astype(np.float32)
    step = ((rows.max(axis=1) - low) / _LEVELS).astype(np.float32)
    levels = (rows - low[:, None].astype(np.float64)) / np.where(step > 0, step, 1)[:, None].astype(
        np.float64
    )
    return {"low": low, "step": step, "levels": np.clip(np.rint(levels), 0, _LEVELS).astype(np.uint16)}


def facts(content, summary, dimensions=None):
    """Say how the page shows what it holds: axes, labels, looks of the sequences, palette.

    Parameters
    ----------
    content : dict
        Output of `xpsvae.analysis.explorer.collect`.
    summary : dict
        Of the latents: ``kl`` per dimension [nat] and ``dead`` ones (from 1).
    dimensions : dict, optional
        Product of the rule choose_dimensions.

    Returns
    -------
    dict
        Plain JSON.
    """
    numbers = range(1, content["latents"].shape[1] + 1)
    live = [number for number in numbers if number not in summary["dead"]] or list(numbers)
    shown = live
    if dimensions and {"m_h", "alpha_m", "teff"} <= dimensions.keys():
        shown = distinct_dimensions(dimensions, ("teff", "m_h", "alpha_m"), live)
    looks = [
        {
            "name": SEQUENCES[name].label,
            "color": SEQUENCES[name].color,
            "marker": _MARKERS[SEQUENCES[name].marker],
        }
        for name in explorer.SEQUENCES
    ]
    return {
        "axes": [
            {
                "traces": traced_labels(number, dimensions or {}, NAMES),
                "kl": summary["kl"][number - 1],
                "dead": number not in live,
            }
            for number in numbers
        ],
        "first": [number - 1 for number in (shown * 2)[:2]],
        "labels": {name: LABELS[name] for name in content["labels"]},
        "sequences": [*looks, _NEITHER] if content["sequence"] is not None else [],
        "palette": [
            to_hex(colour) for colour in matplotlib.colormaps[METALLICITY_MAP](np.linspace(0, 0.97, 256))
        ],
    }


def page(content, shown, about, template, style, program):
    """Put the page together.

    Parameters
    ----------
    content : dict
        Output of `xpsvae.analysis.explorer.collect`.
    shown : dict
        Output of `facts`.
    about : dict of str to str
        ``title``, and ``origin``, the line that says which data and model these are.
    template, style, program : str
        HTML with the marks ``{{title}}``, ``{{origin}}``, ``{{style}}``, ``{{bokeh}}``, ``{{content}}`` and
        ``{{program}}``; CSS; JavaScript.

    Returns
    -------
    str
    """
    from bokeh.resources import Resources

    held = {
        "source_id": encode(content["source_id"]),
        "latents": encode(content["latents"].astype(np.float32)),
        "chi2": encode(content["chi2"].astype(np.float32)),
        "labels": {name: encode(values.astype(np.float32)) for name, values in content["labels"].items()},
        "wavelengths": encode(explorer.WAVELENGTHS.astype(np.float32)),
        "spectra": {
            name: {part: encode(array) for part, array in quantise(rows).items()}
            for name, rows in content["spectra"].items()
        },
        "facts": shown,
    }
    if content["sequence"] is not None:
        held["sequence"] = encode(content["sequence"])
    library = Resources(mode="inline", components=["bokeh", "bokeh-api"]).js_raw
    parts = {
        "title": html.escape(about["title"]),
        "origin": html.escape(about["origin"]),
        "style": style,
        "bokeh": "\n".join(library),
        "content": json.dumps(held, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c"),
        "program": program,
    }
    whole = []  # split, not replaced: no part is searched for the marks of the next
    for piece in template.split("{{"):
        name, mark, rest = piece.partition("}}")
        whole.append(parts[name] + rest if mark else piece)
    return "".join(whole)
