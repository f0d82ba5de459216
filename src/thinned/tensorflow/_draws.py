"""The law's draws, by TensorFlow's own Philox: the same bits eager, in graphs, and under XLA."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from thinned.mask.philox import MULTIPLIERS, ROUNDS, WEYL
from thinned.methods.law import HALF, NORMAL, UNIFORM, WORD
from thinned.tensorflow._address import Counter, Tensor, wide
from thinned.tensorflow._place import Place, Size

_PHILOX = 1
"""`tf.random.Algorithm.PHILOX`, as the operation takes it."""

_LOW = 0xFFFFFFFF


@dataclass(frozen=True)
class _Kind:
    """What is made of Philox's words.

    Args:
        lanes: how many elements a block has.
        row: of consecutive words of whole blocks on the last axis, in pairs as uint64 or one by one as uint32, all
            their elements.
    """

    lanes: int
    row: Callable[[Tensor], Tensor]


def draws(draw: int, at: Counter, where: Place) -> Tensor:
    """The draw of every element of a mask: a half-word as uint16, a word as uint32, or a normal in float32."""
    kind = _KINDS[draw]
    if not isinstance(where.bases, int) and where.bases.shape.rank:
        return tf.reshape(_of_rows(kind, at, where.bases, where.run), where.shape)
    return tf.reshape(_of_run(kind, at, where.bases, where.run), where.shape)


def _of_run(kind: _Kind, at: Counter, first: Size, size: Size) -> Tensor:
    """Consecutive elements, from the native operation, which counts up by one for each four words."""
    block, lane = first // kind.lanes, first % kind.lanes
    # XLA wants to know the size of what it makes, which a traced start must not change.
    before = lane if isinstance(lane, int) else kind.lanes - 1
    blocks = (size + kind.lanes - 1 + before) // kind.lanes
    # Two words at once, which XLA computes in half the time.
    pairs = tf.raw_ops.StatelessRandomUniformFullIntV2(
        shape=tf.reshape(tf.cast(blocks, tf.int64), [1]) * 2,
        key=tf.bitcast(tf.reshape(at.key, [1]), tf.uint64),
        counter=tf.bitcast(tf.stack([at.low + block, at.high]), tf.uint64),
        alg=_PHILOX,
        dtype=tf.uint64,
    )
    return tf.slice(kind.row(pairs), [tf.cast(lane, tf.int64)], [tf.cast(size, tf.int64)])


def _of_rows(kind: _Kind, at: Counter, bases: Tensor, run: Size) -> Tensor:
    """Rows that begin anywhere: as many blocks for each as may be needed, by plain operations."""
    lanes = kind.lanes
    blocks = (run + 2 * lanes - 2) // lanes
    numbers = (bases // lanes)[:, None] + tf.range(tf.cast(blocks, tf.int64))
    words = tf.cast(tf.stack(_philox(at, numbers), axis=-1), tf.uint32)
    rows = kind.row(tf.reshape(words, [tf.size(bases, tf.int64), 4 * blocks]))
    picked = (bases % lanes)[:, None] + tf.range(tf.cast(run, tf.int64))
    return tf.gather(rows, picked, batch_dims=1)


def _flat(values: Tensor, axes: int) -> Tensor:
    """The last two axes of something with so many, as one."""
    if axes == 2:
        return tf.reshape(values, [-1])
    shape = tf.shape(values, tf.int64)
    return tf.reshape(values, [shape[0], shape[1] * shape[2]])


def _half_row(words: Tensor) -> Tensor:
    return _flat(tf.bitcast(words, tf.uint16), words.shape.rank + 1)


def _word_row(words: Tensor) -> Tensor:
    return _flat(tf.bitcast(words, tf.uint32), words.shape.rank + 1) if words.dtype == tf.uint64 else words


def _normal_row(words: Tensor) -> Tensor:
    """Box-Muller in float32, within 2^-20 of the radius."""
    pairs = tf.reshape(_word_row(words), tf.concat([tf.shape(words)[:-1], [-1, 2]], 0))
    w0, w1 = tf.unstack(tf.cast(pairs, tf.int64), axis=-1)
    # Near 1 a float32 has too few digits for `w0 + 1`, but all for how far it is from 2^32.
    below = tf.cast(wide(_LOW) - w0, tf.float32) * 2.0**-32
    above = tf.cast(w0 + wide(1), tf.float32) * 2.0**-32
    near = w0 >= wide(1 << 31)
    log = tf.where(near, tf.math.log1p(-tf.minimum(below, 0.5)), tf.math.log(above))
    radius = tf.sqrt(-2.0 * log)
    # The nearest quarter of a turn exactly, and what is left, in [-1/2, 1/2) quarters.
    turned = w1 + wide(1 << 29)
    quarter = _bits(tf.bitwise.right_shift(turned, wide(30)), 3)
    left = _bits(turned, (1 << 30) - 1) - wide(1 << 29)
    angle = tf.cast(left, tf.float32) * (math.pi / 2 * 2.0**-30)
    cos, sin = tf.cos(angle), tf.sin(angle)
    odd = _bits(quarter, 1) != 0
    # A turn by a quarter takes (cos, sin) to (-sin, cos).
    x, y = tf.where(odd, -sin, cos), tf.where(odd, cos, sin)
    signed = tf.where(quarter >= wide(2), -radius, radius)
    return _flat(tf.stack([signed * x, signed * y], axis=-1), words.shape.rank + 1)


_HALVES = _Kind(8, _half_row)
_KINDS = {HALF: _HALVES, UNIFORM: _HALVES, WORD: _Kind(4, _word_row), NORMAL: _Kind(4, _normal_row)}


def _philox(at: Counter, block: Tensor) -> tuple[Tensor, ...]:
    """The four words of each block, in signed 64-bit lanes, whose products may overflow."""
    low = at.low + block
    c0, c1 = _halves(low)
    c2, c3 = (word + tf.zeros_like(block) for word in _halves(at.high))
    k0, k1 = _halves(at.key)
    for _ in range(ROUNDS):
        low0, high0 = _halves(c0 * wide(MULTIPLIERS[0]))
        low1, high1 = _halves(c2 * wide(MULTIPLIERS[1]))
        c0, c1, c2, c3 = high1 ^ c1 ^ k0, low1, high0 ^ c3 ^ k1, low0
        k0, k1 = _low(k0 + wide(WEYL[0])), _low(k1 + wide(WEYL[1]))
    return c0, c1, c2, c3


def _halves(value: Tensor) -> tuple[Any, Any]:
    """The low and the high 32 bits."""
    return _low(value), _low(tf.bitwise.right_shift(value, wide(32)))


def _low(value: Tensor) -> Tensor:
    return _bits(value, _LOW)


def _bits(value: Tensor, mask: int) -> Tensor:
    return tf.bitwise.bitwise_and(value, wide(mask))
