"""What layers that select have in common: attention's, and recurrent ones."""

import copy
from functools import partial

import pytest
import torch
from torch import nn
from torch._dynamo.testing import CompileCounterWithBackend
from torch.utils.checkpoint import checkpoint

import thinned
import thinned.torch as tt
from tests.torch.models import all_equal
from thinned.errors import AddressError, BindError, RateError
from thinned.methods.schedule import late, linear

SEED = 7


class Squashed(nn.Module):
    """Makes gradients depend on values, and a tensor of what a recurrent layer returns."""

    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def forward(self, x):
        """Bounded."""
        y = self.layer(x)
        if isinstance(y, tuple):
            y = torch.cat(
                [y[0].flatten(), *(part.flatten() for part in y[1:] if isinstance(part, torch.Tensor))]
            )
        return torch.sin(y.masked_fill(y == -torch.inf, 3.0))


CASES = {
    "AttentionDropout": tt.AttentionDropout,
    "AttentionDropout heads": lambda p, **kw: tt.AttentionDropout(p, per="head", **kw),
    "DropKey": tt.DropKey,
    "Zoneout LSTM": lambda p, **kw: tt.Zoneout(nn.LSTMCell(6, 5), p, **kw),
    "Zoneout GRU": lambda p, **kw: tt.Zoneout(nn.GRUCell(6, 5), p, batch_first=True, **kw),
    "ZoneoutCell LSTM": lambda p, **kw: tt.ZoneoutCell(nn.LSTMCell(6, 5), p, **kw),
    "ZoneoutCell RNN": lambda p, **kw: tt.ZoneoutCell(nn.RNNCell(6, 5), p, **kw),
}
SHAPES = {"A": (3, 4, 5, 6), "D": (3, 4, 5, 6), "Z": (4, 3, 6)}
every = pytest.mark.parametrize("name", CASES)


def made(name, p=0.5, **kw):
    """A layer in a model; the same weights each time."""
    torch.manual_seed(1)
    return nn.Sequential(nn.Identity(), Squashed(CASES[name](p, **kw)))


def given(name, turn=0):
    """An input that fits."""
    shape = (3, 6) if name.startswith("ZoneoutCell") else SHAPES[name[0]]
    return torch.randn(shape, generator=torch.Generator().manual_seed(turn)).requires_grad_()


