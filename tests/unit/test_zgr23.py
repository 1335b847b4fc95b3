"""Zhang, Green & Rix's model in NumPy against a plain loop, and against a SavedModel where TensorFlow imports."""

import importlib.util
import math

import numpy as np
import pandas as pd
import pytest

from xpsvae.compare import convert_zgr23, registry, zgr23
from xpsvae.compare.residuals import WAVELENGTHS
from xpsvae.errors import InputError
from xpsvae.xp import dr3_basis

BANDS = [1235.0, 1662.0, 2159.0, 3350.0, 4600.0]  # [nm] J, H, K_s, W1, W2
SIZES = (3, 8, 7, len(WAVELENGTHS) + len(BANDS))


def random_model(seed=0):
    """Variables of the form, with a flux of about one."""
    rng = np.random.default_rng(seed)
    model = {
        "sample_wavelengths": np.array([*WAVELENGTHS, *BANDS]),
        "input_zp": np.array([[5.5, -0.2, 3.5]]),
        "input_iscale": 1 / np.array([[1.2, 0.4, 1.1]]),
        "ln_ext_curve": rng.normal(0.5, 0.3, (1, SIZES[-1])),
    }
    for number, (n_in, n_out) in enumerate(zip(SIZES[:-1], SIZES[1:], strict=True)):
        model[f"w{number}"] = rng.normal(size=(n_in, n_out)) / math.sqrt(n_in)
        model[f"b{number}"] = rng.normal(size=n_out)
    return {name: values.astype(np.float32) for name, values in model.items()}


def random_stars(n, seed=1):
    rng = np.random.default_rng(seed)
    labels = np.column_stack([rng.uniform(4, 7, n), rng.uniform(-1, 0.4, n), rng.uniform(1, 5, n)])
    return labels, rng.exponential(0.2, n), rng.uniform(0.1, 5, n)


def by_hand(model, labels, extinction, parallax):
    """One star and one wavelength at a time, in the order of the formula."""
    found = []
    for star, dust, distance in zip(labels, extinction, parallax, strict=True):
        zero, scale = (model[name].ravel().tolist() for name in ("input_zp", "input_iscale"))
        x = [(v - z) * s for v, z, s in zip(star, zero, scale, strict=True)]
        for number in range(len(SIZES) - 1):
            weights, offsets = model[f"w{number}"].tolist(), model[f"b{number}"].tolist()
            x = [
                sum(a * row[j] for a, row in zip(x, weights, strict=True)) + offsets[j]
                for j in range(len(offsets))
            ]
            if number < len(SIZES) - 2:
                x = [math.tanh(value) for value in x]
        curve = model["ln_ext_curve"].ravel().tolist()
        found.append([math.exp(v - dust * math.exp(c)) * distance**2 for v, c in zip(x, curve, strict=True)])
    return np.array(found)


def test_numpy_form_is_the_formula(monkeypatch):
    monkeypatch.setattr(zgr23, "CHUNK", 7)  # 20 stars: two full chunks and a part of one
    model = {name: values.astype(float) for name, values in random_model().items()}
    stars = random_stars(20)
    np.testing.assert_allclose(zgr23.flux(model, *stars), by_hand(model, *stars), rtol=1e-12)


def test_flux_falls_with_the_square_of_the_distance_and_with_dust():
    model = {name: values.astype(float) for name, values in random_model().items()}
    labels, dust, parallax = random_stars(5)
    near = zgr23.flux(model, labels, dust, 2 * parallax)
    np.testing.assert_allclose(near, 4 * zgr23.flux(model, labels, dust, parallax), rtol=1e-12)
    ratio = np.log(zgr23.flux(model, labels, dust + 1, parallax) / zgr23.flux(model, labels, dust, parallax))
    np.testing.assert_allclose(ratio, np.tile(-np.exp(model["ln_ext_curve"]), (5, 1)), rtol=1e-9)


VARIABLES = [
    "_sample_wavelengths", "_input_zp", "_input_iscale", "_ln_ext_curve", "_l2", "_l2_ext_curve",
    *(f"_layers/{number}/{kind}" for number in range(12) for kind in "wb"),
]  # fmt: skip


