"""What layers that thin weights have in common."""

import copy
import pickle

import pytest
import torch
from torch import nn
from torch._dynamo.testing import CompileCounterWithBackend
from torch.utils.checkpoint import checkpoint

import thinned
import thinned.torch as tt
from tests.torch.truth import dropped
from thinned.errors import AddressError, BindError, RateError
from thinned.mask import keep
from thinned.methods.schedule import late, linear

SEED = 7


class First(nn.Module):
    """A recurrent network's outputs, without its last state."""

    def __init__(self, rnn):
        super().__init__()
        self.rnn = rnn

    def forward(self, x):
        """The sequence."""
        return self.rnn(x)[0]


def linear_per_batch(p, **kw):
    """One mask for all."""
    return tt.DropConnectLinear(8, 5, p, per="batch", **kw)


def conv(number, per):
    """Of length 9, or of 3 x 3."""
    cls = {1: tt.DropConnectConv1d, 2: tt.DropConnectConv2d}[number]
    return lambda p, **kw: cls(4, 6, 3, p, per, groups=2, padding=1, padding_mode="circular", **kw)


CASES = {
    "linear": lambda p, **kw: tt.DropConnectLinear(8, 5, p, **kw),
    "linear undropped bias": lambda p, **kw: tt.DropConnectLinear(8, 5, p, drop_bias=False, **kw),
    "linear per batch": linear_per_batch,
    "conv1d": conv(1, "batch"),
    "conv1d per example": conv(1, "example"),
    "conv2d": conv(2, "batch"),
    "conv2d per example": conv(2, "example"),
    "LSTM": lambda p, **kw: tt.WeightDrop(nn.LSTM(8, 5, 2, bidirectional=True), p, **kw),
    "GRU": lambda p, **kw: tt.WeightDrop(nn.GRU(8, 5, batch_first=True), p, **kw),
    "mixout": lambda p, **kw: tt.Mixout(nn.Linear(8, 5), p, nn.Linear(8, 5), **kw),
    "mixout of many": lambda p, **kw: tt.Mixout(
        nn.Sequential(nn.Linear(8, 5), nn.Tanh(), nn.Linear(5, 5)), p, **kw
    ),
    "mixout of a GRU": lambda p, **kw: tt.Mixout(nn.GRU(8, 5), p, **kw),
}
RECURRENT = {"LSTM", "GRU", "mixout of a GRU"}
every = pytest.mark.parametrize("name", CASES)


def layer_of(model):
    """The layer under test."""
    return model[0].rnn if isinstance(model[0], First) else model[0]


def made(name, p=0.5, **kw):
    """A layer in a model; the same weights each time, and targets that differ from them."""
    torch.manual_seed(1)
    layer = CASES[name](p, **kw)
    for value in layer.buffers():
        value.add_(0.5)
    return nn.Sequential(First(layer) if name in RECURRENT else layer, nn.Tanh())


def given(name, turn=0):
    """An input that fits."""
    shape = {"conv1d": (4, 4, 9), "conv2d": (4, 4, 3, 3)}.get(name.partition(" ")[0], (4, 9, 8))
    return torch.randn(shape, generator=torch.Generator().manual_seed(turn)).requires_grad_()


def trained(model, name, steps=3, call=None):
    """Outputs and gradients of some steps, with a step of an optimiser after each."""
    optimiser = torch.optim.SGD(model.parameters(), 0.1)
    found = []
    for turn in range(steps):
        x = given(name, turn)
        optimiser.zero_grad()
        y = (call or model)(x)
        y.square().sum().backward()
        assert all(leaf.grad is not None for leaf in model.parameters())
        found += [y.detach(), x.grad.clone(), *(leaf.grad.clone() for leaf in model.parameters())]
        optimiser.step()
    return found


def all_equal(expected, actual):
    """Bit for bit."""
    return len(expected) == len(actual) and all(map(torch.equal, expected, actual))


