"""`DropKey`: the hidden keys are the law's, and no query loses all."""

import pytest
import torch
from torch import nn

import thinned.torch as tt
from tests.torch.truth import DTYPES, mask, name
from thinned.errors import DtypeError

SEED, SHAPE = 7, (5, 4, 3, 6)
CAUSAL = torch.full((6, 6), -torch.inf).triu(1)


def bound(p=0.5, batch=None):
    """At the site "0"."""
    return tt.bind(nn.Sequential(tt.DropKey(p)), SEED, batch)


def hidden(x, p=0.5, step=0):
    """The rule, row by row, with the law's mask."""
    k = mask(x, p, seed=SEED, site="0", step=step)
    y = x.clone()
    for row, kept, source in zip(
        y.reshape(-1, x.shape[-1]), k.reshape(-1, x.shape[-1]), x.reshape(-1, x.shape[-1]), strict=True
    ):
        if (kept & (source != -torch.inf)).any():
            row[~kept] = -torch.inf
    return y


class TestMasks:
    """Bound."""

    @pytest.mark.parametrize("dtype", DTYPES, ids=name)
    @pytest.mark.parametrize("p", [0.1, 0.9])
    def test_are_the_laws(self, dtype, p):
        """Step by step."""
        model, x = bound(p), torch.randn(SHAPE).to(dtype)
        for step in range(3):
            assert torch.equal(hidden(x, p, step), model(x))

    @pytest.mark.parametrize("p", [0.1, 0.5, 0.9, 1.0])
    def test_with_keys_that_are_hidden_already(self, p):
        """No query loses all that it was allowed; one that was allowed none stays so."""
        x = torch.randn(50, 6, 6) + CAUSAL
        x[0, 3] = -torch.inf
        y = bound(p)(x)
        allowed = (x != -torch.inf).any(-1)

        assert torch.equal(hidden(x, p), y)
        assert torch.equal(allowed, (y != -torch.inf).any(-1))
        assert torch.equal(x[:, 0], y[:, 0])

    def test_gradient(self):
        """Goes to what is seen, and is finite behind a softmax."""
        x = (torch.randn(7, 6, 6) + CAUSAL).requires_grad_()
        y = bound(0.9)(x)
        (y.softmax(-1) * torch.randn(7, 6, 6)).sum().backward()

        assert x.grad.isfinite().all()
        assert not x.grad[y == -torch.inf].any()
        assert x.grad[y != -torch.inf].any()

    def test_parts_of_a_batch(self):
        """Have the masks that they have in the whole."""
        x = torch.randn(SHAPE)
        whole = bound()(x)
        parts = [bound(batch=(0, 5, row))(x[row : row + 1]) for row in range(5)]

        assert torch.equal(whole, torch.cat(parts))

    def test_numbers_that_are_none(self):
        """A NaN that is hidden is gone, one that is seen stays, and counts as allowed."""
        x = torch.full(SHAPE, torch.nan)
        y = bound(0.5)(x)
        assert torch.equal(hidden(x).isnan(), y.isnan())


class TestFunction:
    """`thinned.torch.drop_key`."""

    def test_shared_among_queries(self):
        """All lose the same keys."""
        y = tt.drop_key(torch.zeros(SHAPE), 0.5, seed=1, share=-2)
        assert torch.equal(y, y[..., :1, :].expand(SHAPE))
        assert not torch.equal(y, y[:1].expand(SHAPE))

    def test_no_keys(self):
        """Nothing to hide."""
        assert (2, 0) == tt.drop_key(torch.zeros(2, 0), 0.5, seed=1).shape

    def test_integers(self):
        """Are no logits."""
        with pytest.raises(DtypeError):
            tt.drop_key(torch.zeros(2, 3, dtype=torch.int64), 0.5, seed=1)

    def test_traced_addresses(self):
        """Hide the same keys."""
        x = torch.randn(SHAPE)
        expected = tt.drop_key(x, 0.5, seed=1, site=2, step=3, draw=4)
        address = {
            name: torch.tensor(value)
            for name, value in zip(["seed", "site", "step", "draw"], [1, 2, 3, 4], strict=True)
        }

        assert torch.equal(expected, tt.drop_key(x, torch.tensor(0.5), **address))
