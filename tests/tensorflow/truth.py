"""What TensorFlow's tensors are compared with: the law's mask from NumPy, applied with plain operations."""

import numpy as np
import tensorflow as tf

from thinned.mask import keep, threshold
from thinned.mask.rate import scale

DTYPES = [tf.float32, tf.float64, tf.bfloat16, tf.float16]
WHERE = {"seed": 11, "site": 12, "step": 13, "draw": 14}
"""An address, as keyword arguments."""


def array(x):
    """A tensor's values; NumPy alone makes no array of a bfloat16 without axes."""
    return np.asarray(x.numpy(), x.dtype.as_numpy_dtype) if tf.is_tensor(x) else x


def dropped(x, rate, **where):
    """`y = k x s` as an array: multiplied in float32, or float64, and rounded once; what is dropped is +0."""
    x = array(x)
    exact = np.float64 if x.dtype == np.float64 else np.float32
    with np.errstate(all="ignore"):
        scaled = x.astype(exact) * exact(scale(threshold(rate)))
        return np.asarray(np.where(keep(x.shape, rate, **where), scaled, exact(0))).astype(x.dtype)


def same(expected, actual):
    """Whether an array and a tensor have the same shape, dtype and bits; every NaN counts as the same."""
    actual = array(actual)
    if expected.shape != actual.shape or expected.dtype != actual.dtype:
        return False
    one, two = (np.where(np.isnan(values), values.dtype.type(7), values) for values in (expected, actual))
    return np.array_equal(np.isnan(expected), np.isnan(actual)) and one.tobytes() == two.tobytes()


def odd_values(shape, dtype, seed=0, *, subnormal=True):
    """Ordinary values with a sprinkling of what arithmetic gets wrong."""
    values = np.random.default_rng(seed).standard_normal(shape).reshape(-1)
    odd = [0.0, -0.0, np.inf, -np.inf, np.nan, 65504.0, 3e38] + ([1e-40, -6e-8] if subnormal else [])
    values[::5] = np.resize(odd, values[::5].shape)
    with np.errstate(all="ignore"):
        return values.reshape(shape).astype(dtype.as_numpy_dtype)


def traced(address):
    """The same address with each coordinate in a tensor, of one type or another."""
    seed = (address["seed"] + 2**63) % 2**64 - 2**63
    return {
        "seed": tf.constant(seed, tf.int64),
        "site": tf.constant(address["site"], tf.uint32),
        "step": tf.constant(address["step"], tf.uint64),
        "draw": tf.constant(address["draw"], tf.int32),
    }
