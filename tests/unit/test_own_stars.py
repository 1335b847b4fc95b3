"""What is said of a star: against plain formulas, in every form of output, and from every way in."""

from dataclasses import replace

import numpy as np
import pytest
import real_star
import torch
from astropy import units as u
from astropy.table import QTable, Table
from click.testing import CliRunner

import xpsvae
from xpsvae.cli import main
from xpsvae.data import library as packaged
from xpsvae.errors import InputError
from xpsvae.model.svae import ScatterVAE
from xpsvae.own_stars.output import SUFFIXES, write_blocks
from xpsvae.own_stars.reference import PERCENTILES, build_reference, read_reference, write_reference
from xpsvae.own_stars.tables import WARNINGS, iter_table
from xpsvae.xp import coefficients_to_flux, flux_to_coefficients, g_flux_from_magnitude
from xpsvae.xp.basis import dr3_basis

FLUX_UNIT = u.W / u.m**2 / u.nm
COUNT_RATE = u.electron / u.s


@pytest.fixture(scope="module")
def model():
    return xpsvae.load(device="cpu")


@pytest.fixture(scope="module")
def plain_model(model):
    """Give the same model, said to be trained on coefficients as they are."""
    other = xpsvae.load(device="cpu")
    other.reference = replace(model.reference, inverted=False)
    return other


@pytest.fixture(scope="module")
def library(settings):
    """Real spectra of the library as inverted coefficients, with G fluxes."""
    labels, spectra = packaged.read(packaged.locate(), settings["library"]["sha256"], limit=300)
    labels, spectra = labels[:300], spectra[:300]  # a source or two have several rows
    flux, flux_error = (np.stack(spectra[name]) for name in ("flux", "flux_error"))
    coefficients, errors = flux_to_coefficients(flux, flux_error, "archive")
    return coefficients, errors, g_flux_from_magnitude(labels["phot_g_mean_mag"].to_numpy())


def as_table(coefficients, errors, g_flux, sizes=(55, 55)):
    first = sizes[0]
    return {
        "source_id": 4 * 2**35 + np.arange(len(g_flux)),
        "bp_coefficients": coefficients[:, :first],
        "rp_coefficients": coefficients[:, first:],
        "bp_coefficient_errors": errors[:, :first],
        "rp_coefficient_errors": errors[:, first:],
        "phot_g_mean_flux": g_flux,
    }


def test_describe_is_the_plain_formulas(model, library):
    """Star by star with torch, in float64, from the definitions."""
    coefficients, errors, g_flux = (array[:5] for array in library)
    table = xpsvae.describe(as_table(coefficients, errors, g_flux), model)
    mu, sigma = model.normalisation
    coefficients, _ = flux_to_coefficients(
        coefficients_to_flux(coefficients, None, "archive"), None, "archive"
    )
    plain = ScatterVAE(110).double().eval()
    plain.load_state_dict(model.state_dict())
    plain.double()
    reference, grid = model.reference, dr3_basis()
    for star in range(5):
        x = (coefficients[star] / g_flux[star] - mu) / sigma
        x_err = errors[star] / g_flux[star] / sigma
        with torch.inference_mode():
            mean, log_var = plain.encode(torch.from_numpy(x[None]))
            x_hat, scatter = (each[0].numpy() for each in (plain.decode(mean), plain.estimate_scatter(mean)))
        mean = mean[0].numpy()
        scatter = scatter * reference.factors
        row = table[star]
        np.testing.assert_allclose([row[f"mean_{k}"] for k in range(1, 7)], mean, atol=2e-4)
        np.testing.assert_allclose(
            [row[f"sigma_{k}"] for k in range(1, 7)], np.exp(log_var[0].numpy() / 2), rtol=1e-3
        )
        chi2 = np.mean([(x[j] - x_hat[j]) ** 2 / (x_err[j] ** 2 + scatter[j] ** 2) for j in range(110)])
        assert row["chi2"] == pytest.approx(chi2, rel=2e-3)
        apart = mean - reference.latent_mean
        distance = np.sqrt(apart @ np.linalg.inv(reference.latent_covariance) @ apart)
        assert row["distance"] == pytest.approx(distance, rel=1e-3)
        rebuilt = (x_hat * sigma + mu) * g_flux[star]
        both = np.r_[row["bp_coefficients"], row["rp_coefficients"]]
        np.testing.assert_allclose(both, rebuilt, atol=2e-4 * np.abs(rebuilt).max())
        flux = coefficients_to_flux(rebuilt[None])[0]
        np.testing.assert_allclose(row["flux"], flux, atol=2e-3 * flux.max())
        spread = np.sqrt(((grid.design * (scatter * sigma * g_flux[star])) ** 2).sum(axis=1))
        np.testing.assert_allclose(row["flux_scatter"], spread, rtol=5e-3)
        assert row["reason"] == "" and "synthetic_g" not in row["warnings"]


