"""DropConnect's layers: what only they have."""

import numpy as np
import pytest
import torch
from torch import nn

import thinned.torch as tt
from tests.bounds import stray
from tests.torch.truth import mask
from thinned.errors import ConfigurationError
from thinned.mask import keep, normal
from thinned.methods.dropconnect import moments

SEED = 7


def bound(layer, **kw):
    """In a model."""
    return tt.bind(nn.Sequential(layer), SEED, **kw)


EMPTY = {
    "rows": (lambda: tt.DropConnectLinear(6, 3), (0, 6)),
    "sequences": (lambda: tt.DropConnectLinear(6, 3), (0, 5, 6)),
    "moments": (lambda: tt.DropConnectLinear(6, 3, activation=torch.relu, inference="moments"), (0, 6)),
    "signals": (lambda: tt.DropConnectConv1d(3, 4, 3, per="example"), (0, 3, 7)),
    "images": (lambda: tt.DropConnectConv2d(3, 4, 3, per="example", groups=1), (0, 3, 7, 6)),
}


class TestEmpty:
    """Batches without an example, as the last one of a loader's rank may be."""

    @pytest.mark.parametrize("what", EMPTY)
    def test_has_the_shape_of_evaluation(self, what):
        """And gradients of zero."""
        make, shape = EMPTY[what]
        model, x = bound(make()), torch.zeros(shape, requires_grad=True)
        y = model(x)
        y.sum().backward()

        assert y.shape == model.eval()(x).shape
        assert model.thinned.step == 1
        assert not model[0].weight.grad.any()
        assert not model[0].bias.grad.any()


class TestSites:
    """The table says what masks there are."""

    @pytest.mark.parametrize(
        ("make", "shape"),
        [
            (lambda: tt.DropConnectLinear(6, 3), (6,)),
            (lambda: tt.DropConnectConv1d(3, 4, 3, per="example"), (3, 7)),
            (lambda: tt.DropConnectConv2d(3, 4, 3, per="example"), (3, 7, 6)),
        ],
        ids=["linear", "1d", "2d"],
    )
    def test_of_a_single_example(self, make, shape):
        """Without an axis of the batch, masks have the shapes of the parameters, and are the law's."""
        layer, x = make(), torch.randn(shape)
        model = bound(layer)
        thinned = {
            name: value.detach()
            * torch.from_numpy(keep(tuple(value.shape), 0.5, seed=SEED, site=f"0/{name}"))
            * 2
            for name, value in layer.named_parameters()
        }

        assert [line.mask_shape for line in tt.sites(model, x)] == [layer.weight.shape, layer.bias.shape]
        assert torch.allclose(model(x), torch.func.functional_call(layer.eval(), thinned, x))


class TestExamples:
    """One mask for each."""

    def test_sequences_share_the_mask_of_their_example(self):
        """Positions that are alike give alike outputs, examples that are alike do not."""
        y = bound(tt.DropConnectLinear(30, 5))(torch.ones(3, 4, 30))

        assert torch.equal(y[:, :1].expand(3, 4, 5), y)
        assert not torch.equal(y[0], y[1])

    def test_one_example_without_a_batch(self):
        """Has the mask of a batch of none: the parameter's shape."""
        layer = tt.DropConnectLinear(30, 5, bias=False)
        y = bound(layer)(torch.ones(30))
        kept = torch.from_numpy(keep((5, 30), 0.5, seed=SEED, site="0/weight"))

        assert torch.allclose((2 * torch.where(kept, layer.weight, 0)).sum(1), y, atol=1e-5, rtol=0)

    @pytest.mark.parametrize("per", ["example", "batch"])
    @pytest.mark.parametrize("axis", [0, 1])
    def test_rows_of_a_global_batch(self, per, axis):
        """Two halves draw what the whole draws, whichever axis is the batch's; gradients add up."""
        torch.manual_seed(1)
        layer = tt.DropConnectLinear(30, 5, per=per)
        x = torch.randn(6, 4, 30) if axis == 0 else torch.randn(4, 6, 30)
        whole = bound(layer, batch=(axis, 6, 0))(x)
        whole.sum().backward()
        gradient, layer.weight.grad = layer.weight.grad, None
        halves = [
            bound(layer, batch=(axis, 6, start))(x.narrow(axis, start, size))
            for start, size in ((0, 2), (2, 4))
        ]
        sum(half.sum() for half in halves).backward()

        assert torch.allclose(whole, torch.cat(halves, axis), rtol=0, atol=1e-5)
        assert torch.allclose(gradient, layer.weight.grad, rtol=0, atol=1e-4)

    def test_convolutions_of_a_global_batch(self):
        """The same, with a copy of the kernels for each."""
        layer, x = tt.DropConnectConv2d(3, 4, 3, per="example"), torch.randn(6, 3, 5, 5)
        whole = bound(layer, batch=(0, 6, 0))(x)
        part = bound(layer, batch=(0, 6, 2))(x[2:5])

        assert torch.allclose(whole[2:5], part, rtol=0, atol=1e-5)

    def test_an_image_without_a_batch(self):
        """Has one mask."""
        layer = tt.DropConnectConv2d(3, 4, 3, per="example")

        assert (4, 3, 3) == tuple(bound(layer)(torch.ones(3, 5, 5)).shape)

    def test_autocast(self):
        """The type of a matrix product is autocast's."""
        layer, x = tt.DropConnectLinear(30, 5), torch.randn(4, 30)
        plain = bound(layer)(x)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            y = bound(layer)(x)

        assert torch.bfloat16 == y.dtype
        assert torch.allclose(plain, y.float(), atol=0.1)

    def test_half_types(self):
        """Compute in float32, and round once."""
        layer, x = (
            tt.DropConnectLinear(300, 5, bias=False, dtype=torch.bfloat16),
            torch.randn(4, 300).bfloat16(),
        )
        y = bound(layer)(x)
        kept = mask(torch.empty(4, 5, 300), 0.5, seed=SEED, site="0/weight")
        exact = 2 * torch.where(kept, layer.weight.double(), 0) @ x.double().unsqueeze(2)

        assert torch.allclose(exact.squeeze(2).to(torch.bfloat16), y, rtol=2**-7, atol=1e-4)


