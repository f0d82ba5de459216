"""Mixout: towards the pretrained weights, and no further."""

import pytest
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

import thinned.torch as tt
from tests.torch.truth import WHERE, mask, same
from thinned.errors import ConfigurationError
from thinned.mask import quantise

SEED = 7


class TestFunction:
    """`mixout`."""

    @pytest.mark.parametrize("traced", [False, True], ids=["integers", "tensors"])
    def test_is_the_papers_formula(self, traced):
        """In float64, with the law's mask."""
        w, w0 = torch.randn(40, 5, dtype=torch.float64), torch.randn(40, 5, dtype=torch.float64)
        where = {key: torch.tensor(value) if traced else value for key, value in WHERE.items()}
        k, q = mask(w, 0.3, **WHERE).double(), quantise(0.3)
        expected = (k * w + (1 - k) * w0 - q * w0) / (1 - q)

        # Four roundings in the one, three in the other, each of half an ulp of terms of at most |w| + |w0|.
        bound = 7 * 2**-53 * (w.abs() + w0.abs()) * 2 / (1 - q)
        assert ((tt.mixout(w, w0, 0.3, **where) - expected).abs() <= bound).all()

    def test_of_zeros_is_dropout(self):
        """Bit for bit."""
        w = torch.randn(40)

        assert same(tt.dropout(w, 0.3, seed=1), tt.mixout(w, torch.zeros(40), 0.3, seed=1))

    @pytest.mark.parametrize("rate", [0, 1, 0.0, torch.tensor(0.0), torch.tensor(1.0)])
    def test_certainties(self, rate):
        """The weight, or the target, bit for bit."""
        w, w0 = torch.randn(40), torch.randn(40)

        assert same(w0 if rate else w, tt.mixout(w, w0, rate, seed=1))

    def test_gradients_flow_through_what_is_kept(self):
        """And not to the target's side."""
        w, w0 = torch.randn(40, requires_grad=True), torch.randn(40)
        tt.mixout(w, w0, 0.3, **WHERE).sum().backward()
        expected = tt.dropout(torch.ones(40), 0.3, **WHERE)

        assert torch.equal(expected, w.grad)

    @pytest.mark.parametrize("target", [torch.ones(4), torch.ones(1), torch.ones(3, dtype=torch.float64)])
    def test_refuses_targets_unlike_the_weight(self, target):
        """Of another shape or type, which PyTorch would make fit."""
        with pytest.raises(ValueError, match="expected a target like the weight"):
            tt.mixout(torch.ones(3), target, 0.5, seed=0)


class TestTargets:
    """Where the pretrained weights come from."""

    def test_are_those_of_now(self):
        """Copies: training moves the weights away from them."""
        layer = tt.Mixout(nn.Linear(4, 3), 0.5)
        first = layer.module.weight.detach().clone()
        layer(torch.ones(2, 4)).sum().backward()
        torch.optim.SGD(layer.parameters(), 0.1).step()

        assert torch.equal(first, layer.get_buffer("target/weight"))
        assert not torch.equal(first, layer.module.weight)

    def test_may_be_given(self):
        """As a module, or by names."""
        other = nn.Linear(4, 3)
        for target in (other, other.state_dict()):
            layer = tt.Mixout(nn.Linear(4, 3), 1.0, target)

            assert torch.equal(other(torch.ones(2, 4)), layer(torch.ones(2, 4)))

    def test_no_optimiser_sees_them(self):
        """They are saved, and are no parameters."""
        layer = tt.Mixout(nn.Sequential(nn.Linear(4, 3)), 0.5)

        assert ["module.0.weight", "module.0.bias"] == [name for name, _ in layer.named_parameters()]
        assert {"target/0/weight", "target/0/bias"} <= set(layer.state_dict())

    @pytest.mark.parametrize(
        "target", [{}, {"weight": torch.ones(3, 4)}, nn.Linear(3, 3)], ids=["", "part", "odd"]
    )
    def test_refusals(self, target):
        """One is missing, or has another shape."""
        with pytest.raises(ConfigurationError, match="a target of its shape; got no such target for"):
            tt.Mixout(nn.Linear(4, 3), 0.5, target)

    def test_a_module_without_parameters(self):
        """Has nothing to mix."""
        with pytest.raises(ConfigurationError, match="got no parameters"):
            tt.Mixout(nn.Tanh())


