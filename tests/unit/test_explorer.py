"""The latent explorer: what its page holds against a plain loop over real spectra, and a click in a real browser.

The stars are the first of dataset library, their latents principal components, so that no training is needed.
"""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from xpsvae.analysis import explorer
from xpsvae.errors import InputError
from xpsvae.model.loss import reconstruction as loss
from xpsvae.plot.explorer import decode, encode, facts, page, quantise
from xpsvae.xp import dr3_basis, flux_errors

PROJECT = Path(__file__).resolve().parents[2]
N, K = 300, 3
ABOUT = {"title": "Stars & latents", "origin": "Dataset library: 300 stars."}


@pytest.fixture(scope="module")
def catalogue(settings):
    """Real stars: table, coefficients, errors, standardised reconstruction, scatter, normalisation, sequences."""
    from xpsvae.analysis.alpha import sequences
    from xpsvae.catalog.crossmatch import build_catalog
    from xpsvae.data import library

    labels, spectra = library.read(library.locate(), settings["library"]["sha256"], limit=N)
    stars, coefficients, errors, *_ = build_catalog(labels, spectra, **settings["inversion"])
    scaled = coefficients / stars["phot_g_mean_flux"].to_numpy()[:, None]
    normalisation = {"mu": scaled.mean(axis=0), "sigma": scaled.std(axis=0)}
    x = (scaled - normalisation["mu"]) / normalisation["sigma"]
    u, s, components = np.linalg.svd(x, full_matrices=False)
    latents = u[:, :K] * s[:K]
    x_hat = latents @ components[:K]
    scatter = np.tile((x - x_hat).std(axis=0), (len(x), 1))
    frame = stars.join(pd.DataFrame(latents, columns=[f"z_{k + 1}" for k in range(K)]))
    marks, _ = sequences(stars, stars["logg"].notna().to_numpy())
    return frame, coefficients, errors, x_hat, scatter, normalisation, marks


@pytest.fixture(scope="module")
def picked(catalogue):
    return explorer.pick(catalogue[0], 250, seed=1)


@pytest.fixture(scope="module")
def content(catalogue, picked):
    return explorer.collect(picked, *catalogue[1:])


def build(content, dimensions=None):
    parts = ((PROJECT / "src/explorer" / f"page.{kind}").read_text() for kind in ("html", "css", "js"))
    return page(content, facts(content, {"kl": [2.0, 1.0, 0.0], "dead": [3]}, dimensions), ABOUT, *parts)


def held(text):
    return json.loads(re.search(r'<script type="application/json" id="content">(.*?)</script>', text)[1])


def unpacked(parts):
    low, step, levels = (decode(parts[name]).astype(float) for name in ("low", "step", "levels"))
    return low[:, None] + step[:, None] * levels


def test_a_draw_is_seeded_without_repetition_and_in_the_order_of_the_catalogue(catalogue, picked):
    frame = catalogue[0]
    assert len(picked) == 250 and picked.index.is_unique and picked.index.is_monotonic_increasing
    assert picked.equals(explorer.pick(frame, 250, seed=1))
    assert not picked.index.equals(explorer.pick(frame, 250, seed=2).index)
    assert explorer.pick(frame, 10_000, seed=1).equals(frame)
    with pytest.raises(InputError, match="no star has good labels: loosen the cuts"):
        explorer.pick(frame[:0], 5, seed=1)


def test_chi_square_is_that_of_the_loss(catalogue):
    frame, coefficients, errors, x_hat, scatter, normalisation, _ = catalogue
    scale = frame["phot_g_mean_flux"].to_numpy()[:, None] * normalisation["sigma"]
    x_err = errors / scale
    x = coefficients / scale - normalisation["mu"] / normalisation["sigma"]
    likelihood = loss(*map(torch.from_numpy, (x, x_err**2, x_hat, scatter))).numpy()
    logarithms = np.log(x_err**2 + scatter**2).sum(axis=1)
    expected = (2 * likelihood - logarithms) / x.shape[1]
    np.testing.assert_allclose(explorer.chi_square(x, x_err, x_hat, scatter), expected, rtol=1e-6)


