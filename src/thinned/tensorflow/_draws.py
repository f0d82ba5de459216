"""The law's half-words, by TensorFlow's own Philox: the same bits eager, in graphs, and under XLA."""

from typing import Any

import tensorflow as tf

from thinned.mask.philox import MULTIPLIERS, ROUNDS, WEYL
from thinned.tensorflow._address import Counter, Tensor, wide
from thinned.tensorflow._place import Place, Size

_PHILOX = 1
"""`tf.random.Algorithm.PHILOX`, as the operation takes it."""

_LOW = 0xFFFFFFFF


def half_words(at: Counter, where: Place) -> Tensor:
    """The draws of a mask, as uint16: an element is kept iff its draw is at least the threshold."""
    if not isinstance(where.bases, int) and where.bases.shape.rank:
        return tf.reshape(_of_rows(at, where.bases, where.run), where.shape)
    return tf.reshape(_of_run(at, where.bases, where.run), where.shape)


def _of_run(at: Counter, first: Size, size: Size) -> Tensor:
    """Consecutive elements, from the native operation, which counts up by one for each four words."""
    block, lane = first // 8, first % 8
    # XLA wants to know the size of what it makes, which a traced start must not change.
    blocks = (size + 7 + (lane if isinstance(lane, int) else 7)) // 8
    # Two words at once, which XLA computes in half the time.
    pairs = tf.raw_ops.StatelessRandomUniformFullIntV2(
        shape=tf.reshape(tf.cast(blocks, tf.int64), [1]) * 2,
        key=tf.bitcast(tf.reshape(at.key, [1]), tf.uint64),
        counter=tf.bitcast(tf.stack([at.low + block, at.high]), tf.uint64),
        alg=_PHILOX,
        dtype=tf.uint64,
    )
    halves = tf.reshape(tf.bitcast(pairs, tf.uint16), [-1])
    return tf.slice(halves, [tf.cast(lane, tf.int64)], [tf.cast(size, tf.int64)])


def _of_rows(at: Counter, bases: Tensor, run: Size) -> Tensor:
    """Rows that begin anywhere: as many blocks for each as may be needed, by plain operations."""
    blocks = (run + 14) // 8
    numbers = (bases // 8)[:, None] + tf.range(tf.cast(blocks, tf.int64))
    words = tf.cast(tf.stack(_philox(at, numbers), axis=-1), tf.uint32)
    rows = tf.reshape(tf.bitcast(words, tf.uint16), [tf.size(bases, tf.int64), 8 * blocks])
    picked = (bases % 8)[:, None] + tf.range(tf.cast(run, tf.int64))
    return tf.gather(rows, picked, batch_dims=1)


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
    return tf.bitwise.bitwise_and(value, wide(_LOW))
