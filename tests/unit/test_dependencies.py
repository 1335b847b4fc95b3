"""The modules a script imports: followed, and no more than it needs."""

from xpsvae.dependencies import PACKAGE, imported_modules

SOURCE = PACKAGE.parent


def names(script):
    return [path.relative_to(PACKAGE).as_posix() for path in imported_modules(script)]


def test_imports_are_followed_through_modules_and_packages(tmp_path):
    script = tmp_path / "script.py"
    script.write_text("with job(snakemake):\n    from xpsvae.config import validate\n    import numpy\n")
    assert names(script) == ["config.py"]


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
    assert "style.py" not in names(scripts / "train_svae.py")
    assert {"model/train.py", "model/compiled.py", "model/compiled.c"} <= set(
        names(scripts / "train_svae.py")
    )
    assert "model/compiled.c" not in names(scripts / "build_tracks.py")
    for figure in sorted((SOURCE / "figures").glob("*.py")):
        assert "style.py" in names(figure)
        assert "model/train.py" not in names(figure)
