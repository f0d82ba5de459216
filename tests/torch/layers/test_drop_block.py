"""`DropBlock1d`, `2d`, `3d`: `drop_block` at the address of a layer."""

import copy

import pytest
import torch
from torch import nn
from torch._dynamo.testing import CompileCounterWithBackend
from torch.utils.checkpoint import checkpoint

import thinned
import thinned.torch as tt
from tests.torch.truth import same
from thinned.errors import AddressError, BindError, RateError, ShapeError
from thinned.methods.schedule import linear

LAYERS = {tt.DropBlock1d: (4, 6, 20), tt.DropBlock2d: (4, 6, 8, 9), tt.DropBlock3d: (4, 6, 3, 5, 4)}
SEED = 7
every = pytest.mark.parametrize(("cls", "shape"), LAYERS.items())


def network(p=0.3):
    """Two of them, and weights."""
    torch.manual_seed(1)
    return nn.Sequential(
        nn.Conv2d(2, 6, 3), tt.DropBlock2d(p, 3), nn.Tanh(), tt.DropBlock2d(0.2, (2, 4), share_channels=True)
    )


def trained(model, steps=4, call=None):
    """Outputs and gradients of some steps."""
    found = []
    for turn in range(steps):
        x = torch.randn(3, 2, 9, 10, generator=torch.Generator().manual_seed(turn))
        y = (call or model)(x)
        model.zero_grad()
        y.square().sum().backward()
        found += [y.detach(), *(parameter.grad.clone() for parameter in model.parameters())]
    return found


def all_equal(expected, actual):
    """Bit for bit."""
    return len(expected) == len(actual) and all(map(torch.equal, expected, actual))


@every
class TestEvery:
    """All three."""

    def test_bound(self, cls, shape):
        """`drop_block` at its name and step."""
        layer = cls(0.3, block_size=3)
        model, x = tt.bind(nn.Sequential(nn.Identity(), layer), SEED), torch.randn(shape)
        for step in range(3):
            assert same(tt.drop_block(x, 0.3, 3, seed=SEED, site="1", step=step), model(x))

    def test_free(self, cls, shape):
        """`torch.manual_seed` governs it, and two calls differ."""
        layer, x = cls(0.3, block_size=3), torch.ones(shape)
        torch.manual_seed(3)
        one, two = layer(x), layer(x)
        torch.manual_seed(3)

        assert torch.equal(one, layer(x))
        assert not torch.equal(one, two)

    def test_evaluation(self, cls, shape):
        """The input itself; so at rate 0, also where it is set later."""
        layer, x = cls(0.3, block_size=3), torch.ones(shape)

        assert layer.eval()(x) is x
        layer.train().p = 0
        assert layer(x) is x
        layer.p = 1
        assert not layer(x).any()

    def test_shared_channels(self, cls, shape):
        """Drop the same positions; by default each has its own."""
        torch.manual_seed(0)
        shared = cls(0.5, block_size=2, share_channels=True)(torch.ones(shape)) > 0
        own = cls(0.5, block_size=2)(torch.ones(shape)) > 0

        assert torch.equal(shared, shared[:, :1].expand(shape))
        assert not torch.equal(own, own[:, :1].expand(shape))

    def test_sites(self, cls, shape):
        """The table has the shape of its seeds."""
        model = tt.bind(nn.Sequential(cls(0.3, block_size=3, site="mine")), SEED)
        (line,) = thinned.sites(model, torch.ones(shape))

        assert ("mine", 0.3) == (line.name, line.rate)
        assert (*shape[:2], *(length + 2 for length in shape[2:])) == line.mask_shape

    def test_other_axes(self, cls, shape):
        """Too few or too many are an error that says how many there should be."""
        layer = cls(0.3, block_size=3)
        for x in (torch.ones(shape)[0], torch.ones(shape)[None]):
            with pytest.raises(ShapeError, match=rf"{cls.__name__} with {len(shape)} axes"):
                layer(x)

    @pytest.mark.parametrize("p", [-0.1, 1.1, float("nan"), 1e-9])
    def test_wrong_rates(self, cls, shape, p):
        """When the layer is made."""
        with pytest.raises(RateError):
            cls(p)

    @pytest.mark.parametrize("size", [0, (3, 3, 3, 3), 1.5])
    def test_wrong_blocks(self, cls, shape, size):
        """When the layer is made."""
        with pytest.raises(ShapeError):
            cls(0.1, size)

    def test_arguments(self, cls, shape):
        """A site is text, and other keywords are none."""
        assert isinstance(cls(), nn.Module)
        assert repr(cls(0.1, 3, site="a")) == f"{cls.__name__}(p=0.1, block_size=3, site='a')"
        with pytest.raises(AddressError):
            cls(0.1, site=5)
        with pytest.raises(TypeError):
            cls(0.1, gamma_scale=2)


