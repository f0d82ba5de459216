"""Layers that execute a law, and the stochastic ReLU: free, bound, compiled, checkpointed, saved."""

import copy
import math

import pytest
import torch
from torch import nn
from torch._dynamo.testing import CompileCounterWithBackend
from torch.utils.checkpoint import checkpoint

import thinned
import thinned.torch as tt
from tests.torch.truth import same
from thinned import mask
from thinned.errors import AddressError, BindError, RateError, ShareError
from thinned.methods.schedule import late

SEED = 7
LAYERS = {
    "AlphaDropout": (tt.AlphaDropout, tt.alpha_dropout),
    "FeatureAlphaDropout": (tt.FeatureAlphaDropout, tt.feature_alpha_dropout),
    "GaussianDropout": (tt.GaussianDropout, tt.gaussian_dropout),
    "UniformDropout": (tt.UniformDropout, tt.uniform_dropout),
    "GaussianNoise": (tt.GaussianNoise, tt.gaussian_noise),
    "StochasticReLU": (tt.StochasticReLU, tt.relu_dropout),
}
EACH = pytest.mark.parametrize(("cls", "function"), LAYERS.values(), ids=LAYERS)


class Net(nn.Module):
    """Weights before and behind, so that gradients depend on draws."""

    def __init__(self, layer):
        super().__init__()
        self.before, self.layer, self.behind = nn.Linear(6, 8), layer, nn.Linear(8, 3)

    def forward(self, x):
        """Bounded."""
        return torch.sin(self.behind(self.layer(self.before(x))))


def made(cls, *args):
    """The same weights each time."""
    torch.manual_seed(1)
    return Net(cls(*(args or (0.25,))))


def given(turn=0):
    """An input of one step."""
    return torch.randn(5, 4, 6, generator=torch.Generator().manual_seed(turn))


def trained(model, steps=4, call=None):
    """Outputs and gradients of some steps."""
    found = []
    for turn in range(steps):
        model.zero_grad()
        y = (model if call is None else call)(given(turn))
        y.square().sum().backward()
        found += [y.detach(), *(parameter.grad.clone() for parameter in model.parameters())]
    return found


def all_same(one, two):
    """Bit for bit."""
    return len(one) == len(two) and all(map(same, one, two))


def resting(cls, x):
    """What evaluation returns."""
    return torch.relu(x) if cls is tt.StochasticReLU else x


@EACH
class TestFree:
    """A layer that is not bound."""

    def test_seeds(self, cls, function):
        """`torch.manual_seed` governs it, and calls differ."""
        layer, x = cls(0.5), torch.randn(20, 30)
        torch.manual_seed(3)
        one, two = layer(x), layer(x)
        torch.manual_seed(3)

        assert same(one, layer(x))
        assert not same(one, two)

    def test_rests(self, cls, function):
        """In evaluation, and at 0, also where that is set later."""
        layer, x = cls(0.5), torch.randn(20, 30)
        assert same(resting(cls, x), layer.eval()(x))
        layer.train()
        setattr(layer, "std" if cls is tt.GaussianNoise else "p", 0)

        assert same(resting(cls, x), layer(x))
        if cls is not tt.StochasticReLU:
            assert layer(x) is x

    def test_a_rate_set_later(self, cls, function):
        """At 1 nothing is left; noise is as large as it is told."""
        layer, x = cls(0.5), torch.randn(20, 30)
        if cls is tt.GaussianNoise:
            layer.std = 1e-6
            assert (layer(x) - x).abs().max() < 1e-5
        else:
            layer.p = 1
            assert not layer(x).any()

    def test_gradients_of_a_checkpoint(self, cls, function):
        """PyTorch restores its generator, and with it the draws."""
        found = []
        for run in (lambda f, x: f(x), lambda f, x: checkpoint(f, x, use_reentrant=False)):
            model = made(cls)
            torch.manual_seed(5)
            found.append(trained(model, call=lambda x, m=model, r=run: r(m, x)))

        assert all_same(*found)

    def test_a_copy(self, cls, function):
        """Draws what its original draws."""
        model = made(cls)
        twin = copy.deepcopy(model)
        torch.manual_seed(3)
        one = trained(model)
        torch.manual_seed(3)

        assert all_same(one, trained(twin))

    def test_compiled(self, cls, function):
        """In one graph, with fresh keys."""
        layer, x = cls(0.5), torch.randn(20, 30)
        run = torch.compile(layer, backend="aot_eager", fullgraph=True)

        assert not same(run(x), run(x))

    def test_a_schedule_needs_steps(self, cls, function):
        """Which a free layer has not."""
        with pytest.raises(BindError, match="follows the model's step"):
            cls(late(0.5, after=2))(torch.ones(2, 3))


