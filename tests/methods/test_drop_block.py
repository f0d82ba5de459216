"""DropBlock: its seeds, its mask and what can be said of them exactly."""

import itertools
import math
from decimal import Decimal, getcontext
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.bounds import stray_of_share
from tests.strategies import RATES
from thinned.errors import RateError, ShapeError, ShareError, WindowError
from thinned.mask import Address, threshold
from thinned.mask.sharing import layout
from thinned.mask.truth import words
from thinned.methods.drop_block import dropped, keep, kept_share, plan, seed_threshold

SAMPLES = 40_000
MAPS = {
    "block 3 on 6 x 5": ((6, 5), 3),
    "even block on 6 x 5": ((6, 5), 4),
    "larger than the map": ((3, 4), 7),
    "oblong": ((6, 5), (1, 4)),
    "length": ((9,), 4),
    "volume": ((3, 4, 3), 2),
}


def slow_mask(shape, level, block, address):
    """The definition with loops: every seed drops the part of its block that lies on the map."""
    batch, channels, *lengths = shape
    seeds = [length + size - 1 for length, size in zip(lengths, block, strict=True)]
    drawn = words(layout((batch, channels, *seeds)).elements(), Address(**address))
    mask = np.ones(shape, bool)
    for place in itertools.product(*map(range, drawn.shape)):
        if drawn[place] < level:
            sample, channel, *ends = place
            at = [slice(max(0, end - size + 1), end + 1) for end, size in zip(ends, block, strict=True)]
            mask[(sample, channel, *at)] = False
    return mask


class TestSeedThreshold:
    """`seed_threshold`."""

    @given(rate=RATES, size=st.integers(1, 400))
    def test_is_rounded_from_the_exact_number(self, rate, size):
        """As sixty digits of decimal arithmetic find it."""
        getcontext().prec = 60
        kept = (1 - Decimal(rate)) ** (1 / Decimal(size)) if rate < 1 else Decimal(0)
        exact = (1 - kept) * 2**32

        assert abs(seed_threshold(rate, size) - exact) <= Decimal("0.5") + Decimal(10) ** -40

    @given(rate=RATES)
    def test_of_single_elements_is_the_wide_law(self, rate):
        """Ties too, which go to the even."""
        assert threshold(rate, wide=True) == seed_threshold(rate, 1)

    @pytest.mark.parametrize(
        ("low", "size"), [(100, 1), (101, 1), (100, 2), (1084855355, 3), (1184885979, 9), (1931289102, 2)]
    )
    def test_near_ties(self, low, size):
        """Where float64 cannot say on which side of a half the exact number is: wrong for the last three."""
        edge = 1 - (1 - Fraction(2 * low + 1, 2**33)) ** size
        for rate in (math.nextafter(float(edge), 0), float(edge), math.nextafter(float(edge), 1)):
            above = Fraction(rate) > edge or (Fraction(rate) == edge and low % 2)
            assert low + bool(above) == seed_threshold(rate, size, constant=False)

    def test_certainties(self):
        """All and none, exactly."""
        assert (seed_threshold(0, 49), seed_threshold(1, 49)) == (0, 2**32)

    def test_traced_rates_are_clamped(self):
        """And NaN drops everything."""
        found = [seed_threshold(rate, 9, constant=False) for rate in (-1.0, 2.0, float("nan"), 1e-30)]

        assert found == [0, 2**32, 2**32, 0]

    @pytest.mark.parametrize("rate", [-0.1, 1.1, float("nan"), 1e-9, True])
    def test_refuses_what_the_law_refuses(self, rate):
        """In its words."""
        with pytest.raises(RateError):
            seed_threshold(rate, 9)

    def test_refuses_blocks_that_would_never_begin(self):
        """A rate that is fine for small blocks."""
        seed_threshold(1e-4, 1000)
        with pytest.raises(RateError, match=r"too small for blocks of 1000000 elements.* at least 0\.000233"):
            seed_threshold(1e-4, 10**6)


class TestDropped:
    """`dropped`."""

    @given(rate=RATES, block=st.lists(st.integers(1, 9), min_size=1, max_size=3))
    def test_is_the_rate(self, rate, block):
        """But for the rounding of T, half a step for each element of a block."""
        size = math.prod(block)

        assert abs(dropped(rate, block) - rate) <= size * 2.0**-33 + 1e-12


