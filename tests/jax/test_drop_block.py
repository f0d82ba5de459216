"""`thinned.jax.drop_block`, against the method's own masks."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import thinned.jax as tj
from tests.jax.truth import WHERE
from thinned.errors import RateError, ShapeError, ShareError, WindowError
from thinned.jax._blocks import _level
from thinned.methods import drop_block

RATE = 0.3


class TestBlocks:
    """`thinned.jax.drop_block`."""

    @pytest.mark.parametrize("shape", [(2, 7, 3), (2, 5, 6, 3), (2, 3, 4, 5, 3)])
    @pytest.mark.parametrize("block", [1, 2, 3, 9])
    def test_channels_last(self, shape, block):
        """The seeds lie as the array does: one channel, or one that all share, has PyTorch's masks."""
        first = np.moveaxis(np.ones(shape, np.float32), -1, 1)
        shared = drop_block.keep(first.shape, RATE, block, share=1, **WHERE)
        y = tj.drop_block(jnp.ones(shape), RATE, block, share=-1, **WHERE)
        assert np.array_equal(np.moveaxis(np.broadcast_to(shared, first.shape), 1, -1), np.asarray(y) != 0)
        single = drop_block.keep((2, 1, *first.shape[2:]), RATE, block, **WHERE)
        z = tj.drop_block(jnp.ones((*shape[:-1], 1)), RATE, block, **WHERE)
        assert np.array_equal(np.moveaxis(single, 1, -1), np.asarray(z) != 0)

    @pytest.mark.parametrize("rate", [0.1, 0.5, 0.9, 1.0])
    def test_masks_are_the_methods_own(self, rate):
        """And samples keep their mean, where they keep anything."""
        kept = drop_block.keep((3, 4, 9, 7), rate, (3, 2), **WHERE)
        y = np.asarray(tj.drop_block(jnp.ones((3, 4, 9, 7)), rate, (3, 2), channel_axis=1, **WHERE))

        assert np.array_equal(kept, y != 0)
        sums = kept.reshape(3, -1).sum(1)
        scale = np.where(sums > 0, kept[0].size / np.maximum(sums, 1), 0).astype(np.float32)
        assert np.array_equal(kept * scale[:, None, None, None], y)

    def test_traced_rates_have_the_exact_threshold(self):
        """Of a multiple of 1/65536, whatever float32 makes of powers."""
        for level in (0, 1, 77, 6554, 65535, 65536):
            constant = drop_block.seed_threshold(level / 65536, 9, constant=False)
            low, every = _level(jnp.float32(level / 65536), 9)
            assert constant == (2**32 if every else int(low))

    def test_errors(self):
        """Shapes, shares and windows that it cannot use."""
        x = jnp.ones((2, 5, 6, 3))
        with pytest.raises(ShapeError, match="one to three axes of positions; got 2 axes"):
            tj.drop_block(jnp.ones((2, 3)), 0.1, 3, seed=0)
        with pytest.raises(ShapeError, match="expected block_size"):
            tj.drop_block(x, 0.1, 0, seed=0)
        with pytest.raises(ShareError, match=r"axes 0 \(batch\) or 3 \(channel\)"):
            tj.drop_block(x, 0.1, 3, seed=0, share=1)
        with pytest.raises(WindowError, match="window on the batch alone"):
            tj.drop_block(x, 0.1, 3, seed=0, window=((2, 9, 6, 3), (0, 2, 0, 0)))
        with pytest.raises(WindowError, match="traced start on axis 1"):
            jax.jit(lambda i: tj.drop_block(x, 0.1, 3, seed=0, window=((2, 9, 6, 3), (0, i, 0, 0))))(2)
        with pytest.raises(RateError, match="too small for blocks"):
            tj.drop_block(jnp.ones((1, 9, 9, 1)), 2**-16, 400, seed=0)
