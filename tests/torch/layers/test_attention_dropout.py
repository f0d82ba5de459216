"""`AttentionDropout`: single weights, and whole heads normalised in each sample."""

import pytest
import torch
from torch import nn

import thinned.torch as tt
from tests.torch.truth import DTYPES, dropped, name, same
from thinned.errors import ShareError
from thinned.mask import keep

SEED, SHAPE = 7, (5, 4, 3, 2)


def bound(p=0.5, batch=None, **kw):
    """At the site "0"."""
    return tt.bind(nn.Sequential(tt.AttentionDropout(p, **kw)), SEED, batch)


def heads(x, p=0.5, step=0):
    """Zhou et al.'s algorithm in each sample, with the law's mask."""
    k = torch.from_numpy(keep(tuple(x.shape), p, seed=SEED, site="0", step=step, share=(-2, -1)))
    exact = torch.float64 if x.dtype == torch.float64 else torch.float32
    count = k.sum(1, keepdim=True)
    factor = torch.where(count > 0, x.shape[1] / count.to(exact), 0)
    return torch.where(k, x.to(exact) * factor, 0).to(x.dtype)


class TestWeights:
    """One draw for each."""

    def test_masks_are_the_laws(self):
        """Dropout, with its scale."""
        model, x = bound(), torch.randn(SHAPE)
        for step in range(2):
            assert same(dropped(x, 0.5, seed=SEED, site="0", step=step), model(x))

    def test_is_dropout(self):
        """`isinstance` says so, so that what looks for dropout layers finds it."""
        assert isinstance(tt.AttentionDropout(0.5), nn.Dropout)


class TestHeads:
    """One draw for each head of each sample."""

    @pytest.mark.parametrize("dtype", DTYPES, ids=name)
    def test_masks_are_the_laws(self, dtype):
        """Scaled in float32 or float64, and rounded once."""
        model, x = bound(per="head"), torch.randn(SHAPE).to(dtype)
        for step in range(3):
            assert same(heads(x, step=step), model(x))

    def test_gradient(self):
        """Is the same, of the gradient."""
        x, g = torch.randn(SHAPE).requires_grad_(), torch.randn(SHAPE)
        bound(per="head")(x).backward(g)
        assert same(heads(g), x.grad)

    def test_a_sample_is_normalised_by_its_own_heads(self):
        """Whatever the rest of the batch is: with all of it, alone, or in parts."""
        x = torch.randn(SHAPE)
        whole = bound(per="head")(x)
        parts = [bound(per="head", batch=(0, 5, row))(x[row : row + 1]) for row in range(5)]

        assert torch.equal(whole, torch.cat(parts))

    def test_a_sample_without_heads(self):
        """Is zero, with finite gradients."""
        x = torch.ones(SHAPE, requires_grad=True)
        y = bound(1.0, per="head")(x)
        y.sum().backward()

        assert not y.any()
        assert not x.grad.any()

    def test_selects(self):
        """A NaN in a dropped head is gone."""
        y = bound(1.0, per="head")(torch.full(SHAPE, torch.nan))
        assert not y.any()

    def test_in_place(self):
        """Over the input, to the same numbers."""
        x = torch.randn(SHAPE)
        expected = bound(per="head")(x)
        y = bound(per="head", inplace=True)(x)

        assert y is x
        assert torch.equal(expected, x)

    def test_without_heads(self):
        """Is refused."""
        with pytest.raises(ShareError, match="2 axes"):
            tt.AttentionDropout(0.5, per="head")(torch.ones(3, 3))


def test_another_per():
    """Is refused."""
    with pytest.raises(ValueError, match="got 'row'"):
        tt.AttentionDropout(0.5, per="row")