@every
class TestFree:
    """A layer that is not bound."""

    def test_seeds(self, name):
        """`torch.manual_seed` governs it, and calls differ."""
        model, x = made(name), given(name)
        torch.manual_seed(3)
        one, two = model(x), model(x)
        torch.manual_seed(3)

        assert torch.equal(one, model(x))
        assert not torch.equal(one, two)

    def test_evaluation_and_rate_zero(self, name):
        """The plain module; a rate that is set later counts."""
        model, x = made(name), given(name)
        expected = model.eval()(x)
        model.train()
        layer_of(model).p = 0
        plain = getattr(layer_of(model), "module", None)

        assert torch.equal(expected, model(x))
        if plain is not None:
            y = plain(x)
            assert torch.equal(expected, torch.tanh(y[0] if isinstance(y, tuple) else y))

    def test_rate_one(self, name):
        """Finite, with finite gradients."""
        assert all(value.isfinite().all() for value in trained(made(name, 1.0), name))

    def test_gradients_of_a_checkpoint(self, name):
        """PyTorch restores its generator, and with it the draws."""
        found = []
        for run in (lambda f, x: f(x), lambda f, x: checkpoint(f, x, use_reentrant=False)):
            model = made(name)
            torch.manual_seed(5)
            found.append(trained(model, name, call=lambda x, m=model, r=run: r(m, x)))

        assert all_equal(*found)


@every
class TestBound:
    """A layer in a bound model."""

    def test_draws_are_those_of_the_sites(self, name):
        """Each part's mask, at the site and with the shape that the table says, is the law's."""
        model, x = tt.bind(made(name), SEED), given(name)
        table = tt.sites(model, x)
        layer = layer_of(model)
        thinned_by_hand = {}
        for site in table:
            part = site.name.rpartition("/")[2]
            kept = torch.from_numpy(keep(site.mask_shape, 0.5, seed=SEED, site=site.name))
            if isinstance(layer, tt.Mixout):
                target = layer.get_buffer("target/" + part.replace(".", "/"))
                value = layer.module.get_parameter(part)
                thinned_by_hand[part] = torch.where(kept, target + 2 * (value - target), target)
            else:
                value = dict(layer.named_parameters()).get(part, None)
                value = layer.module.get_parameter(part) if value is None else value
                thinned_by_hand[part] = torch.where(kept, 2 * value, 0)

        assert [site.name.rpartition("/")[2] for site in table] == list(layer.parts)
        assert torch.allclose(by_hand(layer, thinned_by_hand, x), model(x), rtol=0, atol=1e-5)

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
        expected = trained(model, name)
        other = tt.bind(made(name), SEED + 1)
        other.load_state_dict(state)

        assert all_equal(expected, trained(other, name))

    @pytest.mark.parametrize("twin", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])  # noqa: S301
    def test_copies(self, name, twin):
        """Go on as their original does, also after steps of training."""
        model = tt.bind(made(name), SEED)
        trained(model, name)
        other = twin(model)

        assert all_equal(trained(model, name), trained(other, name))

    @pytest.mark.parametrize("reentrant", [False, True])
    def test_checkpoints(self, name, reentrant):
        """The recomputation repeats the draws, with nothing preserved."""
        expected = trained(tt.bind(made(name), SEED), name)
        model = tt.bind(made(name), SEED)

        def call(x):
            return checkpoint(model, x, use_reentrant=reentrant, preserve_rng_state=False)

        found = trained(model, name, call=call)
        if name == "LSTM" and reentrant:  # whose own first run, without gradients, rounds otherwise
            assert all(torch.allclose(*pair, rtol=0, atol=1e-5) for pair in zip(expected, found, strict=True))
        else:
            assert all_equal(expected, found)

    def test_compiles(self, name):
        """The same draws and nearly the same numbers, by one graph where PyTorch has one for the module."""
        expected = trained(tt.bind(made(name), SEED), name, steps=4)
        counter = CompileCounterWithBackend("aot_eager")
        model = tt.bind(made(name), SEED)
        whole = name not in RECURRENT
        compiled = torch.compile(model, backend=counter, fullgraph=whole)
        found = trained(model, name, steps=4, call=compiled)

        assert all(torch.allclose(*pair, rtol=0, atol=1e-5) for pair in zip(expected, found, strict=True))
        if whole:
            assert 1 == counter.frame_count

    def test_schedules(self, name):
        """The rate of a step is the schedule's; a free layer has none."""
        model, x = made(name, late(0.5, after=1)), given(name)
        with pytest.raises(BindError, match=r"Call thinned\.torch\.bind"):
            model(x)
        tt.bind(model, SEED)
        constant = tt.bind(made(name), SEED)
        off, on = model(x), model(x)
        constant(x)

        assert torch.equal(model.eval()(x), off)
        assert torch.equal(constant(x), on)

    def test_a_schedule_compiles_once(self, name):
        """Its steps are data."""
        if name in RECURRENT:
            pytest.skip("PyTorch compiles no recurrent network as a whole")
        model = tt.bind(made(name, linear(0.0, 0.5, steps=4)), SEED)
        twin = copy.deepcopy(model)
        counter = CompileCounterWithBackend("aot_eager")
        compiled = torch.compile(model, backend=counter, fullgraph=True)

        for turn in range(5):
            x = given(name, turn)
            assert torch.allclose(twin(x), compiled(x), rtol=0, atol=1e-5)
        assert 1 == counter.frame_count

    def test_is_given_a_site(self, name):
        """By name."""
        model, x = tt.bind(made(name, site="here"), SEED), given(name)

        assert all(site.name.startswith("here/") for site in tt.sites(model, x))
        assert "site='here'" in repr(model)


