"""`thinned.torch.dropout` and its fused forms, against the law."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

import thinned.torch as tt
from tests.strategies import RATES, addresses, places, strided
from tests.torch.truth import DTYPES, WHERE, dropped, mask, name, odd_values, same
from thinned.errors import AddressError, DtypeError, RateError, ShareError, WindowError
from thinned.mask import quantise

DTYPE = st.sampled_from(DTYPES)


def laid_out(recipe, dtype):
    """A tensor by a recipe of `strategies.strided`."""
    shape, how = recipe
    if how == "transposed":
        return odd_values(shape[::-1], dtype).permute(tuple(reversed(range(len(shape)))))
    if how == "expanded" and shape:
        return odd_values((1, *shape[1:]), dtype).expand(shape)
    if how == "sliced" and shape:
        return odd_values((2 * shape[0], *shape[1:]), dtype)[::2]
    if how == "flipped order" and len(shape) > 1:
        return odd_values((shape[-1], *shape[:-1]), dtype).movedim(0, -1)
    return odd_values(shape, dtype)


class TestDropout:
    """`y = k x s`, for every tensor there is."""

    @given(recipe=strided(), dtype=DTYPE, rate=RATES, address=addresses())
    def test_output(self, recipe, dtype, rate, address):
        """It is the law's mask applied, bit for bit, whatever the strides; dropped NaN becomes +0."""
        x = laid_out(recipe, dtype)

        assert same(dropped(x, rate, **address), tt.dropout(x, rate, **address))

    @given(recipe=strided(), dtype=DTYPE, rate=RATES, address=addresses())
    def test_gradient(self, recipe, dtype, rate, address):
        """A gradient is thinned as the input was, NaN and infinity in dropped places too."""
        x = laid_out(recipe, dtype).clone().requires_grad_()
        gradient = laid_out(recipe, dtype)
        tt.dropout(x, rate, **address).backward(gradient)

        assert same(dropped(gradient, rate, **address), x.grad)

    @given(place=places(), dtype=DTYPE, rate=RATES, address=addresses(), traced=st.booleans())
    def test_share_and_window(self, place, dtype, rate, address, traced):
        """Shared axes and windows of starts and ids, also for the registered operator."""
        x = odd_values(place.shape, dtype).requires_grad_()
        where = {"share": place.share, "window": place.window, **address}
        seed = torch.tensor((address["seed"] + 2**63) % 2**64 - 2**63) if traced else address["seed"]
        y = tt.dropout(x, rate, **(where | {"seed": seed}))
        y.backward(odd_values(place.shape, dtype, seed=1))

        assert same(dropped(x, rate, **where), y)
        assert same(dropped(odd_values(place.shape, dtype, seed=1), rate, **where), x.grad)

    @pytest.mark.parametrize("rate", [0.0, 1.0])
    def test_certainties(self, rate):
        """Rate 0 keeps and rate 1 drops everything, with finite gradients, to the second order."""
        x = torch.randn(100, requires_grad=True)
        (first,) = torch.autograd.grad((tt.dropout(x, rate, seed=0) ** 2).sum(), x, create_graph=True)
        (second,) = torch.autograd.grad(first.sum(), x)

        assert torch.equal(x * 2 * (1 - rate), first)
        assert torch.equal(torch.full((100,), 2 * (1 - rate)), second)

    @pytest.mark.parametrize("shape", [(), (0,), (3, 0, 2)])
    def test_hardly_any_elements(self, shape):
        """Scalars and empty tensors keep their shape."""
        x = torch.ones(shape, requires_grad=True)
        y = tt.dropout(x, 0.5, **WHERE)
        y.sum().backward()

        assert same(dropped(x, 0.5, **WHERE), y)
        assert x.grad.shape == x.shape

    def test_many_threads_give_the_bits_of_one(self):
        """However the work is cut."""
        x = torch.randn(300_001)
        one = tt.dropout(x, 0.3, **WHERE)
        torch.set_num_threads(3)

        assert same(one, tt.dropout(x, 0.3, **WHERE))

    def test_names_are_sites(self):
        """A site may be a name."""
        x = torch.ones(64)

        assert same(dropped(x, 0.5, seed=-1, site="fc1"), tt.dropout(x, 0.5, seed=-1, site="fc1"))

    @pytest.mark.parametrize(
        "share", [np.array([1, 2]), np.array([], int), np.int64(1), [1, 2], []], ids=repr
    )
    def test_shared_axes_from_numpy(self, share):
        """Arrays, numbers and lists are as good as tuples, in the fused forms too."""
        x = torch.randn(4, 3, 5)
        axes = tuple(np.atleast_1d(share).astype(int).tolist())

        for function in (tt.dropout, tt.relu_dropout):
            assert same(function(x, 0.5, seed=3, share=axes), function(x, 0.5, seed=3, share=share))
        given = tt.dropout(x, 0.5, seed=3, share=share, out=torch.empty_like(x))
        assert same(tt.dropout(x, 0.5, seed=3, share=axes), given)


