"""What layers that share draws along axes, or drop blocks, rows and tokens, have in common."""

import copy
from functools import partial

import pytest
import torch
from torch import nn
from torch._dynamo.testing import CompileCounterWithBackend
from torch.utils.checkpoint import checkpoint

import thinned
import thinned.torch as tt
from thinned.errors import AddressError, RateError
from thinned.methods.schedule import late, linear

SEED = 7
IDS = torch.arange(36).reshape(4, 9) % 11


class Squashed(nn.Module):
    """Embeds ids, and makes gradients depend on values."""

    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def forward(self, x):
        """Bounded."""
        return torch.sin(self.layer(x))


def block(*_):
    """A branch with weights and a draw of its own."""
    return nn.Sequential(nn.Linear(8, 8), tt.Dropout(0.5), nn.Tanh())


CASES = {
    "LockedDropout": tt.LockedDropout,
    "LockedDropout batch first": lambda p, **kw: tt.LockedDropout(p, batch_first=True, **kw),
    "DropPath": tt.DropPath,
    "DropPath unscaled": lambda p, **kw: tt.DropPath(p, scale_by_keep=False, **kw),
    "StochasticDepth": lambda p, **kw: tt.StochasticDepth(block(), p, **kw),
    "LayerDrop": lambda p, **kw: tt.LayerDrop(map(block, range(5)), p, **kw),
    "EmbeddingDropout": lambda p, **kw: tt.EmbeddingDropout(11, 8, p=p, **kw),
    "PatchDropout": tt.PatchDropout,
}
every = pytest.mark.parametrize("name", CASES)


def made(name, p=0.5, **kw):
    """A layer in a model; the same weights each time."""
    torch.manual_seed(1)
    return nn.Sequential(nn.Identity(), Squashed(CASES[name](p, **kw)))


def given(name, turn=0):
    """An input that fits."""
    if name == "EmbeddingDropout":
        return (IDS + turn) % 11
    return torch.randn(4, 9, 8, generator=torch.Generator().manual_seed(turn)).requires_grad_()


def trained(model, name, steps=4, call=None):
    """Outputs and gradients of some steps."""
    found = []
    for turn in range(steps):
        x = given(name, turn)
        for parameter in model.parameters():
            parameter.grad = None
        y = (call or model)(x)
        y.square().sum().backward()
        leaves = [*model.parameters(), *([x] if x.requires_grad else [])]
        assert all(leaf.grad is not None for leaf in leaves)
        found += [y.detach(), *(leaf.grad.clone() for leaf in leaves)]
    return found


def all_equal(expected, actual):
    """Bit for bit."""
    return len(expected) == len(actual) and all(map(torch.equal, expected, actual))


@every
class TestFree:
    """A layer that is not bound."""

    def test_seeds(self, name):
        """`torch.manual_seed` governs it, and calls differ."""
        model, x = made(name).requires_grad_(False), given(name)
        torch.manual_seed(3)
        one = [model(x) for _ in range(8)]
        torch.manual_seed(3)
        two = [model(x) for _ in range(8)]

        assert all_equal(one, two)
        assert any(y.shape != one[0].shape or not torch.equal(y, one[0]) for y in one)

    def test_evaluation_and_rate_zero(self, name):
        """The layer without its draws, or the input itself; a rate that is set later counts."""
        model, x = made(name), given(name)
        layer = model[1].layer
        for inner in model.modules():
            if isinstance(inner, tt.Dropout):
                inner.p = 0
        expected = model.eval()(x)
        model.train()
        layer.p = 0

        assert torch.equal(expected, model(x))
        if not list(layer.parameters()):
            assert layer(x) is x

    def test_gradients_of_a_checkpoint(self, name):
        """PyTorch restores its generator, and with it the draws."""
        found = []
        for run in (lambda f, x: f(x), lambda f, x: checkpoint(f, x, use_reentrant=False)):
            model = made(name)
            torch.manual_seed(5)
            found.append(trained(model, name, call=lambda x, m=model, r=run: r(m, x)))

        assert all_equal(*found)

    def test_a_copy(self, name):
        """Draws what its original draws."""
        model = made(name)
        twin = copy.deepcopy(model)
        torch.manual_seed(3)
        one = trained(model, name)
        torch.manual_seed(3)

        assert all_equal(one, trained(twin, name))


