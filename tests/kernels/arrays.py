"""What kernels are compared with: the law's mask, applied in NumPy to stored values.

float16 is NumPy's own. bfloat16, which NumPy has not, is rounded by looking for the nearer neighbour, and not
by the integer arithmetic that the kernel uses.
"""

from dataclasses import dataclass

import numpy as np

from thinned.kernels.execute import ADD, DROP, RELU, relu_gradient, thin
from thinned.mask import Address, keep
from thinned.methods.dropout import plan

OPS = {"drop": DROP, "relu": RELU, "add": ADD}


@dataclass(frozen=True)
class Stored:
    """One dtype: how arrays hold it, and what it is multiplied in."""

    name: str
    stored: type
    factor: type

    def values(self, array):
        """Stored bits as the floats that are computed with."""
        if self.name == "bfloat16":
            return (array.astype(np.uint32) << 16).view(np.float32)
        return array.view(np.float16).astype(np.float32) if self.name == "float16" else array

    def stored_from(self, values):
        """Floats rounded once, to nearest, ties to even."""
        if self.name == "bfloat16":
            return _nearest_bfloat16(values)
        if self.name == "float16":
            with np.errstate(over="ignore"):
                return values.astype(np.float16).view(np.int16)
        return values

    def bits(self, array):
        """As unsigned integers, every NaN made the same: payloads are not specified."""
        nan = np.isnan(self.values(array))
        return np.where(nan, np.uint64(2**64 - 1), array.view(f"u{array.itemsize}").astype(np.uint64))


DTYPES = [
    Stored("float32", np.float32, np.float32),
    Stored("float64", np.float64, np.float64),
    Stored("bfloat16", np.uint16, np.float32),
    Stored("float16", np.int16, np.float32),
]
HALVES = DTYPES[2:]


def _nearest_bfloat16(values):
    """The even one of two equally near neighbours; beyond the largest, infinity counts as 2^128."""
    bits = values.view(np.uint32)
    low = (bits >> 16).astype(np.uint16)
    high = low + np.uint16(~np.isnan(values) & ~np.isinf(values))
    at = [np.where(c & 0x7FFF == 0x7F80, 2.0**128, _magnitude(c)) for c in (low, high)]
    exact = np.abs(values.astype(np.float64))
    below, above = exact - at[0], at[1] - exact
    up = (above < below) | ((above == below) & (low % 2 == 1))
    quiet = low | np.uint16(0x40)
    return np.where(np.isnan(values), quiet, np.where(np.isinf(values) | ~up, low, high)).astype(np.uint16)


def _magnitude(bits):
    finite = np.where(bits & 0x7F80 == 0x7F80, 0, bits & 0x7FFF).astype(np.uint32)
    return (finite << 16).view(np.float32).astype(np.float64)


def random_stored(dtype, size, seed=0):
    """Ordinary values with a sprinkling of what arithmetic gets wrong."""
    values = np.random.default_rng(seed).normal(size=size)
    odd = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 1e-40, -6e-8, 65504.0, 3e38])
    values[::7] = np.resize(odd, values[::7].shape)
    with np.errstate(over="ignore"):
        return dtype.stored_from(values.astype(dtype.factor))


def expected(op, dtype, x, plan_, mask, residual=None):
    """`y` by the law, in NumPy."""
    factor, values = dtype.factor(plan_.scale), dtype.values(x)
    kept = np.broadcast_to(mask, plan_.where.shape).reshape(-1)
    zero = dtype.factor(0)
    with np.errstate(over="ignore", invalid="ignore"):
        product = values * factor
        if op == RELU:
            product = np.where(values <= 0, zero, product)
        result = np.where(kept, product, zero)
        if op == ADD:
            result = dtype.values(residual) + result
        return dtype.stored_from(result)


def check(
    shape, rate, dtype, *, op=DROP, share=(), window=None, address=None, x=None, threads=1, in_place=False
):
    """Run the kernel and compare every bit with the law."""
    address = address or {"seed": 11, "site": 12, "step": 13, "draw": 14}
    plan_, where = plan(shape, rate, share, window), Address(**address)
    x = random_stored(dtype, int(np.prod(shape))) if x is None else x
    residual = random_stored(dtype, x.size, seed=1) if op == ADD else None
    mask = keep(shape, rate, share=share, window=window, **address)
    wanted = expected(op, dtype, x, plan_, mask, residual)

    y = x.copy() if in_place else np.full_like(x, 7)
    coordinates = (where.seed, where.site, where.step, where.draw)
    thin(op, y if in_place else x, y, plan_, coordinates, residual=residual, threads=threads)

    assert dtype.bits(wanted).tolist() == dtype.bits(y).tolist()


def check_relu_gradient(size, rate, dtype, *, threads=1):
    """The gradient from the output alone is the gradient of the masked relu."""
    plan_ = plan((size,), rate)
    x, gradient = random_stored(dtype, size), random_stored(dtype, size, seed=1)
    output = expected(RELU, dtype, x, plan_, keep((size,), rate, seed=0))
    values = dtype.values(gradient)
    with np.errstate(over="ignore", invalid="ignore"):
        flows = np.where(dtype.values(output) <= 0, dtype.factor(0), values * dtype.factor(plan_.scale))
    result = np.full_like(x, 7)

    relu_gradient(gradient, output, result, plan_.scale, threads=threads)

    with np.errstate(over="ignore"):
        assert dtype.bits(dtype.stored_from(flows)).tolist() == dtype.bits(result).tolist()
