"""The look of figures, and every figure drawn from small tables with the gaps that real ones have."""

import importlib.util
import json
import re
import warnings
from pathlib import Path

import matplotlib
import matplotlib.figure
import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb, to_rgba
from matplotlib.legend import Legend

from xpsvae.analysis.alpha import along
from xpsvae.compare import registry
from xpsvae.plot import style
from xpsvae.plot.corner import corner_axes

FIGURES = Path(__file__).parents[2] / "src" / "figures"
LATENTS = [f"z_{k}" for k in range(1, 7)]


def associated(**ranks):
    """Rank correlations of the dimensions of each label, as the product of choose_dimensions has them."""
    return {label: {str(d): {"spearman": rank} for d, rank in by.items()} for label, by in ranks.items()}


DIMENSIONS = {
    "logg": 2,
    "teff": 4,
    "m_h": 1,
    "alpha_m": 6,
    "boundary": {"dimension": 2, "value": 0.3, "ms_side": "above", "accuracy": 0.97},
    "association": associated(logg={2: 0.83}, teff={4: -0.912}, m_h={1: 0.5}, alpha_m={6: 0.104}),
}
SHARED = {label: 3 for label in ("logg", "teff", "m_h", "alpha_m")} | {
    "boundary": {"dimension": 3, "value": -0.1, "ms_side": "below", "accuracy": 0.9},
    "association": associated(logg={3: -0.7}, teff={3: 0.6}, m_h={3: -0.55}, alpha_m={3: -0.51}),
}
DIRECTIONS = {
    "m_h": {"1": 0.8, "2": 0.0, "3": 0.0, "4": 0.6, "6": 0.0},
    "alpha_m": {"1": 0.0, "2": 0.5, "3": 0.5, "4": 0.5, "6": -0.5},
    "mean": {"1": 0.1, "2": 0.0, "3": 0.0, "4": -0.2, "6": 0.0},
    "scale": {"1": 1.0, "2": 0.9, "3": 1.1, "4": 1.0, "6": 1.2},
    "pair": [2, 6],
    "auc_pair": 0.7712,
    "auc_direction": 0.8149,
    "auc_live": 0.918,
}
CARDS = [
    registry.SVAE | {"chain": [["XP", "data"], ["6 latents", "learnt"], ["XP", "data"]]},
    registry.card("pca", {"components": 6, "variance": 95.0}),
    registry.card("label_mlp", {"n_predicted": 90, "n_unknown": 10}),
]
TRACKS = ("high_alpha", "low_alpha", "fixed_m_h", "matched")
SUMMARY = {"n_latents": 6, "kl": [2.4, 1.9, 2.0, 5.1, 0.001, 0.4], "dead": [5], "live": [1, 2, 3, 4, 6]}


@pytest.fixture(autouse=True)
def no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


@pytest.fixture
def stars():
    """Giants and dwarfs with labels, some of them null, and six latents, the fifth collapsed."""
    random = np.random.default_rng(3)
    n = 600
    giant = np.arange(n) < n // 2
    frame = pd.DataFrame(
        {
            "source_id": np.arange(n),
            "teff": np.where(giant, random.normal(4600, 300, n), random.normal(5800, 300, n)),
            "logg": np.where(giant, random.normal(2, 0.6, n), random.normal(4.3, 0.1, n)),
            "m_h": random.normal(-0.3, 0.4, n),
            "alpha_m": random.normal(0.1, 0.1, n),
        }
    )
    frame[LATENTS] = random.normal(size=(n, 6)) * [1, 1, 1, 1, 0.001, 1]
    frame.loc[::17, ["teff", "m_h"]] = np.nan
    for label, low, high in (("teff", 20, 60), ("logg", 0.01, 0.2), ("m_h", 0.003, 0.06)):
        frame[f"{label}_err"] = random.uniform(low, high, n)
    return frame


@pytest.fixture
def subsets(stars):
    subsets = pd.DataFrame({"full": True, "good": stars.index % 3 > 0, "pristine": stars.index % 3 == 1})
    return subsets


def bins(rows):
    """Track bins: every third is empty, one holds too few stars to be drawn, one few, one of any log g."""
    frame = pd.DataFrame(rows)
    random = np.random.default_rng(5)
    frame[["teff", "logg", "m_h", "alpha_m", *LATENTS]] = random.normal(size=(len(frame), 10))
    frame["teff"] = 5000 + 300 * frame.teff
    frame["use"] = "all"
    frame["n"] = np.select([np.arange(len(frame)) == 1, np.arange(len(frame)) == 3], [2, 29], 40)
    frame["logg_se"] = np.where(np.arange(len(frame)) == 4, 0.11, 0.05)
    empty = np.arange(len(frame)) % 3 == 2
    frame.loc[empty, "n"] = 0
    frame.loc[empty, ["teff", "logg", "logg_se", "m_h", "alpha_m", *LATENTS]] = np.nan
    return frame