@EACH
class TestBound:
    """A layer in a bound model."""

    def test_is_the_function_at_its_address(self, cls, function):
        """Seed, name and step."""
        model, x = tt.bind(nn.Sequential(nn.Identity(), cls(0.25)), SEED), torch.randn(5, 6, 7)
        for step in range(3):
            assert same(function(x, 0.25, seed=SEED, site="1", step=step), model(x))

    def test_repeats(self, cls, function):
        """Two models with one seed train alike, with other seeds otherwise."""
        one, two, other = (trained(tt.bind(made(cls), seed)) for seed in (SEED, SEED, SEED + 1))

        assert all_same(one, two)
        assert not all_same(one, other)

    def test_resumes(self, cls, function):
        """From a saved state, bit for bit."""
        model = tt.bind(made(cls), SEED)
        trained(model)
        state = copy.deepcopy(model.state_dict())
        later = tt.bind(made(cls), 0)
        later.load_state_dict(state)

        assert all_same(trained(model), trained(later))

    def test_rows_of_a_batch(self, cls, function):
        """Draw what they draw in the whole."""
        x = torch.randn(8, 6, 7)
        whole = tt.bind(nn.Sequential(cls(0.25)), SEED)(x)
        part = tt.bind(nn.Sequential(cls(0.25)), SEED, batch=(0, 8, 5))(x[5:])

        assert same(whole[5:], part)

    @pytest.mark.parametrize("reentrant", [False, True], ids=["frames", "reentrant"])
    def test_gradients_of_a_checkpoint(self, cls, function, reentrant):
        """The draws of the call that it belongs to."""
        plain, model = tt.bind(made(cls), SEED), tt.bind(made(cls), SEED)
        inner = model.layer

        class Again(nn.Module):
            """The layer, run again in backward."""

            def forward(self, x):
                """Without PyTorch's generator."""
                return checkpoint(inner, x, use_reentrant=reentrant, preserve_rng_state=False)

        model.layer = Again()

        assert all_same(trained(plain), trained(model))

    @pytest.mark.parametrize("backend", ["aot_eager", "inductor"])
    def test_compiled(self, cls, function, backend):
        """Eager's outputs and gradients, in one graph for all steps."""
        counter = CompileCounterWithBackend(backend)
        plain, model = tt.bind(made(cls), SEED), tt.bind(made(cls), SEED)
        run = torch.compile(model, fullgraph=True, backend=counter)
        expected, actual = trained(plain, 5), trained(model, 5, run)

        assert 1 == counter.frame_count
        for one, two in zip(expected, actual, strict=True):
            if backend == "aot_eager":
                assert same(one, two)
            else:  # Inductor's sine is its own
                torch.testing.assert_close(one, two)

    def test_a_schedule(self, cls, function):
        """Off for two steps, then on; compiled too."""
        model = tt.bind(nn.Sequential(cls(late(0.25, after=2))), SEED)
        compiled = tt.bind(nn.Sequential(cls(late(0.25, after=2))), SEED)
        run, x = torch.compile(compiled, backend="aot_eager", fullgraph=True), torch.randn(5, 6, 7)
        for step in range(4):
            y = function(x, 0.25, seed=SEED, site="0", step=step) if step > 1 else resting(cls, x)
            assert same(y, model(x))
            assert same(y, run(x))

    def test_the_table_of_sites(self, cls, function):
        """One line, with the layer's name and rate."""
        (line,) = thinned.sites(tt.bind(nn.Sequential(cls(0.25)), SEED), torch.ones(5, 6, 7))

        assert ("0", 0.25) == (line.name, line.rate)
        assert ((5, 6, 1) if cls is tt.FeatureAlphaDropout else (5, 6, 7)) == line.mask_shape


