"""Which rows of a batch share a thinned network."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.bounds import stray
from tests.strategies import shards
from thinned.errors import ShareError
from thinned.mask import keep, quantise
from thinned.mask.rate import scale, threshold
from thinned.methods.batch_dropout import check_groups, moments, place, stretches


class TestPlace:
    """`place` and `stretches`, which say the same."""

    @given(shards(), st.integers(1, 9))
    def test_rows_have_the_groups_of_the_global_batch(self, shard, groups):
        """Row r of B is of group floor(r G / B), wherever the shard begins."""
        size, start, rows = shard
        expected = [r * groups // size for r in range(start, start + rows)]
        share, window = place((rows, 5), groups, batch=(0, size, start))
        told = [
            group
            for group, first, end in stretches(rows, groups, (0, size, start))
            for _ in range(first, end)
        ]

        assert expected == told
        if groups == 1:
            assert ((0,), None) == (share, window)
        else:
            assert ((), (groups, 5)) == (share, window[0])
            assert expected == window[1][0].tolist()

    @given(st.integers(1, 50), st.integers(1, 9))
    def test_groups_are_equal_but_for_one_row(self, rows, groups):
        """And contiguous, in order."""
        counts = np.bincount(place((rows, 2), groups + 1)[1][1][0], minlength=groups + 1)

        assert counts.max() - counts.min() <= 1

    @pytest.mark.parametrize(
        ("shape", "axis", "batch", "share"),
        [
            ((4, 8), 1, None, (0,)),
            ((4, 8, 3, 3), 1, None, (0, 2, 3)),
            ((4, 7, 8), -1, None, (0, 1)),
            ((7, 4, 8), -1, (1, 4, 0), (0, 1)),
        ],
    )
    def test_positions_share(self, shape, axis, batch, share):
        """Whatever is neither batch nor unit; with groups the batch does not."""
        rows = 0 if batch is None else batch[0]

        assert (share, None) == place(shape, axis=axis, batch=batch)
        assert tuple(a for a in share if a != rows) == place(shape, 2, axis=axis, batch=batch)[0]

    @pytest.mark.parametrize(
        ("shape", "axis", "batch"),
        [((8,), 1, None), ((4, 8), 0, None), ((4, 8), 2, None), ((4, 8), 1, (1, 8, 0))],
    )
    def test_an_axis_that_is_none(self, shape, axis, batch):
        """Absent, or the batch's: says both and the shape."""
        with pytest.raises(
            ShareError, match=r"batch on axis \d and their units on another, axis \d; got shape"
        ):
            place(shape, axis=axis, batch=batch)

    @pytest.mark.parametrize("groups", [0, -1, 1.0, True, "2", None])
    def test_groups_that_are_none(self, groups):
        """At least one."""
        with pytest.raises(ShareError, match="at least 1; got"):
            check_groups(groups)


class TestMoments:
    """`moments`."""

    @pytest.mark.parametrize("rate", [0.2, 0.5])
    def test_are_those_of_the_masks(self, rate):
        """A unit's mean and variance over draws, within Bernstein's bound for independent ones."""
        groups, units = 50, 4000
        share, window = place((100, units), groups)
        kept = keep((100, units), rate, seed=0, site="moments", share=share, window=window)
        s, q = scale(threshold(rate)), quantise(rate)
        # Rows 2g and 2g + 1 are of group g: one of each is an independent draw.
        y = (kept * s * 3.0)[::2]
        mean, variance = moments(3.0, rate)

        assert (kept[::2] == kept[1::2]).all()
        assert abs(y.mean() - mean) <= stray(y.size, variance, max(3.0, 3.0 * (s - 1)))
        squares = (y - mean) ** 2
        spread = 81 * (q + (1 - q) * (s - 1) ** 4) - variance**2
        reach = max(abs(9 - variance), abs(9 * (s - 1) ** 2 - variance))
        assert abs(squares.mean() - variance) <= stray(y.size, max(spread, 0), reach)