def test_page_holds_the_stars_as_a_plain_loop_finds_them(catalogue, picked, content):
    _, coefficients, errors, x_hat, scatter, normalisation, marks = catalogue
    found = held(build(content))
    assert decode(found["source_id"]).tolist() == picked["source_id"].tolist()
    np.testing.assert_array_equal(
        decode(found["latents"]), picked[["z_1", "z_2", "z_3"]].to_numpy(np.float32)
    )
    for name in explorer.LABELS:
        np.testing.assert_array_equal(decode(found["labels"][name]), picked[name].to_numpy(np.float32))
    wavelengths = decode(found["wavelengths"])
    assert len(wavelengths) == 86 and set(np.diff(wavelengths)) == {8}
    basis = dr3_basis()
    design = basis.design[np.searchsorted(basis.wavelengths, wavelengths)]
    spectra = {name: unpacked(parts) for name, parts in found["spectra"].items()}
    sequence, chi2 = decode(found["sequence"]), decode(found["chi2"])
    for place, row in enumerate(picked.index):
        g_flux = picked["phot_g_mean_flux"][row]
        modelled = (x_hat[row] * normalisation["sigma"] + normalisation["mu"]) * g_flux
        width = scatter[row] * normalisation["sigma"] * g_flux
        expected = {
            "observed": design @ coefficients[row],
            "reconstructed": design @ modelled,
            "error": flux_errors(errors[row][None], wavelengths=wavelengths)[0],
            "scatter": flux_errors(width[None], wavelengths=wavelengths)[0],
        }
        for name, values in expected.items():
            allowed = (values.max() - values.min()) / 65535 * 0.51 + 2e-7 * np.abs(values).max()
            assert np.abs(spectra[name][place] - values).max() < allowed, (name, row)
        difference = (coefficients[row] - modelled) / normalisation["sigma"] / g_flux
        variance = (errors[row] / normalisation["sigma"] / g_flux) ** 2 + scatter[row] ** 2
        np.testing.assert_allclose(chi2[place], np.mean(difference**2 / variance), rtol=1e-5)
        high = marks["high_alpha"][row]
        assert sequence[place] == (2 if pd.isna(high) else int(high))
    assert {*sequence} == {0, 1, 2}
    looks = [(each["name"], each["color"]) for each in found["facts"]["sequences"]]
    assert looks[:2] == [("Low-α", "#D9740B"), ("High-α", "#542788")]  # as SEQUENCES of the figures


def test_sixteen_bits_reach_both_ends_of_each_row():
    rows = np.array([[1e-18, 3e-16, -2e-17], [5.0, 5.0, 5.0]])
    parts = {name: encode(array) for name, array in quantise(rows).items()}
    assert decode(parts["levels"]).tolist() == [[4301, 65535, 0], [0, 0, 0]]
    np.testing.assert_allclose(unpacked(parts), rows, atol=3.2e-16 / 65535)


def test_page_is_one_file_of_the_same_bytes_with_no_address_to_load(content):
    text = build(content)
    assert text == build(content)
    assert len(text) < 3_000_000  # 1.4 MB of Bokeh and 1 kB a star
    own = text.split("<script>", 1)[0] + text.rsplit("<script>", 1)[1]
    assert not re.search(r"https?://|src=|@import|url\(", own)
    assert "Stars &amp; latents" in text and "{{" not in own


def test_latents_are_named_by_what_they_trace(content):
    association = {label: {"1": {"spearman": 0.9}, "2": {"spearman": -0.7}} for label in explorer.LABELS}
    association["alpha_m"]["2"] = {"spearman": 0.3}
    dimensions = {"teff": 1, "logg": 1, "m_h": 2, "alpha_m": 2, "association": association}
    shown = facts(content, {"kl": [2.0, 1.0, 0.0], "dead": [3]}, dimensions)
    assert [axis["traces"] for axis in shown["axes"]] == [
        "Teff, ρ = 0.90; log g, ρ = 0.90",
        "[M/H], ρ = −0.70",
        "",
    ]
    assert [axis["dead"] for axis in shown["axes"]] == [False, False, True]
    assert shown["first"] == [0, 1]


