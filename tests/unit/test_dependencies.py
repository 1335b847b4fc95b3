"""The modules a script imports: followed, and no more than it needs; and what they do, however they look."""

import re
import shutil

import pytest

from xpsvae import dependencies
from xpsvae.dependencies import PACKAGE, imported_modules

SOURCE = PACKAGE.parent


def names(script):
    return [path.relative_to(PACKAGE).as_posix() for path in imported_modules(script)]


def test_imports_are_followed_through_modules_and_packages(tmp_path):
    script = tmp_path / "script.py"
    script.write_text("with job(snakemake):\n    from xpsvae.config import validate\n    import numpy\n")
    assert names(script) == ["config.py", "config_schema.py"]  # the second is imported by the first


def test_name_from_a_package_counts_its_init(tmp_path):
    script = tmp_path / "script.py"
    script.write_text("from xpsvae.xp import coefficients_to_flux\n")
    found = names(script)
    assert "xp/__init__.py" in found and "xp/basis.py" in found


def test_plumbing_is_left_out(tmp_path):
    script = tmp_path / "script.py"
    script.write_text("from xpsvae.workflow import job\nfrom xpsvae.products import read_table\n")
    assert names(script) == []


def test_training_does_not_hang_on_plotting_nor_figures_on_training():
    scripts = SOURCE / "scripts"
    assert not [name for name in names(scripts / "train_svae.py") if name.startswith("plot/")]
    assert {"model/train.py", "model/compiled.py", "model/compiled.c"} <= set(
        names(scripts / "train_svae.py")
    )
    for tracks in ("build_kiel_tracks", "build_metallicity_tracks", "build_alpha_tracks"):
        assert "model/compiled.c" not in names(scripts / f"{tracks}.py")
    for figure in sorted((SOURCE / "figures").glob("*.py")):
        assert "plot/style.py" in names(figure)
        assert "model/train.py" not in names(figure)


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Put a copy of the package in the place of the real one; return its folder."""
    copy = tmp_path / "xpsvae"
    shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(dependencies, "PACKAGE", copy)
    forget()
    yield copy
    forget()


def forget():
    dependencies._read.cache_clear()  # a file is read once a process


@pytest.fixture
def train(package):
    """Give the digest of the script that trains, which imports Python and C."""

    def digest():
        forget()
        return dependencies.digest(SOURCE / "scripts" / "train_svae.py")

    return digest


def edited(path, change):
    before = path.read_text()
    path.write_text(change(before))
    assert path.read_text() != before


def first_docstring_gone(text):
    return re.sub(r'\A"""(?s:.*?)"""\n', "", text)


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text + "\n# a comment\n",
        lambda text: "# another\n" + text,
        lambda text: text.replace("\n\n", "\n\n\n"),
        lambda text: text.replace('"""', '"""Well: ', 1),
        first_docstring_gone,
        lambda text: re.sub(r'(\n    )"""[A-Z]', r'\1"""Another word: A', text),  # of functions and classes
        lambda text: text.replace(" == ", "  ==  ").replace(" = ", "  =  "),
    ],
    ids=[
        "comment below",
        "comment above",
        "blank lines",
        "docstring",
        "no docstring",
        "docstrings",
        "blanks",
    ],
)
@pytest.mark.parametrize("module", ["model/parallel.py", "model/train.py", "model/standardise.py"])
def test_comments_docstrings_and_layout_of_a_module_leave_the_digest(package, train, module, change):
    before = train()
    edited(package / module, change)
    assert train() == before


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text + "\n// a comment\n",
        lambda text: text.replace("\n#include", "\n/* in\n between */\n#include", 1),
        lambda text: text.replace("\n", "\n\n"),
        lambda text: text.replace("    ", "\t"),
    ],
    ids=["line comment", "block comment", "blank lines", "tabs"],
)
def test_comments_and_layout_of_c_leave_the_digest(package, train, change):
    before = train()
    edited(package / "model" / "compiled.c", change)
    assert train() == before


@pytest.mark.parametrize(
    ("module", "change"),
    [
        ("model/train.py", lambda text: text.replace("CHUNK = 8192", "CHUNK = 4096")),
        ("model/train.py", lambda text: text + "\nONE_MORE = 1\n"),
        ("model/train.py", lambda text: text + '\n"""Not a docstring, but an expression."""\n'),
        ("model/loss.py", lambda text: text.replace("return ", "return -", 1)),
        ("model/compiled.c", lambda text: text + "\nint one_more;\n"),
        ("model/compiled.c", lambda text: text.replace("+", "-", 1)),
    ],
    ids=["constant", "name", "expression", "sign", "c name", "c operator"],
)
def test_behaviour_changes_the_digest(package, train, module, change):
    before = train()
    edited(package / module, change)
    assert train() != before


def test_only_modules_that_are_imported_count(package, train):
    before = train()
    edited(package / "plot" / "style.py", lambda text: text + "\nONE_MORE = 1\n")
    edited(package / "products.py", lambda text: text + "\nONE_MORE = 1\n")  # carries bytes, decides none
    edited(package / "dependencies.py", lambda text: text + "\nONE_MORE = 1\n")
    assert train() == before


def test_a_module_that_moves_changes_the_digest(package, tmp_path):
    script = tmp_path / "script.py"
    script.write_text("from xpsvae.model import recipe\n")
    first = dependencies.digest(script)
    (package / "model" / "recipe.py").rename(package / "recipe.py")
    script.write_text("from xpsvae import recipe\n")
    forget()
    assert dependencies.digest(script) != first


def test_the_text_of_the_script_itself_does_not_count_but_its_imports_do(tmp_path):
    """Snakemake watches scripts itself."""
    script = tmp_path / "script.py"
    script.write_text("from xpsvae.model import loss\n")
    first = dependencies.digest(script)
    forget()
    script.write_text("import sys\n\nfrom xpsvae.model import loss\n\nprint(loss, sys.argv)\n")
    assert dependencies.digest(script) == first
    forget()
    script.write_text("from xpsvae.model import loss, recipe\n")
    assert dependencies.digest(script) != first
    forget()


def test_a_module_of_the_package_counts_itself(package):
    """What a comparison model does is in its module, which no script names."""
    model = package / "compare" / "models" / "pca.py"
    first = dependencies.digest(model)
    forget()
    edited(model, lambda text: text + "\nONE_MORE = 1\n")
    assert dependencies.digest(model) != first


def test_the_digest_is_the_same_wherever_the_clone_lies(package, train, tmp_path, monkeypatch):
    first = train()
    moved = tmp_path / "elsewhere" / "xpsvae"
    shutil.copytree(package, moved)
    monkeypatch.setattr(dependencies, "PACKAGE", moved)
    assert train() == first
    assert re.fullmatch("[0-9a-f]{16}", first)
