"""`torch.func`, forward mode and higher derivatives."""

import pytest
import torch
from torch import nn
from torch.autograd import forward_ad
from torch.func import functional_call, grad, hessian, jacfwd, jacrev, jvp, vjp, vmap

import thinned.torch as tt
from tests.torch.models import mlp
from tests.torch.truth import mask

SEEDS = {"constant": 3, "tensor": torch.tensor(3)}
OPERATIONS = {
    "dropout": lambda v, seed: tt.dropout(v, 0.5, seed=seed),
    "relu_dropout": lambda v, seed: tt.relu_dropout(v, 0.5, seed=seed),
    "dropout_add": lambda v, seed: tt.dropout_add(v, v**2, 0.5, seed=seed),
}


@pytest.fixture
def x():
    """Positive, so that a relu does nothing."""
    return torch.rand(8, dtype=torch.float64) + 0.5


@pytest.fixture
def k():
    """What dropout does to ones."""
    return tt.dropout(torch.ones(8, dtype=torch.float64), 0.5, seed=3)


class TestVmap:
    """A batched address draws for each lane; an unbatched one is one mask for all."""

    def test_seeds(self):
        """Each its own mask."""
        x, seeds = torch.randn(5, 9), torch.arange(4)

        expected = torch.stack([tt.dropout(x, 0.5, seed=seed, site="a") for seed in range(4)])
        assert torch.equal(expected, vmap(lambda s: tt.dropout(x, 0.5, seed=s, site="a"))(seeds))

    def test_rates(self):
        """One draw, thinned more and more."""
        x, rates = torch.randn(5, 9), torch.tensor([0.0, 0.1, 0.5, 1.0], dtype=torch.float64)

        expected = torch.stack([tt.dropout(x, float(rate), seed=3) for rate in rates])
        assert torch.equal(expected, vmap(lambda r: tt.dropout(x, r, seed=3))(rates))

    @pytest.mark.parametrize("field", ["site", "step", "draw"])
    def test_other_coordinates(self, field):
        """They batch alike."""
        x = torch.randn(5, 9)
        batched = vmap(lambda v: tt.dropout(x, 0.5, seed=3, **{field: v}))(torch.arange(3))

        assert torch.equal(
            torch.stack([tt.dropout(x, 0.5, seed=3, **{field: value}) for value in range(3)]), batched
        )

    @pytest.mark.parametrize("seed", SEEDS.values(), ids=SEEDS)
    @pytest.mark.parametrize("dim", [0, 1, 2, -1])
    def test_unbatched_address(self, seed, dim):
        """The lane axis has no draws of its own, wherever it is; shared axes stay."""
        x = torch.randn(4, 5, 6)
        lanes = vmap(lambda v: tt.dropout(v, 0.5, seed=seed, share=1), in_dims=dim, out_dims=dim)(x)

        expected = [tt.dropout(lane, 0.5, seed=3, share=1) for lane in x.unbind(dim)]
        assert torch.equal(torch.stack(expected, dim), lanes)

    def test_lanes_and_seeds_together(self):
        """Each lane with its seed, nested, and with a gradient within."""
        x, seeds = torch.randn(4, 6), torch.arange(4)
        expected = torch.stack([tt.dropout(v, 0.5, seed=s) for s, v in enumerate(x)])
        outer = vmap(lambda r: vmap(lambda v, s: tt.dropout(v, r, seed=s))(x, seeds))(
            torch.tensor([0.5, 0.1])
        )
        slopes = vmap(grad(lambda v, s: (tt.dropout(v, 0.5, seed=s) ** 2).sum()))(x, seeds)

        assert torch.equal(expected, outer[0])
        assert torch.equal(
            2 * torch.stack([tt.dropout(v, 0.5, seed=s) for s, v in enumerate(expected)]), slopes
        )

    def test_windows(self):
        """Sample ids may differ between lanes, or be the same; so may starts."""
        whole = tt.dropout(torch.ones(8, 3), 0.5, seed=3)
        ids = torch.tensor([[5, 0], [7, 5]])
        x = torch.ones(2, 3)
        by_ids = vmap(lambda i: tt.dropout(x, 0.5, seed=3, window=((8, 3), (i, 0))))(ids)
        by_start = vmap(lambda i: tt.dropout(x, 0.5, seed=3, window=((8, 3), (i, 0))))(torch.tensor([2, 6]))
        lanes = vmap(lambda v: tt.dropout(v, 0.5, seed=3, window=((8, 3), (ids[0], 0))))(torch.ones(4, 2, 3))

        assert torch.equal(whole[ids], by_ids)
        assert torch.equal(torch.stack([whole[2:4], whole[6:8]]), by_start)
        assert torch.equal(whole[ids[0]].expand(4, 2, 3), lanes)

    def test_bound_models(self):
        """A bound model's address is not batched: one mask for all samples, and one training step."""
        model = tt.bind(mlp(), seed=0)
        x = torch.randn(5, 8)
        expected = torch.stack([tt.bind(model, seed=0)(row) for row in x])
        tt.bind(model, seed=0)

        torch.testing.assert_close(expected, vmap(model)(x))
        assert torch.equal(torch.tensor([0, 1]), model.state_dict()["thinned.address"])

    def test_gradients_by_sample(self):
        """They are those of the samples one by one."""
        model = tt.bind(mlp(), seed=0)
        parameters = {name: p.detach() for name, p in model.named_parameters()}

        def loss(parameters, row):
            return functional_call(model, parameters, (row,)).sum()

        x = torch.randn(3, 8)
        found = vmap(grad(loss), in_dims=(None, 0))(parameters, x)
        for turn, row in enumerate(x):
            tt.bind(model, seed=0)
            for name, expected in grad(loss)(parameters, row).items():
                torch.testing.assert_close(expected, found[name][turn])

    def test_free_layers_need_a_word_about_randomness(self):
        """As PyTorch's own: an error, one draw, or one a lane."""
        layer, x = tt.Dropout(0.5), torch.ones(3, 64)
        with pytest.raises(RuntimeError, match="randomness error mode"):
            vmap(layer)(x)
        one = vmap(layer, randomness="same")(x)
        many = vmap(layer, randomness="different")(x)

        assert torch.equal(one[0], one[1])
        assert not torch.equal(many[0], many[1])

    @pytest.mark.filterwarnings("ignore:.*[Vv]map:UserWarning")
    @pytest.mark.parametrize("seed", SEEDS.values(), ids=SEEDS)
    def test_gradients_in_batches(self, seed, x):
        """`is_grads_batched`, PyTorch's older vmap."""
        v = x.requires_grad_()
        y = tt.dropout(v, 0.5, seed=seed)
        (found,) = torch.autograd.grad(y, v, torch.eye(8, dtype=torch.float64), is_grads_batched=True)

        assert torch.equal(torch.diag(mask(x, 0.5, seed=3) * 2.0), found.float())


