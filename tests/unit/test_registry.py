"""What a comparison model has to say, and what is refused in a sentence; models are dropped in from text."""

import json
import sys

import numpy as np
import pandas as pd
import pytest

from xpsvae.compare import models, registry, residuals
from xpsvae.errors import InputError
from xpsvae.xp import coefficients_to_flux, dr3_basis

WHOLE = """
import numpy as np
from xpsvae.compare.registry import Prediction

LABEL = "dummy (<size> numbers)"
PROSE = "a model of <size> numbers"
LOOK = {"color": "#000000", "linestyle": "-", "marker": "o", "cmap": "Greys"}
KNOWS_LABELS = False
NEEDS = ()
CHAIN = (("<size> in", "data"), ("nothing", "learnt"), ("out", "data"))
TEXT = "It has <size> numbers."


def predict(given, size=3, shift=0.0):
    n = int(given.test.sum())
    return Prediction(np.ones(n, dtype=bool), given.x[given.test] + shift, summary={"size": size})
"""


@pytest.fixture
def drop(tmp_path, monkeypatch):
    """Give a function that drops a model into the package: its text, under a name."""
    monkeypatch.setattr(models, "__path__", [*models.__path__, str(tmp_path)])

    def write(text=WHOLE, name="dummy"):
        (tmp_path / f"{name}.py").write_text(text)
        sys.modules.pop(f"{models.__name__}.{name}", None)

    yield write
    for path in tmp_path.glob("*.py"):
        sys.modules.pop(f"{models.__name__}.{path.stem}", None)