class TestModel:
    """Two layers in a network."""

    def test_repeats(self):
        """One seed trains alike, another does not."""
        one, two, other = (trained(tt.bind(network(), seed)) for seed in (SEED, SEED, SEED + 1))

        assert all_equal(one, two)
        assert not all_equal(one, other)

    def test_resumes(self):
        """From a saved state, bit for bit."""
        model = tt.bind(network(), SEED)
        trained(model)
        later = tt.bind(network(), 0)
        later.load_state_dict(copy.deepcopy(model.state_dict()))

        assert all_equal(trained(model), trained(later))

    def test_a_copy(self):
        """Draws what its original draws."""
        model = tt.bind(network(), SEED)
        trained(model, 2)
        twin = copy.deepcopy(model)

        assert all_equal(trained(model), trained(twin))

    @pytest.mark.parametrize("reentrant", [False, True])
    def test_checkpoints(self, reentrant):
        """Repeat the draws of the call that they belong to."""

        class Checkpointed(nn.Sequential):
            def forward(self, x):
                return checkpoint(self._rest, self[0](x), use_reentrant=reentrant)

            def _rest(self, x):
                for layer in self[1:]:
                    x = layer(x)
                return x

        plain, other = network(), Checkpointed(*network())
        assert all_equal(trained(tt.bind(plain, SEED)), trained(tt.bind(other, SEED)))

    @pytest.mark.parametrize("backend", ["aot_eager", "inductor"])
    @pytest.mark.parametrize("p", [0.3, linear(0.0, 0.5, steps=4)], ids=["constant", "schedule"])
    def test_compiled(self, backend, p):
        """Eager's steps in one graph."""
        counter = CompileCounterWithBackend(backend)
        eager, model = tt.bind(network(p), SEED), tt.bind(network(p), SEED)
        run = torch.compile(model, fullgraph=True, backend=counter)

        for one, two in zip(trained(eager, 6), trained(model, 6, run), strict=True):
            torch.testing.assert_close(one, two)
            assert torch.equal(one == 0, two == 0)
        assert 1 == counter.frame_count

    def test_a_schedule(self):
        """Is its rate at each step; a free layer has no step."""
        schedule = linear(0.0, 0.5, steps=4)
        model, x = tt.bind(nn.Sequential(tt.DropBlock2d(schedule, 3)), SEED), torch.randn(2, 3, 8, 8)
        for step in range(6):
            assert same(tt.drop_block(x, schedule(step), 3, seed=SEED, site="0", step=step), model(x))
        with pytest.raises(BindError, match="expected a bound model"):
            tt.DropBlock2d(schedule, 3)(x)

    def test_parts_of_a_batch(self):
        """Have what they have in the whole."""
        x = torch.randn(6, 2, 9, 10)
        whole = tt.bind(network(), SEED)(x)
        parts = [tt.bind(network(), SEED, batch=(0, 6, start))(x[start : start + 2]) for start in (0, 2, 4)]

        torch.testing.assert_close(whole, torch.cat(parts))
        assert torch.equal(whole == 0, torch.cat(parts) == 0)
