"""Classifiers against scikit-learn's own scores, hand-made reshapes and plain loops."""

import json

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import (
    accuracy_score,
    balanced_accuracy_score,
    confusion_matrix,
    precision_score,
    recall_score,
    roc_auc_score,
)
from sklearn.model_selection import train_test_split

from xpsvae.analysis import classify as classifiers
from xpsvae.analysis.classify import (
    CLASSIFIERS,
    METRICS,
    by_teff,
    classify,
    common_sample,
    features,
    forest,
    metrics,
    resamples,
    scramble,
)
from xpsvae.errors import InputError
from xpsvae.paper.table1 import plain_text, table_rows, tabular, variants_tabular


@pytest.fixture(scope="module")
def frame():
    generator = np.random.default_rng(0)
    n = 500
    low = generator.random(n) < 0.75
    table = pd.DataFrame(
        {"source_id": np.arange(n) + 10, "m_h": generator.normal(-0.4 + 0.4 * low, 0.3)}
        | {"teff": generator.normal(4600, 200, n), "logg": generator.normal(2, 0.5, n)}
        | {"j": generator.normal(10, 0.1, n), "h": 9.5, "k": 9.4}
        | {f"z_{k}": generator.normal((k == 1) * 2.0 * low, 1).astype(np.float32) for k in (1, 2, 3)}
    )
    table["test"] = generator.random(n) < 0.2
    table["train"] = ~table["test"]
    table["truth"] = low.astype(int)
    return table


@pytest.fixture(scope="module")
def result(frame):
    """Serve three variants: corrected, with the published features alone, with the published split alone."""
    choices = {
        "corrected": {},
        "only-label_features": {"label_features": "scrambled"},
        "only-leakage": {"test_stars": "random"},
    }
    truth = frame["truth"].to_numpy()
    return {
        variant: classify(frame, truth, [1, 3], test_fraction=0.1, n_bootstrap=50, seed=0, **arguments)
        for variant, arguments in choices.items()
    }


def test_scramble_by_hand():
    columns = [np.array([1, 2, 3, 4]), np.array([10, 20, 30, 40]), np.array([100, 200, 300, 400])]
    assert scramble(columns).tolist() == [[1, 2, 3], [4, 10, 20], [30, 40, 100], [200, 300, 400]]


@pytest.mark.parametrize(
    ("name", "columns"),
    [
        ("m_h", ["m_h"]),
        ("label", ["m_h", "teff", "logg"]),
        ("label_extinction", ["m_h", "teff", "logg", "j_h", "j_k"]),
        ("latent", ["z_1", "z_2", "z_3"]),
        ("latent_live", ["z_1", "z_3"]),
        ("label_latent", ["m_h", "teff", "logg", "z_1", "z_2", "z_3"]),
    ],
)
def test_features_are_the_columns_they_are_named_after(frame, name, columns):
    matrix, names = features(name, frame, live=[1, 3])
    assert names == columns
    expected = frame.assign(j_h=frame["j"] - frame["h"], j_k=frame["j"] - frame["k"])[columns]
    np.testing.assert_allclose(matrix, expected.to_numpy(dtype=float), rtol=1e-6)


def test_only_label_features_are_scrambled(frame):
    label, _ = features("label", frame, label_features="scrambled")
    columns = frame[["m_h", "teff", "logg"]].to_numpy(dtype=np.float32)
    np.testing.assert_array_equal(label.ravel(), columns.T.ravel())
    assert label[1].tolist() == columns[3:6, 0].tolist()  # [M/H] of three other stars
    extinct, names = features("label_extinction", frame, label_features="scrambled")
    five = frame.assign(j_h=frame["j"] - frame["h"], j_k=frame["j"] - frame["k"])[names]
    np.testing.assert_array_equal(extinct.ravel(), five.to_numpy(dtype=np.float32).T.ravel())
    for name in ("m_h", "latent", "latent_live", "label_latent", "label_permuted"):
        np.testing.assert_array_equal(
            features(name, frame, [1], label_features="scrambled")[0], features(name, frame, [1])[0]
        )


