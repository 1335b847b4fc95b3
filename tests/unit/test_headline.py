"""The explained share against plain loops, closed forms and scikit-learn; what a base lacks; small groups."""

import json

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.metrics import accuracy_score, roc_auc_score

from xpsvae.audit import bootstrap, headline, sets
from xpsvae.audit.tolerances import FEWEST_STARS
from xpsvae.errors import InputError

EDGES = [3500, 4500, 5000, 5500]
MAGNITUDES = ("j", "h", "k", "phot_g_mean_mag", "phot_bp_mean_mag", "phot_rp_mean_mag")


def catalogue(n=1500, seed=0, **replaced):
    """Make stars whose [alpha/M] follows [M/H], one latent and noise: variances 1, 1 and 1 in units of 0.01 dex^2."""
    rng = np.random.default_rng(seed)
    m_h, latent, noise = rng.normal(size=(3, n))
    stars = pd.DataFrame({name: rng.normal(12, 0.3, n) for name in MAGNITUDES})
    stars = stars.assign(
        source_id=np.arange(n),
        teff=rng.uniform(3500, 5500, n),
        logg=rng.uniform(0, 3.5, n),
        m_h=m_h,
        alpha_m=0.1 * (m_h + latent + noise),
        a_k=rng.uniform(0, 0.3, n),
        teff_err=20.0,
        logg_err=0.05,
        m_h_err=0.02,
    ).assign(**replaced)
    marks = pd.DataFrame({"classified": True, "high_alpha": stars["alpha_m"] > 0.05})
    train = rng.random(n) < 0.8
    return stars, marks, pd.DataFrame({"train": train, "test": ~train}), latent[:, None]


def settings(**changed):
    return {"number_of_folds": 5, "teff_edges": EDGES, "n_bootstrap": 200, "seed": 3} | changed


@pytest.fixture(scope="module")
def measured():
    stars, marks, split, latents = catalogue()
    frame = sets.giants(stars, marks, split)
    arrays = {"latents": latents, "coefficients": latents, "pca_6": np.zeros((len(frame), 6))}
    return frame, arrays, *headline.headline(frame, arrays, [1], **settings())


def test_share_is_that_of_a_plain_loop(measured):
    frame, arrays, report, predictions = measured
    fold = predictions["fold"].to_numpy()
    truth = frame["alpha_m"].to_numpy()
    base = frame[["teff", "logg", "m_h", "j_h", "j_k", "a_k", "bp_rp", "g_k"]].to_numpy()
    squares = {"base": 0.0, "both": 0.0}
    for each in range(5):
        for name, columns in (("base", base), ("both", np.hstack([base, arrays["latents"]]))):
            model = HistGradientBoostingRegressor(early_stopping=False, random_state=0)
            model.fit(columns[fold != each], truth[fold != each])
            for row in np.flatnonzero(fold == each):
                squares[name] += (model.predict(columns[[row]])[0] - truth[row]) ** 2
    share = 1 - squares["both"] / squares["base"]
    assert report["shares"]["latents"]["all"]["share"] == pytest.approx(share, rel=1e-9)


def test_share_comes_out_as_it_was_put_in(measured):
    """Latent and noise have equal variances: an ideal regressor explains half; boosting loses some to noise."""
    entry = measured[2]["shares"]["latents"]["all"]
    assert 0.35 < entry["share"] < 0.55
    assert entry["interval"][0] < entry["share"] < entry["interval"][1]
    assert measured[2]["shares"]["pca_6"]["all"]["share"] == pytest.approx(
        0, abs=0.02
    )  # constants add nothing


def test_interval_is_that_of_the_closed_form():
    """1 - mean(b^2) / mean(a^2) of independent normals: its error by propagation, 2/n + 2/n of the ratio."""
    rng = np.random.default_rng(1)
    before, after = rng.normal(size=4000), np.sqrt(0.6) * rng.normal(size=4000)
    found = bootstrap.share(before, after, 2000, 0)
    ratio = 1 - found["share"]
    half = 1.96 * ratio * np.sqrt(4 / 4000)
    assert found["share"] == pytest.approx(0.4, abs=0.03)
    assert np.diff(found["interval"])[0] / 2 == pytest.approx(half, rel=0.1)


def test_interval_is_paired():
    """Errors that differ by a factor have a share without any error."""
    error = np.random.default_rng(2).normal(size=500)
    assert bootstrap.share(error, 0.5 * error, 100, 0)["interval"] == pytest.approx([0.75, 0.75])
    assert bootstrap.gain(error, error + 1, 100, 0) == {
        "gain": pytest.approx(1),
        "interval": pytest.approx([1, 1]),
    }


def test_resampled_means_are_those_of_drawn_rows():
    values = np.random.default_rng(0).normal(size=(30, 2))
    generator = np.random.default_rng(7)
    expected = [values[generator.integers(30, size=30)].mean(axis=0) for _ in range(4)]
    assert bootstrap.resampled_means(values, 4, 7) == pytest.approx(np.array(expected), rel=1e-12)