@pytest.mark.parametrize("seed", SEEDS.values(), ids=SEEDS)
class TestDerivatives:
    """Dropout is linear: every derivative is a mask."""

    def test_jacobians(self, seed, x, k):
        """Forward and backward."""
        f = lambda v: tt.dropout(v, 0.5, seed=seed)  # noqa: E731

        assert torch.equal(torch.diag(k), jacrev(f)(x))
        assert torch.equal(torch.diag(k), jacfwd(f)(x))
        assert torch.equal(k, vjp(f, x)[1](torch.ones_like(x))[0])
        assert torch.equal(k * 3, jvp(f, (x,), (torch.full_like(x, 3),))[1])

    def test_hessian(self, seed, x, k):
        """Of a square, in both orders of the two modes."""
        f = lambda v: (tt.dropout(v, 0.5, seed=seed) ** 2).sum()  # noqa: E731

        assert torch.equal(torch.diag(2 * k * k), hessian(f)(x))
        assert torch.equal(torch.diag(2 * k * k), jacrev(jacrev(f))(x))

    @pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)
    def test_numerically(self, seed, operation, x):
        """To the second order, forward over nothing and in batches."""
        f = lambda v: operation(v**2, seed)  # noqa: E731
        v = x.requires_grad_()

        assert torch.autograd.gradcheck(f, v, check_forward_ad=True)
        assert torch.autograd.gradgradcheck(f, v)

    @pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)
    def test_tangents(self, seed, operation, x):
        """Forward mode without `torch.func` gives the tangents that `jvp` gives."""
        one = torch.ones_like(x)
        with forward_ad.dual_level():
            y = operation(forward_ad.make_dual(x, one), seed)
            found = forward_ad.unpack_dual(y).tangent

        assert torch.equal(jvp(lambda v: operation(v, seed), (x,), (one,))[1], found)


class TestLayers:
    """Layers are differentiated like functions."""

    @pytest.mark.parametrize("inplace", [False, True])
    def test_tangents(self, inplace):
        """In place too."""
        layer = tt.bind(nn.Sequential(tt.Dropout(0.5, inplace=inplace)), seed=0)
        with forward_ad.dual_level():
            x = forward_ad.make_dual(torch.full((64,), 3.0), torch.ones(64)) * 1
            y = forward_ad.unpack_dual(layer(x))

        assert torch.equal(y.primal, y.tangent * 3)
        assert (y.tangent != 0).tolist() == mask(y.primal, 0.5, seed=0, site="0").tolist()

    def test_jvp_of_bound_models(self):
        """Equal to the numbers of backward mode."""
        model = tt.bind(mlp(), seed=0).double()
        x = torch.randn(2, 8, dtype=torch.float64)
        tangent = jvp(model, (x,), (torch.ones_like(x),))[1]
        tt.bind(model, seed=0)
        jacobian = torch.autograd.functional.jacobian(model, x)

        torch.testing.assert_close(jacobian.sum((2, 3)), tangent)