@pytest.mark.parametrize("prefix", ["", "flux_model/"])
def test_variables_are_known_by_their_names(prefix):
    found = zgr23.choose_variables([prefix + name for name in VARIABLES])
    assert found["ln_ext_curve"] == f"{prefix}_ln_ext_curve" and found["w10"] == f"{prefix}_layers/10/w"
    assert sorted(found) == sorted([*zgr23.SCALARS, *(f"{kind}{n}" for n in range(12) for kind in "wb")])


@pytest.mark.parametrize(
    ("names", "lacks"),
    [
        ([name for name in VARIABLES if name != "_ln_ext_curve"], "ln_ext_curve"),
        ([name for name in VARIABLES if name != "_layers/3/b"], "b3"),
        ([name for name in VARIABLES if "layers" not in name], "w0, b0"),
        ([*VARIABLES, "other/_input_zp"], "input_zp"),
        (["ext_slope", "ext_bias"], "sample_wavelengths, input_zp, input_iscale, ln_ext_curve, w0, b0"),
    ],
)
def test_other_names_are_one_sentence_that_lists_what_was_found(names, lacks):
    with pytest.raises(InputError) as error:
        zgr23.choose_variables(names)
    assert f"has not exactly one variable for {lacks} but {', '.join(sorted(names))}: give" in str(
        error.value
    )


def bad(change):
    return {name: values for name, values in (random_model() | change).items() if values is not None}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"ln_ext_curve": None}, "has no ln_ext_curve but b0, "),
        ({"w1": np.ones((9, 7))}, r"has layer 1 of shape \(9, 7\) after 8 numbers"),
        ({"ln_ext_curve": np.ones(61)}, "gives 66 fluxes and 61 extinctions at 66 wavelengths"),
        ({"input_zp": np.ones(4)}, "has no three zero points"),
        ({"b0": np.full(8, np.nan)}, "holds numbers that are not finite"),
        ({"sample_wavelengths": np.arange(66.0)}, "has other wavelengths than 392 to 992 nm"),
    ],
)
def test_variables_that_do_not_fit_are_refused(change, told, tmp_path):
    np.savez(tmp_path / "zgr23.npz", **bad(change))
    with pytest.raises(registry.Unusable, match=told):
        zgr23.read_model(tmp_path / "zgr23.npz")


def test_a_file_that_is_missing_or_another_is_refused(tmp_path):
    with pytest.raises(registry.Unusable, match=r"zgr23\.npz"):
        zgr23.read_model(tmp_path / "zgr23.npz")
    np.save(tmp_path / "zgr23.npy", np.ones(3))
    with pytest.raises(registry.Unusable, match=r"is one array: convert"):
        zgr23.read_model(tmp_path / "zgr23.npy")


# As a comparison model ------------------------------------------------------------------------------

N = 16
IDS = np.arange(100, 100 + N)
IDS[15] = IDS[8]  # the test stars are 8 to 15: the last one repeats the first


@pytest.fixture
def given(tmp_path):
    """Stars of which the last eight are for tests, the model and the parameters of some of them."""
    width = dr3_basis().n_coefficients
    stars = pd.DataFrame({"source_id": IDS, "phot_g_mean_flux": np.linspace(1e3, 2e3, N)})
    test = np.arange(N) >= 8
    np.savez(tmp_path / "model.npz", **random_model())
    labels, dust, parallax = random_stars(N)
    parameters = np.column_stack([labels, dust, parallax])
    flags = np.zeros(N)
    flags[9], flags[10], parameters[11] = 7, 8, 0  # good, flagged, not matched
    arrays = {"source_ids": IDS, "stellar_params": parameters, "quality_flags": flags}
    np.savez(tmp_path / "parameters.npz", **arrays)
    x = np.ones((N, width))
    return registry.Given(stars, ~test, test, x, x, np.zeros(width), np.ones(width), 6)


