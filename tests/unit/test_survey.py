"""Bulk files described, and a survey's stars counted in latent space."""

import runpy
from dataclasses import replace
from pathlib import Path

import bulk_files
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

import xpsvae
from xpsvae.errors import InputError
from xpsvae.own_stars import bulk
from xpsvae.own_stars.survey import Survey
from xpsvae.products import read_table, write_table

ROOT = Path(__file__).resolve().parents[2]


def stars(n_stars, n_latents=6, seed=0):
    """Made-up rows of a table of latents."""
    rng = np.random.default_rng(seed)
    table = pd.DataFrame(
        {"source_id": rng.permutation(n_stars) + 1, "phot_g_mean_flux": 10 ** rng.uniform(3, 7, n_stars)}
    )
    for k in range(n_latents):
        table[f"mean_{k + 1}"] = rng.normal(0, 2.5, n_stars).astype(np.float32)
    table["chi2"] = rng.choice([0.5, 1, 7, 9], n_stars) * rng.integers(1, 9, n_stars)
    table["distance"] = rng.uniform(0, 9, n_stars)
    table["reason"] = np.where(rng.uniform(size=n_stars) < 0.1, "BP is missing", "")
    table["warnings"] = rng.choice(["synthetic_g", "synthetic_g faint", "synthetic_g poor_fit far"], n_stars)
    table.loc[table["reason"] != "", table.columns[1:-2]] = np.nan
    table.loc[table["reason"] != "", "warnings"] = ""
    return table


@pytest.fixture(scope="module")
def model():
    return xpsvae.load(device="cpu")


@pytest.fixture(scope="module")
def table():
    return stars(3000)


def survey(folder, reference, *tables, listed=20):
    made = Survey(reference, listed)
    for number, table in enumerate(tables):
        write_table(folder / f"{number}.parquet", table)
        made.add(folder / f"{number}.parquet", f"file {number}")
    return made


def test_counts_are_those_of_numpy(table, model, tmp_path):
    found = survey(tmp_path, model.reference, table)
    described = table[table["reason"] == ""]
    summary, density = found.summary(), found.density()
    assert summary["stars"] == 3000 and summary["described"] == len(described)
    assert summary["not_described"] == {"BP is missing": 3000 - len(described)}
    words = described["warnings"].value_counts()
    assert summary["warnings"]["poor_fit"] == summary["warnings"]["far"] == words["synthetic_g poor_fit far"]
    assert summary["like_training_stars"] == words["synthetic_g"]
    assert summary["warnings"]["bright"] == 0
    edges = density["edges"]
    inside = np.ones(len(described), bool)
    for k in range(6):
        values = described[f"mean_{k + 1}"].to_numpy(float)
        np.testing.assert_array_equal(density["single"][k], np.histogram(values, edges[k])[0])
        inside &= (values >= edges[k][0]) & (values < edges[k][-1])
    assert 0 < summary["outside_of_density"] == (~inside).sum()
    assert len(density["pairs"]) == 15
    for (one, other), counts in zip(density["pairs"], density["counts"], strict=True):
        pair = [described[f"mean_{k}"].to_numpy(float) for k in (one, other)]
        expected, *_ = np.histogram2d(*pair, [edges[one - 1], edges[other - 1]])
        np.testing.assert_array_equal(counts, expected)
    magnitude = 25.6873668671 - 2.5 * np.log10(described["phot_g_mean_flux"])
    edges = density["magnitude_edges"], density["log_chi2_edges"]
    expected, *_ = np.histogram2d(magnitude, np.log10(described["chi2"]), edges)
    np.testing.assert_array_equal(density["quality"], expected)


def test_how_stars_are_divided_into_files_changes_nothing(table, model, tmp_path):
    one = survey(tmp_path, model.reference, table)
    three = survey(tmp_path, model.reference, table[2000:], table[:700], table[700:2000])
    assert one.summary() | {"files": 3} == three.summary()
    for name, array in one.density().items():
        np.testing.assert_array_equal(array, three.density()[name])
    pd.testing.assert_frame_equal(one.outliers(), three.outliers())
    assert three.files()["stars"].tolist() == [1000, 700, 1300]


