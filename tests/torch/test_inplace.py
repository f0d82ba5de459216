"""`inplace=True` is PyTorch's: the same tensor, the same versions, and autograd's own errors."""

import pytest
import torch
from torch import nn

import thinned.torch as tt
from tests.torch.truth import DTYPES, mask, name

CLASSES = {"ours": tt.Dropout, "PyTorch's": nn.Dropout}


def bound(**address):
    """A layer in place, whose mask is known."""
    return tt.bind(nn.Sequential(tt.Dropout(0.5, inplace=True)), seed=0)


class TestInplace:
    """Written over its input."""

    @pytest.mark.parametrize("dtype", DTYPES, ids=name)
    @pytest.mark.parametrize(
        "make", [lambda x: x, lambda x: x.t(), lambda x: x[:, ::2]], ids=["", "t", "slice"]
    )
    def test_it_is_the_input(self, dtype, make):
        """Returned as it was given, whatever its strides; what lies between stays."""
        base = torch.ones(4, 6, dtype=dtype)
        x = make(base)
        y = bound()(x)
        kept = mask(x, 0.5, seed=0, site="0")

        assert y is x
        assert torch.equal(torch.where(kept, 2, 0).to(dtype), x)
        assert (base == 1).sum() == base.numel() - x.numel()

    def test_gradient(self):
        """That of the same layer out of place."""
        x = torch.ones(100, requires_grad=True)
        bound()(x * 3).sum().backward()

        assert torch.equal(mask(x, 0.5, seed=0, site="0") * 6.0, x.grad)

    def test_gradient_through_a_view(self):
        """Half a tensor is dropped, the other half passes."""
        x = torch.ones(100, requires_grad=True)
        y = x * 3
        bound()(y[:50])
        y.sum().backward()

        assert torch.equal(mask(x[:50], 0.5, seed=0, site="0") * 6.0, x.grad[:50])
        assert torch.equal(torch.full((50,), 3.0), x.grad[50:])

    def test_evaluation_and_rate_0(self):
        """Nothing is written."""
        x = torch.ones(8)

        assert x is tt.Dropout(0.0, inplace=True)(x) is tt.Dropout(0.5, inplace=True).eval()(x)
        assert torch.equal(torch.ones(8), x)

    def test_compiled(self):
        """The input is written over there too."""
        x = torch.ones(64)
        y = torch.compile(tt.Dropout(0.5, inplace=True), backend="aot_eager", fullgraph=True)(x)

        assert torch.equal(y, x)
        assert {0.0, 2.0} == set(x.tolist())

    def test_compiled_and_bound(self):
        """So is what a layer inside a model is given, and the gradient knows."""
        model = nn.Sequential(nn.Hardtanh(), tt.Dropout(0.5, inplace=True), nn.Hardtanh(0, 5))
        x = torch.full((64,), 0.5, requires_grad=True)
        torch.compile(tt.bind(model, seed=0), backend="aot_eager", fullgraph=True)(x).sum().backward()

        assert torch.equal(mask(x, 0.5, seed=0, site="1") * 2.0, x.grad)

    def test_convert_introduces_none(self):
        """Each layer keeps what its author chose."""
        model = nn.Sequential(nn.Dropout(0.5), nn.Dropout(0.5, inplace=True), nn.Dropout2d(0.5))
        tt.convert(model)

        assert [False, True, False] == [layer.inplace for layer in model]


@pytest.mark.parametrize("make", CLASSES.values(), ids=CLASSES)
class TestErrors:
    """What autograd refuses, for PyTorch's layer and for ours."""

    def test_leaf(self, make):
        """A leaf that needs its gradient, before a byte is written."""
        x = torch.ones(64, requires_grad=True)
        with pytest.raises(
            RuntimeError, match="a leaf Variable that requires grad is being used in an in-place"
        ):
            make(0.5, inplace=True)(x)

        assert torch.equal(torch.ones(64), x)

    def test_view_of_a_leaf(self, make):
        """Its views are the same bytes."""
        x = torch.ones(64, requires_grad=True)
        with pytest.raises(RuntimeError, match="a view of a leaf Variable that requires grad is being used"):
            make(0.5, inplace=True)(x.view(8, 8))

        assert torch.equal(torch.ones(64), x)

    def test_one_of_many_views(self, make):
        """`chunk` gives views that know nothing of each other."""
        x = torch.ones(64, requires_grad=True) * 1
        with pytest.raises(RuntimeError, match="is a view and is being modified inplace"):
            make(0.5, inplace=True)(x.chunk(2)[0])

    def test_shared_memory(self, make):
        """An expanded tensor has one element for many."""
        with pytest.raises(RuntimeError, match="single memory location"):
            make(0.5, inplace=True)(torch.ones(1).expand(8))

    @pytest.mark.parametrize("grad", [True, False])
    def test_overwritten_before_backward(self, make, grad):
        """What another function saved may not change, with and without gradients."""
        x = torch.ones(64, requires_grad=True)
        y = x.exp()
        with torch.set_grad_enabled(grad):
            make(0.5, inplace=True)(y)
        with pytest.raises(RuntimeError, match="modified by an inplace operation"):
            y.sum().backward()
