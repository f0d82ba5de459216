"""DropBlock of tensors at an address."""

import math
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from thinned.errors import ShapeError, WindowError
from thinned.mask.rate import LEVELS, WIDE_LEVELS
from thinned.mask.sharing import Share, Window
from thinned.methods.drop_block import (
    BlockPlan,
    BlockSize,
    block_sizes,
    plan,
    position_axes,
    seed_shape,
    seed_threshold,
    seed_thresholds,
    seed_window,
    shared_channels_or_samples,
)
from thinned.methods.law import WORD
from thinned.tensorflow import _kernel
from thinned.tensorflow._address import Coordinate, Coordinates, Tensor, coordinates, counter, level
from thinned.tensorflow._draws import draws
from thinned.tensorflow._law import Address, dense, guarded, precision
from thinned.tensorflow._place import Read, place_of, read, sizes_of


def drop_block(
    x: Tensor,
    rate: float | Tensor,
    block_size: BlockSize,
    *,
    seed: Coordinate,
    site: Coordinate = 0,
    step: Coordinate = 0,
    draw: Coordinate = 0,
    share: Share = (),
    window: Window | None = None,
    channel_axis: int = -1,
) -> Tensor:
    """Zero whole blocks of a feature map, and scale each sample by the share of it that is kept.

        y = x m n / sum(m),   m[p] = no seed in [p, p + block_size - 1],   P(seed) = gamma
        gamma = 1 - (1 - rate)^(1 / block_size^d)

    over the `n` elements of a sample, with `d` axes of positions. Every element is dropped with probability `rate`,
    at a border as in the middle, since blocks may begin outside the map. The seeds are drawn in the wide variant of
    the law, axes as those of `x`, with `length + block_size - 1` seeds on an axis of positions. A sample of which
    nothing is kept becomes 0. Nothing is saved for the gradient but the address.

    Args:
        x: float tensor with axes of batch, channel, and one to three of positions; the batch is axis 0.
        rate: probability that an element is dropped, 0 <= rate <= 1; or a tensor of one number, which is rounded to
            a multiple of 1/65536.
        block_size: an integer, or one for each axis of positions; even ones, and ones larger than the map, too.
        seed: the run, as in `dropout`; so `site`, `step` and `draw`.
        site: the place in the network.
        step: the training step.
        draw: which of several draws.
        share: the channel's axis where all channels of a sample drop the same positions, 0 where all samples do.
        window: `(global_shape, index)` where `x` is part of a larger batch; whole on the other axes.
        channel_axis: -1, or 1 where channels stand behind the batch, for the masks of `thinned.torch.drop_block`.

    Raises:
        RateError, AddressError, ShapeError, ShareError, WindowError, DtypeError: see `thinned.errors`.

    Example:
        >>> import tensorflow as tf, thinned.tensorflow
        >>> y = thinned.tensorflow.drop_block(tf.ones((1, 4, 8, 1)), 0.4, 3, seed=5)
        >>> tf.cast(y != 0, tf.int32)[0, ..., 0].numpy()
        array([[0, 0, 0, 0, 0, 1, 1, 1],
               [0, 0, 0, 0, 0, 1, 1, 0],
               [0, 0, 0, 0, 0, 0, 1, 0],
               [1, 1, 0, 0, 0, 0, 1, 0]], dtype=int32)

    References:
        Ghiasi, Lin, Le, "DropBlock: A Regularization Method for Convolutional Networks", 2018,
        https://arxiv.org/abs/1810.12890. We differ: blocks may overlap the border and each other without changing
        the rate; the scale is each sample's own, and not that of the batch.
    """
    address = (seed, site, step, draw)
    return guarded(_drop_block, x, rate, block_size, address, share, window, channel_axis)


class _Blocks(NamedTuple):
    """Everything that an output depends on besides its input: all that a gradient needs.

    Args:
        rate: a constant, or the threshold of one that was traced.
        is_constant: which of them.
        block: sizes on the axes of positions.
        at: the address.
        share: axes among batch and channel.
        window: where the batch is part of a larger one.
        channel: the channel's axis, from 0.
    """

    rate: Any
    is_constant: bool
    block: tuple[int, ...]
    at: Coordinates
    share: tuple[int, ...]
    window: Read | None
    channel: int


@tf.autograph.experimental.do_not_convert  # type: ignore[untyped-decorator]
def _drop_block(
    x: Any,
    rate: Any,
    block_size: BlockSize,
    address: Address,
    share: Share,
    window: Window | None,
    channel_axis: int,
) -> Tensor:
    x = dense(x)
    rank = x.shape.rank
    if rank is None:
        raise ShapeError(
            "expected a tensor of known rank; got one of unknown rank. Fix it with tf.ensure_shape."
        )
    block = block_sizes(block_size, rank - 2)
    share = tuple(share) if isinstance(share, Iterable) else share
    axes = shared_channels_or_samples(rank, share, channel_axis)
    is_constant = not tf.is_tensor(rate)
    if is_constant:
        seed_threshold(rate, math.prod(block))  # says what is wrong with a rate
    where = _checked(x, block, axes, read(window), channel_axis)
    how = float(rate) if is_constant else level(rate)
    return _run(x, _Blocks(how, is_constant, block, coordinates(address), axes, where, channel_axis % rank))


