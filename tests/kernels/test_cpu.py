"""The CPU kernel gives the law's bits: every dtype, operation, size, layout and edge."""

from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings

from tests.kernels.arrays import DTYPES, HALVES, OPS, check, check_relu_gradient
from tests.strategies import RATES, addresses, places
from tests.vectors import cases
from thinned.kernels import execute
from thinned.kernels.noise import BLOCK
from thinned.mask import Address
from thinned.methods.dropout import plan

EACH_DTYPE = pytest.mark.parametrize("dtype", DTYPES, ids=lambda dtype: dtype.name)
EACH_HALF = pytest.mark.parametrize("dtype", HALVES, ids=lambda dtype: dtype.name)
EACH_OP = pytest.mark.parametrize("op", OPS.values(), ids=OPS)
STRETCH = 8 * BLOCK
SIZES = [1, 2, 7, 8, 9, 15, 16, 17, STRETCH - 1, STRETCH, STRETCH + 1, 2 * STRETCH + 5]


def small_pieces():
    """Make pieces so small that every test has several."""
    return mock.patch.object(execute, "GRAIN", 1)


class TestBits:
    """`thin` against `mask.keep`."""

    @EACH_DTYPE
    @EACH_OP
    @pytest.mark.parametrize("size", SIZES)
    def test_equal_the_law(self, dtype, op, size):
        """Around the edges of blocks and of the stretches that a kernel makes at once."""
        check((size,), 0.3, dtype, op=op)

    @EACH_DTYPE
    @EACH_OP
    def test_in_place(self, dtype, op):
        """The output may be the input."""
        check((STRETCH + 9,), 0.3, dtype, op=op, in_place=True)

    @EACH_DTYPE
    @pytest.mark.parametrize("threads", [2, 3, 5])
    def test_pieces_do_not_show(self, dtype, threads):
        """Cutting the work anywhere changes nothing."""
        with small_pieces():
            for size in (32, 95, 2 * STRETCH + 5):
                check((size,), 0.3, dtype, threads=threads)

    @EACH_DTYPE
    def test_large_arrays_on_two_threads(self, dtype):
        """Pieces of the real size."""
        check((execute.GRAIN * 8 * 4 + 3,), 0.3, dtype, threads=2)

    @EACH_DTYPE
    @EACH_OP
    @pytest.mark.parametrize("rate", [0, 1, 2**-16, 1 - 2**-16], ids=["0", "1", "least", "most"])
    def test_rates_at_the_edges(self, dtype, op, rate):
        """Rate 0 is the identity and rate 1 gives +0 everywhere, NaN and infinity included."""
        check((STRETCH + 9,), rate, dtype, op=op)

    @EACH_DTYPE
    def test_rate_one_gives_positive_zero(self, dtype):
        """Not -0 for negative inputs: all bits are clear."""
        x = dtype.stored_from(np.array([-1.0, -0.0, np.nan, -np.inf], dtype.factor))
        y = np.full_like(x, 7)
        execute.thin(OPS["drop"], x, y, plan((4,), 1), (0, 0, 0, 0), threads=1)

        assert y.tobytes() == bytes(y.nbytes)

    @EACH_DTYPE
    def test_nothing_is_done_to_nothing(self, dtype):
        """Arrays without elements come back as they are."""
        for shape in ((0,), (3, 0, 2), (0, 5)):
            check(shape, 0.5, dtype, share=(0,) if len(shape) == 3 else ())

    @EACH_DTYPE
    def test_a_scalar(self, dtype):
        """One element, no axes."""
        check((), 0.5, dtype)

    @EACH_DTYPE
    def test_inputs_may_be_read_only(self, dtype):
        """A kernel writes its output and nothing else."""
        x = np.ones(9, dtype.stored)
        x.setflags(write=False)
        execute.thin(OPS["drop"], x, np.empty_like(x), plan((9,), 0.5), (0, 0, 0, 0), threads=1)

    @settings(max_examples=50)
    @given(address=addresses(), rate=RATES)
    def test_any_address_and_rate(self, address, rate):
        """Every coordinate up to its full width."""
        check((37,), rate, DTYPES[0], address=address)


