"""What arrays are compared with: the law's mask from NumPy, applied in NumPy."""

import jax.numpy as jnp
import ml_dtypes
import numpy as np

from thinned.mask import keep, threshold
from thinned.mask.rate import scale

DTYPES = [np.float32, ml_dtypes.bfloat16, np.float16]
"""What JAX computes with; float64 only where it was asked for."""

WHERE = {"seed": 11, "site": 12, "step": 13, "draw": 14}
"""An address, as keyword arguments."""


def dropped(x, rate, **where):
    """`y = k x s`: multiplied in float32, or float64, and rounded once; what is dropped is +0."""
    x = np.asarray(x)
    exact = np.float64 if x.dtype == np.float64 else np.float32
    with np.errstate(invalid="ignore", over="ignore"):
        scaled = x.astype(exact) * exact(scale(threshold(rate)))
        return np.where(keep(x.shape, rate, **where), scaled, exact(0)).astype(x.dtype)


def same(expected, actual):
    """Whether two arrays have the same shape, dtype and bits; every NaN counts as the same."""
    expected, actual = np.asarray(expected), np.asarray(actual)
    if expected.shape != actual.shape or expected.dtype != actual.dtype:
        return False
    nan = np.isnan(expected.astype(np.float64))
    bits = f"u{expected.dtype.itemsize}"
    return bool(
        (nan == np.isnan(actual.astype(np.float64))).all()
        and (np.ascontiguousarray(expected).view(bits) == np.ascontiguousarray(actual).view(bits))[~nan].all()
    )


def odd_values(shape, dtype, seed=0):
    """Ordinary values with a sprinkling of what arithmetic gets wrong; no subnormals, which XLA flushes."""
    x = np.random.default_rng(seed).standard_normal(shape).reshape(-1)
    odd = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 6e4, 3e38 if dtype != np.float16 else 1.0])
    x[::5] = np.resize(odd, x[::5].shape)
    return jnp.asarray(x.reshape(shape).astype(dtype))