@every
class TestBound:
    """A layer in a bound model."""

    def test_repeats(self, name):
        """Two models with one seed train alike, with other seeds otherwise."""
        one, two, other = (trained(tt.bind(made(name), seed), name) for seed in (SEED, SEED, SEED + 1))

        assert all_equal(one, two)
        assert not all_equal(one, other)

    def test_resumes(self, name):
        """From a saved state, bit for bit."""
        model = tt.bind(made(name), SEED)
        trained(model, name)
        state = copy.deepcopy(model.state_dict())
        later = tt.bind(made(name), 0)
        later.load_state_dict(state)

        assert all_equal(trained(model, name), trained(later, name))

    @pytest.mark.parametrize("reentrant", [False, True], ids=["frames", "reentrant"])
    @pytest.mark.filterwarnings("ignore:None of the inputs have requires_grad=True:UserWarning")
    def test_gradients_of_a_checkpoint(self, name, reentrant):
        """The draws of the call that it belongs to."""
        if reentrant and name == "EmbeddingDropout":
            pytest.skip("PyTorch's reentrant checkpoint gives weights no gradient where no input has one")
        plain, model = made(name), made(name)
        model[1].forward = partial(
            checkpoint, model[1].forward, use_reentrant=reentrant, preserve_rng_state=False
        )

        assert all_equal(trained(tt.bind(plain, SEED), name), trained(tt.bind(model, SEED), name))

    def test_compiled(self, name):
        """Eager's outputs and gradients, bit for bit, in one graph for all steps."""
        counter = CompileCounterWithBackend("aot_eager")
        plain, model = tt.bind(made(name), SEED), tt.bind(made(name), SEED)
        run = torch.compile(model, fullgraph=True, backend=counter)

        assert all_equal(trained(plain, name, 6), trained(model, name, 6, run))
        assert 1 == counter.frame_count

    def test_a_schedule(self, name):
        """Off for two steps, then on."""
        late_model = tt.bind(made(name, late(0.5, after=2)), SEED)
        model = tt.bind(made(name), SEED)
        turned = []
        for turn in range(6):
            model[1].layer.p = 0 if turn < 2 else 0.5
            y, z = model(given(name, turn)), late_model(given(name, turn))
            turned.append(torch.equal(y, z))

        assert all(turned)

    def test_a_compiled_schedule(self, name):
        """The rate moves with the step and compiles nothing; a number of tokens cannot."""
        counter = CompileCounterWithBackend("aot_eager")
        schedule = linear(0.0, 0.75, steps=5)
        plain, model = (tt.bind(made(name, schedule), SEED) for _ in range(2))
        run = torch.compile(model, fullgraph=True, backend=counter)
        if name == "PatchDropout":
            with pytest.raises(Exception, match=r"BindError.*how many tokens stay"):
                run(given(name))
            return

        assert all_equal(trained(plain, name, 6), trained(model, name, 6, run))
        assert 1 == counter.frame_count

    def test_the_table_of_sites(self, name):
        """One line a draw, with the layer's name and rate."""
        table = thinned.sites(tt.bind(made(name, 0.25), SEED), given(name))
        (line,) = [line for line in table if line.name == "1.layer"]

        assert 0.25 == line.rate


@every
class TestArguments:
    """Wrong and unusual ones."""

    @pytest.mark.parametrize("p", [float("nan"), 1e-7, 1 - 1e-7])
    def test_without_threshold(self, name, p):
        """Rates that could not be told from 0 or 1."""
        with pytest.raises(RateError):
            CASES[name](p)

    @pytest.mark.parametrize("p", [-0.1, 1.1])
    def test_outside(self, name, p):
        """A rate that is no probability."""
        with pytest.raises(ValueError, match=r"between 0 and 1|\[0, 1\]"):
            CASES[name](p)

    def test_a_site(self, name):
        """Names the draws, shows in the repr, and is text."""
        model = tt.bind(made(name, site="mine"), SEED)

        assert "mine" in [line.name for line in thinned.sites(model)]
        assert "site='mine'" in repr(model)
        with pytest.raises(AddressError):
            CASES[name](0.5, site=5)

    def test_an_unknown_keyword(self, name):
        """Is a TypeError."""
        with pytest.raises(TypeError):
            CASES[name](0.5, rate=0.5)

    def test_is_a_module(self, name):
        """Of PyTorch's, and of its own kind of list or embedding."""
        kind = {"LayerDrop": nn.ModuleList, "EmbeddingDropout": nn.Embedding}.get(name, nn.Module)

        assert isinstance(CASES[name](0.5), kind)