def trained(model, name, steps=3, call=None):
    """Outputs and gradients of some steps."""
    found = []
    for turn in range(steps):
        x = given(name, turn)
        for parameter in model.parameters():
            parameter.grad = None
        y = (call or model)(x)
        y.square().sum().backward()
        found += [y.detach(), *(leaf.grad.clone() for leaf in [*model.parameters(), x])]
    return found


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
        assert any(not torch.equal(y, one[0]) for y in one)

    def test_rate_zero(self, name):
        """Is what evaluation is without draws; a rate that is set later counts."""
        model, x = made(name), given(name)
        model[1].layer.p = 0
        expected = model.eval()(x)

        assert torch.equal(expected, model.train()(x))
        if not list(model.parameters()):
            assert model[1].layer(x) is x
            model[1].layer.p = 0.5
            assert model.eval()[1].layer(x) is x

    @pytest.mark.parametrize("p", [0.0, 1.0])
    def test_edges(self, name, p):
        """Gradients are finite at rates 0 and 1."""
        assert all(value.isfinite().all() for value in trained(made(name, p), name, 1))

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
        plain, model = made(name), made(name)
        model[1].forward = partial(
            checkpoint, model[1].forward, use_reentrant=reentrant, preserve_rng_state=False
        )

        assert all_equal(trained(tt.bind(plain, SEED), name), trained(tt.bind(model, SEED), name))

    @pytest.mark.parametrize("p", [0.5, linear(0.1, 0.7, steps=4)], ids=["constant", "schedule"])
    def test_compiled(self, name, p):
        """Eager's outputs and gradients in one graph for all steps; a rate that moves compiles nothing."""
        counter = CompileCounterWithBackend("aot_eager")
        plain, model = tt.bind(made(name, p), SEED), tt.bind(made(name, p), SEED)
        run = torch.compile(model, fullgraph=True, backend=counter)
        for expected, actual in zip(trained(plain, name, 6), trained(model, name, 6, run), strict=True):
            # Bits of weights' gradients are those of the order in which a graph adds up time steps.
            torch.testing.assert_close(expected, actual, rtol=1e-5, atol=1e-6)
        assert 1 == counter.frame_count

    def test_compiled_in_evaluation(self, name):
        """With a schedule, whose rate there is that of the next step."""
        counter = CompileCounterWithBackend("aot_eager")
        model = tt.bind(made(name, linear(0.1, 0.7, steps=4)), SEED)
        run = torch.compile(model, fullgraph=True, backend=counter)
        x = given(name)
        for _ in range(6):
            model.train()(x)
            model.eval()
            torch.testing.assert_close(model(x), run(x))
        assert 1 == counter.frame_count

    def test_a_batch_of_another_size(self, name):
        """Compiles once more, for all sizes."""
        counter = CompileCounterWithBackend("aot_eager")
        model, plain = (tt.bind(made(name).requires_grad_(False), SEED) for _ in range(2))
        run = torch.compile(model, fullgraph=True, backend=counter)
        batch = 1 if name == "Zoneout LSTM" else 0
        for size in (3, 2, 4, 5, 6):
            x = torch.cat([given(name).detach()] * 2, batch).narrow(batch, 0, size).contiguous()
            torch.testing.assert_close(plain(x), run(x))
        assert counter.frame_count <= 2

    def test_a_schedule(self, name):
        """Off for two steps, then on."""
        late_model = tt.bind(made(name, late(0.5, after=2)), SEED)
        model = tt.bind(made(name), SEED)
        for turn in range(5):
            model[1].layer.p = 0 if turn < 2 else 0.5
            assert torch.equal(model(given(name, turn)), late_model(given(name, turn)))

    def test_draws(self, name):
        """Each has masks of its own at one step."""
        model, x = tt.bind(made(name), SEED), given(name)
        found = []
        for draw in (0, 1, 0):
            with tt.draws(model, draw, step=3):
                found.append(model(x))

        assert torch.equal(found[0], found[2])
        assert not torch.equal(found[0], found[1])

    def test_the_table_of_sites(self, name):
        """One line a draw, with the layer's name and rate."""
        table = thinned.sites(tt.bind(made(name, 0.25), SEED), given(name))
        expected = [f"1.layer{part}" for part in (["/hidden", "/cell"] if "LSTM" in name else [""])]
        expected = ["1.layer/hidden"] if "GRU" in name or "RNN" in name else expected

        assert expected == [line.name for line in table]
        assert {0.25} == {line.rate for line in table}


@every
class TestArguments:
    """Wrong and unusual ones."""

    @pytest.mark.parametrize("p", [float("nan"), 1e-7, 1 - 1e-7, -0.1, 1.1])
    def test_no_rate(self, name, p):
        """That could not be told from 0 or 1, or is no probability."""
        with pytest.raises((RateError, ValueError)):
            CASES[name](p)

    def test_a_free_schedule(self, name):
        """Has no step."""
        with pytest.raises(BindError, match="expected a bound model"):
            made(name, linear(0.1, 0.7, steps=4))(given(name))

    def test_a_site(self, name):
        """Names the draws, shows in the repr, and is text."""
        model = tt.bind(made(name, site="mine"), SEED)

        assert all(line.name.startswith("mine") for line in thinned.sites(model))
        assert "site='mine'" in repr(model)
        with pytest.raises(AddressError):
            CASES[name](0.5, site=5)

    def test_an_unknown_keyword(self, name):
        """Is a TypeError."""
        with pytest.raises(TypeError):
            CASES[name](0.5, rate=0.5)