def test_every_star_is_predicted_once_from_the_others():
    fold = headline.folds(103, 5, 0)
    assert sorted(np.bincount(fold)) == [20, 20, 21, 21, 21]
    target = np.arange(103.0)
    assert headline.crossfit(np.empty((103, 0)), target, fold) == pytest.approx(
        [target[fold != each].mean() for each in fold]
    )


def test_predictions_do_not_depend_on_threads():
    rng = np.random.default_rng(0)
    shown = rng.normal(size=(2000, 4))
    target = shown @ rng.normal(size=4) + rng.normal(size=2000)
    fold = headline.folds(2000, 5, 0)
    for each in (target, target > 0):
        found = headline.crossfit(shown, each, fold)
        assert (headline.crossfit(shown, each, fold, threads=3) == found).all()


def test_scores_are_scikit_learns(measured):
    frame, arrays, report, predictions = measured
    high = frame["high_alpha"].to_numpy()
    fold = predictions["fold"].to_numpy()
    probability = headline.crossfit(sets.matrix("labels_latents", frame, arrays), high, fold)
    entry = report["classifiers"]["labels_latents"]["all"]
    assert entry["roc_auc"]["value"] == pytest.approx(roc_auc_score(high, probability), abs=1e-12)
    assert entry["accuracy"]["value"] == accuracy_score(high, probability >= 0.5)
    gains = {(gain["features"], gain["over"]): gain["all"]["roc_auc"] for gain in report["gains"]}
    gain = gains["labels_latents", "labels"]
    assert gain["gain"] > 0 and gain["interval"][0] < gain["gain"] < gain["interval"][1]
    assert report["majority"] == max(high.mean(), 1 - high.mean())


def test_numbers_name_the_base_that_they_stand_on(measured):
    assert measured[2]["shares"]["latents"]["all"]["base"] == list(sets.BASE)
    stars, marks, split, latents = catalogue(400, a_k=np.nan, h=np.nan)
    frame = sets.giants(stars, marks, split)
    arrays = {"latents": latents, "coefficients": latents, "pca_6": latents}
    report, _ = headline.headline(frame, arrays, [1], **settings(n_bootstrap=100))
    assert report["sample"]["lacking"] == ["j_h", "a_k"]
    for entry in report["shares"]["latents"].values():
        assert entry["base"] == ["teff", "logg", "m_h", "j_k", "bp_rp", "g_k"]


def test_a_group_too_small_for_an_interval_is_null_and_says_so():
    stars, marks, split, latents = catalogue(120)
    frame = sets.giants(stars, marks, split)
    arrays = {"latents": latents, "coefficients": latents, "pca_6": latents}
    report, _ = headline.headline(frame, arrays, [1], **settings(n_bootstrap=100))
    shares = report["shares"]["latents"]
    small = [entry for entry in shares.values() if entry["n"] < FEWEST_STARS]
    assert small
    for entry in small:
        assert entry["share"] is None and entry["interval"] is None
        assert entry["why"] == f"{entry['n']} stars, where an interval needs {FEWEST_STARS}"
    unseen = report["classifiers"]["labels"]["unseen"]
    assert unseen["roc_auc"] is None and "stars of one class" in unseen["why"]
    json.dumps(report, allow_nan=False)


def test_too_few_giants_are_one_sentence():
    stars, marks, split, _ = catalogue(40)
    marks["classified"] = np.arange(40) < 7
    with pytest.raises(
        InputError, match="7 giants have labels, photometry and .alpha/M.: .* needs 20, so use more"
    ):
        sets.giants(stars, marks, split)


def test_stars_without_a_value_of_the_base_are_left_out():
    stars, marks, split, _ = catalogue(200)
    stars.loc[:9, "a_k"] = np.nan
    stars.loc[10:14, "alpha_m"] = np.nan
    frame = sets.giants(stars, marks, split)
    assert frame.index.tolist() == list(range(15, 200))


def test_dead_latents_are_told_from_live_ones():
    stars, marks, split, latents = catalogue(300)
    frame = sets.giants(stars, marks, split)
    noise = np.random.default_rng(5).normal(size=(300, 1))
    arrays = {"latents": np.hstack([latents, noise]), "coefficients": latents, "pca_6": latents}
    report, predictions = headline.headline(frame, arrays, [1], **settings(n_bootstrap=100))
    assert "base_latents_live" in predictions and "latents_live" in report["shares"]
    alone = sets.matrix("base_latents", frame, {"latents": latents})
    expected = headline.crossfit(alone, frame["alpha_m"].to_numpy(), predictions["fold"].to_numpy())
    assert predictions["base_latents_live"].to_numpy() == pytest.approx(expected, abs=1e-12)