class TestLayouts:
    """Sharing and windows."""

    @EACH_OP
    @given(place=places(), rate=RATES)
    def test_equal_the_law(self, op, place, rate):
        """Shared axes, shards, shuffled and repeated samples, in one piece and in many."""
        where = {"op": op, "share": place.share, "window": place.window}
        check(place.shape, rate, DTYPES[0], **where)
        with small_pieces():
            check(place.shape, rate, DTYPES[0], threads=3, **where)

    @EACH_DTYPE
    @EACH_OP
    @pytest.mark.parametrize("inner", [2, 8, STRETCH - 1, STRETCH, STRETCH + 1, 2 * STRETCH + 5])
    def test_a_draw_spread_over_many_elements(self, dtype, op, inner):
        """Channels whose size lies around the stretch that a kernel makes at once."""
        check((3, 2, inner), 0.5, dtype, op=op, share=2)

    @EACH_DTYPE
    @pytest.mark.parametrize("inner", [3, STRETCH + 1])
    def test_a_spread_draw_in_place(self, dtype, inner):
        """Shared and in place at once."""
        check((3, 2, inner), 0.5, dtype, share=2, in_place=True)

    @pytest.mark.parametrize("start", [2**32 - 5, 2**35 - 5, 2**51 - 40], ids=["2^32", "2^35", "last"])
    @EACH_DTYPE
    def test_elements_far_along(self, dtype, start):
        """Element indices, and block indices, beyond 32 bits do not wrap."""
        check((40,), 0.5, dtype, window=((2**51,), (start,)))

    def test_ids_far_along(self):
        """Sample ids in any order, beyond 2^32 and up to the last."""
        ids = np.array([2**40 - 1, 2**22, 3, 2**40 - 1, 0])
        check((5, 2**11), 0.5, DTYPES[0], window=((2**40, 2**11), (ids, 0)))

    def test_rows_of_odd_length(self):
        """Each row of a narrow window begins anywhere in a block."""
        check((40, 13), 0.5, DTYPES[0], window=((64, 29), (3, 5)))


class TestHalves:
    """Every value that 16 bits can hold."""

    @EACH_HALF
    @EACH_OP
    @pytest.mark.parametrize("rate", [0, 0.1, 0.5, 1 - 2**-16], ids=["0", "0.1", "0.5", "most"])
    def test_every_bit_pattern(self, dtype, op, rate):
        """Normals, subnormals, zeros, infinities and NaNs are rounded once, ties to even."""
        check((2**16,), rate, dtype, op=op, x=np.arange(2**16, dtype=np.uint16).view(dtype.stored))

    @EACH_HALF
    def test_rate_zero_is_the_identity(self, dtype):
        """Bit for bit, NaN payloads aside."""
        x = np.arange(2**16, dtype=np.uint16).view(dtype.stored)
        y = np.empty_like(x)
        execute.thin(OPS["drop"], x, y, plan(x.shape, 0), (0, 0, 0, 0), threads=1)

        assert np.array_equal(dtype.bits(x), dtype.bits(y))

    def test_the_comparison_rounds_as_the_specification_says(self):
        """bfloat16's nearest neighbours, checked where ties and overflow lie."""
        bfloat16 = HALVES[0]
        values = np.array([0x3F808000, 0x3F818000, 0x3F808001, 0x7F7F8000, 0x7F7F7FFF], np.uint32)

        assert bfloat16.stored_from(values.view(np.float32)).tolist() == [
            0x3F80,
            0x3F82,
            0x3F81,
            0x7F80,
            0x7F7F,
        ]


class TestVectors:
    """The committed known answers."""

    @pytest.mark.parametrize("case", cases("product"))
    def test_kept_values(self, case):
        """What a kept element becomes, in every dtype; dropped ones become 0."""
        dtype = next(dtype for dtype in DTYPES if dtype.name == case.given["dtype"])
        bits = np.array([int(case.given["x"], 16)] * 16, f"u{np.dtype(dtype.stored).itemsize}")
        y = np.empty_like(bits.view(dtype.stored))
        execute.thin(OPS["drop"], bits.view(dtype.stored), y, plan((16,), case.rate), (1, 0, 0, 0), threads=1)

        assert {0, int(case.answer[0], 16)} == {0, *y.view(bits.dtype).tolist()}

    @pytest.mark.parametrize("case", cases("keep"))
    def test_masks(self, case):
        """A kernel that drops from ones shows the mask."""
        where = plan(case.shape, case.rate, case.share, case.window)
        place = Address(**({"seed": 0} | case.address))
        x = np.ones(int(np.prod(case.shape)), np.float32)
        y = np.empty_like(x)
        execute.thin(OPS["drop"], x, y, where, (place.seed, place.site, place.step, place.draw), threads=1)
        mask = np.array([int(bit) for bit in "".join(case.answer)], bool).reshape(where.where.mask_shape)

        assert np.broadcast_to(mask, case.shape).reshape(-1).tolist() == (y != 0).tolist()


class TestReluGradient:
    """`relu_gradient`."""

    @EACH_DTYPE
    @pytest.mark.parametrize("size", [0, 1, 9, STRETCH, STRETCH + 1])
    @pytest.mark.parametrize("rate", [0, 0.3, 1], ids=["0", "0.3", "1"])
    def test_is_read_from_the_output(self, dtype, size, rate):
        """Where the output is positive or NaN the gradient flows, scaled; elsewhere it is +0."""
        check_relu_gradient(size, rate, dtype)

    @EACH_DTYPE
    def test_pieces_do_not_show(self, dtype):
        """Cutting the work anywhere changes nothing."""
        with small_pieces():
            check_relu_gradient(2 * STRETCH + 5, 0.3, dtype, threads=3)
