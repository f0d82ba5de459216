"""Layers whose rate follows the step: eager, compiled, resumed, set later."""

import copy
from functools import partial

import pytest
import torch
from torch import nn
from torch._dynamo.testing import CompileCounter

import thinned
import thinned.torch as tt
from tests.torch.truth import dropped, same
from thinned.errors import BindError, RateError

SCHEDULES = [
    thinned.linear(0, 0.5, steps=40),
    thinned.cosine(0.3, 0, steps=30, begin=3),
    thinned.early(0.5, until=20),
    thinned.late(0.5, after=7),
]
LAYERS = [
    tt.Dropout,
    tt.Dropout1d,
    tt.Dropout2d,
    tt.Dropout3d,
    tt.DropPath,
    tt.LockedDropout,
    partial(tt.DropBlock2d, block_size=2),
    tt.AlphaDropout,
    tt.GaussianDropout,
]


def model(schedule, make=tt.Dropout):
    """Bound, with two layers that follow one schedule."""
    torch.manual_seed(1)
    return tt.bind(nn.Sequential(nn.Linear(8, 8), make(schedule), nn.Linear(8, 8), make(schedule)), seed=3)


@pytest.mark.parametrize("schedule", SCHEDULES, ids=str)
class TestSteps:
    """A bound layer follows its model's step."""

    def test_masks_are_those_of_the_rate_at_the_step(self, schedule):
        """The law's, with the schedule's quantised rate."""
        bound, x = tt.bind(nn.Sequential(tt.Dropout(schedule)), seed=5), torch.ones(64)
        for step in range(45):
            assert same(dropped(x, schedule(step), seed=5, site="0", step=step), bound(x))

    def test_compiled_is_eager(self, schedule):
        """Fifty steps with gradients, bit for bit, from one graph."""
        counter = CompileCounter()
        eager, inner = model(schedule), model(schedule)
        compiled = torch.compile(inner, fullgraph=True, backend=counter)
        for step in range(50):
            x = torch.randn(3, 8, generator=torch.Generator().manual_seed(step))
            inputs = [x.clone().requires_grad_() for _ in range(2)]
            for call, leaf in zip((eager, compiled), inputs, strict=True):
                call(leaf).square().sum().backward()
            assert torch.equal(inputs[0].grad, inputs[1].grad)

        assert 1 == counter.frame_count

    def test_resumes(self, schedule):
        """From a state dict, in the middle of the change."""
        x = torch.randn(3, 8)
        first, second = model(schedule), model(schedule)
        for _ in range(11):
            first(x)
        second.load_state_dict(first.state_dict())

        for _ in range(15):
            assert torch.equal(first(x), second(x))


class TestCompiled:
    """By PyTorch's own compiler."""

    @pytest.mark.parametrize(
        "make", LAYERS, ids=["plain", "1d", "2d", "3d", "path", "locked", "block", "alpha", "gaussian"]
    )
    def test_every_kind_of_layer(self, make):
        """Thresholds that a compiled kernel computes are Python's."""
        schedule = thinned.cosine(0.1, 0.6, steps=6)
        eager, inner = (tt.bind(nn.Sequential(make(schedule)), seed=3) for _ in range(2))
        compiled = torch.compile(inner, fullgraph=True)
        x = torch.randn(2, 3, 4) if make is tt.Dropout1d else torch.randn(2, 3, 4, 8)
        with torch.compiler.set_stance("default"):
            assert torch.equal(eager(x), compiled(x))
        with torch.compiler.set_stance("fail_on_recompile"):
            for _ in range(8):
                assert torch.equal(eager(x), compiled(x))


class TestLater:
    """A rate is an attribute."""

    def test_set(self):
        """A schedule for a constant, and back."""
        bound, x = tt.bind(nn.Sequential(tt.Dropout(0.5)), seed=5), torch.ones(64)
        bound[0].p = thinned.late(0.25, after=1)
        assert same(x, bound(x))
        assert same(dropped(x, 0.25, seed=5, site="0", step=1), bound(x))
        bound[0].p = 0.5
        assert same(dropped(x, 0.5, seed=5, site="0", step=2), bound(x))

    def test_copies_follow_too(self):
        """From the step that the model had."""
        bound, x = model(SCHEDULES[0]), torch.randn(3, 8)
        for _ in range(20):
            bound(x)
        twin = copy.deepcopy(bound)

        assert torch.equal(bound(x), twin(x))

    def test_evaluation(self):
        """Returns the input itself, at any rate."""
        x = torch.ones(4)

        assert tt.Dropout(thinned.late(0.5, after=0)).eval()(x) is x

    def test_repr_and_sites(self):
        """Say the schedule, and what it is at the next step."""
        bound = model(thinned.linear(0, 0.5, steps=2))
        bound(torch.randn(3, 8))

        assert "p=linear(0, 0.5, steps=2)" in repr(bound)
        assert [0.25, 0.25] == [site.rate for site in thinned.sites(bound)]


class TestErrors:
    """What has no rate."""

    def test_a_free_layer(self):
        """Has no step."""
        with pytest.raises(
            BindError, match=r"Dropout with early\(0.5, until=3\), .* Call thinned.torch.bind"
        ):
            tt.Dropout(thinned.early(0.5, until=3))(torch.ones(4))

    @pytest.mark.parametrize("bound", [False, True], ids=["free", "bound"])
    def test_a_ramp_that_no_pattern_resolved(self, bound):
        """Says that `convert` does."""
        layer = nn.Sequential(tt.DropPath(thinned.linear(0, 0.2)))
        layer = tt.bind(layer, seed=0) if bound else layer
        with pytest.raises(RateError, match="a ramp over the depth of several layers"):
            layer(torch.ones(4))