def test_permuted_latents_keep_labels_and_belong_to_other_stars(frame):
    matrix, _ = features("label_permuted", frame, seed=3)
    real, _ = features("label_latent", frame)
    np.testing.assert_array_equal(matrix[:, :3], real[:, :3])
    order = np.argsort(matrix[:, 3])
    np.testing.assert_array_equal(matrix[order, 3:], real[np.argsort(real[:, 3]), 3:])
    assert np.mean(matrix[:, 3] == real[:, 3]) < 0.05


def test_unknown_classifier_is_refused(frame):
    with pytest.raises(InputError, match="'colour' is unknown"):
        features("colour", frame)


def test_common_sample_keeps_classified_stars_with_every_feature(frame):
    catalogue = pd.concat([frame, frame], ignore_index=True)
    marks = pd.DataFrame({"classified": np.arange(1000) % 2 == 0})
    marks["high_alpha"] = pd.array(1 - catalogue["truth"], dtype="boolean")
    marks.loc[~marks["classified"], "high_alpha"] = pd.NA
    pristine = catalogue.drop(index=range(100)).copy()
    pristine.loc[200:300, "h"] = np.nan
    kept, classes = common_sample(pristine, marks)
    assert kept.index.tolist() == [row for row in range(100, 1000, 2) if not 200 <= row <= 300]
    assert classes.tolist() == kept["truth"].tolist()


def _predictions(seed, n=300):
    generator = np.random.default_rng(seed)
    truth = (generator.random(n) < 0.7).astype(int)
    probability = np.round(np.clip(generator.normal(0.6 - 0.3 * truth, 0.25), 0, 1), 1)  # many ties
    return truth, (probability < 0.5).astype(int), probability


@pytest.mark.parametrize("seed", range(3))
def test_metrics_equal_scikit_learn(seed):
    truth, predicted, probability = _predictions(seed)
    found = {name: value[0] for name, value in metrics(truth, predicted, probability).items()}
    assert found == pytest.approx(
        {
            "accuracy": accuracy_score(truth, predicted),
            "recall_high": recall_score(truth, predicted, pos_label=0),
            "recall_low": recall_score(truth, predicted, pos_label=1),
            "precision_high": precision_score(truth, predicted, pos_label=0),
            "precision_low": precision_score(truth, predicted, pos_label=1),
            "balanced_accuracy": balanced_accuracy_score(truth, predicted),
            "roc_auc": roc_auc_score(1 - truth, probability),
        }
    )
    assert tuple(found) == METRICS


def test_auc_is_the_fraction_of_pairs_in_order():
    truth, predicted, probability = _predictions(9, n=60)
    pairs = [
        1.0 if high > low else 0.5 if high == low else 0.0
        for high in probability[truth == 0]
        for low in probability[truth == 1]
    ]
    assert metrics(truth, predicted, probability)["roc_auc"][0] == pytest.approx(np.mean(pairs))


def test_resampled_metrics_equal_those_of_repeated_stars():
    truth, predicted, probability = _predictions(4)
    counts = resamples(len(truth), 20, seed=1)
    assert (counts.sum(axis=1) == len(truth)).all()
    found = metrics(truth, predicted, probability, counts)
    for number, count in enumerate(counts):
        rows = np.repeat(np.arange(len(truth)), count)
        alone = metrics(truth[rows], predicted[rows], probability[rows])
        for name in METRICS:
            assert found[name][number] == pytest.approx(alone[name][0])


def test_resamples_and_their_metrics_do_not_depend_on_how_many_are_worked_on_together(monkeypatch):
    truth, predicted, probability = _predictions(4, 50)
    counts = np.random.default_rng(1).multinomial(50, np.full(50, 1 / 50), size=33)
    np.testing.assert_array_equal(resamples(50, 33, seed=1), counts)
    found = metrics(truth, predicted, probability, counts)
    monkeypatch.setattr(classifiers, "COUNTS_AT_ONCE", 4 * 50)
    np.testing.assert_array_equal(resamples(50, 33, seed=1), counts)
    for name, values in metrics(truth, predicted, probability, counts).items():
        np.testing.assert_array_equal(values, found[name])
    again = classifiers.whole_and_resamples(50, 33, seed=1)
    assert (again[0] == 1).all() and (again[1:] == counts).all()