def test_percentiles_count_the_training_stars(plain_model, library):
    coefficients, errors, g_flux = library
    reference = build_reference(plain_model, coefficients, errors, g_flux, (55, 55))
    chi2 = np.asarray(xpsvae.describe(as_table(*library), plain_model)["chi2"], dtype=float)
    lower = (chi2[:, None] > chi2).mean(axis=1) * 100
    np.testing.assert_allclose(reference.percentile("chi2", chi2), lower, atol=1.0)  # 300 stars: 1/3 % each
    assert reference.n_stars == 300
    assert reference.g_flux_range == (g_flux.min(), g_flux.max())
    means = np.stack(
        [xpsvae.encode(as_table(*library), plain_model)[f"mean_{k}"] for k in range(1, 7)], axis=1
    )
    np.testing.assert_allclose(reference.latent_mean, means.mean(axis=0), atol=1e-5)


def test_continuous_coefficients_are_brought_to_the_form_of_the_training_stars(tmp_path, model, plain_model):
    """The continuous and the sampled spectrum of a real star agree only so."""
    continuous, sampled = (
        real_star.unpack(tmp_path, "csv", product) for product in ("XP_CONTINUOUS", "XP_SAMPLED")
    )

    def apart(model):
        one, other = (xpsvae.encode(path, model)[0] for path in (continuous, sampled))
        return max(abs(one[f"mean_{k}"] - other[f"mean_{k}"]) / one[f"sigma_{k}"] for k in range(1, 7))

    assert apart(model) < 0.3 and apart(plain_model) > 1


def test_factors_calibrate_the_scatter(model, library):
    """Twice the scatter with no error: a quarter of the chi-square."""
    coefficients, errors, g_flux = library
    plain, doubled = (
        build_reference(model, coefficients, errors * 1e-9, g_flux, (55, 55), factors=factors)
        for factors in (None, np.full(110, 2.0))
    )
    np.testing.assert_allclose(doubled.chi2, plain.chi2 / 4, rtol=1e-6)
    with pytest.raises(InputError, match="110 positive numbers"):
        build_reference(model, coefficients, errors, g_flux, (55, 55), factors=np.zeros(110))


def test_reference_is_read_as_it_was_written(model, library, tmp_path):
    reference = build_reference(model, *library, (55, 55))
    write_reference(tmp_path / "reference.json", reference)
    again = read_reference(tmp_path / "reference.json", 110, 6)
    for name in ("factors", "latent_mean", "latent_covariance", "chi2", "distance", "g_flux_range"):
        np.testing.assert_allclose(getattr(again, name), getattr(reference, name), rtol=1e-8)
    assert (again.band_sizes, again.n_stars) == ((55, 55), 300)
    with pytest.raises(InputError, match="of another model"):
        read_reference(tmp_path / "reference.json", 106, 6)
    (tmp_path / "reference.json").write_text('{"chi2": [1, 2]}')
    with pytest.raises(InputError, match="damaged"):
        read_reference(tmp_path / "reference.json", 110, 6)
    assert read_reference(tmp_path / "absent.json", 110, 6) is None
    assert np.all(np.diff(PERCENTILES) > 0) and PERCENTILES[-1] == 100


