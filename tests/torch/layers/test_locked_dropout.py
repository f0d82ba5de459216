"""Locked dropout: one mask for all time steps."""

import pytest
import torch
from torch import nn

import thinned.torch as tt
from tests.torch.truth import DTYPES, dropped, name, odd_values, same
from thinned.errors import BindError, ShareError

SHAPE = (5, 4, 6)


def bound(batch=None, **arguments):
    """A model of one layer, whose site is `0`."""
    return tt.bind(nn.Sequential(tt.LockedDropout(0.5, **arguments)), 3, batch=batch)


class TestMask:
    """The law's, shared along time."""

    @pytest.mark.parametrize("dtype", DTYPES, ids=name)
    @pytest.mark.parametrize(("batch_first", "time"), [(False, 0), (True, 1)])
    def test_bits(self, dtype, batch_first, time):
        """Outputs and gradients, step by step; a NaN that is dropped is 0."""
        model = bound(batch_first=batch_first)
        for step in range(3):
            x = odd_values(SHAPE, dtype, step).requires_grad_()
            where = {"share": time, "seed": 3, "site": "0", "step": step}
            y = model(x)
            y.backward(torch.ones_like(x))

            assert same(dropped(x, 0.5, **where), y)
            assert same(dropped(torch.ones_like(x), 0.5, **where), x.grad)

    def test_without_a_batch(self):
        """(time, features), whatever `batch_first` says."""
        x = torch.ones(5, 6)
        for batch_first in (False, True):
            assert same(dropped(x, 0.5, share=0, seed=3, site="0"), bound(batch_first=batch_first)(x))

    def test_in_place(self):
        """Over the input."""
        x = torch.ones(SHAPE)

        assert x is bound(inplace=True)(x)
        assert same(dropped(torch.ones(SHAPE), 0.5, share=0, seed=3, site="0"), x)


class TestBatch:
    """Where samples lie in the global batch."""

    @pytest.mark.parametrize(("batch_first", "axis"), [(False, 1), (True, 0)])
    def test_a_shard(self, batch_first, axis):
        """Has the masks that it has in the whole."""
        x = torch.ones(SHAPE)
        whole = bound(batch_first=batch_first)(x)
        start, size = 2, SHAPE[axis]
        shard = x.narrow(axis, start, size - start)
        found = bound(batch=(axis, size, start), batch_first=batch_first)(shard)

        assert torch.equal(whole.narrow(axis, start, size - start), found)

    @pytest.mark.parametrize("compiled", [False, True], ids=["eager", "compiled"])
    @pytest.mark.parametrize(("batch_first", "axis"), [(False, 0), (True, 1)])
    def test_on_the_axis_of_time(self, batch_first, axis, compiled):
        """Is refused: other samples would have the same mask."""
        model = bound(batch=(axis, 64, 8), batch_first=batch_first)
        run = torch.compile(model, fullgraph=True, backend="eager") if compiled else model
        with pytest.raises(
            (BindError, torch._dynamo.exc.TorchDynamoException), match="another axis than time"
        ):
            run(torch.ones(SHAPE))


class TestShapes:
    """Wrong ones."""

    def test_one_axis(self):
        """Has no time."""
        with pytest.raises(ShareError, match=r"\(time, batch, features\)"):
            tt.LockedDropout(0.5)(torch.ones(3))
