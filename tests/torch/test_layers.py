"""The facts of PyTorch's own tests of dropout, on our layers."""

import itertools

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import thinned.torch as tt
from tests.bounds import stray
from tests.torch.truth import FORMATS, name
from thinned.errors import RateError

LAYERS = [tt.Dropout, tt.Dropout1d, tt.Dropout2d, tt.Dropout3d]
SHAPES = {
    tt.Dropout: (20, 50),
    tt.Dropout1d: (20, 50, 3),
    tt.Dropout2d: (20, 50, 3, 2),
    tt.Dropout3d: (20, 50, 1, 3, 2),
}
RATES = [0.2, 0.5, 0.9]


@pytest.mark.parametrize("cls", LAYERS)
class TestEvery:
    """All four."""

    @pytest.mark.parametrize("p", RATES)
    def test_mean(self, cls, p):
        """Ones keep their mean, within Bernstein's bound for as many draws as there are."""
        x = torch.ones(SHAPES[cls]).repeat(20, *[1] * (len(SHAPES[cls]) - 1))
        draws = x.numel() if cls is tt.Dropout else x.shape[0] * x.shape[1]
        mean = float(cls(p)(x).double().mean())

        assert abs(mean - 1) < stray(draws, p / (1 - p), 1 / (1 - p))

    @pytest.mark.parametrize("p", RATES)
    def test_mean_of_the_gradient(self, cls, p):
        """The gradient is the output where the input is one."""
        x = torch.ones(SHAPES[cls], requires_grad=True)
        y = cls(p)(x)
        y.sum().backward()

        assert torch.equal(y, x.grad)

    @pytest.mark.parametrize("p", [-0.1, 1.1, -1.0])
    def test_invalid(self, cls, p):
        """PyTorch's words for a rate outside [0, 1]."""
        with pytest.raises(ValueError, match="dropout probability has to be between 0 and 1, but got"):
            cls(p)

    @pytest.mark.parametrize("p", [float("nan"), 1e-7, 1 - 1e-7])
    def test_without_threshold(self, cls, p):
        """Ours for one that could not be told from 0 or 1."""
        with pytest.raises(RateError):
            cls(p)

    @pytest.mark.parametrize("p", ["0.5", None, [0.5], 0.5j])
    def test_no_number(self, cls, p):
        """Is refused in words, and not by a comparison that Python cannot make; self-normalising layers alike."""
        for each in (cls, tt.AlphaDropout, tt.FeatureAlphaDropout):
            with pytest.raises(RateError, match="expected a rate as one number"):
                each(p)

    @pytest.mark.parametrize("inplace", [False, True])
    def test_repr(self, cls, inplace):
        """As PyTorch's."""
        theirs = getattr(nn, cls.__name__)(0.25, inplace)

        assert repr(theirs) == repr(cls(0.25, inplace))
        assert isinstance(cls(), type(theirs))

    def test_evaluation(self, cls):
        """The input itself."""
        x = torch.randn(SHAPES[cls])

        assert cls(0.5).eval()(x) is x
        assert cls(0.5).train()(x) is not x

    @pytest.mark.parametrize("p", [0.0, 1.0])
    def test_certainties(self, cls, p):
        """All or nothing, and so the gradient."""
        x = torch.randn(SHAPES[cls], requires_grad=True)
        y = cls(p)(x)
        y.sum().backward()

        assert torch.equal(x * (1 - p), y)
        assert torch.equal(torch.full_like(x, 1 - p), x.grad)

    def test_a_rate_set_later(self, cls):
        """Counts from the next call."""
        layer, x = cls(0.5), torch.ones(SHAPES[cls])
        layer.p = 0
        assert layer(x) is x
        layer.p = 1
        assert not layer(x).any()

    def test_seeds(self, cls):
        """`torch.manual_seed` governs a free layer; two calls differ."""
        layer, x = cls(0.5), torch.ones(SHAPES[cls])
        torch.manual_seed(7)
        one, two = layer(x), layer(x)
        torch.manual_seed(7)

        assert torch.equal(one, layer(x))
        assert not torch.equal(one, two)

    def test_generator_state(self, cls):
        """So do saved states, and `fork_rng`."""
        layer, x = cls(0.5), torch.ones(SHAPES[cls])
        state = torch.get_rng_state()
        with torch.random.fork_rng():
            one = layer(x)
        assert torch.equal(one, layer(x))
        torch.set_rng_state(state)
        assert torch.equal(one, layer(x))

    def test_empty(self, cls):
        """No rows, no error."""
        x = torch.ones(0, *SHAPES[cls][1:])

        assert x.shape == cls(0.5)(x).shape