def test_what_to_mind_is_said(model, library):
    coefficients, errors, g_flux = (array[:6].copy() for array in library)
    scale = np.array([1, 1e-4, 1e6, 1, 1, 1])
    coefficients *= scale[:, None]
    errors *= scale[:, None]
    g_flux *= scale
    g_flux[3] = np.nan
    errors[4] *= 1e-6  # a spectrum that no reconstruction meets to that precision
    coefficients[4, 5:15] += 0.02 * coefficients[4, 0]
    coefficients[5] = np.r_[coefficients[5, 55:], coefficients[5, :55]]  # BP and RP mistaken for each other
    table = xpsvae.describe(as_table(coefficients, errors, g_flux), model)
    words = [set(text.split()) for text in table["warnings"]]
    assert "faint" in words[1] and "bright" in words[2] and "synthetic_g" in words[3]
    assert words[4] and {"poor_fit", "far"} & words[5]
    assert not words[0] & {"faint", "bright", "synthetic_g", "sampled"}
    assert set().union(*words) <= set(WARNINGS)


def test_a_bad_star_does_not_hurt_the_others(model, library):
    coefficients, errors, g_flux = library
    alone = xpsvae.describe(as_table(coefficients[:4], errors[:4], g_flux[:4]), model)
    worse = [array[:4].copy() for array in library]
    worse[0][1] = np.nan
    worse[0][2] *= 1e6  # over the same G flux: no star
    table = xpsvae.describe(as_table(*worse), model)
    assert table["reason"].tolist()[0] == "" and table["reason"].tolist()[3] == ""
    assert table["reason"][1] == "BP is missing" and "unlike any star" in table["reason"][2]
    for name in table.colnames[1:-2]:
        assert np.isnan(np.asarray(table[name])[1:3]).all()
        np.testing.assert_allclose(
            np.asarray(table[name])[[0, 3]], np.asarray(alone[name])[[0, 3]], rtol=1e-4, atol=1e-5
        )
    nobody = xpsvae.describe(as_table(worse[0][1:2], worse[1][1:2], worse[2][1:2]), model)
    assert nobody["reason"][0] == "BP is missing"


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_units_and_values_come_back_from_every_form(model, library, tmp_path, suffix):
    spoiled = [array.copy() for array in library]
    spoiled[0][7] = np.nan
    source = as_table(*spoiled)
    path = tmp_path / f"stars{suffix}"
    assert write_blocks(path, iter_table("describe", source, model)) == 300
    expected = xpsvae.describe(source, model)
    found = QTable.read(path)
    assert found.colnames == expected.colnames and len(found) == 300
    assert found["flux"].unit == FLUX_UNIT and found["flux"].shape == (300, 343)
    if suffix != ".fits":  # whose standard has no electrons
        assert found["phot_g_mean_flux"].unit == COUNT_RATE
        assert found["bp_coefficients"].unit == COUNT_RATE
    for name in expected.colnames:
        values = np.ma.filled(
            np.ma.asarray(found[name]), np.nan if name not in ("reason", "warnings") else ""
        )
        values = values.value if hasattr(values, "value") else values
        if name in ("reason", "warnings", "source_id"):
            assert np.asarray(values).astype(str).tolist() == expected[name].astype(str).tolist()
        else:
            np.testing.assert_array_equal(np.asarray(values), np.asarray(expected[name]))
    assert str(found["reason"][7]) == "BP is missing"
    assert np.ma.is_masked(found["chi2"][7]) or np.isnan(found["chi2"][7])
    assert found["chi2"].info.description or suffix == ".fits"


def test_topcat_finds_units_in_the_votable_of_parquet(model, library, tmp_path):
    """The VOParquet convention, read by astropy's own reader of it."""
    import io

    import pyarrow.parquet as pq
    from astropy.io.votable import parse

    path = tmp_path / "stars.parquet"
    write_blocks(path, iter_table("describe", as_table(*library), model))
    head = pq.ParquetFile(path).metadata.metadata
    assert head[b"IVOA.VOTable-Parquet.version"] == b"1.0"
    votable = parse(io.BytesIO(head[b"IVOA.VOTable-Parquet.content"]), verify="exception")
    fields = {field.name: field for field in votable.get_first_table().fields}
    schema = pq.read_schema(path)
    assert list(fields) == schema.names
    assert fields["flux"].unit == FLUX_UNIT and fields["flux"].arraysize == "343"
    assert fields["mean_1"].datatype == "float" and fields["source_id"].datatype == "long"
    assert schema.field("flux").metadata[b"unit"] == b"W m-2 nm-1"
    table = Table.read(path, format="parquet.votable")
    assert table["flux"].unit == FLUX_UNIT and len(table) == 300


