"""Drop path: samples of a residual branch."""

import pytest
import torch
from torch import nn

import thinned.torch as tt
from tests.torch.truth import DTYPES, dropped, mask, name, odd_values, same
from thinned.errors import ShareError

SHAPE = (16, 3, 4)
REST = (1, 2)


def bound(p=0.5, batch=None, **arguments):
    """A model of one layer, whose site is `0`."""
    return tt.bind(nn.Sequential(tt.DropPath(p, **arguments)), 3, batch=batch)


class TestMask:
    """The law's, shared along everything but the batch."""

    @pytest.mark.parametrize("dtype", DTYPES, ids=name)
    def test_bits(self, dtype):
        """Outputs and gradients, step by step."""
        model = bound()
        for step in range(3):
            x = odd_values(SHAPE, dtype, step).requires_grad_()
            where = {"share": REST, "seed": 3, "site": "0", "step": step}
            y = model(x)
            y.backward(torch.ones_like(x))

            assert same(dropped(x, 0.5, **where), y)
            assert same(dropped(torch.ones_like(x), 0.5, **where), x.grad)

    @pytest.mark.parametrize("dtype", DTYPES, ids=name)
    @pytest.mark.parametrize("p", [0.5, 1.0])
    def test_unscaled(self, dtype, p):
        """What is kept is the input to the bit, what is dropped is 0, NaNs too."""
        x = odd_values(SHAPE, dtype).requires_grad_()
        y = bound(p, scale_by_keep=False)(x)
        y.backward(torch.ones_like(x))
        kept = mask(x, p, REST, seed=3, site="0")

        assert same(torch.where(kept, x, 0), y)
        assert same(kept.expand(SHAPE).to(dtype), x.grad)

    @pytest.mark.parametrize("scale_by_keep", [False, True])
    def test_another_batch_axis(self, scale_by_keep):
        """The one that `bind` says; a shard has its own samples' draws."""
        x = torch.ones(3, 16, 4)
        whole = bound(batch=(1, 16, 0), scale_by_keep=scale_by_keep)(x)
        shard = bound(batch=(1, 16, 6), scale_by_keep=scale_by_keep)(x[:, 6:9])

        assert torch.equal(whole[:, 6:9], shard)
        assert torch.equal((whole != 0)[0, :, 0], mask(x, 0.5, (0, 2), seed=3, site="0").flatten())

    def test_memory_format(self):
        """Channels last stays."""
        x = torch.ones(4, 3, 5, 5).contiguous(memory_format=torch.channels_last)
        for scale_by_keep in (False, True):
            y = tt.DropPath(0.5, scale_by_keep)(x)
            assert y.is_contiguous(memory_format=torch.channels_last)


class TestArguments:
    """Arguments, and inputs."""

    def test_repr(self):
        """Both arguments."""
        assert "DropPath(p=0.1, scale_by_keep=False)" == repr(tt.DropPath(0.1, False))

    def test_a_number(self):
        """Has no samples."""
        with pytest.raises(ShareError, match="batch axis 0"):
            tt.DropPath(0.5)(torch.tensor(1.0))