def test_a_class_never_predicted_has_no_precision():
    found = metrics(np.array([0, 0, 1, 1]), np.ones(4, dtype=int), np.zeros(4))
    assert np.isnan(found["precision_high"][0])
    assert found["roc_auc"][0] == 0.5
    assert found["recall_high"][0] == 0


def test_forest_does_not_depend_on_threads(frame):
    matrix, _ = features("m_h", frame)
    matrix = np.round(matrix, 1)  # impure leaves: votes are fractions, whose sum depends on their order
    rows = np.arange(len(frame))
    one = forest(matrix, frame["truth"].to_numpy(), rows[100:], rows[:100], threads=1)
    two = forest(matrix, frame["truth"].to_numpy(), rows[100:], rows[:100], threads=2)
    np.testing.assert_array_equal(one[0], two[0])
    np.testing.assert_array_equal(one[1], two[1])


@pytest.mark.parametrize("at_once", [7, 24, 100])
def test_a_forest_of_few_trees_at_a_time_is_scikit_learns(frame, monkeypatch, at_once):
    monkeypatch.setattr(classifiers, "TREES_AT_ONCE", at_once)
    matrix, _ = features("m_h", frame)
    matrix, classes, rows = np.round(matrix, 1), frame["truth"].to_numpy(), np.arange(len(frame))
    train, test = rows[100:], rows[:100]
    predicted, probability = forest(matrix, classes, train, test, threads=2, random_state=5)
    whole = RandomForestClassifier(random_state=5).fit(matrix[train], classes[train])
    np.testing.assert_array_equal(probability, whole.predict_proba(matrix[test])[:, 0])
    np.testing.assert_array_equal(predicted, whole.predict(matrix[test]))


@pytest.mark.parametrize(
    ("variant", "name"),
    [
        ("only-leakage", "label"),
        ("only-label_features", "label"),
        ("corrected", "latent"),
        ("corrected", "label"),
    ],
)
def test_classify_equals_scikit_learn_called_directly(frame, result, variant, name):
    report, predictions = result[variant]
    columns = ["m_h", "teff", "logg"] if name == "label" else ["z_1", "z_2", "z_3"]
    matrix = np.array([frame[column].to_numpy() for column in columns])
    matrix = matrix.reshape(-1, 3) if variant == "only-label_features" else matrix.T
    truth = frame["truth"].to_numpy()
    if variant != "only-leakage":
        fit, test = frame["train"].to_numpy(), frame["test"].to_numpy()
        parts = matrix[fit], matrix[test], truth[fit], truth[test]
    else:
        parts = train_test_split(matrix, truth, random_state=0, test_size=0.1)
    model = RandomForestClassifier(random_state=0).fit(parts[0], parts[2])
    (entry,) = (e for e in report["classifiers"] if e["classifier"] == name)
    assert entry["counts"] == confusion_matrix(parts[3], model.predict(parts[1])).tolist()
    assert np.array(entry["confusion"]).sum() == pytest.approx(1)
    assert np.sum(entry["counts"]) == len(parts[3])
    assert report["sample"]["majority"] == pytest.approx(max(np.mean(parts[3]), 1 - np.mean(parts[3])))
    assert report["sample"]["n_train"] == len(parts[2]) and report["sample"]["n_test"] == len(parts[3])
    assert report["sample"]["n_test_high"] == np.sum(parts[3] == 0)
    mine = predictions.query("classifier == @name")
    np.testing.assert_array_equal(mine["predicted"], model.predict(parts[1]))
    np.testing.assert_allclose(mine["probability_high"], model.predict_proba(parts[1])[:, 0])
    assert dict(zip(mine["source_id"], mine["low_alpha"], strict=True)) == {
        star: truth[star - 10] for star in mine["source_id"]
    }


def test_unseen_test_stars_are_those_the_model_never_saw(frame, result):
    for variant in ("corrected", "only-label_features"):
        tested = result[variant][1].query("classifier == 'latent'")["source_id"]
        assert set(tested) == set(frame["source_id"][frame["test"]])


def test_random_test_stars_are_scikit_learns_whatever_trained_the_model(frame, result):
    tested = result["only-leakage"][1].query("classifier == 'latent'")["source_id"]
    _, expected = train_test_split(frame["source_id"].to_numpy(), random_state=0, test_size=0.1)
    assert tested.tolist() == expected.tolist()
    assert frame.set_index("source_id")["train"][expected].sum() > len(expected) / 2