def test_known_are_matched_stars_of_good_quality_listed_once(given, tmp_path):
    settings = {"model": str(tmp_path / "model.npz"), "parameters": str(tmp_path / "parameters.npz")}
    found = registry.predict("zgr23", given, settings)
    assert found.known.tolist() == [True, True, False, False, True, True, True, False]
    assert found.summary == {"n_predicted": 5, "n_unmatched": 2, "n_flagged": 1, "quality": 8}
    labels, dust, parallax = (values[8:] for values in random_stars(N))
    model = {name: values.astype(float) for name, values in random_model().items()}
    flux = (
        1e-18
        * by_hand(model, labels, dust, parallax)[:, :61]
        / given.stars.phot_g_mean_flux.to_numpy()[8:, None]
    )
    np.testing.assert_allclose(found.flux[found.known], flux[found.known], rtol=1e-10)
    # what the published code says of stars without a match, or listed before: parallax zero, so no flux
    assert np.isnan(found.flux[2]).all() and not found.flux[[3, 7]].any()


def test_needs_follow_what_the_user_names(settings):
    extras = {"zgr23_parameters": "z.parquet"}
    assert registry.needs("zgr23", {"model": None, "parameters": None}, extras) is None
    assert registry.needs("zgr23", {"model": "m.npz", "parameters": None}, extras) == ("zgr23_parameters",)
    assert registry.needs("zgr23", {"model": "m.npz", "parameters": "p.npz"}, extras) == ()
    assert "zgr23" not in registry.chosen(settings["comparison"], extras)
    named = settings["comparison"] | {"zgr23": {"model": "m.npz", "parameters": None}}
    assert "zgr23" in registry.chosen(named, ())  # and says then what it lacks


@pytest.mark.parametrize(
    ("change", "told", "reason"),
    [
        ({"model": "nowhere.npz"}, "nowhere.npz", "its variables are not where the configuration says"),
        ({"parameters": "nowhere.npz"}, "nowhere.npz", "its stellar parameters cannot be read"),
        (
            {"parameters": None},
            "comparison.zgr23.parameters",
            "there are no stellar parameters of it for these stars",
        ),
    ],
)
def test_what_cannot_be_used_is_left_out_with_its_reason(given, tmp_path, change, told, reason, capsys):
    settings = {"model": tmp_path / "model.npz", "parameters": tmp_path / "parameters.npz"} | change
    found = registry.predict("zgr23", given, settings)
    assert not found.known.any() and found.summary == {"left_out": reason}
    said = capsys.readouterr().err
    assert said.startswith("ZGR23 is left out: ") and told in said and said.count("\n") == 1


def test_parameters_of_the_dataset_have_to_be_those_of_the_test_stars(given, tmp_path, capsys):
    from xpsvae.data.zenodo import read_zgr23
    from xpsvae.products import write_table

    given.extras["zgr23_parameters"] = tmp_path / "z.parquet"
    settings = {"model": tmp_path / "model.npz", "parameters": None}
    table = read_zgr23(tmp_path / "parameters.npz", IDS[8:])
    for rows, known, said in (
        (table, 5, ""),
        (table.iloc[::-1], 0, "has other stars than the test stars"),
        (table.iloc[:0], 0, "record has no zhang_stellar_params_xmatch.npz"),
    ):
        write_table(tmp_path / "z.parquet", rows)
        assert registry.predict("zgr23", given, settings).known.sum() == known
        assert said in capsys.readouterr().err


def test_a_flux_that_is_not_finite_is_refused(given, tmp_path, capsys):
    np.savez(tmp_path / "model.npz", **random_model() | {"b2": np.full(66, 1e4, np.float32)})
    settings = {"model": tmp_path / "model.npz", "parameters": tmp_path / "parameters.npz"}
    with np.errstate(over="ignore", invalid="ignore"):
        found = registry.predict("zgr23", given, settings)
    assert found.summary == {"left_out": "its predicted flux is not finite"}


