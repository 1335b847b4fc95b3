"""The captured step of a GPU on the CPU: all but CUDA's own recording, for which a stand-in runs the step.

On a machine with a GPU the last test records a real graph.
"""

import contextlib
import copy

import pytest
import torch

from xpsvae.model import ScatterVAE, step
from xpsvae.model.step import Flat, adamw, by_autograd

STARS, INPUTS, LATENTS = 256, 20, 3


class Recorder:
    """What stands for CUDA: while it records, a call of the step is kept, and `replay` does it once more."""

    def __init__(self, function):
        self.function, self.recording, self.kept, self.calls = function, False, None, 0

    def step(self, *arguments):
        self.calls += 1
        terms = self.function(*arguments)
        if self.recording:
            self.kept = arguments, terms
        return terms

    @contextlib.contextmanager
    def graph(self, _):
        tensors = self.state()
        before = [tensor.clone() for tensor in tensors]
        self.recording = True
        yield
        self.recording = False
        for tensor, value in zip(tensors, before, strict=True):  # to record is not to run
            tensor.copy_(value)

    def replay(self):
        arguments, terms = self.kept
        for old, new in zip(terms, self.function(*arguments), strict=True):
            old.copy_(new)


def make():
    torch.manual_seed(0)
    flat = Flat(ScatterVAE(INPUTS, LATENTS, (12, 9, 5)))
    return flat, adamw(flat)


def data():
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(STARS, INPUTS, generator=generator)
    return x, torch.rand(STARS, INPUTS, generator=generator) + 0.1, generator


def plain_step(flat, optimiser, x, variance):
    gradient = by_autograd(flat)

    def take(rows, noise, rate, kl_weight):
        optimiser.param_groups[0]["lr"] = float(rate)
        terms = gradient(x, variance, rows, noise, kl_weight)
        optimiser.step()
        return terms

    return take


def hundred(take, generator):
    """Take a hundred steps whose rows, noise, rate and weight all change; return all losses."""
    losses = []
    for number in range(100):
        rows = torch.randperm(STARS, generator=generator)[:64]
        noise = torch.randn(64, LATENTS, generator=generator)
        terms = take(rows, noise, 1e-3 / (1 + number), min(1.0, 0.02 * number))
        losses.append([float(term) for term in terms])
    return losses


@pytest.fixture
def stand_in(monkeypatch):
    """Put the recorder in the place of CUDA's streams and graphs."""
    flat, optimiser = make()
    x, variance, generator = data()
    recorder = Recorder(plain_step(flat, optimiser, x, variance))
    recorder.state = lambda: [*flat.tensors().values(), *optimiser.state[flat.parameters].values()]

    class Stream:
        def wait_stream(self, other):
            pass

    monkeypatch.setattr(torch.cuda, "CUDAGraph", lambda: recorder)
    monkeypatch.setattr(torch.cuda, "graph", recorder.graph)
    monkeypatch.setattr(torch.cuda, "Stream", Stream)
    monkeypatch.setattr(torch.cuda, "current_stream", Stream)
    monkeypatch.setattr(torch.cuda, "stream", lambda stream: contextlib.nullcontext())
    return step._captured(recorder.step, flat, optimiser), flat, recorder, generator


def test_a_hundred_replayed_steps_are_a_hundred_plain_ones(stand_in):
    captured, flat, recorder, generator = stand_in
    found = hundred(captured, generator)
    other, optimiser = make()
    x, variance, generator = data()
    expected = hundred(plain_step(other, optimiser, x, variance), generator)
    torch.testing.assert_close(torch.tensor(found), torch.tensor(expected), rtol=1e-5, atol=1e-5)
    for name, tensor in other.tensors().items():
        torch.testing.assert_close(flat.tensors()[name], tensor, rtol=1e-4, atol=1e-5, msg=name)
    assert recorder.calls == 4  # three to warm up and the recorded one: everything else is a replay


def test_recording_leaves_no_trace_in_the_state(stand_in):
    captured, flat, recorder, generator = stand_in
    before = copy.deepcopy(flat.tensors())
    recorder.replay = lambda: None
    captured(torch.arange(64), torch.randn(64, LATENTS, generator=generator), 1e-3, 1.0)
    for name, tensor in flat.tensors().items():
        assert torch.equal(tensor, before[name]), name


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_a_recorded_graph_agrees_with_autograd_over_a_hundred_steps():
    x, variance, generator = data()
    runs = []
    for captured in (False, True):
        flat, _ = make()
        flat = Flat(flat.model.cuda())
        optimiser = adamw(flat)
        on_gpu = x.cuda(), variance.cuda()
        take = step.stepper(flat, optimiser, *on_gpu) if captured else plain_step(flat, optimiser, *on_gpu)
        generator.manual_seed(5)
        runs.append(
            hundred(lambda rows, noise, *rest, take=take: take(rows.cuda(), noise.cuda(), *rest), generator)
        )
    torch.testing.assert_close(torch.tensor(runs[0]), torch.tensor(runs[1]), rtol=1e-4, atol=1e-4)