class TestRefusals:
    """Say what came."""

    def test_no_module(self):
        """A function has no weights."""
        with pytest.raises(TypeError, match="expected a module whose weights are mixed; got builtin"):
            tt.Mixout(torch.relu)

    @pytest.mark.parametrize("target", [3, "w", {"weight": 1.0, "bias": 2.0}], ids=repr)
    def test_no_target(self, target):
        """Neither a module nor tensors."""
        with pytest.raises(TypeError, match="expected a target as a module, or as tensors"):
            tt.Mixout(nn.Linear(3, 2), target=target)


class Blocks(nn.Module):
    """Two blocks, each by a checkpoint or not; it counts its calls, and holds what it calls twice."""

    def __init__(self, reentrant=None):
        super().__init__()
        torch.manual_seed(1)
        self.first, self.second = nn.Linear(6, 6), nn.Linear(6, 6)
        self.order = [self.first, self.second]
        self.run = self.block
        self.reentrant, self.calls = reentrant, 0

    def block(self, x, place):
        """By the list, and by the name."""
        return torch.tanh(self.order[place](x)) + (self.first if place == 0 else self.second)(x)

    def forward(self, x):
        """One behind the other."""
        self.calls += 1
        for place in range(2):
            x = (
                self.run(x, place)
                if self.reentrant is None
                else checkpoint(self.run, x, place, use_reentrant=self.reentrant, preserve_rng_state=False)
            )
        return x


class TestCheckpointsInside:
    """A wrapped encoder may checkpoint its own blocks."""

    @staticmethod
    def gradients(reentrant, steps=2):
        """Of the input and of all weights, by steps whose backward passes come last."""
        zeros = {key: torch.zeros_like(value) for key, value in Blocks().state_dict().items()}
        model = tt.bind(nn.Sequential(tt.Mixout(Blocks(reentrant), 0.5, zeros)), SEED)
        x = torch.ones(3, 6, requires_grad=True)
        for y in [model(x) for _ in range(steps)]:
            y.square().sum().backward()
        assert model[0].module.calls == steps
        assert all(parameter.is_leaf for parameter in model.parameters())
        return [x.grad, *(parameter.grad for parameter in model.parameters())]

    @pytest.mark.parametrize("reentrant", [False, True], ids=["not reentrant", "reentrant"])
    def test_compute_again_with_the_mixed_weights(self, reentrant):
        """Gradients are those without checkpoints, and not those of the raw weights."""
        for with_one, without in zip(self.gradients(reentrant), self.gradients(None), strict=True):
            torch.testing.assert_close(with_one, without)


class TestModules:
    """Of any kind."""

    def test_layers_of_ours_inside_keep_their_sites(self):
        """And draw as they do by themselves."""
        inner = nn.Sequential(nn.Linear(4, 3), tt.Dropout(0.5))
        model = tt.bind(nn.Sequential(tt.Mixout(inner, 0.5)), SEED)
        y = model(torch.ones(2, 4))
        kept = mask(y, 0.5, seed=SEED, site="0.module.1")

        assert torch.equal(kept, y != 0)

    def test_tied_weights_are_mixed_once(self):
        """One parameter with two names."""
        inner = nn.Sequential(nn.Linear(4, 4, bias=False), nn.Linear(4, 4, bias=False))
        inner[1].weight = inner[0].weight
        layer = tt.Mixout(inner, 0.5)

        assert ("0.weight",) == layer.parts
        assert layer(torch.ones(2, 4)).isfinite().all()

    def test_parameters_are_restored_after_an_error(self):
        """The very tensors."""
        layer = tt.Mixout(nn.Linear(4, 3), 0.5)
        before = [id(value) for value in layer.parameters()]
        with pytest.raises(RuntimeError):
            layer(torch.ones(2, 9))

        assert before == [id(value) for value in layer.parameters()]

    def test_a_recurrent_network_keeps_no_graph(self):
        """Its list of weights is of the raw ones again."""
        layer = tt.Mixout(nn.GRU(4, 3), 0.5)
        layer(torch.ones(5, 2, 4))

        assert all(isinstance(value, nn.Parameter) for value in layer.module._flat_weights)