@pytest.mark.parametrize("form", real_star.FORMS)
def test_the_console_describes_a_real_answer_of_datalink(tmp_path, form):
    runner, output = CliRunner(), tmp_path / "star.parquet"
    run = runner.invoke(main, ["describe", str(real_star.answer(form)), "-o", str(output)])
    assert run.exit_code == 0, run.output
    (row,) = QTable.read(output)
    assert row["source_id"] == real_star.SOURCE_ID and row["warnings"].startswith("synthetic_g")
    first = xpsvae.describe(real_star.answer("csv"))
    for name in first.colnames[:-2]:
        value = getattr(row[name], "value", row[name])
        np.testing.assert_array_equal(np.asarray(value), np.asarray(first[name][0]))


def test_latents_go_through_the_console_and_back(tmp_path):
    runner, path = CliRunner(), str(real_star.answer("csv"))
    for suffix in SUFFIXES:
        encoded, decoded, rebuilt = (str(tmp_path / f"{name}{suffix}") for name in ("e", "d", "r"))
        for words in (["encode", path, "-o", encoded], ["decode", encoded, "-o", decoded]):
            run = runner.invoke(main, words)
            assert run.exit_code == 0, run.output
        assert runner.invoke(main, ["reconstruct", path, "-o", rebuilt]).exit_code == 0
        one, other = Table.read(decoded), Table.read(rebuilt)
        assert one["source_id"][0] == real_star.SOURCE_ID
        for name in ("bp_coefficients", "rp_coefficient_scatter", "flux", "flux_scatter"):
            np.testing.assert_allclose(one[name], other[name], rtol=1e-6)


def test_the_console_without_output_prints_numbers(tmp_path):
    run = CliRunner().invoke(main, ["describe", str(real_star.answer("fits"))])
    head, row = run.stdout.strip().splitlines()
    assert dict(zip(head.split(","), row.split(","), strict=True))["source_id"] == str(real_star.SOURCE_ID)
    assert "1 stars" in run.stderr


def test_info_says_what_the_model_is():
    run = CliRunner().invoke(main, ["info"])
    assert run.exit_code == 0
    for words in ("55 BP + 55 RP", "latents:     6", "67182", "fast"):
        assert words in run.output


def test_refusals_of_the_console(tmp_path):
    path = str(real_star.answer("csv"))
    taken = tmp_path / "taken.parquet"
    taken.write_bytes(b"mine")
    latents = tmp_path / "latents.csv"
    latents.write_text("mean_1,mean_2\n1,2\n")
    words = tmp_path / "ids.txt"
    words.write_text("12345\nGaia DR3 12\n")
    locked = tmp_path / "file.txt"
    locked.write_text("")
    out = str(tmp_path / "x.parquet")
    for arguments, says in (
        (["describe", path, "-o", str(tmp_path / "x.txt")], "suffix '.txt'"),
        (["describe", path, "-o", str(tmp_path / "nowhere" / "x.fits")], "does not exist"),
        (["describe", path, "-o", str(locked / "x.fits")], "does not exist"),
        (["describe", path, "-o", str(taken)], "exists: give another name"),
        (["describe", path, "-o", "/proc/x.parquet"], "/proc/x.parquet"),
        (["describe", str(tmp_path / "absent.csv"), "-o", out], "does not exist"),
        (["describe", "-o", out], "nothing to read"),
        (["describe", path, "-o", out, "--model", str(tmp_path)], "holds no model"),
        (["describe", path, "-o", out, "--device", "abacus"], "abacus cannot be used"),
        (["decode", str(latents), "-o", out], "no column mean_3"),
        (["decode", str(tmp_path / "latents.txt"), "-o", out], "by its suffix"),
        (["describe", "--source-ids", str(words), "-o", out], "'Gaia'"),
        (["info", str(tmp_path)], "holds no model"),
    ):
        run = CliRunner().invoke(main, arguments)
        assert run.exit_code == 1, (arguments, run.output)
        (sentence,) = run.output.splitlines()
        assert sentence.startswith("Error: ") and says in sentence, sentence
        assert not (tmp_path / "x.parquet").exists()
    assert taken.read_bytes() == b"mine"