class TestStrides:
    """A dense input's strides are the output's and, for a like gradient, the gradient's."""

    @pytest.mark.parametrize("p", [0.0, 0.5, 1.0])
    @pytest.mark.parametrize("order", list(itertools.permutations(range(3))), ids=str)
    def test_permutations(self, order, p):
        """Every order of the axes."""
        base = torch.randn(3, 4, 5).permute(order)
        x = base.detach().requires_grad_()
        y = tt.Dropout(p)(x)
        y.backward(base)

        assert base.stride() == y.stride() == x.grad.stride()

    @pytest.mark.parametrize("cls", [tt.Dropout, tt.Dropout2d])
    @pytest.mark.parametrize("memory_format", FORMATS, ids=name)
    @pytest.mark.parametrize("compiled", [False, True], ids=["eager", "compiled"])
    def test_memory_formats(self, cls, memory_format, compiled):
        """Channels last too, and the mask does not depend on it."""
        layer = cls(0.5)
        run = torch.compile(layer, backend="aot_eager", fullgraph=True) if compiled else layer
        plain = torch.randn(2, 3, 4, 5)
        x = plain.contiguous(memory_format=memory_format).requires_grad_()
        torch.manual_seed(1)
        y = run(x)
        y.backward(torch.ones_like(y))
        torch.manual_seed(1)
        expected = run(plain)

        assert y.is_contiguous(memory_format=memory_format)
        assert x.grad.is_contiguous(memory_format=memory_format)
        assert torch.equal(expected, y)


class TestChannels:
    """One draw for all positions of a channel."""

    @pytest.mark.parametrize(
        ("cls", "shape", "mask_shape"),
        [
            (tt.Dropout1d, (50, 8), (50, 1)),
            (tt.Dropout1d, (10, 50, 8), (10, 50, 1)),
            (tt.Dropout2d, (10, 50, 4, 4), (10, 50, 1, 1)),
            (tt.Dropout3d, (50, 2, 4, 4), (50, 1, 1, 1)),
            (tt.Dropout3d, (10, 50, 2, 4, 4), (10, 50, 1, 1, 1)),
        ],
    )
    def test_whole(self, cls, shape, mask_shape):
        """Those of the law, with and without a batch."""
        y = tt.bind(nn.Sequential(cls(0.5)), seed=5)(torch.ones(shape))
        flat = tt.dropout(torch.ones(mask_shape), 0.5, seed=5, site="0")

        assert torch.equal(flat.expand(shape), y)

    @pytest.mark.parametrize("dims", [1, 4])
    def test_dropout1d_refuses(self, dims):
        """What PyTorch refuses, in its words."""
        x = torch.ones([2] * dims)
        with pytest.raises(RuntimeError, match=f"Expected 2D or 3D input, but received a {dims}D input"):
            tt.Dropout1d(0.5)(x)

    @pytest.mark.parametrize(
        ("cls", "dims"), [(tt.Dropout2d, 2), (tt.Dropout2d, 5), (tt.Dropout3d, 3), (tt.Dropout3d, 6)]
    )
    def test_warnings(self, cls, dims):
        """What PyTorch warns of, and what it then does: axes 0 and 1 have draws, further ones share."""
        with pytest.warns(UserWarning, match=f"Received a {dims}-D input to {cls.__name__.lower()}"):
            y = cls(0.5)(torch.ones([8] * min(dims, 3) + [2] * (dims - 3)))

        assert {0.0, 2.0} == set(y.flatten().tolist())

    def test_dropout2d_of_three_axes(self):
        """Read as (batch, channel, length), with PyTorch's warning."""
        with pytest.warns(UserWarning, match="assuming that channel-wise 1D dropout behavior is desired"):
            y = tt.bind(nn.Sequential(tt.Dropout2d(0.5)), seed=5)(torch.ones(10, 20, 8))

        expected = tt.dropout(torch.ones(10, 20, 8), 0.5, seed=5, site="0", share=2)
        assert torch.equal(expected, y)


class TestSubclass:
    """Of PyTorch's classes, in all that modules do."""

    def test_functional_signature(self):
        """The same positional arguments."""
        layer = tt.Dropout(0.3, True)

        assert (0.3, True) == (layer.p, layer.inplace)

    def test_autocast(self):
        """Types pass through."""
        with torch.autocast("cpu", dtype=torch.bfloat16):
            y = tt.Dropout(0.5)(F.linear(torch.ones(2, 4), torch.ones(8, 4)))

        assert torch.bfloat16 == y.dtype
