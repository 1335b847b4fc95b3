"""Cuts, cut-flow and split against pandas queries, a loop over bits, and scikit-learn."""

import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import train_test_split

from xpsvae import products
from xpsvae.catalog import cuts
from xpsvae.errors import InputError

BITS = [19, 23]


@pytest.fixture
def stars():
    rng = np.random.default_rng(7)
    n = 4000
    frame = pd.DataFrame({"source_id": np.arange(1, n + 1)})
    frame["teff"] = rng.uniform(3000, 8000, n)
    frame["teff_err"] = frame.teff / rng.uniform(5, 400, n)
    frame["logg"] = rng.uniform(0, 5, n)
    frame["logg_err"] = rng.uniform(0, 0.5, n)
    frame["m_h"] = rng.uniform(-2, 0.5, n)
    frame["m_h_err"] = rng.uniform(0, 0.25, n)
    frame["alpha_m"] = rng.uniform(-0.1, 0.4, n)
    frame["phot_g_mean_mag"] = rng.uniform(5, 19, n)
    frame["phot_bp_mean_mag"] = frame.phot_g_mean_mag + rng.uniform(-0.5, 2.5, n)
    frame["phot_rp_mean_mag"] = frame.phot_g_mean_mag - rng.uniform(-0.5, 2.5, n)
    frame["starflag"] = pd.array(rng.choice([0, 1, 4], n, p=[0.8, 0.1, 0.1]), dtype="Int64")
    frame["aspcapflag"] = pd.array(
        sum((rng.random(n) < 0.2).astype(np.int64) << bit for bit in (2, 3, 19, 23)), dtype="Int64"
    )
    frame.loc[::40, ["m_h", "m_h_err"]] = np.nan
    frame.loc[::33, "alpha_m"] = np.nan
    frame.loc[5, "starflag"] = pd.NA
    return frame


def queries(subset):
    limits = cuts.CUTS[subset]
    return {
        "teff_snr": f"teff / teff_err > {limits['teff_snr_min']}",
        "logg_err": f"logg_err < {limits['logg_err_max']}",
        "m_h_err": f"m_h_err < {limits['m_h_err_max']}",
        "bp_rp": "0 < phot_bp_mean_mag - phot_rp_mean_mag < 4",
        "g": "6 < phot_g_mean_mag < 17.5",
    }


def passes(stars, subset, bits):
    masks = {name: stars.index.isin(stars.query(text).index) for name, text in queries(subset).items()}
    masks["starflag"] = np.array([flag is not pd.NA and flag == 0 for flag in stars.starflag])
    masks["aspcapflag"] = np.array(
        [not any(int(flag) >> bit & 1 for bit in bits) for flag in stars.aspcapflag]
    )
    masks["labels"] = np.isfinite(stars[["teff", "logg", "m_h", "alpha_m"]].to_numpy()).all(axis=1)
    return masks


def test_limits_are_the_papers(settings):
    both = {"bp_rp": [0, 4], "g": [6, 17.5], "starflag": 0}
    assert cuts.CUTS["good"] == {"teff_snr_min": 20, "logg_err_max": 0.4, "m_h_err_max": 0.2} | both
    strict = {"teff_snr_min": 100, "logg_err_max": 0.1, "m_h_err_max": 0.05}
    assert cuts.CUTS["pristine"] == cuts.CUTS["good"] | strict
    assert settings["cuts"] == cuts.CUTS


@pytest.mark.parametrize("bits", [BITS, [2, 3]])
def test_subsets_and_cutflow_equal_pandas(stars, bits):
    subsets, cutflow = cuts.select(stars, cuts.CUTS, bits)
    assert subsets.full.all() and subsets.source_id.equals(stars.source_id)
    for subset in ("good", "pristine"):
        expected = passes(stars, subset, bits)
        remaining = np.ones(len(stars), dtype=bool)
        for step, name in zip(cutflow["cuts"][subset], cuts.CUT_NAMES, strict=True):
            assert step["cut"] == name and step["available"]
            np.testing.assert_array_equal(subsets[f"{subset}_{name}"], expected[name])
            remaining &= expected[name]
            assert step["removed_alone"] == (~expected[name]).sum() > 0
            assert step["remaining"] == remaining.sum()
        np.testing.assert_array_equal(subsets[subset], remaining)
        assert cutflow["stars"][subset] == remaining.sum()
    assert cutflow["not_available"] == []