class TestKeep:
    """`keep`."""

    @pytest.mark.parametrize(("lengths", "block"), MAPS.values(), ids=MAPS)
    @pytest.mark.parametrize("rate", [0.0, 0.1, 0.5, 1.0])
    def test_is_the_definition(self, lengths, block, rate):
        """Loops over seeds, in the wide variant of the law."""
        address = {"seed": 3, "site": 4, "step": 5, "draw": 6}
        shape = (3, 2, *lengths)
        sizes = block if isinstance(block, tuple) else (block,) * len(lengths)
        level = seed_threshold(rate, math.prod(sizes))

        assert np.array_equal(slow_mask(shape, level, sizes, address), keep(shape, rate, block, **address))

    @pytest.mark.parametrize(("lengths", "block"), MAPS.values(), ids=MAPS)
    @pytest.mark.parametrize("rate", [0.1, 0.5])
    def test_drops_at_the_rate_everywhere(self, lengths, block, rate):
        """Each element, at corners, borders and in the middle; each sample is one independent trial of it."""
        mask = keep((SAMPLES, 1, *lengths), rate, block, seed=1, site="rates")
        shares = 1 - mask.mean(axis=(0, 1))

        assert np.abs(shares - rate).max() <= stray_of_share(SAMPLES, rate)

    def test_the_paper_s_gamma_would_be_seen(self):
        """Seeds inside the map alone, at the paper's rate: the middle drops more than corners, neither as asked."""
        length, size, rate = 6, 3, 0.5
        inside = length - size + 1
        gamma = rate / size**2 * length**2 / inside**2
        drawn = words(layout((SAMPLES, 1, inside, inside)).elements(), Address(1)) / 2**32
        seeds = np.pad(drawn < gamma, ((0, 0), (0, 0), (size - 1,) * 2, (size - 1,) * 2))
        for axis in (2, 3):
            seeds = np.lib.stride_tricks.sliding_window_view(seeds, size, axis).any(-1)
        shares = seeds.mean(axis=(0, 1))

        assert shares[0, 0] < rate - stray_of_share(SAMPLES, rate)
        assert shares[2, 2] > rate + stray_of_share(SAMPLES, rate)

    def test_shared_channels_and_samples(self):
        """One mask along each, of size 1."""
        own = keep((1, 1, 6, 6), 0.3, 3, seed=2)

        assert np.array_equal(own, keep((5, 4, 6, 6), 0.3, 3, seed=2, share=(0, -3)))
        assert keep((5, 4, 6, 6), 0.3, 3, seed=2, share=1).shape == (5, 1, 6, 6)
        assert keep((5, 4, 6, 6), 0.3, 3, seed=2).shape == (5, 4, 6, 6)

    @pytest.mark.parametrize("index", [2, [4, 2, 4]])
    def test_windows_of_the_batch(self, index):
        """Rows have the masks that they have in the whole."""
        whole = keep((5, 2, 6, 6), 0.3, 3, seed=2)
        rows = keep((3, 2, 6, 6), 0.3, 3, seed=2, window=((5, 2, 6, 6), (index, 0, 0, 0)))

        assert np.array_equal(whole[index if isinstance(index, list) else slice(2, 5)], rows)


class TestPlan:
    """What `plan` refuses."""

    @pytest.mark.parametrize("block", [0, -1, 2.5, "3", True, (3,), (3, 3, 3), (3, 0), None])
    def test_blocks(self, block):
        """Sizes that are none."""
        with pytest.raises(ShapeError, match="expected block_size as an integer of at least 1"):
            plan((1, 2, 8, 8), 0.1, block)

    @pytest.mark.parametrize("shape", [(), (4,), (4, 3), (1, 2, 3, 4, 5, 6)])
    def test_axes(self, shape):
        """Arrays without positions, or with too many axes of them."""
        with pytest.raises(ShapeError, match="one to three axes of positions"):
            plan(shape, 0.1, 3)

    @pytest.mark.parametrize("share", [2, -1, (1, 3)])
    def test_shared_positions(self, share):
        """They would be no blocks."""
        with pytest.raises(ShareError, match=r"along the axes 0 \(batch\) or 1 \(channel\)"):
            plan((1, 2, 8, 8), 0.1, 3, share)

    @pytest.mark.parametrize(
        "window",
        [
            ((4, 4, 8, 8), (0, 0, 0, 0)),
            ((4, 2, 9, 8), (0, 0, 1, 0)),
            ((4, 2, 8, 8), (0, [1, 0], 0, 0)),
            ((4, 2, 8), (0, 0, 0)),
            4,
        ],
    )
    def test_windows_that_cut_samples(self, window):
        """A sample's scale needs all of it."""
        with pytest.raises(WindowError):
            plan((2, 2, 8, 8), 0.1, 3, (), window)

    def test_of_equal_arguments_is_one(self):
        """A training loop plans once."""
        assert plan((2, 2, 8, 8), 0.1, 3) is plan((2, 2, 8, 8), 0.1, 3)


class TestKeptShare:
    """`kept_share`."""

    @pytest.mark.parametrize(
        ("lengths", "block"), [((3,), (2,)), ((2, 2), (2, 1)), ((4,), (1,)), ((2,), (5,))]
    )
    @pytest.mark.parametrize("rate", [0.2, 0.5, 1.0])
    @pytest.mark.parametrize("channels", [1, 2])
    def test_is_what_counting_finds(self, lengths, block, rate, channels):
        """All patterns of seeds, weighed by their chances; and so the mean output."""
        gamma = seed_threshold(rate, math.prod(block)) / 2**32
        seeds = [length + size - 1 for length, size in zip(lengths, block, strict=True)]
        mean = square = output = nothing = 0.0
        for pattern in itertools.product([False, True], repeat=channels * math.prod(seeds)):
            chance = gamma ** sum(pattern) * (1 - gamma) ** (len(pattern) - sum(pattern))
            under = np.reshape(pattern, (channels, *seeds))
            for axis, size in enumerate(block, start=1):
                under = np.lib.stride_tricks.sliding_window_view(under, size, axis).any(-1)
            share = 1 - under.mean()
            mean, square = mean + chance * share, square + chance * share**2
            # The average over elements of m n / sum(m), as a sample gets it.
            output += chance * (np.mean(~under / share) if share else 0)
            nothing += chance * (share == 0)
        found = kept_share((1, channels, *lengths), rate, block)

        assert abs(found.mean - mean) < 1e-12
        assert abs(found.variance - (square - mean**2)) < 1e-12
        assert abs(output - (1 - nothing)) < 1e-12

    def test_shared_channels_vary_as_one(self):
        """However many there are."""
        one = kept_share((1, 1, 6, 6), 0.2, 3)

        assert kept_share((1, 8, 6, 6), 0.2, 3, share_channels=True) == one
        assert kept_share((1, 8, 6, 6), 0.2, 3).variance == pytest.approx(one.variance / 8, rel=1e-12)
