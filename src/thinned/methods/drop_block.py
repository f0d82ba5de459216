"""DropBlock: whole blocks of a feature map, each sample scaled by what it keeps."""

import math
import operator
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Any, SupportsFloat, SupportsIndex, TypeAlias

import numpy as np
import numpy.typing as npt

from thinned.errors import RateError, ShapeError, ShareError, WindowError
from thinned.mask.address import Address
from thinned.mask.rate import LEVELS, WIDE_LEVELS, threshold
from thinned.mask.sharing import Layout, Share, Window, layout, shared_axes
from thinned.mask.truth import words
from thinned.methods.entry import Entry, Moments, Paper, Row

BlockSize: TypeAlias = SupportsIndex | Sequence[SupportsIndex]
"""One size for all axes of positions, or one for each."""


@dataclass(frozen=True, slots=True, eq=False)
class BlockPlan:
    """What a framework or a kernel needs in order to drop blocks.

    A *seed* is one position that a block may have: on each axis, the block of seed `s` is [s - size + 1, s], of
    which the part on the map is dropped. So there are `length + size - 1` seeds on an axis.

    Args:
        shape: of the array, axes (batch, channel, *positions).
        block: its size on each axis of positions.
        where: how the seeds lie in their logical mask, axes (batch, channel, *seeds).
        rate: of a dropped element, as it was asked for.
        threshold: T of the seeds, in the wide variant of the law: a seed drops its block iff its word is below T.
    """

    shape: tuple[int, ...]
    block: tuple[int, ...]
    where: Layout
    rate: float
    threshold: int


def plan(
    shape: Sequence[int],
    rate: SupportsFloat,
    block_size: BlockSize,
    share: Share = (),
    window: Window | None = None,
    *,
    constant: bool = True,
) -> BlockPlan:
    """Plan the blocks of an array.

    Args:
        shape: of the array, axes (batch, channel, *positions), with one to three axes of positions.
        rate: probability that an element is dropped.
        block_size: 1 or more; even ones, and ones larger than the map, are as good as others.
        share: 1 where all channels of a sample drop the same positions, 0 where all samples do.
        window: `(global_shape, index)` where the array is a part of a larger batch; on the other axes it is
            whole, since a sample is scaled by all that it keeps.
        constant: whether a rate that drops nothing or all by rounding is an error.

    Raises:
        RateError: a rate outside [0, 1], or for which blocks of this size would be too seldom.
        ShapeError: an array without channels or positions, or a block without extent.
        ShareError: axes other than batch and channel.
        WindowError: a window on other axes than the batch, or that does not lie in its global shape.

    Example:
        >>> plan((2, 3, 8, 8), 0.1, 7).where.logical_shape
        (2, 3, 14, 14)
    """
    block = tuple(block_size) if isinstance(block_size, Sequence) else block_size
    plain = (shape, rate, block, share)
    if window is None and all(type(part) in _PLAIN for part in plain):
        return _kept(*plain, window=None, constant=constant)  # type: ignore[arg-type]
    return _plan(shape, rate, block, share, window, constant)


_PLAIN = (tuple, int, float)


def _plan(
    shape: Sequence[int],
    rate: SupportsFloat,
    block_size: BlockSize,
    share: Share,
    window: Window | None,
    constant: bool,
) -> BlockPlan:
    local = tuple(map(operator.index, shape))
    block = block_sizes(block_size, len(local) - 2)
    axes = shared_channels_or_samples(len(local), share)
    where = layout(seed_shape(local, block), axes, seed_window(local, block, axes, window), wide=True)
    level = seed_threshold(rate, math.prod(block), constant=constant)
    return BlockPlan(local, block, where, float(rate), level)


_kept = lru_cache(maxsize=1024, typed=True)(_plan)
"""A training loop asks for the same few plans again and again."""


def block_sizes(block_size: BlockSize, positions: int) -> tuple[int, ...]:
    """A block's size on each axis of positions.

    Raises:
        ShapeError: no axis of positions, or more than three; a size below 1, or not one for each axis.

    Example:
        >>> block_sizes(7, 2), block_sizes((1, 3), 2)
        ((7, 7), (1, 3))
    """
    if not 1 <= positions <= 3:
        raise ShapeError(
            "expected an array with axes for batch and channel, and one to three axes of positions; got "
            f"{max(positions + 2, 0)} axes. Add the axes that are missing."
        )
    try:
        given = tuple(block_size) if isinstance(block_size, Sequence) else (block_size,) * positions
        sizes = tuple(operator.index(size) for size in given)
    except TypeError:
        sizes = ()
    if len(sizes) != positions or any(size < 1 for size in sizes) or isinstance(block_size, bool):
        raise ShapeError(
            f"expected block_size as an integer of at least 1, or one for each of the {positions} axes of "
            f"positions; got {block_size!r}."
        )
    return sizes


def position_axes(axes: int, channel_axis: int = 1) -> tuple[int, ...]:
    """The axes that blocks lie along: all but those of batch and channel.

    Example:
        >>> position_axes(4), position_axes(4, channel_axis=-1)
        ((2, 3), (1, 2))
    """
    return tuple(axis for axis in range(1, axes) if axis != channel_axis % axes)