@EACH
class TestArguments:
    """Wrong and unusual ones."""

    @pytest.mark.parametrize("value", [float("nan"), -0.1, math.inf])
    def test_wrong(self, cls, function, value):
        """No rate, and no standard deviation either."""
        with pytest.raises(ValueError, match=r"expected a|has to be between"):
            cls(value)

    @pytest.mark.parametrize("p", [1e-7, 1 - 1e-7, 1.1])
    def test_without_threshold(self, cls, function, p):
        """Where a rate is meant."""
        if cls is tt.GaussianNoise:
            assert p == cls(p).std
        else:
            with pytest.raises((RateError, ValueError)):
                cls(p)

    def test_a_site(self, cls, function):
        """Names the draws, shows in the repr, and is text."""
        model = tt.bind(nn.Sequential(cls(0.25, site="mine")), SEED)

        assert ["mine"] == [line.name for line in thinned.sites(model)]
        assert "0.25" in repr(model)
        assert "site='mine'" in repr(model)
        with pytest.raises(AddressError):
            cls(0.5, site=5)

    def test_an_unknown_keyword(self, cls, function):
        """Is a TypeError."""
        with pytest.raises(TypeError):
            cls(0.5, rate=0.5)


class TestKinds:
    """PyTorch's own classes, and what is special to each."""

    @pytest.mark.parametrize("kind", ["AlphaDropout", "FeatureAlphaDropout"])
    def test_are_pytorchs(self, kind):
        """As a type, in the repr, in place."""
        mine, theirs = getattr(tt, kind)(0.25, True), getattr(nn, kind)(0.25, True)
        x = torch.randn(4, 5)
        before = x.clone()
        model = tt.bind(nn.Sequential(mine), SEED)

        assert isinstance(mine, type(theirs))
        assert repr(theirs) == repr(mine)
        y = model(x)
        assert y is x
        assert same(tt.alpha_dropout(before, 0.25, seed=SEED, site="0"), x)

    def test_in_place_under_autograd(self):
        """A leaf is refused, in PyTorch's words; behind an operation the gradient is right."""
        x = torch.randn(9, requires_grad=True)
        layer = tt.bind(nn.Sequential(tt.AlphaDropout(0.5, inplace=True)), SEED)
        with pytest.raises(RuntimeError, match="a leaf Variable that requires grad"):
            layer(x)
        layer(x * 1).square().sum().backward()
        one = x.grad.clone()
        x.grad = None
        tt.alpha_dropout(x, 0.5, seed=SEED, site="0", step=1).square().sum().backward()

        assert same(x.grad, one)

    def test_channels_need_an_axis(self):
        """Batch and channel."""
        with pytest.raises(ShareError, match="got 1 axes"):
            tt.FeatureAlphaDropout(0.5)(torch.ones(3))

    def test_a_rectifier(self):
        """Is a ReLU, keeps the law's mask, and is scaled."""
        model, x = tt.bind(nn.Sequential(tt.StochasticReLU(0.25)), SEED), torch.randn(9, 8)
        kept = torch.from_numpy(mask.keep((9, 8), 0.25, seed=SEED, site="0"))

        assert isinstance(model[0], nn.ReLU)
        scale = torch.tensor(65536 / (65536 - mask.threshold(0.25)))
        assert same(torch.where(kept, torch.relu(x) * scale, 0), model(x))

    def test_noise_of_any_size(self):
        """A standard deviation is no rate."""
        y = tt.bind(nn.Sequential(tt.GaussianNoise(3.0)), SEED)(torch.zeros(99))
        z = torch.from_numpy(mask.normal((99,), seed=SEED, site="0")).float()

        torch.testing.assert_close(3 * z, y, rtol=2**-22, atol=3 * 2**-20 * 6.67)
