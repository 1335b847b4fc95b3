"""The authors' weights: they fit key for key, and behave as weights trained on standardised spectra do."""

import csv
from dataclasses import fields

import numpy as np
import pytest
import torch

from xpsvae.errors import InputError
from xpsvae.model import ScatterVAE, load, load_published, save
from xpsvae.model.published import LAST_EPOCH, save_published
from xpsvae.model.recipe import Recipe, choose
from xpsvae.model.train import learning_rate
from xpsvae.products import read_json

WEIGHTS, LOG = "reference/published/svae_weights.pt", "reference/published/training_log.csv"


def test_published_weights_load_strictly_and_completely(shared):
    weights = torch.load(shared(WEIGHTS), map_location="cpu", weights_only=True)["model_state_dict"]
    model = ScatterVAE(110)
    model.load_state_dict(weights, strict=True)
    assert list(model.state_dict()) == list(weights)
    ours = load_published(shared(WEIGHTS))
    assert not ours.training
    assert (ours.n_inputs, ours.n_latents, ours.hidden) == (110, 6, (90, 70, 50, 30, 10))
    for name, tensor in ours.state_dict().items():
        assert torch.equal(tensor, weights[name])


def test_published_normalisation_tells_the_dead_latents(shared):
    """z_2 and z_6 are dead (section 5): spectra do not move them and they move no spectrum."""
    model = load_published(shared(WEIGHTS))
    x = torch.randn(2000, 110, generator=torch.Generator().manual_seed(0)) * 0.5
    with torch.inference_mode():
        mean, log_var = model.encode(x)
        moved = []
        for latent in range(6):
            z = mean.clone()
            z[:, latent] += 1
            moved.append(float((model.decode(z) - model.decode(mean)).abs().mean()))
    dead, live = [1, 5], [0, 2, 3, 4]
    assert max(np.take(moved, dead)) < 0.05 * min(np.take(moved, live))
    assert mean[:, dead].std(0).max() < 0.1 * mean[:, live].std(0).min()
    torch.testing.assert_close(log_var[:, dead].mean(0), torch.zeros(2), atol=0.05, rtol=0)


def test_published_scatter_is_small_for_an_average_spectrum(shared):
    model = load_published(shared(WEIGHTS))
    with torch.inference_mode():
        scatter = model.estimate_scatter(torch.zeros(1, 6))[0]
        x_hat = model.decode(torch.zeros(1, 6))[0]
    assert scatter.min() > 0 and scatter.max() < 1
    assert scatter[0] < 0.1  # the leading coefficient is almost determined by six latents
    assert x_hat.abs().max() < 3  # latents at the prior's centre decode near the mean spectrum


def test_cosine_schedule_gives_the_published_rates(shared):
    with open(shared(LOG), encoding="utf-8") as log:
        rows = list(csv.DictReader(log))
    for row in rows:
        rate = learning_rate(choose("published"), (int(row["epoch"]) - 1) * 441, 441)
        assert rate == pytest.approx(float(row["lr"]), rel=1e-4)


def test_published_weights_survive_our_format(shared, tmp_path):
    model = load_published(shared(WEIGHTS))
    save(tmp_path, model)
    again = load(tmp_path)
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, again.state_dict()[name])


def test_published_model_has_the_form_that_training_leaves(shared, tmp_path):
    """Weights are those of the authors, and the history ends where their log ends."""
    model, mu, sigma = load_published(shared(WEIGHTS)), np.linspace(-1, 1, 110), np.linspace(1, 2, 110)
    save_published(tmp_path, model, (mu, sigma))
    again = load(tmp_path)
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, again.state_dict()[name])
    np.testing.assert_array_equal(again.normalisation, (mu, sigma))
    recipe = read_json(tmp_path / "config.json")["training"]
    assert recipe.pop("source") == "published"
    assert recipe.keys() <= {field.name for field in fields(Recipe)}
    with open(shared(LOG), encoding="utf-8") as log:
        theirs = list(csv.DictReader(log))[-1]
    with open(tmp_path / "history.csv", encoding="utf-8") as history:
        (ours,) = csv.DictReader(history)
    assert ours["step"] == str(5000 * (452_079 // 1024))
    for name in LAST_EPOCH.keys() - {"step"}:
        assert float(ours[name]) == pytest.approx(float(theirs[name]), rel=1e-6)


@pytest.mark.parametrize("content", [b"", b"not a torch file", {"a": torch.zeros(2)}, torch.zeros(3)])
def test_other_files_are_refused_in_one_sentence(tmp_path, content):
    path = tmp_path / "weight.pt"
    path.write_bytes(content) if isinstance(content, bytes) else torch.save(content, path)
    with pytest.raises(InputError, match="weight.pt"):
        load_published(path)
    with pytest.raises(InputError, match="does not exist"):
        load_published(tmp_path / "absent.pt")


def test_a_state_dict_of_other_layers_is_refused(tmp_path):
    weights = ScatterVAE(8, 2, (5, 3)).state_dict()
    del weights["scatter.1.1.running_var"]
    torch.save({"model_state_dict": weights}, tmp_path / "weight.pt")
    with pytest.raises(InputError, match=r"scatter\.1\.1\.running_var is absent"):
        load_published(tmp_path / "weight.pt")