@pytest.fixture
def given():
    """Twenty stars, a quarter of them for tests."""
    n, width = 20, dr3_basis().n_coefficients
    rng = np.random.default_rng(4)
    train = np.arange(n) % 4 > 0
    scale = 1 / (1 + np.arange(width) % (width // 2))
    x = rng.normal(size=(n, width))
    return registry.Given(
        pd.DataFrame({"teff": np.full(n, 5000.0)}), train, ~train, x, np.ones_like(x), scale, 0.1 * scale, 6
    )


def test_a_module_in_the_folder_is_a_model(drop, given):
    before = registry.available()
    assert {"pca", "label_mlp", "lb23", "lb23_labels"} <= set(before)
    drop()
    assert registry.available() == sorted([*before, "dummy"])
    prediction = registry.predict("dummy", given, {"shift": 2.0})
    np.testing.assert_array_equal(prediction.coefficients, given.x[given.test] + 2)


@pytest.mark.parametrize("name", registry.available())
def test_every_model_that_there_is_keeps_the_contract(name):
    module = registry.get(name)
    assert set(module.LOOK) == {"color", "linestyle", "marker", "cmap"}
    assert isinstance(module.KNOWS_LABELS, bool) and isinstance(module.NEEDS, tuple)
    assert 3 <= len(module.CHAIN) <= 5
    assert {kind for _, kind in module.CHAIN} <= {"data", "labels", "learnt"}
    assert "labels" in {kind for _, kind in module.CHAIN} or not module.KNOWS_LABELS


def test_planning_imports_nothing_heavy():
    """The workflow imports all models before it knows what there is to do."""
    import subprocess

    program = (
        "import sys; from xpsvae.compare import registry\n"
        "for name in registry.available(): registry.get(name)\n"
        "print(sorted({'torch', 'sklearn', 'gaiaxpy', 'pandas', 'matplotlib'} & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_what_a_model_says_has_its_numbers_filled_in(drop):
    drop()
    card = registry.card("dummy", {"size": 7})
    assert card == json.loads(json.dumps(card)) | {"chain": card["chain"], "look": card["look"]}
    assert (card["model"], card["label"], card["prose"]) == (
        "dummy",
        "dummy (7 numbers)",
        "a model of 7 numbers",
    )
    assert card["chain"][0] == ["7 in", "data"] and card["knows_labels"] is False
    assert card["text"] == "It has <size> numbers." and card["summary"] == {
        "size": 7
    }  # for the paper to fill in
    assert registry.filled(card["text"], {"size": 7000}, "{:,}".format) == "It has 7,000 numbers."


def test_labels_come_from_the_data(given):
    prediction = registry.predict("pca", given, {"components": 8})
    assert registry.card("pca", prediction.summary)["label"] == "PCA (8 components)"
    assert registry.card("pca", prediction.summary)["chain"][1][0] == "8 components"


def test_an_unknown_model_is_named_with_the_nearest():
    with pytest.raises(InputError) as error:
        registry.get("label_mpl")
    assert str(error.value).startswith(
        "comparison model 'label_mpl' (config group comparison) is not known: did you mean 'label_mlp' ("
    )
    with pytest.raises(InputError, match="is not known: choose one of label_mlp, lb23, lb23_labels, pca"):
        registry.get("zzz")


@pytest.mark.parametrize("part", ["LABEL", "PROSE", "LOOK", "KNOWS_LABELS", "NEEDS", "CHAIN", "TEXT"])
def test_a_model_that_leaves_something_unsaid_is_refused(drop, part):
    drop(WHOLE.replace(f"\n{part} = ", "\nOTHER = "))
    with pytest.raises(
        InputError, match=f"comparison model 'dummy' lacks {part}: see xpsvae.compare.registry"
    ):
        registry.get("dummy")


def test_a_model_that_predicts_nothing_is_refused(drop):
    drop(WHOLE.replace("def predict(", "def foretell("))
    with pytest.raises(InputError, match="'dummy' lacks predict: "):
        registry.get("dummy")


def test_an_unknown_setting_is_named_with_those_there_are(drop):
    drop()
    with pytest.raises(InputError, match="'comparison.dummy.sise' is not known: did you mean 'size' "):
        registry.chosen({"dummy": {"sise": 1}}, ())
    drop(WHOLE.replace("def predict(given, size=3, shift=0.0)", "def predict(given)").replace("+ shift", ""))
    with pytest.raises(InputError, match="'comparison.dummy.size' is not known: this model has no settings."):
        registry.chosen({"dummy": {"size": 1}}, ())


@pytest.mark.parametrize(
    ("what", "told"),
    [
        ("Prediction(np.ones(n, dtype=bool), given.x)", "predicts 20 stars where there are 5 test stars"),
        ("Prediction(np.ones(4, dtype=bool), given.x[given.test])", "predicts 4 stars where there are 5"),
        ("Prediction(np.ones(n, dtype=bool), flux=np.ones((6, 61)))", "predicts 6 stars where there are 5"),
        ("Prediction(np.ones(n, dtype=bool))", "has to predict either coefficients or flux"),
        (
            "Prediction(np.ones(n, dtype=bool), given.x[given.test], np.ones((n, 61)))",
            "has to predict either coefficients or flux",
        ),
    ],
    ids=["all stars", "too few known", "too much flux", "neither", "both"],
)
def test_a_prediction_of_another_form_is_refused(drop, given, what, told):
    head, _ = WHOLE.split("    return ")
    drop(f"{head}    return {what}\n")
    with pytest.raises(InputError, match=f"comparison model 'dummy' {told}"):
        registry.predict("dummy", given, {})


def test_models_of_the_configuration_keep_its_order_and_null_leaves_one_out(drop):
    drop()
    settings = {"label_mlp": {"epochs": 2}, "dummy": {}, "pca": None}
    assert list(registry.chosen(settings, ()).items()) == [("label_mlp", {"epochs": 2}), ("dummy", {})]


def test_a_comparison_with_nothing_is_refused():
    for settings in ({}, {"pca": None}, {"lb23": {}}):
        with pytest.raises(InputError, match="leaves no model that this dataset can show beside the sVAE"):
            registry.chosen(settings, ())


def test_a_model_whose_needs_a_dataset_does_not_meet_is_left_out(settings):
    assert list(registry.chosen(settings["comparison"], ())) == ["pca", "label_mlp"]
    extras = {"normalisation": "n.json", "lb23_label_independent": "i.npy"}
    assert list(registry.chosen(settings["comparison"], extras)) == ["pca", "label_mlp", "lb23"]
    extras["lb23_label_dependent"] = "d.npy"
    assert list(registry.chosen(settings["comparison"], extras)) == [
        "pca",
        "label_mlp",
        "lb23",
        "lb23_labels",
    ]


def test_an_unknown_model_of_the_configuration_is_refused_unless_it_is_left_out():
    with pytest.raises(InputError, match="'pcaa' .* did you mean 'pca'"):
        registry.chosen({"pcaa": {}}, ())
    assert registry.chosen({"pcaa": None, "pca": {}}, ()) == {"pca": {}}


def test_settings_of_the_configuration_are_those_of_the_models(settings):
    import inspect

    for name, given in settings["comparison"].items():
        asked = list(inspect.signature(registry.get(name).predict).parameters)[1:]
        assert sorted(given) == sorted(asked), name


def test_predictions_of_the_record_are_standardised_and_the_rest_is_not_predicted(given, tmp_path):
    rng = np.random.default_rng(0)
    columns = residuals.coefficient_columns()
    relative = rng.normal(size=(5, 64))
    relative[3, 7] = np.nan
    np.save(tmp_path / "lb23.npy", relative)
    for name in ("lb23", "lb23_labels"):
        (need,) = registry.get(name).NEEDS
        here = registry.Given(**{**vars(given), "extras": {need: tmp_path / "lb23.npy"}})
        prediction = registry.predict(name, here, {})
        assert prediction.known.tolist() == [True, True, True, False, True]
        for j, column in enumerate(columns):
            expected = (relative[:, j] - given.mu[column]) / given.sigma[column]
            np.testing.assert_allclose(prediction.coefficients[:, column], expected)
        assert np.isnan(np.delete(prediction.coefficients, columns, axis=1)).all()
        assert prediction.summary["n_predicted"] == 4
        assert "with the authors' record" in prediction.summary["source"]


def test_only_a_peer_is_left_out_where_it_fails(drop, given, capsys):
    """Ours has to work; of another's model the paper says why it is not shown."""
    wrong = WHOLE.replace(
        "np.ones(n, dtype=bool), given.x[given.test] + shift", "np.ones(3, dtype=bool), given.x[:3]"
    )
    drop(wrong)
    with pytest.raises(InputError, match="predicts 3 stars where there are 5"):
        registry.predict("dummy", given, {})
    drop(wrong + "\nPEER = True\n")
    prediction = registry.predict("dummy", given, {})
    assert prediction.known.tolist() == [False] * 5 and np.isnan(prediction.coefficients).all()
    assert prediction.summary == {"left_out": "its predictions could not be used"}
    said = capsys.readouterr().err
    assert "is left out: comparison model 'dummy' predicts 3 stars" in said and said.count("\n") == 1


def test_a_model_of_flux_goes_all_the_way_to_its_residuals(drop, given):
    """Predicted flux off by a known number of flux errors: that is its RMSE at every wavelength."""
    flux = """    from xpsvae.compare.residuals import WAVELENGTHS
    from xpsvae.xp.basis import coefficients_to_flux, flux_errors

    flux = coefficients_to_flux(given.x * given.sigma + given.mu, WAVELENGTHS)
    error = flux_errors(given.x_err * given.sigma, wavelengths=WAVELENGTHS)
"""
    text = WHOLE.replace("    n = int", f"{flux}    n = int")
    drop(text.replace("given.x[given.test] + shift", "flux=(flux + shift * error)[given.test]"))
    prediction = registry.predict("dummy", given, {"shift": 2.5})
    test = given.test
    everyone = np.ones(test.sum(), dtype=bool)
    predictions = {"svae": registry.Prediction(everyone, given.x[test] + 0.3), "dummy": prediction}
    leading, flux, per_star, summary = residuals.measure(
        predictions, given.x[test], given.x_err[test], given.mu, given.sigma
    )
    assert prediction.flux.shape == (5, 61) and list(leading) == ["svae"]
    observed = coefficients_to_flux(given.x[test] * given.sigma + given.mu, np.arange(392, 993, 10))
    assert (prediction.flux > observed).all()
    np.testing.assert_allclose(flux["dummy"], 2.5, rtol=1e-6)
    np.testing.assert_allclose(per_star["rmse_flux_dummy"], 2.5, rtol=1e-6)
    np.testing.assert_allclose(summary["wavelengths"]["dummy"]["rmse"], 2.5, rtol=1e-6)
    np.testing.assert_allclose(
        summary["wavelengths"]["dummy"]["ratio"],
        2.5 / np.array(summary["wavelengths"]["svae"]["rmse"]),
        rtol=1e-6,
    )
