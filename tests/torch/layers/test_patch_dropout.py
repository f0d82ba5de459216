"""Patch dropout: fewer tokens."""

import pytest
import torch
from torch import nn
from torch._dynamo.testing import CompileCounterWithBackend

import thinned
import thinned.torch as tt
from thinned.errors import BindError, RateError, ShareError
from thinned.mask.address import site_id
from thinned.methods.patch_dropout import subset
from thinned.methods.schedule import late

SEED = 6


def bound(p=0.5, batch=None, **arguments):
    """A model of one layer, whose site is `0`."""
    return tt.bind(nn.Sequential(tt.PatchDropout(p, **arguments)), SEED, batch=batch)


def expected(x, kept, prefix, step=0, ordered=False):
    """Sample by sample, from the law."""
    where = (SEED, site_id("0"), step, 0)
    places = subset((len(x), x.shape[1] - prefix), kept, where, ordered=ordered).tolist()
    rows = [
        torch.cat([sample[:prefix], *(sample[prefix + place][None] for place in chosen)])
        for sample, chosen in zip(x, places, strict=True)
    ]
    return torch.stack(rows), places


class TestTokens:
    """Those that the law keeps."""

    @pytest.mark.parametrize("shape", [(3, 17, 8), (2, 9), (2, 9, 4, 3)], ids=str)
    @pytest.mark.parametrize("prefix", [0, 1, 4])
    @pytest.mark.parametrize("ordered", [False, True])
    def test_are_the_laws(self, shape, prefix, ordered):
        """Behind the prefix, with their indices, step by step; gradients go back to where they came from."""
        model = bound(num_prefix_tokens=prefix, ordered=ordered, return_indices=True)
        for step in range(3):
            x = torch.randn(shape, requires_grad=True)
            y, indices = model(x)
            z, places = expected(x, (shape[1] - prefix) // 2, prefix, step, ordered)
            assert torch.equal(z, y)
            assert places == indices.tolist()

            gradient = torch.randn_like(y)
            (one,) = torch.autograd.grad(y, x, gradient)
            (two,) = torch.autograd.grad(z, x, gradient)
            assert torch.equal(two, one)

    def test_a_shard(self):
        """Has the tokens that its samples have in the whole."""
        x = torch.randn(8, 10, 3)

        assert torch.equal(bound()(x)[2:5], bound(batch=(0, 8, 2))(x[2:5]))

    def test_lanes(self):
        """Under `vmap`, one subset for all."""
        x = torch.randn(4, 3, 10, 2)

        assert torch.equal(torch.func.vmap(bound())(x), torch.stack([bound()(lane) for lane in x]))

    def test_evaluation(self):
        """All tokens, and no indices."""
        x = torch.randn(2, 5, 3)
        y, indices = tt.PatchDropout(0.5, return_indices=True).eval()(x)

        assert y is x
        assert indices is None

    def test_new_sizes(self):
        """Two graphs serve all batches."""
        counter = CompileCounterWithBackend("aot_eager")
        model = bound()
        run = torch.compile(model, fullgraph=True, backend=counter)
        for step, rows in enumerate((2, 3, 5, 7, 8)):
            x = torch.randn(rows, 9, 4)
            assert torch.equal(expected(x, 4, 1, step)[0], run(x))
        assert counter.frame_count <= 2

    def test_a_schedule(self):
        """In eager code; where it is 0, nothing moves."""
        model, x = bound(late(0.5, after=1)), torch.randn(2, 9, 4)

        assert model(x) is x
        assert (2, 5, 4) == model(x).shape

    def test_sites(self):
        """The mask has an element for each token that may leave."""
        (line,) = thinned.sites(bound(), torch.ones(3, 9, 4))

        assert (3, 8) == line.mask_shape


class TestArguments:
    """Wrong ones."""

    def test_a_rate_that_leaves_nothing(self):
        """When it is made, and when it is set."""
        with pytest.raises(RateError, match="which leaves none"):
            tt.PatchDropout(1.0)
        layer = tt.PatchDropout(0.5)
        layer.p = 1
        with pytest.raises(RateError, match="which leaves none"):
            layer(torch.ones(2, 5, 3))

    @pytest.mark.parametrize("shape", [(5,), (2, 1, 3), (2, 0)], ids=str)
    def test_no_tokens(self, shape):
        """Behind the prefix."""
        with pytest.raises(ShareError, match="num_prefix_tokens=1"):
            tt.PatchDropout(0.5)(torch.ones(shape))

    def test_a_batch_on_another_axis(self):
        """Would be one of tokens."""
        with pytest.raises(BindError, match="batch on axis 0"):
            bound(batch=(1, 64, 0))(torch.ones(2, 5, 3))

    def test_repr(self):
        """Those of timm."""
        layer = tt.PatchDropout(0.25, 2, True, True)
        assert "p=0.25, num_prefix_tokens=2, ordered=True, return_indices=True" in repr(layer)

    @pytest.mark.parametrize("prefix", [-1, 1.5, "1", None, True], ids=repr)
    def test_a_prefix_that_is_no_number_of_tokens(self, prefix):
        """Refused where it is given."""
        with pytest.raises(ShareError, match=r"num_prefix_tokens.* from 0 on; got"):
            tt.PatchDropout(0.5, prefix)
