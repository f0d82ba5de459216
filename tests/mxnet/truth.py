"""What arrays are compared with: the law's mask from NumPy, applied with plain NumPy."""

import numpy as np

from thinned.mask import keep, threshold
from thinned.mask.rate import scale

DTYPES = ["float32", "float64", "float16"]


def dropped(x, rate, share=(), window=None, **address):
    """`y = k x s`: multiplied in float32, or float64, and rounded once; what is dropped is +0."""
    exact = np.float64 if x.dtype == np.float64 else np.float32
    with np.errstate(over="ignore", invalid="ignore"):
        factor = exact(scale(threshold(rate)))
        kept = keep(x.shape, rate, share=share, window=window, **address)
        return np.where(kept, x.astype(exact) * factor, exact(0)).astype(x.dtype)


def same(expected, actual):
    """Whether an MXNet array has the shape, dtype and bits of a NumPy one; every NaN counts as the same."""
    actual = actual.asnumpy()
    if expected.shape != actual.shape or expected.dtype != actual.dtype:
        return False
    word = f"u{expected.itemsize}"
    one, two = (
        np.ascontiguousarray(np.where(np.isnan(each), 7, each), each.dtype) for each in (expected, actual)
    )
    return bool((np.isnan(expected) == np.isnan(actual)).all()) and np.array_equal(
        one.view(word), two.view(word)
    )


def odd_values(shape, dtype):
    """Ordinary values with a sprinkling of what arithmetic gets wrong."""
    x = np.random.default_rng(0).standard_normal(shape).reshape(-1)
    odd = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 1e-40, -6e-8, 65504.0, 3e38])
    x[::5] = np.resize(odd, x[::5].size)
    with np.errstate(over="ignore"):
        return x.reshape(shape).astype(dtype)