def shared_channels_or_samples(axes: int, share: Share, channel_axis: int = 1) -> tuple[int, ...]:
    """`share` as axes among batch and channel.

    Raises:
        ShareError: another axis: along those of positions, blocks say what is dropped together.

    Example:
        >>> shared_channels_or_samples(4, -3)
        (1,)
    """
    found = shared_axes(axes, share)
    channel = channel_axis % axes
    if not {0, channel}.issuperset(found):
        raise ShareError(
            f"expected blocks to share draws along the axes 0 (batch) or {channel} (channel); got "
            f"share={share!r} for {axes} axes. A block_size as large as an axis drops all of it at once."
        )
    return found


def seed_shape(shape: Sequence[Any], block: Sequence[int], channel_axis: int = 1) -> tuple[Any, ...]:
    """The shape of the seeds of an array: every place where a block touches the map.

    Example:
        >>> seed_shape((2, 3, 8, 8), (7, 4))
        (2, 3, 14, 11)
    """
    found = list(shape)
    for axis, size in zip(position_axes(len(shape), channel_axis), block, strict=True):
        found[axis] += size - 1
    return tuple(found)


def seed_window(
    shape: Sequence[Any],
    block: Sequence[int],
    shared: Sequence[int],
    window: Window | None,
    channel_axis: int = 1,
) -> Window | None:
    """The window of the seeds, given that of the array.

    Raises:
        WindowError: not `(global_shape, index)`, or one that cuts a sample.

    Example:
        >>> seed_window((2, 3, 8, 8), (7, 7), (), ((10, 3, 8, 8), (4, 0, 0, 0)))
        ((10, 3, 14, 14), (4, 0, 0, 0))
    """
    if window is None:
        return None
    try:
        sizes, index = tuple(window[0]), tuple(window[1])
    except (TypeError, IndexError):
        sizes = index = ()
    if not len(sizes) == len(index) == len(shape):
        raise WindowError(
            f"expected window=(global_shape, index), with one entry for each of {len(shape)} axes; got {window!r}."
        )
    for axis in range(1, len(shape)):
        start = index[axis]
        if axis not in shared and (sizes[axis] != shape[axis] or getattr(start, "ndim", 0) or start != 0):
            raise WindowError(
                f"expected a window on the batch alone, axis 0, since a sample is scaled by all that it keeps; got "
                f"start {start} and {shape[axis]} of {sizes[axis]} positions on axis {axis}."
            )
    return (sizes[0], *seed_shape(shape, block, channel_axis)[1:]), (index[0], *(0,) * (len(shape) - 1))


def seed_threshold(rate: SupportsFloat, size: int, *, constant: bool = True) -> int:
    """T of the seeds, such that an element under `size` of them is dropped with probability `rate`.

        T = round_half_even(gamma 2^32),   gamma = 1 - (1 - rate)^(1 / size)

    Rounded from the exact number, so that no mathematical library can make a difference.

    Args:
        rate: of a dropped element, a float64.
        size: how many elements a block has.
        constant: refuse what drops nothing by rounding; otherwise the rate is clamped to [0, 1], NaN to 1.

    Raises:
        RateError: a rate outside [0, 1], or too small.

    Example:
        >>> seed_threshold(0.1, 49) / 2**32
        0.00214...
        >>> seed_threshold(0.5, 1) == 2**31
        True
    """
    if constant:
        threshold(rate)  # says what is wrong with a rate
        value = float(rate)
    else:
        value = float(rate)
        value = 1.0 if math.isnan(value) else min(max(value, 0.0), 1.0)
    level = _seed_threshold(value, size)
    if constant and level == 0 and value > 0:
        raise RateError(
            f"rate {value!r} is too small for blocks of {size} elements: they would begin with a probability below "
            f"2^-33, which rounds to 0. Use smaller blocks, or a rate of at least {size / WIDE_LEVELS:.3g}."
        )
    return level


def _exact_threshold(rate: float, size: int) -> int:
    if rate in {0, 1}:
        return WIDE_LEVELS * int(rate)
    near = -math.expm1(math.log1p(-rate) / size) * WIDE_LEVELS
    low = math.floor(near)
    if abs(near - low - 0.5) > 2**-10:  # float64 is some 2^-19 off at most
        return round(near)
    # Is gamma 2^32 above `low + 1/2`? Raised to the power of `size` all numbers are rational.
    kept = (1 - Fraction(rate)) * (1 << 33 * size)
    half = (2 * WIDE_LEVELS - 2 * low - 1) ** size
    return low + (kept < half or (kept == half and low % 2 == 1))


_seed_threshold = lru_cache(maxsize=4096)(_exact_threshold)