def test_what_a_catalogue_lacks_is_not_offered(catalogue, picked):
    bare = picked.drop(columns=["logg", "m_h"]).assign(alpha_m=np.nan)
    content = explorer.collect(bare, *catalogue[1:6])
    assert list(content["labels"]) == ["teff"] and content["sequence"] is None
    found = held(build(content))
    assert list(found["labels"]) == ["teff"] and "sequence" not in found
    assert found["facts"]["sequences"] == []
    none = catalogue[6].assign(high_alpha=pd.array([pd.NA] * len(catalogue[0]), dtype="boolean"))
    assert explorer.collect(picked, *catalogue[1:6], none)["sequence"] is None


@pytest.fixture
def opened(tmp_path):
    """Open pages in headless Chromium, without a network; a test fails on anything that one logs as an error."""
    driver = pytest.importorskip(
        "playwright.sync_api", reason="playwright is not installed: see CONTRIBUTING.md"
    )
    program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if program is None:
        pytest.skip("Chromium is not installed: see CONTRIBUTING.md")
    complaints = []
    with driver.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])

        def open_page(text):
            (tmp_path / "explorer.html").write_text(text, encoding="utf-8")
            context = browser.new_context(viewport={"width": 1400, "height": 1100}, offline=True)
            tab = context.new_page()
            tab.on("pageerror", lambda error: complaints.append(str(error)))
            tab.on("console", lambda line: complaints.append(line.text) if line.type == "error" else None)
            tab.goto(f"file://{tmp_path}/explorer.html")
            tab.wait_for_selector("body[data-ready=true]", timeout=120_000)
            return tab

        yield open_page
        browser.close()
    assert complaints == []


# Where a star of the map is in the window [pixels], and what the panels draw.
PLACE = """([x, y]) => {
  const view = [...Bokeh.index.roots].find((root) => root.frame);
  const box = view.canvas_view.el.getBoundingClientRect();
  return [box.x + view.frame.x_scale.compute(x), box.y + view.frame.y_scale.compute(y)];
}"""
DRAWN = """() => {
  const panels = Bokeh.documents.flatMap((one) => one.roots()).find((root) => root.type === "Column");
  const {data} = panels.children[0].renderers[0].data_source;
  return Object.fromEntries(Object.entries(data).map(([name, values]) => [name, Array.from(values)]));
}"""


def rows(tab, table):
    return [row.split("\t") for row in tab.inner_text(table).split("\n")]


def lonely(latents):
    """Star that is farthest from its nearest in the first two latents: a click finds no other."""
    away = np.linalg.norm(latents[:, None, :2] - latents[None, :, :2], axis=2)
    return int(np.argmax((away + np.diag(np.full(len(away), np.inf))).min(axis=1)))


def test_a_click_on_a_star_shows_its_spectrum_labels_and_neighbours(opened, picked, content):
    tab, star = opened(build(content)), lonely(content["latents"])
    assert tab.inner_text("#source-id") == "No star chosen" and not tab.is_visible("#details")
    tab.mouse.click(*tab.evaluate(PLACE, content["latents"][star, :2].tolist()))
    tab.wait_for_selector("#details")
    assert tab.inner_text("#source-id") == f"Gaia DR3 {picked['source_id'].iloc[star]}"
    head, values = rows(tab, "#labels")
    assert head[:4] == ["Teff [K]", "log g [dex]", "[M/H] [dex]", "[α/M] [dex]"]
    for text, name, half in zip(values, explorer.LABELS, (0.5, 0.005, 0.005, 0.005), strict=False):
        assert abs(float(text.replace("−", "-")) - picked[name].iloc[star]) <= 1.01 * half
    drawn = tab.evaluate(DRAWN)
    spectra = {name: rows[star] for name, rows in content["spectra"].items()}
    unit = 10.0 ** np.floor(np.log10(spectra["reconstructed"].max()))
    for name in ("observed", "reconstructed"):
        np.testing.assert_allclose(
            np.array(drawn[name]) * unit, spectra[name], atol=2e-5 * spectra[name].max()
        )
    for side, sign in (("scatter_low", -1), ("scatter_high", 1)):
        expected = spectra["reconstructed"] + sign * spectra["scatter"]
        np.testing.assert_allclose(np.array(drawn[side]) * unit, expected, atol=4e-5 * expected.max())
    # neighbours, by a plain loop; a click on the first goes there
    here = content["latents"][star]
    distances = [np.sqrt(sum((here - other) ** 2)) for other in content["latents"]]
    nearest = sorted(range(len(distances)), key=distances.__getitem__)[1:9]
    listed = rows(tab, "#neighbours")[1:]
    assert [row[1] for row in listed] == [str(picked["source_id"].iloc[i]) for i in nearest]
    np.testing.assert_allclose([float(row[2]) for row in listed], [distances[i] for i in nearest], atol=6e-4)
    tab.click("#neighbours button >> nth=0")
    assert tab.inner_text("#source-id") == f"Gaia DR3 {picked['source_id'].iloc[nearest[0]]}"
    moved = np.array(tab.evaluate(DRAWN)["observed"])
    assert moved.argmax() == content["spectra"]["observed"][nearest[0]].argmax()


