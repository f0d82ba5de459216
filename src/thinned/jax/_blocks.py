"""DropBlock of arrays at an address: blocks, in XLA's own operations."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, SupportsFloat

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.typing import ArrayLike

from thinned.errors import WindowError
from thinned.jax import _mesh, _place, _ticket
from thinned.jax._draws import CUT, draws
from thinned.jax._place import Place
from thinned.jax._plain import precision
from thinned.jax._ticket import Coordinate
from thinned.mask.rate import LEVELS, WIDE_LEVELS
from thinned.mask.sharing import Share, Window
from thinned.methods.drop_block import (
    BlockSize,
    block_sizes,
    position_axes,
    seed_shape,
    seed_threshold,
    seed_thresholds,
    seed_window,
    shared_channels_or_samples,
)
from thinned.methods.law import WORD

_ALL = 6
"""The place in a ticket that says whether the threshold is 2^32, and so every seed drops."""


@dataclass(frozen=True)
class Blocks:
    """The operation, as far as it is known when a program is traced.

    Args:
        axes: of positions, from the end.
        sizes: of a block on each of them.
    """

    axes: tuple[int, ...]
    sizes: tuple[int, ...]


def execute(x: Array, ticket: Array, *data: Array, place: Place, law: Blocks, program: str = CUT) -> Array:
    """`y = x m n / sum(m)` for seeds that lie at a place; linear in `x`."""
    drawn = draws(WORD, ticket, data, place, program)
    dropped = (drawn < ticket[_ticket.LEVEL]) | (ticket[_ALL] != 0)
    for axis, size in zip(law.axes, law.sizes, strict=True):
        dims = [1] * dropped.ndim
        dims[axis] = size
        dropped = lax.reduce_window(dropped, False, lax.bitwise_or, dims, [1] * dropped.ndim, "VALID")
    # A sample's axes: those of positions, and the channel before or behind them.
    sample = tuple(range(-1 - len(law.axes), 0))
    kept = (~dropped).astype(jnp.int32).sum(axis=sample, keepdims=True)
    exact = precision(x.dtype)
    count = math.prod(dropped.shape[axis] for axis in sample)
    scale = jnp.where(kept > 0, exact(count) / jnp.maximum(kept, 1).astype(exact), exact(0))
    return jnp.where(dropped, exact(0), x.astype(exact) * scale).astype(x.dtype)


def blocks(
    x: Array,
    rate: SupportsFloat | ArrayLike,
    block_size: BlockSize,
    address: Sequence[Coordinate],
    share: Share,
    window: Window | None,
    channel_axis: int,
) -> tuple[Any, tuple[Any, ...], Place, Blocks]:
    """Ticket, data, place and operation of DropBlock on an array; see `thinned.jax.drop_block`."""
    sizes = block_sizes(block_size, x.ndim - 2)
    axes = shared_channels_or_samples(x.ndim, share, channel_axis)
    _check_whole(window, axes, x.shape)
    seeds = seed_window(x.shape, sizes, axes, window, channel_axis)
    where, data = _place.place(seed_shape(x.shape, sizes, channel_axis), axes, seeds, wide=True)
    positions = tuple(axis - x.ndim for axis in position_axes(x.ndim, channel_axis))
    fields = [*_ticket.coordinates(address), *_level(rate, math.prod(sizes))]
    return _ticket.packed(fields), data, where, Blocks(positions, sizes)


def _check_whole(window: Window | None, shared: Sequence[int], shape: Sequence[int]) -> None:
    """Refuse a traced start on another axis than the batch's before Python asks whether it is 0."""
    entries = () if window is None else tuple(window[1])
    for axis, index in enumerate(entries[1:], start=1):
        if isinstance(index, jax.core.Tracer) and axis not in shared:
            raise WindowError(
                "expected a window on the batch alone, axis 0, since a sample is scaled by all that it keeps; got "
                f"a traced start on axis {axis} of an array of shape {tuple(shape)}. Pass 0 there."
            )


def _level(rate: Any, size: int) -> tuple[Any, Any]:
    """The seeds' threshold, its low word and whether it is 2^32; a traced rate counts in multiples of 1/65536."""
    if not isinstance(rate, Array):
        found = seed_threshold(rate, size)
        return found & 0xFFFFFFFF, int(found == WIDE_LEVELS)
    level = _ticket.level(rate)
    table = jnp.asarray(np.asarray(seed_thresholds(size)))
    table = _mesh.alike(table, level)[0]
    return table[jnp.minimum(level, LEVELS - 1)], jnp.asarray(level == LEVELS, jnp.uint32)