def _checked(
    x: Tensor, block: Sequence[int], axes: Sequence[int], window: Read | None, channel_axis: int
) -> Read | None:
    """A window that is on the batch alone, as far as that is known while tracing."""
    if window is None:
        return None
    sizes, index = window
    for axis, start in enumerate(index[1:], start=1):
        if tf.is_symbolic_tensor(start) and axis not in axes:
            raise WindowError(
                "expected a window on the batch alone, axis 0, since a sample is scaled by all that it keeps; got "
                f"a traced start on axis {axis} of a tensor of shape {x.shape}. Pass 0 there."
            )
    fits = len(sizes) == x.shape.rank
    known = [
        sizes[axis] if fits and (size is None or tf.is_tensor(sizes[axis])) else size
        for axis, size in enumerate(x.shape.as_list())
    ]
    seed_window(known, block, axes, (sizes, index), channel_axis)
    return window


def _run(x: Tensor, how: _Blocks) -> Tensor:
    """Blocks at an address, applied: linear, scale and all, so the gradient is the same once more."""
    shape = x.shape

    @tf.custom_gradient  # type: ignore[untyped-decorator]
    def dropped(x: Tensor) -> Any:
        return _execute(x, how), lambda gradient: _run(tf.ensure_shape(gradient, shape), how)

    return dropped(x)


def _execute(x: Tensor, how: _Blocks) -> Tensor:
    if tf.executing_eagerly() and _kernel.reaches(x):
        found = _plan(x, how)
        if found is not None:
            return _kernel.drop_block(x, found, how.at)
    return _plain(x, how)


def _plan(x: Tensor, how: _Blocks) -> BlockPlan | None:
    """For the kernel, which has channels first; None where no reading of the axes makes them so."""
    shape = tuple(x.shape.as_list())
    rate = how.rate if how.is_constant else how.rate / LEVELS
    if how.channel == 1:
        return plan(shape, rate, how.block, how.share, how.window, constant=how.is_constant)
    if how.channel in how.share or len(shape) > 4:
        return None
    # Channels that come last are positions of a single channel, with blocks of one.
    window = how.window
    if window is not None:
        sizes, index = window
        window = [sizes[0], 1, *sizes[1:]], [index[0], 0, *index[1:]]
    return plan((shape[0], 1, *shape[1:]), rate, (*how.block, 1), how.share, window, constant=how.is_constant)


def _plain(x: Tensor, how: _Blocks) -> Tensor:
    """By TensorFlow's own operations."""
    rank = x.shape.rank
    sizes = sizes_of(x)
    seeds = list(seed_shape(sizes, how.block, how.channel))
    window = None
    if how.window is not None:
        whole, index = how.window
        window = [whole[0], *seeds[1:]], [index[0]] + [0] * (rank - 1)
    words = draws(WORD, counter(how.at), place_of(seeds, how.share, window, wide=True))
    dropped = _is_below(words, how)
    for axis, size in zip(position_axes(rank, how.channel), how.block, strict=True):
        dropped = _any_of(dropped, axis, size)
    exact, sample = precision(x.dtype), list(range(1, rank))
    # In float64, in which counts are exact and the quotient is rounded once.
    kept = tf.reduce_sum(tf.cast(~dropped, tf.float64), axis=sample, keepdims=True)
    count = tf.cast(tf.reduce_prod(tf.shape(dropped)[1:]), tf.float64)
    scale = tf.cast(tf.math.divide_no_nan(count, kept), exact)
    return tf.where(dropped, tf.zeros([], x.dtype), tf.cast(tf.cast(x, exact) * scale, x.dtype))


def _is_below(words: Tensor, how: _Blocks) -> Tensor:
    """Which seeds drop their block."""
    size = math.prod(how.block)
    if how.is_constant or isinstance(how.rate, int):
        rate = how.rate if how.is_constant else how.rate / LEVELS
        limit = seed_threshold(rate, size, constant=how.is_constant)
        if limit == WIDE_LEVELS:
            return tf.ones_like(words, tf.bool)
        return words < tf.constant(limit, tf.uint32)
    table = tf.constant(np.asarray(seed_thresholds(size)), tf.uint32)
    return (words < tf.gather(table, tf.minimum(how.rate, LEVELS - 1))) | (how.rate >= LEVELS)


def _any_of(values: Tensor, axis: int, size: int) -> Tensor:
    """Whether any of `size` neighbours along an axis is true: of the windows that fit, by doubling their width."""
    width = 1
    while width < size:
        shift = min(width, size - width)
        before = [slice(None)] * axis
        values = values[(*before, slice(None, -shift))] | values[(*before, slice(shift, None))]
        width += shift
    return values