class TestFused:
    """`relu_dropout` and `dropout_add`."""

    @given(recipe=strided(), dtype=DTYPE, rate=RATES)
    def test_relu(self, recipe, dtype, rate):
        """It is dropout of what is above zero, or is NaN."""
        x = laid_out(recipe, dtype).clone().requires_grad_()
        y = tt.relu_dropout(x, rate, **WHERE)
        gradient = odd_values(x.shape, dtype, seed=1)
        y.backward(gradient)
        expected = dropped(torch.where(x.detach() <= 0, 0, x.detach()), rate, **WHERE)
        flows = torch.where(expected <= 0, 0, dropped(gradient, 0, **WHERE) * 1)

        assert same(expected, y)
        assert torch.equal((flows != 0) & mask(x, rate, **WHERE), x.grad != 0)
        assert same(torch.where(expected <= 0, 0, dropped(gradient, rate, **WHERE)).to(dtype), x.grad)

    @given(recipe=strided(), dtype=DTYPE, rate=RATES)
    def test_add(self, recipe, dtype, rate):
        """The sum is rounded once, and the residual's gradient is the gradient."""
        x, r = laid_out(recipe, dtype).clone(), odd_values(recipe[0], dtype, seed=1)
        y = tt.dropout_add(x.requires_grad_(), r.requires_grad_(), rate, **WHERE)
        y.backward(torch.ones_like(y))
        exact = torch.float64 if dtype == torch.float64 else torch.float32
        expected = (dropped(x.to(exact), rate, **WHERE) + r.to(exact)).to(dtype)

        assert same(expected.detach(), y)
        assert same(torch.ones_like(y), r.grad)
        assert same(dropped(torch.ones_like(y), rate, **WHERE), x.grad)

    @pytest.mark.parametrize("dtype", DTYPES, ids=name)
    def test_traced_are_the_same(self, dtype):
        """A seed that is a tensor takes the registered operator, to the same values and gradients."""
        found = []
        for seed in (3, torch.tensor(3)):
            x = torch.randn(50, generator=torch.Generator().manual_seed(0)).to(dtype).requires_grad_()
            r = x.detach().flip(0).requires_grad_()
            y = tt.relu_dropout(x, 0.3, seed=seed) + tt.dropout_add(x, r, 0.3, seed=seed, step=1)
            y.backward(r.detach())
            found.append((y, x.grad, r.grad))

        assert all(map(torch.equal, *found))


class TestErrors:
    """Each says what was expected, what came, and what to do."""

    @pytest.mark.parametrize(
        "dtype", [torch.int32, torch.int64, torch.bool, torch.uint8, torch.complex64], ids=name
    )
    @pytest.mark.parametrize("seed", [0, torch.tensor(0)], ids=["eager", "traced"])
    def test_dtype(self, dtype, seed):
        """Only floats drop."""
        with pytest.raises(DtypeError, match=f"float32, .* got {dtype} of shape \\(3,\\); "):
            tt.dropout(torch.ones(3).to(dtype), 0.5, seed=seed)

    @pytest.mark.parametrize("x", [[1.0], None, nn.utils.rnn.pack_sequence([torch.ones(2)])], ids=type)
    @pytest.mark.parametrize("method", [tt.dropout, tt.gaussian_dropout])
    def test_what_is_no_tensor(self, method, x):
        """Says what came."""
        with pytest.raises(DtypeError, match=f"a tensor to drop from; got {type(x).__name__}"):
            method(x, 0.5, seed=0)

    @pytest.mark.parametrize("rate", [-0.1, 1.1, float("nan"), 1e-6, 1 - 1e-6, "0.5", True])
    @pytest.mark.parametrize("seed", [0, torch.tensor(0)], ids=["eager", "traced"])
    def test_rate(self, rate, seed):
        """Nor does a rate without a threshold."""
        with pytest.raises(RateError, match=r"expected a rate|rounds to"):
            tt.dropout(torch.ones(3), rate, seed=seed)

    @pytest.mark.parametrize("rate", [torch.tensor([0.5]), torch.tensor(True), torch.tensor(0.5j)])
    def test_rate_tensor(self, rate):
        """One real number, or vmap."""
        with pytest.raises(RateError, match=r"one number or a tensor of one; .* use torch.func.vmap"):
            tt.dropout(torch.ones(3), rate, seed=0)

    @pytest.mark.parametrize("wrong", [torch.tensor([1]), torch.tensor(1.0), torch.tensor(True)])
    def test_address_tensor(self, wrong):
        """One integer, or vmap."""
        with pytest.raises(AddressError, match=r"expected step as an integer .* use torch.func.vmap"):
            tt.dropout(torch.ones(3), 0.5, seed=0, step=wrong)

    @pytest.mark.parametrize("seed", [0, torch.tensor(0)], ids=["eager", "traced"])
    def test_the_rest(self, seed):
        """Widths, axes and windows."""
        x = torch.ones(2, 3)
        with pytest.raises(AddressError, match=r"expected step in \[0, 2\^32\); got -1"):
            tt.dropout(x, 0.5, seed=seed, step=-1)
        with pytest.raises(ShareError, match="got axis 2"):
            tt.dropout(x, 0.5, seed=seed, share=2)
        with pytest.raises(WindowError, match="start 3 and 2 local elements"):
            tt.dropout(x, 0.5, seed=seed, window=((4, 3), (3, 0)))
        with pytest.raises(ValueError, match=r"expected a residual like x, .* got torch.float64"):
            tt.dropout_add(x, x.double(), 0.5, seed=seed)

    def test_wide_values_of_tensors_count_modulo(self):
        """A traced coordinate has no error, it wraps."""
        x = torch.ones(100)

        assert torch.equal(
            tt.dropout(x, 0.5, seed=0, step=3), tt.dropout(x, 0.5, seed=0, step=torch.tensor(3 + 2**32))
        )

    @pytest.mark.parametrize(
        ("rate", "quantised"), [(-1.0, 0.0), (2.0, 1.0), (float("nan"), 1.0), (1e-9, 0.0)]
    )
    def test_traced_rates_quantise(self, rate, quantised):
        """So has a traced rate."""
        x = torch.ones(100)

        assert torch.equal(tt.dropout(x, quantised, **WHERE), tt.dropout(x, torch.tensor(rate), **WHERE))
        assert quantise(quantised) == quantised