def by_hand(layer, parts, x):
    """What a layer gives with masked parameters, by other means than its own."""
    if isinstance(layer, tt.DropConnectLinear):
        weight, bias = parts["weight"], parts.get("bias", layer.bias)
        if weight.dim() == 2:
            return torch.tanh(nn.functional.linear(x, weight, bias))
        bias = bias.reshape(-1, 1, 5) if bias.dim() == 2 else bias
        return torch.tanh(torch.einsum("boi,bti->bto", weight, x) + bias)
    if isinstance(layer, nn.modules.conv._ConvNd):
        own = dict.fromkeys(range(4), parts)
        if parts["bias"].dim() == 2:
            own = {i: {name: value[i] for name, value in parts.items()} for i in range(4)}
        plain = {tt.DropConnectConv1d: nn.Conv1d, tt.DropConnectConv2d: nn.Conv2d}[type(layer)]
        other = plain(4, 6, 3, groups=2, padding=1, padding_mode="circular")
        rows = [torch.func.functional_call(other, own[i], (x[i : i + 1],)) for i in range(4)]
        return torch.tanh(torch.cat(rows))
    other = copy.deepcopy(layer.module)
    with torch.no_grad():
        for name, value in parts.items():
            other.get_parameter(name).copy_(value)
    y = other(x)
    return torch.tanh(y[0] if isinstance(y, tuple) else y)


@every
class TestRefusals:
    """What no layer takes."""

    def test_rates(self, name):
        """Outside [0, 1], or that no threshold stands for."""
        for p in (-0.1, 1.5, float("nan"), 1e-7):
            with pytest.raises(RateError):
                CASES[name](p)

    def test_sites(self, name):
        """That are no names."""
        with pytest.raises(AddressError):
            CASES[name](0.5, site=3)

    def test_unknown_words(self, name):
        """A TypeError."""
        with pytest.raises(TypeError):
            CASES[name](0.5, rate=0.5)


class TestCatalogue:
    """What the table says of them."""

    @pytest.mark.parametrize(
        "cls", ["DropConnectLinear", "DropConnectConv1d", "DropConnectConv2d", "WeightDrop", "Mixout"]
    )
    def test_examples_run(self, cls):
        """On an input of the shape that is given."""
        (entry,) = (entry for entry in thinned.catalogue() if entry.name == cls)
        scope = {"nn": nn, "torch": torch, "thinned": thinned, "layer": getattr(tt, cls)}
        layer = eval(f"layer({entry.example})", scope)  # noqa: S307 - the catalogue's own text
        y = layer(torch.randn(entry.shape))

        assert (y[0] if isinstance(y, tuple) else y).isfinite().all()


def test_dropped_is_selected():
    """A weight that is not a number reaches no output where it is dropped."""
    layer = tt.DropConnectLinear(8, 5, per="batch")
    tt.bind(nn.Sequential(layer), SEED)
    weight = dropped(torch.ones(5, 8), 0.5, seed=SEED, site="0/weight")
    with torch.no_grad():
        layer.weight[weight == 0] = torch.nan
    address = {"seed": SEED, "site": "0/weight"}

    assert tt.dropout(layer.weight, 0.5, **address).isfinite().all()
