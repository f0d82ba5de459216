"""Addresses, of integers and of tensors, and what the native Philox takes as key and counter."""

from collections.abc import Sequence
from typing import Any, NamedTuple, SupportsIndex, TypeAlias

import numpy as np
import tensorflow as tf

from thinned.errors import AddressError, RateError
from thinned.mask.address import coordinates as plain_coordinates
from thinned.mask.rate import LEVELS, threshold
from thinned.methods.law import bits, check_size

Tensor: TypeAlias = Any
"""A `tf.Tensor`; TensorFlow is not annotated."""

Coordinate: TypeAlias = SupportsIndex | str | Tensor

_PLAIN = (int, str, float)

_WIDTHS = {"seed": 64, "site": 32, "step": 32, "draw": 16}


class Coordinates(NamedTuple):
    """Seed, site, step and draw: integers in their widths, or int64 scalars, in which all bits may be set."""

    seed: int | Tensor
    site: int | Tensor
    step: int | Tensor
    draw: int | Tensor


class Counter(NamedTuple):
    """The generator's input for block 0 of a draw.

    Args:
        key: int64 scalar: the seed.
        low: int64 scalar: words 0 and 1 of the counter, `draw * 2^48`; block `b` adds `b`.
        high: int64 scalar: words 2 and 3, `site + step * 2^32`.
    """

    key: Tensor
    low: Tensor
    high: Tensor


def is_tensor(value: Any) -> bool:
    """`tf.is_tensor`, which needs ten microseconds to say no of a number."""
    return type(value) not in _PLAIN and bool(tf.is_tensor(value))


def coordinates(address: Sequence[Coordinate]) -> Coordinates:
    """Read and check an address. Variables are read now, so that a gradient finds what they held.

    Raises:
        AddressError: a coordinate outside its width, or a tensor that is not one integer.
    """
    held = [is_tensor(value) for value in address]
    # The plain ones are checked together, with zeros for those that a tensor holds.
    plain = plain_coordinates(
        *(0 if is_held else value for is_held, value in zip(held, address, strict=True))  # type: ignore[arg-type]
    )
    if True not in held:
        return Coordinates(*plain)
    return Coordinates(
        *(
            _integer(name, value) if is_held else number
            for name, is_held, value, number in zip(Coordinates._fields, held, address, plain, strict=True)
        )
    )


def counter(at: Coordinates) -> Counter:
    """Key and counter of a draw."""
    # Modulo their widths: a shift leaves no more of step and draw.
    site = at.site if isinstance(at.site, int) else tf.bitwise.bitwise_and(at.site, wide(0xFFFFFFFF))
    high = _joined(site, _shifted(at.step, 32))
    return Counter(_int64(at.seed), _int64(_shifted(at.draw, 48)), high)


def level(rate: Any) -> int | Tensor:
    """The threshold of a rate; that of a tensor is clamped, NaN as 1, and rounded half to even.

    Raises:
        RateError: a constant rate that no threshold stands for, or a tensor that is not one number.
    """
    if not is_tensor(rate):
        return threshold(rate)
    # Widening is exact, and so is the multiplication: a float32 quantises as it would in float32.
    value = _number("a rate", rate)
    if tf.executing_eagerly():
        return threshold(float(value), constant=False)
    value = tf.where(tf.math.is_nan(value), tf.ones_like(value), tf.clip_by_value(value, 0, 1))
    return tf.cast(tf.round(value * LEVELS), tf.int32)


def size(value: Any) -> int | Tensor:
    """A standard deviation: a float64's bits, or a float64 tensor in a graph.

    Raises:
        RateError: a constant that is negative or no finite number, or a tensor that is not one number.
    """
    if not is_tensor(value):
        return bits(check_size(value))
    number = _number("a standard deviation", value)
    return bits(float(number)) if tf.executing_eagerly() else number


def _number(what: str, value: Tensor) -> Tensor:
    """One number as float64, through which no gradient flows."""
    value = tf.convert_to_tensor(value)
    if not (value.dtype.is_floating or value.dtype.is_integer) or value.shape.rank:
        raise RateError(
            f"expected {what} as one number or a tensor of one; got a {value.dtype.name} tensor of shape "
            f"{value.shape}. To draw for many, use tf.vectorized_map."
        )
    return tf.cast(tf.stop_gradient(value), tf.float64)


def _integer(name: str, value: Tensor) -> int | Tensor:
    value = tf.convert_to_tensor(value)
    if not value.dtype.is_integer or value.shape.rank:
        raise AddressError(
            f"expected {name} as an integer or a tensor of one integer; got a {value.dtype.name} tensor of "
            f"shape {value.shape}. To draw for many, use tf.vectorized_map."
        )
    if tf.executing_eagerly():
        return int(value) % (1 << _WIDTHS[name])
    return tf.bitcast(value, tf.int64) if value.dtype == tf.uint64 else tf.cast(value, tf.int64)


def _joined(one: int | Tensor, other: int | Tensor) -> Tensor:
    if isinstance(one, int) and isinstance(other, int):
        return _int64(one | other)
    return tf.bitwise.bitwise_or(_int64(one), _int64(other))


def _shifted(value: int | Tensor, by: int) -> int | Tensor:
    return value << by if isinstance(value, int) else tf.bitwise.left_shift(value, wide(by))


def _int64(value: int | Tensor) -> Tensor:
    """64 bits as an int64 scalar."""
    return wide(value) if isinstance(value, int) else value


def wide(value: int) -> Tensor:
    """A number of up to 64 bits as an int64 constant; TensorFlow's NumPy mode takes a plain one for an int32."""
    return tf.constant(np.int64(value - (1 << 64) if value >= 1 << 63 else value))