def test_the_fingerprint_follows_the_content(tmp_path):
    (tmp_path / "model.npz").write_bytes(b"one")
    settings = {"model": str(tmp_path / "model.npz"), "parameters": None}
    before = registry.fingerprint("zgr23", settings)
    (tmp_path / "model.npz").write_bytes(b"two")
    assert len(before) == 1 and registry.fingerprint("zgr23", settings) != before
    (tmp_path / "model.npz").unlink()
    assert registry.fingerprint("zgr23", settings) == [None]


# Conversion -----------------------------------------------------------------------------------------


@pytest.mark.skipif(importlib.util.find_spec("tensorflow") is not None, reason="TensorFlow is here")
def test_without_tensorflow_the_environment_is_named(tmp_path):
    with pytest.raises(InputError, match=r"run this in the environment of envs/zgr23\.yaml"):
        convert_zgr23.convert(tmp_path, tmp_path / "zgr23.npz")


def saved_model(tf, folder, model, activation):
    """Save a TensorFlow model with the variables and calls that the published one is described with."""

    class Linear(tf.Module):
        def __init__(self, number):
            super().__init__()
            self.w, self.b = tf.Variable(model[f"w{number}"]), tf.Variable(model[f"b{number}"])

        def __call__(self, x):
            return tf.matmul(x, self.w) + self.b

    class FluxModel(tf.Module):
        def __init__(self):
            super().__init__()
            self._sample_wavelengths = tf.Variable(model["sample_wavelengths"], trainable=False)
            self._input_zp = tf.Variable(model["input_zp"], trainable=False)
            self._input_iscale = tf.Variable(model["input_iscale"], trainable=False)
            self._ln_ext_curve = tf.Variable(model["ln_ext_curve"])
            self._l2 = tf.Variable(1.0)
            self._layers = [Linear(number) for number in range(len(SIZES) - 1)]

        @tf.function(
            input_signature=[tf.TensorSpec((None, 3)), tf.TensorSpec((None,)), tf.TensorSpec((None,))]
        )
        def predict_observed_flux(self, labels, extinction, parallax):
            x = (labels - self._input_zp) * self._input_iscale
            for layer in self._layers[:-1]:
                x = activation(layer(x))
            dust = tf.exp(self._ln_ext_curve) * tf.expand_dims(extinction, 1)
            return tf.exp(self._layers[-1](x) - dust) * tf.expand_dims(parallax**2, 1)

    tf.saved_model.save(FluxModel(), str(folder))


def test_a_saved_model_is_converted_and_predicts_the_same(tmp_path):
    tf = pytest.importorskip("tensorflow")
    saved_model(tf, tmp_path / "saved", random_model(), tf.math.tanh)
    difference = convert_zgr23.convert(tmp_path / "saved", tmp_path / "zgr23.npz")
    assert difference < 2e-5
    model = zgr23.read_model(tmp_path / "zgr23.npz")
    for name, values in random_model().items():
        np.testing.assert_array_equal(model[name], values)
    stars = [values.astype(np.float32) for values in random_stars(500)]
    loaded = tf.saved_model.load(str(tmp_path / "saved"))  # its functions do not hold its variables
    theirs = loaded.predict_observed_flux(*stars).numpy()
    np.testing.assert_allclose(zgr23.flux(model, *stars), theirs, rtol=2e-5)


def test_a_saved_model_of_another_form_is_refused(tmp_path):
    tf = pytest.importorskip("tensorflow")
    saved_model(tf, tmp_path / "saved", random_model(), tf.nn.relu)
    with pytest.raises(InputError, match="predicts another flux than its form in NumPy"):
        convert_zgr23.convert(tmp_path / "saved", tmp_path / "zgr23.npz")
    assert not (tmp_path / "zgr23.npz").exists()
    other = tf.Module()
    other.ext_slope = tf.Variable([1.0])
    tf.saved_model.save(other, str(tmp_path / "other"))
    with pytest.raises(InputError, match=r"has not exactly one variable for .* but .*ext_slope"):
        convert_zgr23.convert(tmp_path / "other", tmp_path / "zgr23.npz")
    with pytest.raises(InputError, match="holds no SavedModel that TensorFlow reads"):
        convert_zgr23.convert(tmp_path / "nowhere", tmp_path / "zgr23.npz")