def test_a_report_says_how_its_stars_were_chosen_and_its_features_made(result):
    said = {
        variant: (report["sample"]["how"][:6], report["sample"]["label_features"])
        for variant, (report, _) in result.items()
    }
    assert said == {
        "corrected": ("traine", "stacked"),
        "only-label_features": ("traine", "scrambled"),
        "only-leakage": ("random", "stacked"),
    }


def test_variants_share_what_the_scrambling_leaves_alone(result):
    corrected, published = (
        {entry["classifier"]: entry["counts"] for entry in result[variant][0]["classifiers"]}
        for variant in ("corrected", "only-label_features")
    )
    changed = {name for name in CLASSIFIERS if corrected[name] != published[name]}
    assert changed == {"label", "label_extinction"}


def test_intervals_hold_the_value_and_gains_are_paired(result):
    report, predictions = result["corrected"]
    for entry in report["classifiers"]:
        low, high = entry["intervals"]["accuracy"]
        assert low < entry["accuracy"] < high
    pairs = [(gain["classifier"], gain["over"]) for gain in report["gains"]]
    assert set(pairs) == {
        ("latent", "label"),
        ("latent", "latent_live"),
        ("label_extinction", "label"),
        ("label_latent", "label"),
        ("label_latent", "label_extinction"),
        ("label_latent", "label_permuted"),
    }
    gain = report["gains"][pairs.index(("label_latent", "label"))]
    right = {
        name: (group["predicted"] == group["low_alpha"]).to_numpy(dtype=float)
        for name, group in predictions.groupby("classifier")
    }
    difference = right["label_latent"] - right["label"]
    assert gain["accuracy"]["gain"] == pytest.approx(difference.mean())
    drawn = resamples(len(difference), 50, seed=0) @ difference / len(difference)
    assert gain["accuracy"]["interval"] == pytest.approx(np.percentile(drawn, [2.5, 97.5]).tolist())


def test_too_few_stars_of_a_class_are_refused(frame, settings):
    classes = np.ones(len(frame), dtype=int)
    classes[0] = 0
    with pytest.raises(
        InputError, match="the sample of the alpha classifiers hold 1 high-alpha and 499 low-alpha"
    ):
        classify(frame, classes, [1], **settings["classifiers"])
    for missing in ("test", "train"):
        what = {"test": "the test stars", "train": "the training stars"}[missing]
        with pytest.raises(InputError, match=f"{what} of the alpha classifiers hold 0 high-alpha and 0 low"):
            classify(
                frame.assign(**{missing: False}), frame["truth"].to_numpy(), [1], **settings["classifiers"]
            )


def test_table_1_repeats_the_report(result):
    report = result["corrected"][0]
    rows = table_rows(report)
    assert rows == table_rows(json.loads(json.dumps(report, sort_keys=True, allow_nan=False)))
    ours = [row for row in rows if row["classifier"] != "majority" and row["whose"] == "here"]
    assert [row["classifier"] for row in ours] == list(CLASSIFIERS)
    assert len(ours) == len(report["classifiers"])
    for entry in report["classifiers"]:
        (row,) = (row for row in ours if row["classifier"] == entry["classifier"])
        for metric in METRICS:
            assert row[metric] == entry[metric]
            assert [row[f"{metric}_low"], row[f"{metric}_high"]] == entry["intervals"][metric]
    paper = [row for row in rows if row["whose"] == "paper"]
    assert [row["accuracy"] for row in paper] == [0.722, 0.68, 0.70, 0.70, 0.84]
    assert [row["recall_high"] for row in paper] == [None, 0.40, 0.15, 0.15, 0.58]  # its Table 1
    assert [row["recall_low"] for row in paper] == [None, 0.79, 0.91, 0.92, 0.93]
    (majority,) = (row for row in rows if (row["classifier"], row["whose"]) == ("majority", "here"))
    assert majority["accuracy"] == report["sample"]["majority"]
    assert (majority["recall_high"], majority["recall_low"]) == (0, 1)


