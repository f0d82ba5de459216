"""DropBlock of TensorFlow: the law's blocks, with channels first or last, eager, in graphs and under XLA."""

import numpy as np
import pytest
import tensorflow as tf

import thinned.tensorflow as tt
from tests.tensorflow.test_transforms import carried
from tests.tensorflow.truth import DTYPES, WHERE, array
from thinned.errors import RateError, ShapeError, ShareError, WindowError
from thinned.mask.address import Address
from thinned.mask.sharing import layout
from thinned.mask.truth import words
from thinned.methods.drop_block import keep, position_axes, seed_shape, seed_threshold, seed_window

WAYS = {
    "eager": lambda function: function,
    "graph": tf.function,
    "xla": lambda function: tf.function(function, jit_compile=True),
}
ways = pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
MAPS = [((3, 9, 4), (4,)), ((3, 6, 5, 4), (2, 3)), ((2, 4, 3, 5, 3), (2, 1, 9))]
maps = pytest.mark.parametrize(("shape", "block"), MAPS, ids=["1", "2", "3"])


def truth(shape, rate, block, channel_axis=-1, share=(), window=None, **where):
    """The mask, from the words of its seeds."""
    window = seed_window(shape, block, (share,) if isinstance(share, int) else share, window, channel_axis)
    found = layout(seed_shape(shape, block, channel_axis), share, window, wide=True)
    under = words(found.elements(), Address(**where)) < seed_threshold(rate, int(np.prod(block)))
    for axis, size in zip(position_axes(len(shape), channel_axis), block, strict=True):
        under = np.lib.stride_tricks.sliding_window_view(under, size, axis).any(axis=-1)
    return ~under


def applied(x, mask):
    """Each sample scaled by what is kept of it; dropped elements are +0."""
    x = array(x)
    exact = np.float64 if x.dtype == np.float64 else np.float32
    kept = mask.reshape(len(mask), -1).sum(1).reshape(-1, *[1] * (x.ndim - 1))
    scale = (np.where(kept, mask[0].size, 0) / np.maximum(kept, 1)).astype(exact)
    return np.where(mask, x.astype(exact) * scale, exact(0)).astype(x.dtype)


def values(shape, dtype=tf.float32, seed=1):
    """Ordinary numbers."""
    return tf.cast(np.random.default_rng(seed).standard_normal(shape), dtype)


@maps
class TestDropBlock:
    """One, two and three axes of positions."""

    @pytest.mark.parametrize("dtype", DTYPES, ids=lambda dtype: dtype.name)
    @pytest.mark.parametrize("channel", [1, -1])
    @ways
    def test_bits(self, shape, block, way, channel, dtype):
        """Forward and backward."""

        def both(x):
            with tf.GradientTape() as tape:
                tape.watch(x)
                y = tt.drop_block(x, 0.3, block, channel_axis=channel, **WHERE)
            return y, tape.gradient(y, x)

        shape = shape if channel == -1 else (shape[0], shape[-1], *shape[1:-1])
        x, mask = values(shape, dtype), truth(shape, 0.3, block, channel, **WHERE)
        y, gradient = way(both)(x)

        assert not mask.all()
        assert mask.any()
        np.testing.assert_array_equal(applied(x, mask), array(y))
        np.testing.assert_array_equal(applied(np.ones(shape, array(x).dtype), mask), array(gradient))

    @pytest.mark.parametrize("share", [(), (0,), (-1,), (0, -1)])
    @pytest.mark.parametrize("window", [None, 3, [7, 0, 7]])
    @pytest.mark.parametrize("way", [WAYS["eager"], WAYS["graph"]], ids=["eager", "graph"])
    def test_share_and_window(self, shape, block, way, share, window):
        """Samples keep their blocks wherever they are computed."""
        if window is not None:
            start = window if isinstance(window, int) else window[: shape[0]]
            window = (9, *shape[1:]), (start, *[0] * (len(shape) - 1))
        x, mask = values(shape), truth(shape, 0.3, block, share=share, window=window, **WHERE)

        y = way(lambda x: tt.drop_block(x, 0.3, block, share=share, window=window, **WHERE))(x)

        np.testing.assert_array_equal(applied(x, np.broadcast_to(mask, shape)), y)

    @ways
    def test_rates_in_tensors(self, shape, block, way):
        """Count in multiples of 1/65536; 0 and 1 are exact."""
        x = values(shape)
        run = way(lambda x, rate: tt.drop_block(x, rate, block, **WHERE))
        for rate in (0.0, 0.25, 0.5, 1.0):
            mask = truth(shape, rate, block, **WHERE)
            np.testing.assert_array_equal(applied(x, mask), run(x, tf.constant(rate)))
            np.testing.assert_array_equal(applied(x, mask), tt.drop_block(x, rate, block, **WHERE))

    def test_unknown_sizes(self, shape, block):
        """Only the rank must be known."""
        spec = tf.TensorSpec([None] * len(shape))
        run = tf.function(lambda x: tt.drop_block(x, 0.3, block, **WHERE), input_signature=[spec])
        x = values(shape)

        np.testing.assert_array_equal(applied(x, truth(shape, 0.3, block, **WHERE)), run(x))