def test_a_brush_counts_stars_and_takes_medians(opened, picked, content):
    tab = opened(build(content))
    x, y = content["latents"][:, 0], content["latents"][:, 1]
    left, right = np.quantile(x, (0.3, 0.8))
    bottom, top = y.min() - 0.02 * np.ptp(y), y.max() + 0.02 * np.ptp(y)
    inside = (x > left) & (x < right)
    start, end = (tab.evaluate(PLACE, [float(a), float(b)]) for a, b in ((left, bottom), (right, top)))
    tab.mouse.move(*start)
    tab.mouse.down()
    tab.mouse.move(*end, steps=8)
    tab.mouse.up()
    tab.wait_for_selector("#clear")
    counted = int(re.match(r"([\d,]+) of 250 stars", tab.inner_text("#brush-text"))[1])
    assert abs(counted - inside.sum()) <= 2  # a pixel is no sharp edge
    brushed = {row[0]: float(row[1].replace("−", "-")) for row in rows(tab, "#brush")[1:]}
    for name, title, allowed in (("teff", "Median Teff [K]", 30), ("m_h", "Median [M/H] [dex]", 0.03)):
        assert abs(brushed[title] - picked[name][inside].median()) < allowed
    tab.select_option("#colour", "sequence")
    assert "High-α" in tab.inner_text("#legend")
    tab.click("#clear")
    assert "Drag a box" in tab.inner_text("#brush-text") and not tab.is_visible("#clear")


def test_another_axis_another_colour_and_a_star_by_its_name(opened, picked, content):
    tab, star = opened(build(content)), lonely(content["latents"][:, [2, 1]])
    tab.select_option("#horizontal", "2")
    for colour in tab.eval_on_selector_all("#colour option", "all => all.map((one) => one.value)"):
        tab.select_option("#colour", colour)
    tab.mouse.click(*tab.evaluate(PLACE, content["latents"][star, [2, 1]].tolist()))
    wanted = f"Gaia DR3 {picked['source_id'].iloc[star]}"
    tab.wait_for_selector(f"#source-id:text-is('{wanted}')")
    for text, heading, complaint in (
        (str(picked["source_id"].iloc[7]), f"Gaia DR3 {picked['source_id'].iloc[7]}", ""),
        ("12", f"Gaia DR3 {picked['source_id'].iloc[7]}", "This star is not among those shown."),
    ):
        tab.fill("#wanted", text)
        tab.press("#wanted", "Enter")
        assert (tab.inner_text("#source-id"), tab.inner_text("#not-found")) == (heading, complaint)


def test_a_page_without_labels_and_sequences_works(opened, catalogue, picked):
    content = explorer.collect(picked.drop(columns=list(explorer.LABELS)), *catalogue[1:6])
    tab, star = opened(build(content)), lonely(content["latents"])
    assert tab.eval_on_selector_all("#colour option", "all => all.map((one) => one.value)") == [
        "chi2",
        "density",
    ]
    tab.mouse.click(*tab.evaluate(PLACE, content["latents"][star, :2].tolist()))
    tab.wait_for_selector(f"#source-id:text-is('Gaia DR3 {picked['source_id'].iloc[star]}')")
    assert rows(tab, "#labels")[0] == ["χ²"]