@lru_cache(maxsize=16)
def seed_thresholds(size: int) -> npt.NDArray[np.uint32]:
    """`seed_threshold` of every rate k / 65536 below 1, for where a rate is known only as a program runs.

    Example:
        >>> int(seed_thresholds(49)[6554]) == seed_threshold(6554 / 65536, 49)
        True
    """
    return np.array([_exact_threshold(level / LEVELS, size) for level in range(LEVELS)], np.uint32)


def dropped(rate: SupportsFloat, block_size: Sequence[int]) -> float:
    """The probability that an element is dropped, at a border as in the middle: `rate`, but for rounding of T.

        P = 1 - (1 - T / 2^32)^size

    Example:
        >>> round(dropped(0.1, (7, 7)), 8)
        0.1
    """
    size = math.prod(block_size)
    return 1 - (1 - seed_threshold(rate, size) / WIDE_LEVELS) ** size


def keep(
    shape: Sequence[int],
    rate: SupportsFloat,
    block_size: BlockSize,
    *,
    seed: SupportsIndex,
    site: SupportsIndex | str = 0,
    step: SupportsIndex = 0,
    draw: SupportsIndex = 0,
    share: Share = (),
    window: Window | None = None,
) -> npt.NDArray[np.bool_]:
    """The mask in NumPy, slow and readable: True where an element is kept.

        keep[p] = all(word[s] >= T for s in [p, p + size - 1] on each axis)

    Args and errors are those of `plan`, and an address.

    Returns:
        bool array with `shape`, and 1 on shared axes.

    Example:
        >>> keep((1, 1, 4, 8), 0.4, 3, seed=5).astype(int)[0, 0]
        array([[0, 0, 0, 0, 0, 1, 1, 1],
               [0, 0, 0, 0, 0, 1, 1, 0],
               [0, 0, 0, 0, 0, 0, 1, 0],
               [1, 1, 0, 0, 0, 0, 1, 0]])
    """
    how = plan(shape, rate, block_size, share, window)
    if 0 in how.shape:  # a seed may touch no element
        return np.ones((*how.where.mask_shape[:2], *how.shape[2:]), np.bool_)
    drawn = words(how.where.elements(), Address(seed, site, step, draw))
    under: Any = drawn < how.threshold
    for axis, size in enumerate(how.block, start=2):
        under = np.lib.stride_tricks.sliding_window_view(under, size, axis).any(axis=-1)
    return np.asarray(~under)


def kept_share(
    shape: Sequence[int], rate: SupportsFloat, block_size: BlockSize, *, share_channels: bool = False
) -> Moments:
    """Mean and variance of the share of a sample that is kept, exactly.

        E = 1 - P,   Var = sum over lags of w(lag) ((1 - gamma)^(2 size - o(lag)) - (1 - gamma)^(2 size))

    where `o` is how many elements two blocks at that lag have in common, and `w` the share of pairs of elements
    that lie so.

    This is what can be said of DropBlock exactly. Its output `y = x m n / sum(m)` is a quotient, whose moments are
    no formula; but the average of `n m / sum(m)` over the elements of a sample is 1 wherever one is kept, so its
    expectation is `1 - P(nothing kept)`; and where many channels draw on their own, `sum(m) / n` tends to its mean,
    so that each element's mean and variance tend to dropout's, `x` and `x^2 P / (1 - P)`.

    Args:
        shape: of the array, axes (batch, channel, *positions).
        rate: probability that an element is dropped.
        block_size: as in `plan`.
        share_channels: whether all channels of a sample drop the same positions.

    Example:
        >>> mean, variance = kept_share((1, 64, 14, 14), 0.1, 7)
        >>> round(mean, 6), round(variance**0.5, 4)
        (0.9, 0.0155)
    """
    _, channels, *lengths = shape
    block = block_sizes(block_size, len(lengths))
    size, q = math.prod(block), 1 - seed_threshold(rate, math.prod(block)) / WIDE_LEVELS
    common, pairs = np.ones(()), np.ones(())
    for length, extent in zip(lengths, block, strict=True):
        lags = abs(np.arange(1 - length, length))
        common = np.multiply.outer(common, np.maximum(extent - lags, 0))
        pairs = np.multiply.outer(pairs, (length - lags) / length**2)
    variance = float((pairs * (q ** (2 * size - common) - q ** (2 * size))).sum())
    return Moments(q**size, variance if share_channels else variance / channels)


_ROW = Row("activations", "Bernoulli(gamma)", sharing="block", correction="normalised by kept share")
_PAPER = Paper(
    "Ghiasi, Lin, Le",
    "DropBlock: A Regularization Method for Convolutional Networks",
    2018,
    "https://arxiv.org/abs/1810.12890",
)

ENTRIES = tuple(
    Entry(
        f"DropBlock{ndim}d",
        _ROW,
        _PAPER,
        layers=(
            *(f"{place}.DropBlock{ndim}d" for place in ("torch", "flax", "flax.linen")),
            f"keras.layers.DropBlock{ndim}D",
        ),
        example="0.1, block_size=3",
        shape=(4, 16, *(5,) * ndim),
        cost="one pass over memory, and a draw for each place of a block",
    )
    for ndim in (1, 2, 3)
)