class TestBias:
    """Dropped, as in the paper, or not."""

    @pytest.mark.parametrize("per", ["example", "batch"])
    def test_is_dropped(self, per):
        """At a site of its own."""
        layer = tt.DropConnectLinear(3, 50, per=per)
        y = bound(layer)(torch.zeros(4, 3))
        shape = (4, 50) if per == "example" else (1, 50)
        kept = torch.from_numpy(keep(shape[per == "batch" :], 0.5, seed=SEED, site="0/bias"))

        assert torch.equal(torch.where(kept, 2 * layer.bias, 0).expand(4, 50), y)

    @pytest.mark.parametrize("per", ["example", "batch"])
    def test_is_kept(self, per):
        """Where one asks for that; then the weight alone draws."""
        layer = tt.DropConnectLinear(3, 50, per=per, drop_bias=False)

        assert torch.equal(layer.bias.expand(4, 50), bound(layer)(torch.zeros(4, 3)))
        assert ("weight",) == layer.parts == tt.DropConnectLinear(3, 50, bias=False).parts


class TestInference:
    """Evaluation, by the mean weights or by moments."""

    @pytest.mark.parametrize("drop_bias", [True, False])
    def test_moments_are_the_methods(self, drop_bias):
        """Each unit is a normal variable with the mean and variance of the table, seen through the activation."""
        torch.manual_seed(1)
        x = torch.randn(3, 4, 30, dtype=torch.float64)
        layer = tt.DropConnectLinear(
            30, 5, 0.3, drop_bias=drop_bias, activation=torch.relu, inference="moments", samples=64,
            dtype=torch.float64,
        )  # fmt: skip
        model = bound(layer).eval()
        weight, bias = (value.detach().numpy() for value in (layer.weight, layer.bias))
        mean, variance = moments(x.numpy(), weight, 0.3, bias)
        if not drop_bias:
            variance = moments(x.numpy(), weight, 0.3).variance
        z = normal((64, 5), seed=SEED, site="0/inference")
        samples = mean + np.sqrt(variance) * z[:, None, None]
        expected = np.maximum(samples, 0).mean(0)

        assert np.allclose(expected, model(x).detach().numpy(), rtol=0, atol=1e-12)

    @pytest.mark.parametrize("drop_bias", [True, False])
    def test_rate_one(self, drop_bias):
        """Evaluation is what training is: the activation of nothing, or of a bias that is not dropped."""
        layer = tt.DropConnectLinear(
            30, 5, 1.0, drop_bias=drop_bias, activation=torch.sigmoid, inference="moments", samples=3
        )
        x = torch.randn(4, 30)

        assert torch.allclose(layer(x), layer.eval()(x), rtol=0, atol=1e-6)

    def test_approaches_what_the_masks_give(self):
        """The average of relu over many masks, which the mean weights miss."""
        torch.manual_seed(1)
        n, x = 20_000, torch.randn(1, 400)
        layer = tt.DropConnectLinear(
            400, 1, bias=False, activation=torch.relu, inference="moments", samples=20_000
        )
        with torch.no_grad():
            layer.weight -= x * (layer.weight @ x.T).item() / x.square().sum()  # so that the mean is zero
            y = layer(x.expand(n, 400))
            variance = moments(x.numpy(), layer.weight.numpy(), 0.5).variance
            found = layer.eval()(x).item()
            layer.inference = "mean"

            # The expectation of a function of slope 1 at most moves by no more than sum E|term|^3 / deviation^2
            # when a sum of independent terms becomes normal (Goldstein, "Bounds on the Constant in the Mean Central
            # Limit Theorem", 2010); at rate 0.5 a term is as far from its mean as it is large.
            deviation, far = variance.item() ** 0.5, float((layer.weight * x).abs().sum())
            moved = float((layer.weight * x).abs().pow(3).sum()) / deviation**2
            allowed = stray(n, variance.item(), far) + stray(n, variance.item(), 7 * deviation) + moved
            assert abs(found - y.mean().item()) <= allowed
            assert abs(found - deviation / (2 * torch.pi) ** 0.5) <= stray(n, variance.item(), 7 * deviation)
            assert abs(layer(x).item()) < found / 10

    def test_is_a_function_of_its_input(self):
        """No step, no generator, no batch changes it."""
        layer = tt.DropConnectLinear(30, 5, activation=torch.relu, inference="moments")
        model, x = bound(layer), torch.randn(4, 30)
        one = model.eval()(x)
        model.train()(x)

        assert torch.equal(one, model.eval()(x))
        assert torch.allclose(one[2:], model(x[2:]), rtol=0, atol=1e-5)
        assert torch.allclose(one[1], model(x[1]), rtol=0, atol=1e-5)

    def test_gradients_where_nothing_varies(self):
        """An input of zeros has no variance, whose root has no slope."""
        layer = tt.DropConnectLinear(30, 5, activation=torch.relu, inference="moments", drop_bias=False)
        x = torch.zeros(4, 30, requires_grad=True)
        layer.eval()(x).sum().backward()

        assert x.grad.isfinite().all()
        assert layer.weight.grad.isfinite().all()

    def test_compiles(self):
        """As a whole."""
        layer = tt.DropConnectLinear(30, 5, activation=torch.relu, inference="moments").eval()
        x = torch.randn(4, 30)
        compiled = torch.compile(layer, backend="aot_eager", fullgraph=True)

        assert torch.allclose(layer(x), compiled(x), rtol=0, atol=1e-5)

    def test_the_activation_is_the_layers(self):
        """In training and in evaluation by the mean, too."""
        layer, x = tt.DropConnectLinear(30, 5, activation=torch.relu), torch.randn(4, 30)

        assert (layer(x) >= 0).all()
        assert torch.equal(torch.relu(nn.functional.linear(x, layer.weight, layer.bias)), layer.eval()(x))

    def test_refusals(self):
        """Moments of nothing, other words, no samples."""
        with pytest.raises(ConfigurationError, match="expected an activation with inference='moments'"):
            tt.DropConnectLinear(3, 2, inference="moments")
        with pytest.raises(ConfigurationError, match="one of 'mean', 'moments'; got 'mode'"):
            tt.DropConnectLinear(3, 2, inference="mode")
        with pytest.raises(ConfigurationError, match="one of 'example', 'batch'; got 'row'"):
            tt.DropConnectConv1d(3, 2, 3, per="row")
        with pytest.raises(ConfigurationError, match="samples"):
            tt.DropConnectLinear(3, 2, samples=0)


def test_are_pytorchs():
    """Subclasses, with the same parameters at the same seed."""
    for ours, theirs, sizes in (
        (tt.DropConnectLinear, nn.Linear, (3, 4)),
        (tt.DropConnectConv1d, nn.Conv1d, (3, 4, 3)),
        (tt.DropConnectConv2d, nn.Conv2d, (3, 4, 3)),
    ):
        torch.manual_seed(1)
        layer = ours(*sizes)
        torch.manual_seed(1)
        plain = theirs(*sizes)

        assert isinstance(layer, theirs)
        assert list(layer.state_dict()) == list(plain.state_dict())
        assert torch.equal(layer.weight, plain.weight)
