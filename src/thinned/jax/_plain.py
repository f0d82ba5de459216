"""The law in XLA's own operations: the same bits on any device, under any partition of the work."""

import math
from collections.abc import Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from thinned.jax import _place, _wide
from thinned.jax._mesh import alike
from thinned.jax._place import Place
from thinned.jax._ticket import DRAW, KEY0, KEY1, LEVEL, SITE, STEP
from thinned.jax._wide import Wide
from thinned.mask.philox import MULTIPLIERS, ROUNDS, WEYL
from thinned.mask.rate import LEVELS

_SHORTEST_ROW = 32
"""Rows shorter than this are computed element by element, each with a block of its own."""


WHOLE, LOCAL, CUT = "whole", "local", "cut"
"""Whom a program is for: one device; one device's part, cut by hand; or devices among which XLA divides it."""


def thin(x: Array, ticket: Array, *data: Array, place: Place, lanes: int, program: str = CUT) -> Array:
    """`y = k x s`, for each of the leading `lanes` axes with a ticket of its own."""
    if lanes:
        one: Any = jax.vmap(partial(thin, place=place, lanes=lanes - 1, program=program))
        return one(x, ticket, *data)  # type: ignore[no-any-return]
    if not x.size:
        return x
    exact = jnp.float64 if x.dtype == jnp.float64 else jnp.float32
    level = ticket[LEVEL]
    keep = half_words(ticket, data, place, program) >= level
    # The division is rounded once, so float32 gives the float64 quotient's nearest: both numbers are exact in it.
    share = jnp.where(level < LEVELS, LEVELS - level, 1).astype(exact)
    scale = jnp.where(level < LEVELS, exact(LEVELS) / share, exact(0))
    return jnp.where(keep, x.astype(exact) * scale, exact(0)).astype(x.dtype)


def half_words(ticket: Array, data: Sequence[Array], place: Place, program: str = CUT) -> Array:
    """The half-word of every position of the mask, as uint32."""
    with jax.numpy_rank_promotion("allow"):  # the user's setting is for the user's arrays
        return _half_words(ticket, data, place, program)


def _half_words(ticket: Array, data: Sequence[Array], place: Place, program: str) -> Array:
    native = program == WHOLE
    folded = _place.rows(place)
    if program == CUT:
        # XLA divides what has the array's own axes; what was folded into rows each device would compute whole.
        whole_blocks = _place.blocks(place, data)
        if whole_blocks is None:
            return _by_element(ticket, _place.elements(place, data), native)
        return _unpacked(_words(ticket, whole_blocks, native)).reshape(place.mask_shape)
    count = math.prod(place.mask_shape[: folded.axes])
    if count > 1 and (folded.run % 8 or not folded.aligned) and folded.run < _SHORTEST_ROW:
        return _by_element(ticket, _place.elements(place, data), native)
    if folded.aligned and (count == 1 or folded.run % 8 == 0):
        found = _rows(ticket, _place.bases(place, data, folded), folded.run, native)
    else:
        found = _shifted_rows(ticket, _place.bases(place, data, folded), folded.run, native)
    return found.reshape(place.mask_shape)


def _rows(ticket: Array, base: Wide, run: int, native: bool) -> Array:
    """The half-words of rows that begin with a block; axes (row, position)."""
    first = _wide.reshape(_wide.block_of(base), (-1, 1))
    blocks = _wide.add(_wide.iota(-(-run // 8)), first)
    return _unpacked(_words(ticket, blocks, native))[:, :run]


def _unpacked(words: Sequence[Array]) -> Array:
    """Each block's eight half-words in a row, on the last axis."""
    halves = lax.bitcast_convert_type(jnp.stack(words, axis=-1), jnp.uint16)
    return halves.reshape(*halves.shape[:-3], -1).astype(jnp.uint32)


def _shifted_rows(ticket: Array, base: Wide, run: int, native: bool) -> Array:
    """The same for rows that begin anywhere."""
    found = _rows(ticket, base, -(-(run + 7) // 8) * 8, native)
    lane = (base.low & 7).reshape(-1, 1)
    for shift in (4, 2, 1):  # three selections shift by anything from 0 to 7
        width = found.shape[1] - shift
        found = jnp.where((lane & shift) != 0, found[:, shift:], found[:, :width])
    return found[:, :run]


def _by_element(ticket: Array, element: Wide, native: bool) -> Array:
    """The half-word of each element, one Philox call for each."""
    w0, w1, w2, w3 = _words(ticket, _wide.block_of(element), native)
    lane = element.low & 7
    word = jnp.where(lane < 4, jnp.where(lane < 2, w0, w1), jnp.where(lane < 6, w2, w3))
    return (word >> (16 * (lane & 1))) & 0xFFFF


def _words(ticket: Array, block: Wide, native: bool) -> tuple[Array, Array, Array, Array]:
    """The four words of Philox4x32-10 for each block."""
    low = block.low
    high = jnp.zeros_like(low) if block.high is None else jnp.broadcast_to(block.high, low.shape)
    *counter, ticket = alike(
        low,
        high + (ticket[DRAW] << 16),
        jnp.broadcast_to(ticket[SITE], low.shape),
        jnp.broadcast_to(ticket[STEP], low.shape),
        ticket,
    )

    high_of = _wide.native_high_word if native and hasattr(lax, "mulhi") else _wide.high_word

    def turn(number: Any, counter: tuple[Array, ...]) -> tuple[Array, ...]:
        c0, c1, c2, c3 = counter
        grown = number.astype(jnp.uint32)
        k0, k1 = ticket[KEY0] + grown * np.uint32(WEYL[0]), ticket[KEY1] + grown * np.uint32(WEYL[1])
        m0, m1 = MULTIPLIERS
        return high_of(c2, m1) ^ c1 ^ k0, c2 * np.uint32(m1), high_of(c0, m0) ^ c3 ^ k1, c0 * np.uint32(m0)

    # A loop, because XLA would fuse ten rounds in a row into each reader, and compute them for each half-word.
    found: tuple[Array, Array, Array, Array] = lax.fori_loop(0, ROUNDS, turn, tuple(counter), unroll=5)
    return found