class TestOthers:
    """Whatever the number of axes."""

    def test_channels_first_is_the_mask_of_every_framework(self):
        """`methods.drop_block.keep`."""
        x, where = values((2, 3, 6, 5)), {"seed": 7, "step": 3}

        y = tt.drop_block(x, 0.3, 3, channel_axis=1, **where)
        np.testing.assert_array_equal(keep((2, 3, 6, 5), 0.3, 3, **where), y != 0)

    def test_memory(self):
        """Nothing goes from forward to backward but the step."""

        def blocks(x, step):
            return tf.reshape(tt.drop_block(tf.reshape(x, (10, 10, 10)), 0.3, 2, seed=0, step=step), [1000])

        assert carried(blocks) == [1]

    def test_a_traced_batch(self):
        """A start in a tensor compiles once."""
        run = tf.function(
            lambda x, at: tt.drop_block(x, 0.3, 2, window=((9, 6, 4), (at, 0, 0)), **WHERE), jit_compile=True
        )
        x = values((3, 6, 4))
        for start in (0, 5):
            mask = truth((3, 6, 4), 0.3, (2,), window=((9, 6, 4), (start, 0, 0)), **WHERE)
            np.testing.assert_array_equal(applied(x, mask), run(x, tf.constant(start)))
        assert run.experimental_get_tracing_count() == 1

    def test_nan_is_dropped(self):
        """Dropping selects."""
        y = tt.drop_block(tf.fill((1, 20, 4), np.nan), 0.5, 3, **WHERE)
        np.testing.assert_array_equal(truth((1, 20, 4), 0.5, (3,), **WHERE), np.isnan(y))

    @pytest.mark.parametrize("shape", [(0, 5, 4), (2, 5, 0), (2, 0, 4)])
    @ways
    def test_empty(self, shape, way):
        """There is nothing to drop."""
        assert shape == tuple(way(lambda: tt.drop_block(tf.ones(shape), 0.5, 3, seed=0))().shape)

    @pytest.mark.parametrize(
        ("arguments", "error", "message"),
        [
            ({"rate": 2.0}, RateError, r"rate in \[0, 1\]"),
            ({"block_size": 0}, ShapeError, "at least 1"),
            ({"block_size": (2, 2)}, ShapeError, "one for each of the 1 axes"),
            ({"x": tf.ones((3, 4))}, ShapeError, "one to three axes of positions"),
            ({"share": 1}, ShareError, r"axes 0 \(batch\) or 2"),
            ({"window": ((9, 9, 4), (0, 0, 0))}, WindowError, "a window on the batch alone"),
            ({"window": ((9, 6), (0, 0))}, WindowError, "one entry for each of 3 axes"),
        ],
    )
    @pytest.mark.parametrize("way", [WAYS["eager"], WAYS["graph"]], ids=["eager", "graph"])
    def test_errors(self, way, arguments, error, message):
        """Say what was expected, in a graph too."""
        given = {"x": tf.ones((3, 6, 4)), "rate": 0.5, "block_size": 2, "seed": 0, **arguments}
        with pytest.raises(error, match=message):
            way(lambda: tt.drop_block(**given))()

    def test_what_a_graph_cannot_know(self):
        """A rank, and whether a traced start is 0."""
        with pytest.raises(ShapeError, match=r"Fix it with tf\.ensure_shape"):
            tf.function(lambda x: tt.drop_block(x, 0.5, 2, seed=0), input_signature=[tf.TensorSpec(None)])(
                tf.ones((3, 6, 4))
            )
        run = tf.function(
            lambda at: tt.drop_block(tf.ones((3, 6, 4)), 0.5, 2, seed=0, window=((3, 6, 4), (0, at, 0)))
        )
        with pytest.raises(WindowError, match="traced start on axis 1"):
            run(tf.constant(0))
