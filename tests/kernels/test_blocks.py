"""The kernel of DropBlock, compared with the NumPy truth bit by bit."""

import numpy as np
import pytest

from tests.kernels.arrays import DTYPES, random_stored
from thinned.kernels.blocks import drop_block
from thinned.kernels.execute import Memory
from thinned.methods.drop_block import keep, plan

CASES = {
    "plane": ((3, 4, 9, 7), 3),
    "even": ((2, 5, 7, 8), 4),
    "larger than the map": ((4, 2, 3, 3), 7),
    "oblong": ((3, 2, 12, 5), (1, 5)),
    "one element": ((2, 1, 1, 1), 1),
    "length": ((3, 4, 70), 5),
    "volume": ((2, 3, 4, 5, 6), (2, 3, 9)),
    "large": ((5, 8, 72, 40), 7),
    "no sample": ((0, 4, 9, 7), 3),
    "no position": ((2, 4, 0, 7), 3),
}
ADDRESS = {"seed": 2**64 - 11, "site": 12, "step": 13, "draw": 14}


def expected(dtype, x, mask):
    """Each sample over the share of it that is kept; what is dropped is +0."""
    kept = mask.reshape(len(mask), -1).sum(axis=1)
    scale = np.divide(mask[0].size, kept, out=np.zeros(len(mask)), where=kept > 0).astype(dtype.factor)
    with np.errstate(over="ignore", invalid="ignore"):
        product = dtype.values(x) * np.repeat(scale, mask[0].size)
        return dtype.stored_from(np.where(mask.reshape(-1), product, dtype.factor(0)))


def check(shape, rate, block, dtype, *, share=(), window=None, threads=1):
    """Run the kernel and compare."""
    x = random_stored(dtype, int(np.prod(shape)))
    y = np.full_like(x, 7)
    mask = keep(shape, rate, block, share=share, window=window, **ADDRESS)
    how = plan(shape, rate, block, share, window)
    one, two = (Memory(dtype.name, a.__array_interface__["data"][0], a.size, a) for a in (x, y))
    drop_block(one, two, how, tuple(ADDRESS.values()), threads=threads)

    wanted = expected(dtype, x, np.broadcast_to(mask, shape)) if x.size else x
    assert dtype.bits(wanted).tolist() == dtype.bits(y).tolist()


class TestDropBlock:
    """`drop_block`."""

    @pytest.mark.parametrize(("shape", "block"), CASES.values(), ids=CASES)
    @pytest.mark.parametrize("rate", [0.0, 0.1, 0.6, 1.0])
    @pytest.mark.parametrize("share", [(), 1, 0, (0, 1)], ids=str)
    def test_is_the_truth(self, shape, block, rate, share):
        """One thread, which does whole samples, and three, which may divide them."""
        for threads in (1, 3):
            check(shape, rate, block, DTYPES[0], share=share, threads=threads)

    @pytest.mark.parametrize("dtype", DTYPES, ids=lambda dtype: dtype.name)
    @pytest.mark.parametrize("threads", [1, 2])
    def test_every_type(self, dtype, threads):
        """Rounded once; infinities, NaN and negative zeros where they are dropped and where not."""
        check((3, 5, 71, 67), 0.3, 5, dtype, threads=threads)

    @pytest.mark.parametrize("index", [7, [9, 0, 9]], ids=str)
    @pytest.mark.parametrize("share", [(), 1, 0], ids=str)
    @pytest.mark.parametrize("threads", [1, 2])
    def test_windows(self, index, share, threads):
        """Samples of a larger batch, in any order."""
        window = ((10, 4, 70, 70), (index, 0, 0, 0))
        check((3, 4, 70, 70), 0.3, 4, DTYPES[0], share=share, window=window, threads=threads)

    def test_calls_beyond_32_bits(self):
        """Where the low half of a Philox call's number begins anew, in the middle of a sample and of a group."""
        seeds = 11 * 11
        start = (4 << 32) // seeds - 1
        assert (start + 1) * seeds < 4 << 32 < (start + 2) * seeds
        window = ((start + 9, 1, 9, 9), (start, 0, 0, 0))

        check((4, 1, 9, 9), 0.5, 3, DTYPES[0], window=window)

    def test_a_sample_does_not_see_the_others(self):
        """Its output is the same alone, whatever the rest of the batch holds."""
        x = np.random.default_rng(0).normal(size=(4, 3, 8, 8)).astype(np.float32)
        outputs = []
        for rows in (x, x[2:3]):
            first = 4 - len(rows) - (len(rows) == 1)
            how = plan(rows.shape, 0.3, 3, (), ((4, 3, 8, 8), (first, 0, 0, 0)))
            source, result = np.ascontiguousarray(rows), np.empty_like(rows)
            one, two = (
                Memory("float32", a.__array_interface__["data"][0], a.size, a) for a in (source, result)
            )
            drop_block(one, two, how, (1, 2, 3, 4), threads=1)
            outputs.append(result)

        assert np.array_equal(outputs[0][2:3], outputs[1])
