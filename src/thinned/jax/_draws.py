"""The law's draws in XLA's own operations: the same bits on any device, under any partition of the work."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from thinned.jax import _place, _wide
from thinned.jax._mesh import alike
from thinned.jax._place import Place
from thinned.jax._ticket import DRAW, KEY0, KEY1, SITE, STEP
from thinned.jax._wide import Wide
from thinned.mask.philox import MULTIPLIERS, ROUNDS, WEYL
from thinned.methods.law import HALF, NORMAL, UNIFORM, WORD

_SHORTEST_ROW = 32
"""Rows shorter than this are computed element by element, each with a block of its own."""

WHOLE, LOCAL, CUT = "whole", "local", "cut"
"""Whom a program is for: one device; one device's part, cut by hand; or devices among which XLA divides it."""

_Words: TypeAlias = Sequence[Array]


@dataclass(frozen=True)
class _Kind:
    """What is made of Philox's words.

    Args:
        lanes: how many elements a block has.
        row: of whole blocks, all their elements on the last axis.
        pick: of the block of each element, the element's own, given its lane.
    """

    lanes: int
    row: Callable[[_Words], Array]
    pick: Callable[[_Words, Array], Array]


def draws(draw: int, ticket: Array, data: Sequence[Array], place: Place, program: str = CUT) -> Array:
    """The draw of every position of the mask: a half-word or a word as uint32, or a normal in float32."""
    with jax.numpy_rank_promotion("allow"):  # the user's setting is for the user's arrays
        return _draws(_KINDS[draw], ticket, data, place, program)


def _draws(kind: _Kind, ticket: Array, data: Sequence[Array], place: Place, program: str) -> Array:
    native = program == WHOLE
    folded = _place.rows(place, kind.lanes)
    if program == CUT:
        # XLA divides what has the array's own axes; what was folded into rows each device would compute whole.
        whole_blocks = _place.blocks(place, data, kind.lanes)
        if whole_blocks is None:
            return _by_element(kind, ticket, _place.elements(place, data), native)
        return kind.row(_words(ticket, whole_blocks, native)).reshape(place.mask_shape)
    count = math.prod(place.mask_shape[: folded.axes])
    if count > 1 and (folded.run % kind.lanes or not folded.aligned) and folded.run < _SHORTEST_ROW:
        return _by_element(kind, ticket, _place.elements(place, data), native)
    if folded.aligned and (count == 1 or folded.run % kind.lanes == 0):
        found = _rows(kind, ticket, _place.bases(place, data, folded), folded.run, native)
    else:
        found = _shifted_rows(kind, ticket, _place.bases(place, data, folded), folded.run, native)
    return found.reshape(place.mask_shape)


def _rows(kind: _Kind, ticket: Array, base: Wide, run: int, native: bool) -> Array:
    """The draws of rows that begin with a block; axes (row, position)."""
    first = _wide.reshape(_wide.block_of(base, kind.lanes), (-1, 1))
    blocks = _wide.add(_wide.iota(-(-run // kind.lanes)), first)
    return kind.row(_words(ticket, blocks, native))[:, :run]


def _shifted_rows(kind: _Kind, ticket: Array, base: Wide, run: int, native: bool) -> Array:
    """The same for rows that begin anywhere."""
    lanes = kind.lanes
    found = _rows(kind, ticket, base, -(-(run + lanes - 1) // lanes) * lanes, native)
    lane = (base.low & (lanes - 1)).reshape(-1, 1)
    shift = lanes // 2
    while shift:  # two or three selections shift by anything below `lanes`
        width = found.shape[1] - shift
        found = jnp.where((lane & shift) != 0, found[:, shift:], found[:, :width])
        shift //= 2
    return found[:, :run]


def _by_element(kind: _Kind, ticket: Array, element: Wide, native: bool) -> Array:
    """The draw of each element, one Philox call for each."""
    words = _words(ticket, _wide.block_of(element, kind.lanes), native)
    return kind.pick(words, element.low & (kind.lanes - 1))


def _half_row(words: _Words) -> Array:
    halves = lax.bitcast_convert_type(jnp.stack(words, axis=-1), jnp.uint16)
    return halves.reshape(*halves.shape[:-3], -1).astype(jnp.uint32)


def _half(words: _Words, lane: Array) -> Array:
    return (_word(words, lane >> 1) >> (16 * (lane & 1))) & 0xFFFF


def _row(words: _Words) -> Array:
    found = jnp.stack(words, axis=-1)
    return found.reshape(*found.shape[:-2], -1)


def _word(words: _Words, lane: Array) -> Array:
    w0, w1, w2, w3 = words
    return jnp.where(lane < 2, jnp.where(lane < 1, w0, w1), jnp.where(lane < 3, w2, w3))


def _normal_row(words: _Words) -> Array:
    w0, w1, w2, w3 = words
    return _row([_normal(w0, w1, 0), _normal(w0, w1, 1), _normal(w2, w3, 0), _normal(w2, w3, 1)])


def _normal_of(words: _Words, lane: Array) -> Array:
    w0, w1, w2, w3 = words
    return _normal(jnp.where(lane < 2, w0, w2), jnp.where(lane < 2, w1, w3), lane & 1)


def _normal(w0: Array, w1: Array, odd: Any) -> Array:
    """Box-Muller in float32, within 2^-20 of the radius: `r cos a`, or `r sin a` where `odd` is 1."""
    below = (~w0).astype(jnp.float32) * np.float32(2.0**-32)
    # Near 1 a float32 has too few digits for `w0 + 1`, but all for how far it is from 2^32.
    log = jnp.where(
        w0 >= np.uint32(1 << 31),
        jnp.log1p(-jnp.minimum(below, np.float32(0.5))),
        jnp.log((w0 + np.uint32(1)).astype(jnp.float32) * np.float32(2.0**-32)),
    )
    radius = jnp.sqrt(np.float32(-2) * log)
    # The nearest quarter of a turn exactly, and what is left, in [-1/2, 1/2) quarters; a sine is a quarter behind.
    turned = w1 + np.uint32(1 << 29)
    quarter = (turned >> 30) - (odd if isinstance(odd, Array) else np.uint32(odd))
    left = (turned & np.uint32((1 << 30) - 1)).astype(jnp.int32) - np.int32(1 << 29)
    angle = left.astype(jnp.float32) * np.float32(math.pi / 2 * 2.0**-30)
    square = angle * angle
    # Up to a quarter of pi their series are within 3e-8 after a few terms, and XLA's own are slow on CPUs.
    sine = angle * _series(square, (1, -6, 120, -5040, 362880))
    turn = jnp.where((quarter & 1) != 0, -sine, _series(square, (1, -2, 24, -720, 40320)))
    return radius * jnp.where((quarter & 2) != 0, -turn, turn)


def _series(x: Array, divisors: Sequence[int]) -> Any:
    """The sum of `x^n / divisors[n]`."""
    total: Any = np.float32(0)
    for divisor in reversed(divisors):
        total = total * x + np.float32(1 / divisor)
    return total


_HALVES, _WHOLE_WORDS = _Kind(8, _half_row, _half), _Kind(4, _row, _word)
_KINDS = {HALF: _HALVES, UNIFORM: _HALVES, WORD: _WHOLE_WORDS, NORMAL: _Kind(4, _normal_row, _normal_of)}


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