def test_plain_text_has_the_cells_of_the_tabular(result):
    rows = table_rows(result["corrected"][0])
    _, heads, *lines = plain_text(rows).splitlines()
    for row, line in zip(rows, lines, strict=True):
        for metric, cell in zip(METRICS, line.split()[-len(METRICS) :], strict=True):
            value, _, half = cell.partition("+-")
            assert value == (
                "--" if row[metric] is None else f"{row[metric]:.{2 + (row['whose'] == 'here')}f}"
            )
            if half:
                assert half == f"{(row[f'{metric}_high'] - row[f'{metric}_low']) / 2:.3f}"
    assert heads.index("AUC") == lines[0].rindex("--")


def test_tabular_is_one_well_formed_latex_row_a_line(result):
    rows = table_rows(result["corrected"][0])
    lines = tabular(rows).splitlines()
    body = [line for line in lines if "&" in line]
    assert len(body) == len(rows) + 1
    assert {line.count("&") for line in body} == {len(METRICS) + 1}
    assert all(line.endswith("\\\\") for line in body)
    assert not any(line.startswith("[") for line in body)
    label = next(row for row in rows if (row["classifier"], row["whose"]) == ("label", "here"))
    bounds = f"_{{{label['accuracy_low']:.3f}}}^{{{label['accuracy_high']:.3f}}}"
    assert any(f"here & ${label['accuracy']:.3f}{bounds}$ &" in line for line in body)


def test_the_table_of_variants_leaves_out_what_table_1_shows(result):
    corrected = result["corrected"][0]
    scrambled, leaky = (result[f"only-{key}"][0] for key in ("label_features", "leakage"))
    lines = variants_tabular(corrected, {"scrambled": scrambled, "random split": leaky}).splitlines()
    rows = [line.split(" & ") for line in lines if " & " in line][1:]
    names = [look.name for look in CLASSIFIERS.values()]
    assert [row[1] for row in rows] == ["Label", "Label + extinction", "Majority class", *names]
    assert [row[0] for row in rows if row[0] != "{}"] == ["{scrambled}", "{random split}"]
    assert rows[0][2].startswith(f"${scrambled['classifiers'][1]['accuracy']:.3f}_{{")


def test_scores_on_either_side_of_5000_kelvin(result):
    report, predictions = result["corrected"]
    mine = predictions[predictions["classifier"] == "latent"]
    teff = np.random.default_rng(1).uniform(4000, 6000, len(mine))
    sides = by_teff(predictions, teff, 50, 0)
    for name, side in (("below", teff < 5000), ("above", teff >= 5000)):
        group = mine[side]
        assert sides[name]["n_test"] == len(group)
        assert sides[name]["n_test_high"] == (group["low_alpha"] == 0).sum()
        (entry,) = (one for one in sides[name]["classifiers"] if one["classifier"] == "latent")
        assert entry["accuracy"] == pytest.approx((group["predicted"] == group["low_alpha"]).mean())
        auc = roc_auc_score(group["low_alpha"] == 0, group["probability_high"])
        assert entry["roc_auc"] == pytest.approx(auc)
        low, high = entry["intervals"]["roc_auc"]
        assert low <= entry["roc_auc"] <= high
    cold = by_teff(predictions, np.full(len(mine), 4000.0), 20, 0)
    assert cold["above"] == {"n_test": 0, "n_test_high": 0, "majority": None, "classifiers": [], "gains": []}
    (whole,) = (entry for entry in report["classifiers"] if entry["classifier"] == "label")
    assert cold["below"]["classifiers"][0]["accuracy"] == pytest.approx(whole["accuracy"])
    assert report["by_teff"]["split"] == 5000


def test_what_is_not_defined_is_null_not_nan(frame):
    # Constant labels leave the majority class as the only answer.
    dull = frame.assign(m_h=0.0, teff=4500.0, logg=2.0)
    report, _ = classify(dull, frame["truth"].to_numpy(), [1], test_fraction=0.1, n_bootstrap=10, seed=0)
    entry = next(entry for entry in report["classifiers"] if entry["classifier"] == "label")
    assert entry["recall_high"] == 0
    assert entry["precision_high"] is None
    assert entry["intervals"]["precision_high"] == [None, None]
    json.dumps(report, allow_nan=False)
    assert "-- &" in tabular(table_rows(report))