@pytest.fixture
def kiel():
    return bins(
        [{"branch": "ms", "centre": t} for t in range(5000, 6300, 200)]
        + [{"branch": "gb", "centre": g} for g in np.linspace(0, 3.65, 8)]
    )


@pytest.fixture
def metallicity():
    return bins(
        [
            {"branch": branch, "m_h_centre": m_h, "teff_centre": teff}
            for branch in ("gb", "ms")
            for m_h in (-1.5, -0.5, 0.5)
            for teff in (4000, 4500, 5000)
        ]
    )


def script(name):
    spec = importlib.util.spec_from_file_location(name, FIGURES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def check(figure):
    """Nothing leaves the page, and no panel is empty."""
    FigureCanvasAgg(figure)
    with matplotlib.rc_context(style.STYLE):
        figure.draw_without_rendering()
        drawn = figure.get_tightbbox()
    width, height = figure.get_size_inches()
    assert min(drawn.x0, drawn.y0) > -0.01, drawn
    assert drawn.x1 < width + 0.01 and drawn.y1 < height + 0.01, drawn
    for axes in figure.axes:
        assert axes.has_data() or axes.texts or axes.patches or not axes.axison, "a panel is empty"
    return figure


# ---- style ---------------------------------------------------------------------------------------------


@style.styled
def example():
    figure, axes = style.new_figure(style.SINGLE, 2.5, squeeze=True)
    random = np.random.default_rng(0)
    mesh = style.density(axes, *random.normal(size=(2, 500)), ((-3, 3), (-3, 3)), 20)
    figure.colorbar(mesh, ax=axes, label=r"$\log g$ α")
    axes.set_xlabel(style.LABELS["teff"])
    return figure


def test_save_gives_the_same_bytes_each_time_and_no_date(tmp_path):
    paths = [(tmp_path / f"{i}.pdf", tmp_path / f"{i}.png") for i in range(3)]
    figure = example()
    style.save(figure, *paths[0])
    style.save(figure, *paths[1])
    style.save(example(), *paths[2])
    for first, *others in zip(*paths, strict=True):
        assert all(other.read_bytes() == first.read_bytes() for other in others)
    pdf = paths[0][0].read_bytes()
    assert pdf.startswith(b"%PDF") and b"Date" not in pdf and b"/Type3" not in pdf
    assert b"/FontFile2" in pdf  # TrueType, which journals ask for
    assert not list(tmp_path.glob(".*"))


def test_a_figure_that_fails_leaves_what_was_there(tmp_path):
    pdf = tmp_path / "a.pdf"
    pdf.write_text("before")
    figure = example()
    figure.savefig = None
    with pytest.raises(TypeError):
        style.save(figure, pdf, tmp_path / "a.png")
    assert pdf.read_text() == "before" and [path.name for path in tmp_path.iterdir()] == ["a.pdf"]


def test_style_reaches_the_figure_and_not_the_caller():
    before = dict(matplotlib.rcParams)
    figure = example()
    assert figure.axes[0].xaxis.label.get_fontfamily() == ["STIXGeneral"]
    assert dict(matplotlib.rcParams) == before


def test_kiel_axes_have_hot_stars_left_and_giants_at_the_top():
    figure, axes = style.new_figure(style.SINGLE, 3, squeeze=True)
    style.kiel_axes(axes)
    at = axes.transData.transform
    assert at((6000, 4))[0] < at((4000, 4))[0] and at((5000, 1))[1] > at((5000, 4))[1]
    assert axes.get_xlabel() == r"$T_\mathrm{eff}$ [K]" and axes.get_ylabel() == r"$\log g$ [dex]"


def test_density_and_mean_agree_with_counting(stars):
    figure, axes = style.new_figure(style.SINGLE, 3, squeeze=True)
    extent, shape = ((7000, 3000), (5, 0)), (4, 5)
    mesh = style.density(axes, stars.teff, stars.logg, extent, shape)
    mean = style.binned_mean(axes, stars.teff, stars.logg, stars.m_h, extent, shape, minimum=4)
    x = pd.cut(stars.teff, np.linspace(3000, 7000, 5), right=False, labels=range(4))
    y = pd.cut(stars.logg, np.linspace(0, 5, 6), right=False, labels=range(5))
    groups = stars.assign(x=x, y=y).groupby(["y", "x"], observed=False)
    counts = groups.m_h.size().to_numpy().reshape(5, 4)
    np.testing.assert_array_equal(mesh.get_array().filled(0), counts)
    np.testing.assert_array_equal(mesh.get_array().mask, counts == 0)
    known = groups.m_h.count().to_numpy().reshape(5, 4)
    expected = groups.m_h.mean().to_numpy().reshape(5, 4)
    np.testing.assert_array_equal(mean.get_array().mask, known < 4)
    np.testing.assert_allclose(mean.get_array()[known >= 4], expected[known >= 4])
    assert mesh.get_rasterized() and mean.get_rasterized()


def test_a_track_breaks_at_an_empty_bin():
    figure, axes = style.new_figure(style.SINGLE, 3, squeeze=True)
    points = style.track(axes, [1, None, 3, 4], [5, None, 7, 8], values=[0.1, 0.2, 0.3, 0.4], cmap="Reds")
    np.testing.assert_array_equal(axes.lines[0].get_xdata(), [1, np.nan, 3, 4])
    np.testing.assert_array_equal(points.get_offsets(), [[1, 5], [3, 7], [4, 8]])
    np.testing.assert_array_equal(points.get_array(), [0.1, 0.3, 0.4])


def test_latent_labels_say_what_a_dimension_traces_and_how_closely():
    assert style.latent_label(5) == "$z_{5}$"
    assert style.latent_label(4, DIMENSIONS) == r"$z_{4}$ (traces $T_\mathrm{eff}$, ρ = −0.91)"
    assert style.latent_label(5, DIMENSIONS) == "$z_{5}$"
    assert style.traced_labels(3, SHARED).count("; ") == 3
    traced = {"$\\log g$, ρ = −0.70", "$T_\\mathrm{eff}$, ρ = 0.60", "[M/H], ρ = −0.55", "[α/M], ρ = −0.51"}
    assert set(style.traced_labels(3, SHARED).split("; ")) == traced


def test_a_dimension_that_was_chosen_but_does_not_follow_a_label_is_not_said_to_trace_it():
    assert style.TRACES == 0.5
    assert style.latent_label(6, DIMENSIONS) == "$z_{6}$"  # the best for [alpha/M], and no more
    assert style.latent_label(1, DIMENSIONS) == "$z_{1}$ (traces [M/H], ρ = 0.50)"
    for rank, shown in ((-0.5, True), (0.499, False), (-0.499, False), (0.0, False)):
        weak = DIMENSIONS | {"association": DIMENSIONS["association"] | associated(m_h={1: rank})}
        assert ("traces" in style.latent_label(1, weak)) == shown == bool(style.traced_labels(1, weak))


def test_a_halo_is_a_wider_white_line_below_a_track():
    figure, axes = style.new_figure(style.SINGLE, 3, squeeze=True)
    style.track(axes, [1, 2], [1, 2], halo=True)
    style.track(axes, [1, 2], [1, 2])
    rim, line = axes.lines[0].get_path_effects()
    assert rim._gc["foreground"] == "white" and rim._gc["linewidth"] > axes.lines[0].get_linewidth()
    assert type(line).__name__ == "Normal"
    assert axes.lines[1].get_path_effects() == []


def test_distinct_dimensions_are_filled_up_only_where_labels_share_one():
    labels, available = ("m_h", "alpha_m", "teff"), range(1, 7)
    assert style.distinct_dimensions(DIMENSIONS, labels, available) == [1, 6, 4]
    assert style.distinct_dimensions(SHARED, labels, available) == [3, 1]


def test_limits_leave_the_asked_fraction_outside():
    values = np.arange(1001.0)
    low, high = style.limits(np.append(values, np.nan), outside=0.1, margin=0.1)
    assert (low, high) == pytest.approx((50 - 90, 950 + 90))
    assert style.limits([np.nan]) == (-1, 1)
    low, high = style.limits([2.0, 2.0])
    assert low < 2 < high


def test_each_metallicity_has_a_colour_of_its_own():
    centres = np.linspace(-2.5, 0.5, 10)[1:]
    scale = style.metallicity_scale(centres)
    assert [int(scale["norm"](centre)) for centre in centres] == list(range(9))
    assert len({scale["cmap"](scale["norm"](centre)) for centre in centres}) == 9
    assert len(style.metallicity_scale([0.1])["norm"].boundaries) == 2


def model_looks():
    """Give all models that there are, in the words that a product of theirs has of them."""
    names = [*registry.available()]
    cards = [{"model": "svae", "label": "sVAE", "look": registry.SVAE["look"]}]
    cards += [
        {"model": name, "label": registry.get(name).LABEL, "look": registry.get(name).LOOK} for name in names
    ]
    return style.looks(json.loads(json.dumps({"models": cards})))


def test_looks_of_models_survive_the_product_that_holds_them():
    found = style.looks(json.loads(json.dumps({"models": CARDS})))
    assert list(found) == ["svae", "pca", "label_mlp"]
    assert found["pca"] == style.Look("PCA (6 components)", "#BB5566", (0, (4, 1.5)), "s", "Reds")
    assert found["svae"].linestyle == "-"
    figure, axes = style.new_figure(style.SINGLE, 2, squeeze=True)
    for look in found.values():
        axes.plot([0, 1], ls=look.linestyle, marker=look.marker, color=look.shade(0.5))


@pytest.mark.parametrize("looks", [model_looks(), style.SEQUENCES, style.BRANCHES])
def test_looks_are_told_apart_without_colour(looks):
    shapes = {(str(look.linestyle), look.marker) for look in looks.values()}
    assert len(shapes) == len(looks)


def test_models_are_told_apart_in_greyscale():
    def luminance(colour):  # ITU-R BT.709, linear light
        rgb = np.array(to_rgb(colour))
        linear = np.where(rgb > 0.04045, ((rgb + 0.055) / 1.055) ** 2.4, rgb / 12.92)
        return 116 * np.cbrt(linear @ [0.2126, 0.7152, 0.0722]) - 16  # CIE L*

    looks = model_looks()
    lightness = sorted(luminance(looks[model].color) for model in ("svae", "pca", "label_mlp"))
    assert np.diff(lightness).min() > 15


def test_corner_axes_are_a_lower_triangle_with_shared_limits():
    extents = [(-1, 1), (-2, 2), (-3, 3)]
    figure, axes = corner_axes(style.SINGLE, extents, ["a", "b", "c"])
    for row in range(3):
        for column in range(3):
            panel = axes[row, column]
            assert (panel is None) == (column > row)
            if column < row:
                assert panel.get_xlim() == extents[column] and panel.get_ylim() == extents[row]
    assert [axes[2, i].get_xlabel() for i in range(3)] == ["a", "b", "c"]


# ---- figures -------------------------------------------------------------------------------------------

CUTS = {
    name: {"teff_snr_min": 100, "logg_err_max": 0.1, "m_h_err_max": 0.05} for name in ("good", "pristine")
}


def test_catalog_cuts_counts_and_marks_the_limits(stars, subsets):
    figure = check(script("catalog_cuts").draw(stars, subsets, CUTS))
    histogram = figure.axes[1].patches[0].get_data()
    expected, _ = np.histogram(stars.logg_err, histogram.edges)
    np.testing.assert_array_equal(histogram.values, expected)
    assert [line.get_xdata()[0] for line in figure.axes[1].lines] == [0.1, 0.1]
    assert not figure.axes[1].texts
    cuts = CUTS | {"good": CUTS["good"] | {"logg_err_max": 0.7}}
    figure = check(script("catalog_cuts").draw(stars, subsets, cuts))
    assert [line.get_xdata()[0] for line in figure.axes[1].lines] == [0.1]
    assert [text.get_text() for text in figure.axes[1].texts] == ["limit of good\nlabels: 0.7"]


def test_catalog_kiel_draws_stars_and_metallicities(stars, subsets):
    figure = check(script("catalog_kiel").draw(stars, subsets))
    words = [text.get_text() for text in figure.findobj(matplotlib.text.Text)]
    assert any(re.search(r"Full\n600 stars", text) for text in words)
    assert len(figure.axes) == 8


def test_diagrams_name_the_layers_and_what_was_not_trained():
    figure = check(script("svae_arch").draw([104, 80, 60, 40, 20, 8], 3))
    words = [text.get_text() for text in figure.axes[0].texts]
    assert words.count("104") == 3 and "3 latents" in words
    figure = check(script("xp_vae_models").draw({"models": CARDS}))
    words = [text.get_text() for text in figure.axes[0].texts]
    here = [words[i - 1] for i, text in enumerate(words) if text == "trained here"]
    assert sorted(here) == ["PCA (6 components)", "label MLP", "sVAE"]
    assert {"6 components", "MLP", "6 latents"} <= set(words)
    assert words.count("in the paper, not trained here") == 3


def test_a_model_that_runs_here_is_no_longer_one_of_the_papers_alone():
    theirs = [registry.card(name, {"n_predicted": 90}) for name in ("lb23", "lb23_labels")]
    figure = check(script("xp_vae_models").draw({"models": CARDS + theirs}))
    words = [text.get_text() for text in figure.axes[0].texts]
    by = {
        who: sorted(words[i - 1] for i, text in enumerate(words) if text == who)
        for who in ("trained here", "trained by its authors")
    }
    assert by["trained here"] == ["PCA (6 components)", "label MLP", "sVAE"]
    assert by["trained by its authors"] == ["LB23", "LB23 (labels)"]
    assert words.count("in the paper, not trained here") == 1


@pytest.mark.parametrize("dimensions", [DIMENSIONS, SHARED])
def test_kiel_vs_latent_uses_the_chosen_dimensions(stars, kiel, dimensions):
    figure = check(script("kiel_vs_latent").draw(stars, dimensions, kiel))
    latent = figure.axes[1]
    named = latent.get_xlabel() + latent.get_ylabel()
    assert all(f"$z_{{{dimensions[label]}}}$" in named for label in ("teff", "logg"))
    boundary = dimensions["boundary"]
    assert latent.get_ylabel().startswith(f"$z_{{{boundary['dimension']}}}$")
    assert latent.get_xlabel() != latent.get_ylabel()
    assert any(np.all(np.asarray(line.get_ydata()) == boundary["value"]) for line in latent.lines)
    main_sequence_is_below = latent.yaxis_inverted() == (boundary["ms_side"] == "above")
    assert main_sequence_is_below


def test_kiel_vs_latent_names_what_an_axis_traces_or_is_nearest_to(stars, kiel):
    draw = script("kiel_vs_latent").draw
    latent = draw(stars, DIMENSIONS, kiel).axes[1]
    assert latent.get_xlabel() == r"$z_{4}$ (traces $T_\mathrm{eff}$, ρ = −0.91)"
    assert latent.get_ylabel() == r"$z_{2}$ (traces $\log g$, ρ = 0.83)"
    ranks = DIMENSIONS["association"] | associated(teff={4: -0.402}, logg={2: 0.49})
    latent = draw(stars, DIMENSIONS | {"association": ranks}, kiel).axes[1]
    assert latent.get_xlabel() == r"$z_{4}$ (nearest to $T_\mathrm{eff}$, ρ = −0.40)"
    assert latent.get_ylabel() == r"$z_{2}$ (nearest to $\log g$, ρ = 0.49)"


def test_a_bin_of_latents_has_the_colour_of_the_branch_with_more_of_its_stars(stars, kiel):
    module = script("kiel_vs_latent")
    latent = module.draw(stars, DIMENSIONS, kiel).axes[1]
    meshes = [mesh for mesh in latent.collections if type(mesh).__name__ == "QuadMesh"]
    giants, dwarfs = (~np.ma.getmaskarray(mesh.get_array()) for mesh in meshes)
    main = (stars.logg >= 5.9 - 4e-4 * stars.teff).to_numpy()
    box = [sorted(latent.get_xlim()), sorted(latent.get_ylim())]
    counts = [
        np.histogram2d(stars.z_4[chosen], stars.z_2[chosen], module.BINS, box)[0].T
        for chosen in (~main, main)
    ]
    np.testing.assert_array_equal(giants.reshape(counts[0].shape), (counts[0] >= counts[1]) & (counts[0] > 0))
    np.testing.assert_array_equal(dwarfs.reshape(counts[0].shape), counts[1] > counts[0])


def test_bins_with_few_stars_are_not_drawn(stars, kiel, metallicity):
    figure = check(script("kiel_vs_latent").draw(stars, DIMENSIONS, kiel))
    drawn = sum(type(points).__name__ == "PathCollection" and len(points.get_offsets())
                for points in figure.axes[0].collections)  # fmt: skip
    assert drawn == (kiel.n >= style.FEWEST_STARS).sum() < (kiel.n > 0).sum()
    figure = check(script("kiel_metallicity_tracks").draw(stars, metallicity))
    drawn = sum(len(points.get_offsets()) for points in figure.axes[0].collections[1:])
    shown = (metallicity.n >= 30) & (metallicity.logg_se <= 0.1)
    assert drawn == shown.sum() == (metallicity.n >= style.FEWEST_STARS).sum() - 2  # few, and of any log g


@pytest.mark.parametrize("name", ["latent_ms_metallicity_tracks", "latent_giant_metallicity_tracks"])
@pytest.mark.parametrize("dimensions", [DIMENSIONS, SHARED])
def test_latent_metallicity_tracks(stars, metallicity, dimensions, name):
    figure = check(script(name).draw(stars, metallicity, dimensions, 0.2))
    words = " ".join(text.get_text() for text in figure.findobj(matplotlib.text.Text))
    assert f"$z_{{{dimensions['m_h']}}}$: " in words
    assert ("$z_{6}$: traces no label" in words) == (dimensions is DIMENSIONS)
    curves = [line.get_ydata() for line in figure.axes[0].lines]
    assert curves and all(np.all(np.diff(curve) >= 0) and curve[-1] <= 1 for curve in curves)


def test_latent_metallicity_tracks_of_a_branch_without_stars(stars, metallicity):
    metallicity.loc[metallicity.branch == "ms", ["n", *LATENTS]] = [0] + 6 * [np.nan]
    giants = stars[stars.logg < 3]
    check(script("latent_ms_metallicity_tracks").draw(giants, metallicity, DIMENSIONS, 0.2))


def test_latent_tracks_marks_the_dead(stars, kiel):
    figure = check(script("latent_tracks").draw(stars, DIMENSIONS, SUMMARY, kiel))
    words = [text.get_text() for text in figure.findobj(matplotlib.text.Text)]
    assert sum(text.startswith("dead") for text in words) == 1
    shaded = [axes for axes in figure.axes if axes.get_facecolor() != (1, 1, 1, 1) and axes.axison]
    assert len(shaded) == 6  # its row and its column
    traced = [text.split("traces ")[1] for text in words if "traces" in text]
    assert traced == ["[M/H]\nρ = 0.50", "$\\log g$\nρ = 0.83", "$T_\\mathrm{eff}$\nρ = −0.91"]


def alpha_marks(stars):
    marks = pd.DataFrame({"giant": stars.logg < 3})
    marks["high_alpha"] = pd.array(stars.alpha_m > 0.1, dtype="boolean")
    marks["enceladus"] = pd.array(stars.m_h < -0.9, dtype="boolean")
    marks.loc[~marks.giant, ["high_alpha", "enceladus"]] = pd.NA
    return marks


def alpha_figure(stars, fixed_m_h=None, kind="actions", marks=None, directions=DIRECTIONS):
    marks = alpha_marks(stars) if marks is None else marks
    tracks = bins([{"track": track} for track in TRACKS for _ in range(4)])
    draw = script("alpha_bimodality").draw
    return tracks, draw(stars, marks, tracks, {"enceladus_kind": kind}, directions, fixed_m_h)


@pytest.mark.parametrize("kind, words", [("chemical", "by chemistry"), ("actions", "Gaia-Enceladus (")])
def test_alpha_bimodality_says_how_enceladus_was_selected(stars, kind, words):
    figure = check(alpha_figure(stars, kind=kind)[1])
    legend = " ".join(text.get_text() for text in figure.legends[0].get_texts())
    assert words in legend and ("chemistry" in legend) == (kind == "chemical")
    marks = alpha_marks(stars)
    marks["enceladus"] = pd.array([pd.NA] * len(stars), dtype="boolean")
    check(alpha_figure(stars, kind=kind, marks=marks)[1])


def test_alpha_bimodality_shows_directions_of_the_latents_on_the_same_axes_twice(stars):
    tracks, figure = alpha_figure(stars)
    _, sequences, halo = figure.axes[:3]
    assert sequences.get_xlabel() == halo.get_xlabel() == "[M/H] direction of the latents"
    assert sequences.get_ylabel() == halo.get_ylabel() == "[α/M] direction, [M/H] fixed"
    assert sequences.get_xlim() == halo.get_xlim() and sequences.get_ylim() == halo.get_ylim()
    giants = stars[stars.logg < 3]
    enceladus = giants[giants.m_h < -0.9]
    shown = halo.collections[-1].get_offsets()
    steps = 0.8 * (enceladus.z_1 - 0.1) + 0.6 * (enceladus.z_4 + 0.2)
    np.testing.assert_allclose(shown[:, 0], steps)
    np.testing.assert_allclose(shown[:, 1], along(enceladus, DIRECTIONS, "alpha_m"))
    edges = [np.linspace(*limits, 81) for limits in (halo.get_xlim(), halo.get_ylim())]
    counts, *_ = np.histogram2d(*(along(giants, DIRECTIONS, name) for name in ("m_h", "alpha_m")), edges)
    np.testing.assert_array_equal(halo.collections[0].get_array().filled(0).reshape(80, 80), counts.T)
    for name in TRACKS:
        bin_means = tracks[(tracks.track == name) & (tracks.n >= style.FEWEST_STARS)]
        colour = style.SEQUENCES[name].color
        line = next(line for line in sequences.lines if line.get_color() == colour)
        for drawn, direction in ((line.get_xdata(), "m_h"), (line.get_ydata(), "alpha_m")):
            drawn = np.asarray(drawn, dtype=float)
            np.testing.assert_allclose(drawn[np.isfinite(drawn)], along(bin_means, DIRECTIONS, direction))


def test_alpha_bimodality_says_how_well_directions_tell_the_sequences_apart(stars):
    def words(figure):
        return " ".join(text.get_text() for text in figure.axes[1].findobj(matplotlib.text.Text))

    _, figure = alpha_figure(stars)
    assert "this direction 0.81\nbest pair ($z_2$, $z_6$) 0.77\nall live latents 0.92" in words(figure)
    _, figure = alpha_figure(stars, directions=DIRECTIONS | {"pair": None, "auc_pair": None})
    assert "this direction 0.81\nall live latents 0.92" in words(check(figure))


def test_alpha_bimodality_names_its_tracks(stars):
    tracks, figure = alpha_figure(stars)
    fixed = tracks[tracks.track == "fixed_m_h"]
    mean = np.average(fixed.m_h.fillna(0), weights=fixed.n)
    names = [text.get_text() for text in figure.legends[0].get_texts()][:4]
    assert names[:3] == ["High-α track", "Low-α track", f"[M/H] ≈ {mean:.1f}".replace("-", "−")]
    assert names[3].startswith("matched in")


def test_the_track_of_fixed_metallicity_is_drawn_at_the_mean_or_as_published_at_its_nominal_value(stars):
    for fixed_m_h in (None, -0.4):
        tracks, figure = alpha_figure(stars, fixed_m_h)
        shown = tracks[(tracks.track == "fixed_m_h") & (tracks.n >= style.FEWEST_STARS)]
        line = next(
            line for line in figure.axes[0].lines if line.get_color() == style.SEQUENCES["fixed_m_h"].color
        )
        drawn = np.ma.masked_invalid(np.asarray(line.get_xdata(), dtype=float)).compressed()
        expected = shown.m_h if fixed_m_h is None else np.full(len(shown), fixed_m_h)
        np.testing.assert_array_equal(drawn, expected)
        of_others = [line.get_xdata() for line in figure.axes[0].lines if line.get_color() != "#111111"]
        means = [tracks[tracks.track == name].m_h for name in ("high_alpha", "low_alpha", "matched")]
        for xs, mean in zip(of_others, means, strict=True):
            assert set(pd.Series(xs).dropna()) <= set(mean.dropna())
        check(figure)


def test_components_are_drawn_as_medians_with_what_most_span():
    numbers = list(range(1, 21))
    medians = {"coefficients": [5 / n for n in numbers], "flux": [3 / n for n in numbers]}
    components = {"components": numbers} | {
        space: {"median": values, "low": [0.5 * v for v in values], "high": [2 * v for v in values]}
        for space, values in medians.items()
    }
    figure = check(script("pca_components").draw(components, 6))
    axes = figure.axes[0]
    for line, band, (space, values) in zip(axes.lines[:2], axes.collections, medians.items(), strict=True):
        assert line.get_label() == space.capitalize()
        np.testing.assert_array_equal(line.get_xdata(), numbers)
        np.testing.assert_array_equal(line.get_ydata(), values)
        outline = band.get_paths()[0].vertices
        for number, value in zip(numbers, values, strict=True):
            ends = outline[outline[:, 0] == number, 1]
            assert (ends.min(), ends.max()) == pytest.approx((0.5 * value, 2 * value))
    lines = axes.lines[2:]
    assert [line.get_ydata()[0] for line in lines[:1]] == [1] and lines[1].get_xdata()[0] == 6
    assert "(6)" in axes.texts[0].get_text()
    assert axes.get_yscale() == "log" and axes.get_xlim() == (0.5, 20.5)
    shapes = {(str(line.get_linestyle()), line.get_marker()) for line in axes.lines[:2]}
    assert len(shapes) == 2  # told apart without colour


@pytest.fixture
def compared():
    """Residuals of ten columns by model, and the summary that goes with them; the MLP lacks some stars."""
    from xpsvae.compare.residuals import compare

    random, widths = np.random.default_rng(8), {"svae": 1.0, "pca": 8.0, "label_mlp": 3.0}
    biases = {"svae": 0.0, "pca": 5.0, "label_mlp": -2.0}
    leading = {name: random.normal(biases[name], width, (500, 10)) for name, width in widths.items()}
    leading["label_mlp"][::3] = np.nan
    return leading, {"models": CARDS, "leading": compare(leading)}


@pytest.mark.parametrize("printed_bias", ["own", "label_independent"])
def test_figure_5_prints_the_bias_of_each_model_or_as_published_of_the_label_independent_one(
    compared, printed_bias
):
    leading, comparison = compared
    figure = check(script("lam_coeff_errs").draw(leading, comparison, printed_bias))
    assert [text.get_text() for text in figure.legends[0].get_texts()] == [
        "sVAE",
        "PCA (6 components)",
        "label MLP",
    ]
    for column, axes in enumerate(figure.axes):
        legends = [child for child in axes.get_children() if isinstance(child, Legend)]
        texts = {
            legend.get_title().get_text(): [
                float(text.get_text().replace("−", "-")) for text in legend.get_texts()
            ]
            for legend in legends
        }
        printed = zip(texts["bias"], texts["width"], strict=True)
        (shown,) = (legend for legend in legends if legend.get_title().get_text() == "bias")
        colours = [
            [to_rgba(line.get_color()) for line in legend.legend_handles]
            for legend in (shown, figure.legends[0])
        ]
        assert colours[0] == colours[1]
        medians = [float(np.nanmedian(values[:, column])) for values in leading.values()]
        if printed_bias == "label_independent":
            medians[2] = medians[1]  # PCA's stands for the label MLP's
        for (bias, width), median, model in zip(printed, medians, leading, strict=True):
            assert bias == pytest.approx(median, abs=0.06)
            low, high = np.nanpercentile(leading[model][:, column], (16, 84))
            assert width == pytest.approx((high - low) / 2, abs=0.06)


def test_confusion_matrices_show_those_that_are_named_for_the_figure():
    def entry(name, cell):
        confusion = [[cell, 0.2 - cell], [0.1, 0.7]]
        scores = {"accuracy": cell + 0.7, "recall_high": cell / 0.2, "recall_low": 0.875}
        return {"classifier": name, "confusion": confusion} | scores

    names = ("m_h", "label", "label_extinction", "latent", "label_latent")
    entries = [entry(name, 0.11 + 0.01 * i) for i, name in enumerate(names)]
    entries.insert(2, entry("label_permuted", 0.01))
    sample = {"n_test": 2043, "n_test_high": 409, "majority": 0.8}
    figure = check(script("confusion_matrices").draw({"classifiers": entries, "sample": sample}))
    cells = [[text.get_text() for text in axes.texts] for axes in figure.axes[1:7]]
    assert [line[0] for line in cells] == ["0.20", "0.11", "0.12", "0.13", "0.14", "0.15"]
    assert figure.axes[6].get_title() == "Labels +\nlatents"


def test_physical_spectra_scale_each_star_and_show_its_residual():
    wavelength = np.arange(336.0, 1021, 2)
    rows = [
        {
            "branch": branch,
            "centre": centre,
            "wavelength": wavelength,
            "flux": wavelength * 1e-17,
            "flux_reconstructed": np.where(wavelength < 350, -1, 1.01) * wavelength * 1e-17,
            "residual": np.where(wavelength < 350, -2, 0.01),
        }
        for branch in ("ms", "gb")
        for centre in (1.0, 2.0)
    ]
    figure = check(script("physical_spectra").draw(pd.DataFrame(rows)))
    curve = figure.axes[0].lines[0].get_ydata()
    pivot = (wavelength > 600) & (wavelength < 700)
    assert curve[pivot].mean() == pytest.approx(1)
    residual = figure.axes[2].lines[0].get_ydata()
    np.testing.assert_allclose(residual[wavelength >= 350], 1.0)  # per cent
    np.testing.assert_allclose(residual[wavelength < 350], -200)
    typical = next(line for line in figure.axes[2].lines if line.get_label().startswith("± median"))
    np.testing.assert_allclose(typical.get_ydata(), np.where(wavelength < 350, 200, 1))


@pytest.mark.parametrize("left", [[], ["ms"], ["gb"]])
def test_physical_spectra_of_a_branch_without_stars_say_so(left):
    wavelength = np.arange(336.0, 1021, 2)
    star = {"centre": 1.0, "wavelength": wavelength, "flux_reconstructed": wavelength, "residual": wavelength}
    columns = ["branch", *star]
    figure = check(
        script("physical_spectra").draw(pd.DataFrame([{"branch": b} | star for b in left], columns=columns))
    )
    told = [text for axes in figure.axes[:2] for box in axes.artists for text in [box.txt.get_text()]]
    assert sum("no star in any bin" in text for text in told) == 2 - len(left)


def test_style_holds_after_gaiaxpy_has_been_imported():
    """GaiaXPy's import turns LaTeX on for all of matplotlib."""
    with matplotlib.rc_context({"text.usetex": True}):
        drawn = style.styled(lambda: matplotlib.figure.Figure().text(0.5, 0.5, "T").get_usetex())
        assert drawn() is False


@pytest.fixture
def crowd():
    """All models that there are and one more, long in name: cards, and residuals of flux and coefficients."""
    from xpsvae.compare.residuals import WAVELENGTHS, compare

    more = CARDS[1] | {"model": "more", "label": "another (of 17 numbers)"}
    theirs = [registry.card(name, {"n_predicted": 90}) for name in ("lb23", "lb23_labels")]
    random, names = np.random.default_rng(9), ["svae", "pca", "label_mlp", "lb23", "lb23_labels", "more"]
    leading = {name: random.normal(0, 1 + k, (400, 10)) for k, name in enumerate(names)}
    in_flux = [name for name in names if not name.startswith("lb23")]
    flux = {name: random.normal(0, 1 + k, (400, 61)) for k, name in enumerate(in_flux)}
    per_star = pd.DataFrame(
        {"teff": random.uniform(3500, 7000, 400), "logg": random.uniform(0, 5, 400)}
        | {"m_h": random.uniform(-1, 0.5, 400)}
        | {f"rmse_coefficient_{name}": random.lognormal(size=400) for name in names}
        | {f"rmse_flux_{name}": random.lognormal(size=400) for name in in_flux}
    )
    summary = {"models": [*CARDS, *theirs, more], "wavelength": WAVELENGTHS.tolist()}
    summary |= {"leading": compare(leading), "wavelengths": compare(flux)}
    coefficients = {name: random.normal(0, 1 + k, (400, 64)) for k, name in enumerate(names)}
    return summary | {"coefficients": compare(coefficients)}, leading, flux, per_star


@pytest.mark.parametrize(
    "name",
    ["xp_vae_models", "lam_coeff_errs", "compare_lam", "zgr_rel_errs", "compare_zgr", "err_stellar_labels"],
)
def test_a_model_more_has_its_name_on_the_page(crowd, name):
    comparison, leading, flux, per_star = crowd
    given = {
        "lam_coeff_errs": (leading, comparison),
        "zgr_rel_errs": (np.array(comparison["wavelength"]), flux, comparison),
        "err_stellar_labels": (per_star, comparison),
    }
    figure = check(script(name).draw(*given.get(name, (comparison,))))
    words = [text.get_text() for text in figure.findobj(matplotlib.text.Text)]
    shown = (
        comparison["models"]
        if name not in ("zgr_rel_errs", "compare_zgr")
        else CARDS + comparison["models"][-1:]
    )
    if name == "compare_lam":
        shown = shown[1:]
    for card in shown:
        assert any(text.startswith(card["label"]) for text in words), card["label"]
