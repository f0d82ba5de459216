"""Every entry of the catalogue, as PyTorch has it: made from its example, trained, measured, restored."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

import thinned
import thinned.torch
from tests.bounds import stray
from thinned.mask import keep

ENTRIES = {entry.name: entry for entry in thinned.catalogue() if "torch" in entry.frameworks}
FUNCTIONS = {"r_drop", "max_norm"}
"""Entries that are no layer: what is done with a model."""

CALLS = 400
"""How many draws of a layer a mean is taken of."""

ELSEWHERE = {
    "ConcreteDropout", "DropConnectLinear", "EmbeddingDropout", "LayerDrop", "Mixout", "StochasticDepth",
    "WeightDrop", "Zoneout",
}  # fmt: skip
"""Their moments are of a weight, of rows, of a branch or of a state: `tests/methods` has them."""

SQUARES = {name for name, entry in ENTRIES.items() if entry.moments is not None} - ELSEWHERE
"""Layers whose output, element by element, has the moments that the entry states of its input."""


def made(entry):
    """What the entry's example makes, with the same weights each time."""
    torch.manual_seed(1)
    scope = {"nn": nn, "torch": torch, "thinned": thinned}
    path = next(layer for layer in entry.layers if layer.startswith("torch."))
    return eval(f"thinned.{path}({entry.example})", scope)  # noqa: S307 - our own catalogue


def given(entry, turn=0):
    """An input that the entry says fits: numbers, or the ids of words."""
    draws = torch.Generator().manual_seed(turn)
    if entry.name == "EmbeddingDropout":
        return torch.randint(0, 100, entry.shape, generator=draws)
    return torch.randn(entry.shape, generator=draws)


def called(layer, x):
    """The output, or the first of several."""
    y = layer(x)
    return y[0] if isinstance(y, tuple) else y


class Net(nn.Module):
    """A weight in front of the layer, so that each has a gradient to pass on."""

    def __init__(self, entry):
        super().__init__()
        self.layer = made(entry)
        self.gain = nn.Parameter(torch.ones(()))
        self.is_of_logits = "logits" in entry.row.perturbed

    def forward(self, x):
        """The layer on scaled inputs; ids go to it as they are, and a softmax follows logits."""
        y = called(self.layer, x if x.dtype == torch.int64 else x * self.gain)
        return torch.softmax(y, -1) if self.is_of_logits else y

    def loss(self, y):
        """A loss, with what a layer that learns its rate adds to it."""
        return y.square().mean() + thinned.torch.concrete_regulariser(self)


LAYERS = sorted(set(ENTRIES) - FUNCTIONS)


class TestLayers:
    """Each layer, in a bound model."""

    @pytest.mark.parametrize("name", LAYERS)
    def test_trains_a_step_and_is_restored(self, name):
        """A copy that loads the state before a step makes that step again, bit for bit."""
        entry = ENTRIES[name]
        net = thinned.torch.bind(Net(entry), seed=3)
        optimiser = torch.optim.SGD(net.parameters(), lr=0.1)
        found = []
        for turn in range(3):
            saved = copy.deepcopy(net.state_dict())
            optimiser.zero_grad()
            y = net(given(entry, turn))
            net.loss(y).backward()
            optimiser.step()
            found.append((y.detach(), {key: value.clone() for key, value in net.state_dict().items()}))

        assert 3 == net.state_dict()["thinned.address"][1]
        assert all(torch.isfinite(y).all() for y, _ in found)
        other = thinned.torch.bind(Net(entry), seed=99)
        other.load_state_dict(saved, strict=True)
        optimiser = torch.optim.SGD(other.parameters(), lr=0.1)
        y = other(given(entry, 2))
        other.loss(y).backward()
        optimiser.step()
        assert torch.equal(found[2][0], y)
        after = other.state_dict()
        assert all(torch.equal(value, after[key]) for key, value in found[2][1].items())

    @pytest.mark.parametrize("name", LAYERS)
    def test_evaluation_draws_nothing(self, name):
        """Two evaluations are alike, and no step is taken."""
        entry = ENTRIES[name]
        net = thinned.torch.bind(Net(entry), seed=3).eval()

        assert torch.equal(net(given(entry)), net(given(entry)))
        assert 0 == net.state_dict()["thinned.address"][1]

    @pytest.mark.parametrize("name", sorted(SQUARES & set(LAYERS)))
    def test_has_the_moments_that_it_states(self, name):
        """The mean over elements and calls, within Bernstein's bound of what the entry's function says."""
        entry = ENTRIES[name]
        layer = thinned.torch.bind(made(entry).double(), seed=5)
        x = (
            torch.softmax(given(entry).double(), -1)
            if "weights" in entry.row.perturbed
            else given(entry).double()
        )
        rate = float(getattr(layer, "p", getattr(layer, "stddev", 0.5)))
        mean, variance = entry.moments(x.numpy(), rate)
        draws = np.stack([called(layer, x).detach().numpy() for _ in range(CALLS)])
        # Elements may share a draw, so only calls are counted as independent; of all elements the worst is taken.
        reach = np.abs(draws - mean).max(0).max() + np.sqrt(variance.max())
        alarm = 1e-6 / mean.size

        assert np.all(np.abs(draws.mean(0) - mean) <= stray_of_each(variance, reach, alarm))

    @pytest.mark.parametrize(
        "name",
        [
            name
            for name in LAYERS
            if ENTRIES[name].row.law == "Bernoulli(rate)"
            and ENTRIES[name].row.perturbed in {"activations", "residual branch", "attention weights"}
            and ENTRIES[name].row.correction == "inverted scale"
            and name not in {"StochasticDepth", "BatchDropout"}
        ],
    )
    def test_has_the_masks_of_its_plan(self, name):
        """What is dropped from ones is what the law drops, at the site and in the shape that the table states."""
        entry = ENTRIES[name]
        model = nn.Sequential()
        model.part = made(entry)
        thinned.torch.bind(model, seed=2**40 + 1)
        x = torch.ones(entry.shape)
        (line,) = thinned.sites(model, x)
        share = [
            axis for axis, (one, all_) in enumerate(zip(line.mask_shape, x.shape, strict=True)) if one != all_
        ]
        for step in range(3):
            expected = keep(entry.shape, line.rate, seed=2**40 + 1, site=line.id, step=step, share=share)

            assert np.array_equal(np.broadcast_to(expected, x.shape), (model(x) != 0).numpy())


def stray_of_each(variance, reach, alarm):
    """Bernstein's bound for the mean of `CALLS` values, for each element's variance."""
    return np.vectorize(lambda each: stray(CALLS, each, reach, alarm))(variance)


class TestFunctions:
    """Entries that are no layers."""

    @pytest.mark.parametrize("name", sorted(FUNCTIONS))
    def test_the_example_runs(self, name):
        """As it stands in the catalogue."""
        found = made(ENTRIES[name])

        assert found is None or torch.isfinite(torch.as_tensor(found)).all()
