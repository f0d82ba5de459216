"""64-bit indices as pairs of uint32, since JAX has no 64-bit integers unless it is told to."""

from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import Array, lax


class Wide(NamedTuple):
    """`low + 2^32 high`, of two uint32 arrays that broadcast; `high` is None where it is known to be 0."""

    low: Array
    high: Array | None


def zeros(shape: tuple[int, ...]) -> Wide:
    """Nothing yet."""
    return Wide(jnp.zeros(shape, jnp.uint32), None)


def iota(size: int) -> Wide:
    """0, 1, 2, ...; an axis in memory is shorter than 2^32."""
    return Wide(lax.iota(jnp.uint32, size), None)


def words(value: Any) -> Any:
    """An integer, or an array of them, as uint32 words with an axis (low, high) behind."""
    if not isinstance(value, Array):
        found = np.asarray(value, np.int64)
        return np.stack([found & 0xFFFFFFFF, found >> 32], axis=-1).astype(np.uint32)
    low = value.astype(jnp.uint32)
    if value.dtype.itemsize == 8:
        return jnp.stack([low, (value >> 32).astype(jnp.uint32)], axis=-1)
    return jnp.stack([low, jnp.zeros_like(low)], axis=-1)


def of_words(pair: Array) -> Wide:
    """Words as `words` made them."""
    return Wide(pair[..., 0], pair[..., 1])


def reshape(value: Wide, shape: tuple[int, ...]) -> Wide:
    """Both halves."""
    low = value.low.reshape(shape)
    return Wide(
        low, None if value.high is None else jnp.broadcast_to(value.high, value.low.shape).reshape(shape)
    )


def add(one: Wide, two: Wide) -> Wide:
    """The sum, modulo 2^64; of two known to be narrow, the sum is taken to be narrow."""
    low = one.low + two.low
    if one.high is None and two.high is None:
        return Wide(low, None)
    high = _high(one) + _high(two) + (low < one.low).astype(jnp.uint32)
    return Wide(low, high)


def times(value: Wide, factor: int, *, narrow: bool) -> Wide:
    """The product with a plain integer, modulo 2^64; `narrow` says that it fits 32 bits."""
    low, high = np.uint32(factor & 0xFFFFFFFF), np.uint32(factor >> 32)
    if narrow:
        return Wide(value.low * low, None)
    carried = high_word(value.low, factor & 0xFFFFFFFF)
    return Wide(value.low * low, carried + value.low * high + _high(value) * low)


def high_word(word: Array, factor: int) -> Array:
    """The high word of a 32 x 32 -> 64 bit product, from 16-bit halves."""
    low, high = word & 0xFFFF, word >> 16
    factor_low, factor_high = np.uint32(factor & 0xFFFF), np.uint32(factor >> 16)
    middle = high * factor_low + ((low * factor_low) >> 16)
    return high * factor_high + (middle >> 16) + ((low * factor_high + (middle & 0xFFFF)) >> 16)


def native_high_word(word: Array, factor: int) -> Array:
    """The same in one operation, which XLA's partitioner does not know, nor JAX before 0.8."""
    return lax.mulhi(word, jnp.full_like(word, np.uint32(factor)))


def block_of(element: Wide, lanes: int) -> Wide:
    """The index of the block of eight elements, or four."""
    shift = lanes.bit_length() - 1
    if element.high is None:
        return Wide(element.low >> shift, None)
    return Wide((element.low >> shift) | (element.high << (32 - shift)), element.high >> shift)


def _high(value: Wide) -> Any:
    return np.uint32(0) if value.high is None else value.high
