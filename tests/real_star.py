"""A real star in all forms of the Gaia archive: answers of datalink that the installed astroquery carries."""

import csv
import io
import zipfile
from importlib.metadata import distribution
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

SOURCE_ID = 5937083312263887616
FORMS = ("csv", "ecsv", "fits", "vot")
_NAME = "gaia_dr3_source_id_5937083312263887616_dl_products_{}.zip"


def answer(form):
    """Locate the zip archive of a form; skip the test where astroquery has none."""
    for file in distribution("astroquery").files or ():
        if file.name == _NAME.format(form) and Path(file.locate()).is_file():
            return Path(file.locate())
    pytest.skip("the installed astroquery carries no answers of datalink")


def member(form, product):
    """Name and bytes of the file of a product: XP_CONTINUOUS, XP_SAMPLED, MCMC_MSC."""
    with zipfile.ZipFile(answer(form)) as archive:
        (name,) = [name for name in archive.namelist() if name.startswith(product)]
        return name, archive.read(name)


def unpack(folder, form, product):
    """Write the file of a product into a folder, under its name."""
    name, content = member(form, product)
    path = Path(folder) / name
    path.write_bytes(content)
    return path


def columns():
    """Give the row of the csv file as text by column."""
    csv.field_size_limit(1 << 24)
    return next(csv.DictReader(io.StringIO(member("csv", "XP_CONTINUOUS")[1].decode())))


def array(text):
    """Numbers of a cell of the csv file."""
    return np.array([float(number) for number in text.strip("()").split(",")])


def frame(copies=1, **changes):
    """Rows of the star with arrays, as a DataFrame; ``changes`` are columns."""
    arrays = {}
    for name, text in columns().items():
        if text.startswith("("):
            arrays[name] = [array(text).tolist()] * copies
    made = {"source_id": [SOURCE_ID] * copies} | {k: v for k, v in arrays.items() if "corr" not in k}
    return pd.DataFrame(made | changes)
