"""Products whose weights are thinned for each example: the kernel and the law."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.strategies import addresses, products
from thinned.kernels.product import Operands, fits, gradients, multiply
from thinned.mask import keep
from thinned.mask.address import coordinates
from thinned.mask.sharing import layout
from thinned.methods.dropout import plan

WHERE = {"seed": 11, "site": 12, "step": 13, "draw": 14}
DTYPES = [np.float32, np.float64]


def run(x, w, g, how, where, threads=1):
    """Output and both gradients of the kernel."""
    y, dx, dw = np.full_like(g, np.nan), np.full_like(x, np.nan), np.full_like(w, np.nan)
    place = [value.ctypes.data for value in (x, w, y, g, dx, dw)]
    address = coordinates(**where)
    forward = Operands(x.dtype.name, *place[:3], owners=(x, w, y))
    multiply(forward, x.shape[1], how, address, threads=threads)
    backward = Operands(x.dtype.name, *place[:2], *place[3:], owners=(x, w, g, dx, dw))
    gradients(backward, x.shape[1], how, address, threads=threads)
    return y, dx, dw


def operands(batch, times, out, width, dtype=np.float32, seed=0):
    """Normal numbers."""
    random = np.random.default_rng(seed)
    shapes = (batch, times, width), (out, width), (batch, times, out)
    return [random.standard_normal(shape).astype(dtype) for shape in shapes]


def reference(x, w, g, kept, scale):
    """The same in float64 by thinned weights that are made, and a bound of what float32 may differ by.

    A sum of n products, with the scale as one more factor, is within (n + 2) u / (1 - (n + 2) u) times the sum
    of their absolute values, whatever the order of summation; u is half an ulp of 1 (Higham, "Accuracy and
    Stability of Numerical Algorithms", 2002, section 3.1).
    """
    unit = np.finfo(x.dtype).eps / 2
    x, w, g = (value.astype(np.float64) for value in (x, w, g))
    k = kept * scale
    sums = (
        ("boi,oi,bti->bto", (k, w, x), x.shape[2]),
        ("boi,oi,bto->bti", (k, w, g), w.shape[0]),
        ("boi,bto,bti->oi", (k, g, x), x.shape[0] * x.shape[1]),
    )
    for form, factors, terms in sums:
        bound = (terms + 2) * unit / (1 - (terms + 2) * unit)
        yield np.einsum(form, *factors), bound * np.einsum(form, *map(np.abs, factors)) + 1e-300


class TestMasks:
    """Which products are summed."""

    @pytest.mark.parametrize("dtype", DTYPES)
    @pytest.mark.parametrize("width", [1, 7, 8, 100, 4096, 4097])
    def test_are_the_laws(self, width, dtype):
        """Seen through the identity, where each output is one thinned weight: bit for bit."""
        width_shown = min(width, 60)
        x = np.zeros((2, width_shown, width), dtype)
        x[:, range(width_shown), range(width_shown)] = 1
        _, w, g = operands(2, width_shown, 3, width, dtype)
        y, _, _ = run(x, w, g, plan((2, 3, width), 0.3), WHERE)
        how = plan((2, 3, width), 0.3)
        kept = keep((2, 3, width), 0.3, **WHERE)[:, :, :width_shown]
        expected = np.where(kept, w[:, :width_shown] * dtype(how.scale), 0)

        assert np.array_equal(expected, y.swapaxes(1, 2))

    @settings(deadline=None, max_examples=60)
    @given(case=products(), where=addresses(), rate=st.sampled_from([0.0, 2**-16, 0.3, 0.5, 1.0]))
    def test_any_shape_window_and_address(self, case, where, rate):
        """Output and gradients, within the rounding of their sums."""
        (batch, times, out, width), window = case
        x, w, g = operands(batch, times, out, width)
        how = plan((batch, out, width), rate, (), window)
        kept = keep((batch, out, width), rate, window=window, **where)

        for found, (expected, bound) in zip(
            run(x, w, g, how, where), reference(x, w, g, kept, how.scale), strict=True
        ):
            assert (abs(found - expected) <= bound).all()

    @pytest.mark.parametrize("first", [2**32 * 8 - 24, 2**32 * 8 - 64, 2**50])
    def test_large_elements(self, first):
        """Beyond 2^32 blocks, and across."""
        width = 8
        x, w, g = operands(9, 2, 3, width)
        start = first // (3 * width)
        window = (2**51 // (3 * width), 3, width), (start, 0, 0)
        how = plan((9, 3, width), 0.5, (), window)
        kept = keep((9, 3, width), 0.5, window=window, **WHERE)

        for found, (expected, bound) in zip(
            run(x, w, g, how, WHERE), reference(x, w, g, kept, how.scale), strict=True
        ):
            assert (abs(found - expected) <= bound).all()


class TestOrder:
    """The order of a sum depends on shapes alone."""

    @pytest.mark.parametrize("shape", [(40, 2, 50, 300), (3, 1, 9, 5000), (65, 3, 7, 33)])
    def test_threads_change_no_bit(self, shape):
        """One, two, five."""
        x, w, g = operands(*shape)
        how = plan((shape[0], *shape[2:]), 0.5)
        one = run(x, w, g, how, WHERE)

        for threads in (2, 5):
            assert all(map(np.array_equal, one, run(x, w, g, how, WHERE, threads)))

    def test_a_part_of_the_batch_is_that_part(self):
        """Rows 3 to 7 by themselves give what they give in the whole."""
        x, w, g = operands(9, 2, 5, 77)
        whole = run(x, w, g, plan((9, 5, 77), 0.5), WHERE)
        part = run(x[3:7], w, g[3:7], plan((4, 5, 77), 0.5, (), ((9, 5, 77), (3, 0, 0))), WHERE)

        assert np.array_equal(whole[0][3:7], part[0])
        assert np.array_equal(whole[1][3:7], part[1])


class TestValues:
    """What no sum may lose or gain."""

    def test_a_dropped_connection_is_not_multiplied(self):
        """Its NaN or infinity, as weight, does not reach the output."""
        x, w, g = operands(4, 1, 3, 40)
        kept = keep((4, 3, 40), 0.5, **WHERE)
        w[~kept.any(0)] = np.nan
        w[0, ~kept[2, 0]] = np.inf
        y, _, dw = run(x, w, g, plan((4, 3, 40), 0.5), WHERE)

        assert np.isfinite(y[2, 0, 0])
        assert np.isfinite(dw).all()

    @pytest.mark.parametrize("value", [np.nan, np.inf])
    def test_nothing_is_kept_of_what_is_not_finite(self, value):
        """Also where the first weight of a row is such."""
        x, w, g = operands(4, 1, 3, 40)
        w[:] = value
        y, dx, dw = run(x, w, g, plan((4, 3, 40), 1.0), WHERE)

        assert not any(found.any() for found in (y, dx, dw))

    def test_an_unwanted_gradient(self):
        """Is not written; the other is what it is."""
        x, w, g = operands(4, 2, 3, 40)
        how, address = plan((4, 3, 40), 0.5), coordinates(**WHERE)
        _, dx, dw = run(x, w, g, how, WHERE)
        for wanted, slot in ((dx, "x_gradient"), (dw, "weight_gradient")):
            found = np.empty_like(wanted)
            inputs = Operands("float32", *(value.ctypes.data for value in (x, w, g)))
            gradients(inputs._replace(**{slot: found.ctypes.data}), 2, how, address, threads=1)

            assert np.array_equal(wanted, found)


class TestFits:
    """`fits`."""

    def test_rows_of_consecutive_elements(self):
        """Any starts, any ids but along a row."""
        assert fits(layout((2, 3, 4), window=((9, 9, 9), ([8, 1], [1, 5, 2], 3))))
        assert not fits(layout((2, 3, 4), window=((9, 9, 9), (0, 0, [1, 5, 2, 8]))))
        assert not fits(layout((2, 3, 4), share=1))
        assert not fits(layout((2, 3)))