def test_the_most_anomalous_stars_are_listed_by_either_measure(table, model, tmp_path):
    listed = survey(tmp_path, model.reference, table).outliers()
    described = table[table["reason"] == ""].sort_values("source_id")
    for name in ("chi2", "distance"):  # of equals those with the lowest source_id
        best = described.sort_values(name, ascending=False, kind="stable")["source_id"][:20]
        assert set(listed["source_id"][listed["listed_for"].str.contains(name)]) == set(best)
    assert listed["chi2"].is_monotonic_decreasing and listed["source_id"].is_unique


@pytest.mark.parametrize(("n_latents", "reason"), [(1, ""), (2, ""), (3, ""), (3, "BP is missing"), (6, "")])
def test_the_figure_is_drawn_for_any_number_of_latents_and_without_a_star(n_latents, reason, model, tmp_path):
    reference = replace(model.reference, latent_mean=np.zeros(n_latents), latent_covariance=np.eye(n_latents))
    draw = runpy.run_path(str(ROOT / "src/figures/dr3_density.py"))["draw"]
    found = survey(tmp_path, reference, stars(200, n_latents).assign(reason=reason))
    drawn = draw(found.summary(), found.density(), found.outliers(), reference)
    assert isinstance(drawn, Figure)
    drawn.draw_without_rendering()


@pytest.fixture(scope="module")
def columns():
    return bulk_files.spectra(8)


def bulk_file(folder, columns, first=3112, last=450_000):
    path = folder / f"XpContinuousMeanSpectrum_{first:06d}-{last:06d}.csv.gz"
    bulk_files.archive.write_bulk(path, columns)
    return path


def test_a_bulk_file_is_described(columns, model, tmp_path):
    path = bulk_file(tmp_path, columns[1])
    assert bulk.describe_file(path, tmp_path / "latents.parquet", model) == 8
    assert read_table(tmp_path / "latents.parquet")["source_id"].tolist() == columns[1]["source_id"]


def test_a_star_without_a_band_is_a_row_with_a_reason(columns, model, tmp_path):
    spoilt = {name: list(values) for name, values in columns[1].items()}
    bulk_files.archive.remove_band(spoilt, 3, "bp")
    bulk.describe_file(bulk_file(tmp_path, spoilt), tmp_path / "latents.parquet", model)
    table = read_table(tmp_path / "latents.parquet")
    assert table["reason"].tolist() == [*[""] * 3, "BP is missing", *[""] * 4]
    assert table["mean_1"].isna().tolist() == (table["reason"] != "").tolist()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (
            lambda columns: columns["source_id"].__setitem__(0, 5),
            "stars outside of the HEALPix pixels 3112 to 450000",
        ),
        (lambda columns: columns["source_id"].__setitem__(0, columns["source_id"][1]), "has a star twice"),
    ],
)
def test_a_file_of_other_stars_is_refused_and_leaves_nothing(change, says, columns, model, tmp_path):
    spoilt = {name: list(values) for name, values in columns[1].items()}
    change(spoilt)
    with pytest.raises(InputError, match=says):
        bulk.describe_file(bulk_file(tmp_path, spoilt), tmp_path / "latents.parquet", model)
    assert not (tmp_path / "latents.parquet").exists()


def test_a_table_that_the_disk_spoilt_is_noticed(columns, model, tmp_path, monkeypatch):
    path = bulk_file(tmp_path, columns[1])

    def spoilt(output, blocks):
        count = write_blocks(output, blocks)
        table = read_table(output)
        write_table(output, table.iloc[:-1])
        return count

    write_blocks = bulk.write_blocks
    monkeypatch.setattr(bulk, "write_blocks", spoilt)
    with pytest.raises(InputError, match="has 7 stars where 8 were written"):
        bulk.describe_file(path, tmp_path / "latents.parquet", model)