def test_raw_coefficients_where_standardised_ones_are_wanted(model, library):
    with pytest.raises(InputError, match="not standardised"):
        model.encode(library[0])


def test_decode_without_g_flux_is_over_it(model):
    table = xpsvae.decode(np.zeros((2, 6)), model=model)
    scaled = xpsvae.decode(np.zeros((2, 6)), g_flux=[1e5, 2e5], model=model)
    np.testing.assert_allclose(scaled["flux"][1], 2e5 * table["flux"][1], rtol=1e-5)
    assert (table["flux"].unit * COUNT_RATE).is_equivalent(FLUX_UNIT)
    assert table["source_id"].tolist() == [1, 2] and not table["bp_coefficients"].unit
    with pytest.raises(InputError, match=r"\(n_stars, 6\)"):
        xpsvae.decode(np.zeros((2, 5)), model=model)


def test_load_takes_results_and_models(tmp_path, model):
    import shutil

    from xpsvae.own_stars.pretrained import SHIPPED

    shutil.copytree(SHIPPED, tmp_path / "library" / "model")
    for folder in (tmp_path / "library", tmp_path / "library" / "model"):
        assert torch.equal(xpsvae.load(folder, "cpu").mu.bias, model.mu.bias)
    (tmp_path / "library" / "model" / "reference.json").unlink()
    bare = xpsvae.load(tmp_path / "library", "cpu")
    table = xpsvae.describe(real_star.answer("csv"), bare)
    assert np.isfinite(table["chi2"][0]) and np.isnan(table["outlier_percentile"][0])


def test_the_list_of_stars_comes_by_datalink(tmp_path, monkeypatch):
    (tmp_path / "ids.csv").write_text(f"source_id\n{real_star.SOURCE_ID}\n")
    asked = []

    def fetch_datalink(url, source_ids, folder, **request):
        assert url.startswith("https://gea.esac.esa.int")
        asked.extend(source_ids)
        return real_star.answer("csv")

    monkeypatch.setattr("xpsvae.data.gaia_archive.fetch_datalink", fetch_datalink)
    output = tmp_path / "star.ecsv"
    run = CliRunner().invoke(main, ["encode", "--source-ids", str(tmp_path / "ids.csv"), "-o", str(output)])
    assert run.exit_code == 0, run.output
    assert asked == [real_star.SOURCE_ID] and len(Table.read(output)) == 1


def test_the_console_trains_a_model_that_describes(library, tmp_path):
    spectra, folder, output = (str(tmp_path / name) for name in ("stars.parquet", "mine", "out.fits"))
    Table(as_table(*library)).write(spectra)
    words = ["--epochs", "2", "--batch-size", "64", "--n-latents", "3"]
    for arguments in (
        ["train", spectra, "-o", folder, *words],
        ["describe", spectra, "-o", output, "--model", folder],
    ):
        run = CliRunner().invoke(main, arguments)
        assert run.exit_code == 0, run.output
    made = sorted(path.name for path in (tmp_path / "mine").iterdir())
    assert made == ["config.json", "history.csv", "normalisation.npz", "reference.json", "svae.safetensors"]
    table = Table.read(output)
    assert "mean_3" in table.colnames and "mean_4" not in table.colnames and np.isfinite(table["chi2"]).all()
    assert xpsvae.load(folder).reference.n_stars == 270  # but for a tenth that is held out
    run = CliRunner().invoke(main, ["train", spectra, "-o", folder])
    assert run.exit_code == 1 and "holds a model already" in run.output
