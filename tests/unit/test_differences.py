"""Two small builds, and what is said of their differences."""

import pytest
from click.testing import CliRunner

from xpsvae.cli import main
from xpsvae.errors import InputError
from xpsvae.paper.differences import METRICS, compare, find_build
from xpsvae.products import write_json


def row(classifier, accuracy, half_width=0.01, n_test=100):
    values = {name: None for metric in METRICS for name in (metric, f"{metric}_low", f"{metric}_high")}
    bounds = {"accuracy_low": accuracy - half_width, "accuracy_high": accuracy + half_width}
    whole = {"classifier": classifier, "name": classifier.title(), "whose": "here", "n_test": n_test}
    return whole | values | {"accuracy": accuracy} | bounds


@pytest.fixture
def builds(tmp_path):
    folders = [tmp_path / "a" / "library", tmp_path / "b" / "library"]
    tables = [
        [row("label", 0.9), row("latent", 0.88)],
        [row("label", 0.905), row("latent", 0.80), row("new", 0.5)],
    ]
    verdicts = ["holds", "fails"]
    configs = [{"training": {"n_latents": 6, "seed": 0}}, {"training": {"n_latents": 4, "seed": 0}}]
    for folder, table, told, config in zip(folders, tables, verdicts, configs, strict=True):
        write_json(folder / "corrected/tables/table1.json", table)
        claim = {"claim": "x", "text": "Colours add nothing", "verdict": told}
        write_json(
            folder / "audit/claims.json", {"claims": [claim, claim | {"claim": "y", "verdict": "holds"}]}
        )
        record = {"commit": "abc", "python": "3.11.7", "packages": {"numpy": "2.0"}, "config": config}
        write_json(folder / "provenance.json", record)
    return folders


def test_differences_are_told(builds):
    told = compare(*builds)
    assert "accuracy  0.900 (0.890 to 0.910)  0.905 (0.895 to 0.915)  +0.005\n" in told
    assert "accuracy  0.880 (0.870 to 0.890)  0.800 (0.790 to 0.810)  -0.080 *" in told
    assert "Only one of them has new." in told
    assert "Claims: 1 of 2 verdicts differ\n  Colours add nothing: holds -> fails" in told
    assert "Configuration: 1 key differs\n  training.n_latents: 6 -> 4" in told
    assert "Code: the same, abc" in told


def test_a_results_folder_of_one_dataset_will_do(builds):
    assert find_build(builds[0].parent) == builds[0]
    assert compare(builds[0].parent, builds[0]).count("Configuration: no keys differ") == 1


def test_what_is_no_build_is_named(builds, tmp_path):
    with pytest.raises(InputError, match=r"librray is no folder: did you mean 'library'"):
        find_build(builds[0].with_name("librray"))
    with pytest.raises(
        InputError, match="is not the results of one dataset .none has corrected/tables/table1.json"
    ):
        find_build(builds[0] / "audit")
    write_json(builds[0].with_name("zenodo") / "corrected/tables/table1.json", [])
    with pytest.raises(InputError, match=r"library, .*zenodo.: name a folder such as results/library"):
        find_build(builds[0].parent)


def test_a_build_without_audit_or_provenance_is_compared_all_the_same(builds):
    for path in ("audit/claims.json", "provenance.json"):
        (builds[1] / path).unlink()
    told = compare(*builds)
    assert "Claims: only one build has audit/claims.json" in told and "abc -> unknown" in told


def test_the_console_tells_them(builds):
    told = CliRunner().invoke(main, ["compare", *map(str, builds)])
    assert told.exit_code == 0 and told.output == compare(*builds) + "\n"
    assert CliRunner().invoke(main, ["compare", str(builds[0]), "nowhere"]).exit_code == 1