def test_the_papers_counts_stand_beside_ours(stars):
    _, cutflow = cuts.select(stars, cuts.CUTS, BITS)
    paper = {
        subset: [step["paper_removed_alone"] for step in cutflow["cuts"][subset]]
        for subset in ("good", "pristine")
    }
    assert paper["good"] == [16_028, 43_705, 32_314, None, None, None, None, None]
    assert paper["pristine"] == [273_466, 286_191, 33_769, None, None, None, None, None]
    assert cutflow["paper_stars"]["good"] == 202_970 and cutflow["paper_stars"]["pristine"] == 123_804
    assert sum(cutflow["paper_stars"][part] for part in ("train", "test")) == cutflow["paper_stars"]["full"]


def test_a_null_column_is_not_available_neither_passed_nor_failed(stars, tmp_path):
    without = stars.assign(starflag=pd.array([pd.NA] * len(stars), dtype="Int64"), aspcapflag=np.nan)
    subsets, cutflow = cuts.select(without, cuts.CUTS, BITS)
    assert cutflow["not_available"] == ["aspcapflag", "starflag"]
    assert subsets[["good_starflag", "pristine_aspcapflag"]].isna().all(axis=None)
    by_name = {step["cut"]: step for step in cutflow["cuts"]["good"]}
    assert by_name["starflag"]["removed_alone"] is None and not by_name["starflag"]["available"]
    assert by_name["aspcapflag"]["remaining"] == by_name["starflag"]["remaining"] == by_name["g"]["remaining"]
    expected = passes(stars, "good", BITS)
    alone = np.logical_and.reduce([expected[name] for name in cuts.CUT_NAMES if "flag" not in name])
    np.testing.assert_array_equal(subsets.good, alone)
    products.write_table(tmp_path / "subsets.parquet", subsets)
    products.write_json(tmp_path / "cutflow.json", cutflow)
    back = products.read_table(tmp_path / "subsets.parquet")
    assert back.good_starflag.isna().all() and back.good.dtype == bool


def test_limits_are_open_and_unknown_values_fail(stars):
    edge = stars.iloc[:3].assign(
        teff=[2000.0, 2001.0, np.nan],
        teff_err=100.0,
        phot_g_mean_mag=[6.0, 10.0, 17.5],
        logg_err=[0.4, 0.3, np.nan],
    )
    masks = cuts.cut_masks(edge, cuts.CUTS["good"], BITS)
    assert masks["teff_snr"][1].tolist() == [False, True, False]
    assert masks["g"][1].tolist() == [False, True, False]
    assert masks["logg_err"][1].tolist() == [False, True, False]


def test_split_is_scikit_learns(stars):
    train, test = cuts.split(len(stars), 0.1, 12345)
    rows = train_test_split(np.arange(len(stars)), test_size=0.1, random_state=12345)
    for mask, expected in zip((train, test), rows, strict=True):
        assert mask.sum() == len(expected) and mask[expected].all()
    assert cuts.split(502_311, 0.1, 12345)[0].sum() == 452_079  # the paper's train split


def test_an_empty_subset_is_refused(stars):
    limits = {"good": cuts.CUTS["good"], "pristine": cuts.CUTS["pristine"] | {"logg_err_max": 0}}
    with pytest.raises(InputError, match="none of 4000 stars is left in pristine: widen cuts"):
        cuts.select(stars, limits, BITS)


@pytest.mark.parametrize("n", [0, 1])
def test_too_few_stars_to_split_are_refused(n):
    with pytest.raises(InputError, match=f"{n} stars cannot be split with test_fraction 0.1: use more stars"):
        cuts.split(n, 0.1, 12345)


def test_no_cut_moves_a_star_from_one_part_of_the_split_to_the_other(stars):
    subsets, cutflow = cuts.select(stars, cuts.CUTS, BITS)
    assert not {"train", "test"} & {*subsets, *cutflow["stars"]}
    assert "train" in cutflow["paper_stars"]


def test_the_cut_flow_is_told_in_lines_beside_the_paper(stars):
    _, cutflow = cuts.select(stars.assign(starflag=pd.NA), cuts.CUTS, BITS)
    lines = cuts.describe(cutflow)
    assert len(lines) == 2 * (len(cuts.CUT_NAMES) + 1)
    removed = int((~(stars.teff / stars.teff_err > 100)).sum())
    assert lines[9] == (
        f"pristine: Teff / error > 100 removes {removed:,} (the paper: 273,466), {4000 - removed:,} remain"
    )
    assert lines[5].startswith("good: STARFLAG = 0 is not available, ")
    assert lines[-1] == f"pristine: {cutflow['stars']['pristine']:,} of 4,000 (the paper: 123,804 of 502,311)"
