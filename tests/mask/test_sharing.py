"""Sharing and windows: which element of the logical mask each position reads."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.strategies import Place, addresses, places
from thinned.errors import ShareError, WindowError
from thinned.mask import keep, normal, uniform
from thinned.mask.sharing import layout, rows, shared_axes

DRAWS = {
    "keep": lambda shape, **where: keep(shape, 0.5, **where),
    "uniform": uniform,
    "normal": normal,
}


class TestWindow:
    """A part has the mask that it has in the whole."""

    @pytest.mark.parametrize("name", DRAWS)
    @given(place=places(), address=addresses())
    def test_part_equals_the_whole_cut(self, name, place, address):
        """Shards, shuffled samples, repeated samples: every one reads the global mask."""
        whole = DRAWS[name](place.global_shape, share=place.share, **address)
        part = DRAWS[name](place.shape, share=place.share, window=place.window, **address)

        assert np.array_equal(whole[np.ix_(*place.ids)], part)

    @given(place=places())
    def test_no_window_is_the_window_of_the_whole(self, place):
        """Leaving the window out says that the array is everything."""
        whole = layout(place.global_shape, place.share)
        same = layout(place.global_shape, place.share, (place.global_shape, [0] * len(place.global_shape)))

        assert whole.elements().tolist() == same.elements().tolist()

    def test_entries_on_shared_axes_are_ignored(self):
        """A shared axis has one draw, wherever the window lies along it."""
        plain = layout((2, 3), share=1, window=((4, 3), (1, 0))).elements()

        assert plain.tolist() == layout((2, 3), share=1, window=((4, -9), (1, "nowhere"))).elements().tolist()

    def test_shared_axes_take_no_indices(self):
        """The logical mask has size 1 there, so other axes' strides do not count them."""
        assert layout((2, 5, 3), share=1).elements().tolist() == [[[0, 1, 2]], [[3, 4, 5]]]

    @pytest.mark.parametrize(
        ("window", "message"),
        [
            (((4,), (0, 0)), "1 sizes and 2 indices"),
            (((4, 3), (0,)), "2 sizes and 1 indices"),
            (((4, 3), (3, 0)), "global size 4; got start 3 and 2 local"),
            (((4, 3), (-1, 0)), "got start -1"),
            (((4, 3), (0.0, 0)), "expected integers"),
            (((4, 3), (True, 0)), "expected integers"),
            (((4, 3), ([0, 4], 0)), r"indices in \[0, 4\) on axis 0; got values from 0 to 4"),
            (((4, 3), ([-1, 0], 0)), "got values from -1 to 0"),
            (((4, 3), ([0, 1, 2], 0)), r"each of the 2 positions on axis 0; got an array of shape \(3,\)"),
            (((4, 3), ([[0, 1]], 0)), r"shape \(1, 2\)"),
            (((4.5, 3), (0, 0)), "expected window="),
            ((4, 3), "expected window="),
            (7, "expected window="),
            (((4, 3), np.uint64(7)), "expected window="),
        ],
    )
    def test_what_does_not_lie_in_the_whole_is_refused(self, window, message):
        """The message says which axis, and what came."""
        with pytest.raises(WindowError, match=message):
            layout((2, 3), window=window)

    def test_unsigned_indices_beyond_int64_are_refused(self):
        """They must not wrap to negative ones."""
        with pytest.raises(WindowError, match="got values from 0 to 18446744073709551615"):
            layout((2,), window=((4,), (np.array([0, 2**64 - 1], np.uint64),)))


class TestLimits:
    """How many elements a mask may have."""

    def test_the_last_element_of_the_largest_mask(self):
        """2^51 elements, of which the last is 2^51 - 1."""
        where = layout((1, 1), window=((2**26, 2**25), (2**26 - 1, 2**25 - 1)))

        assert where.elements().tolist() == [[2**51 - 1]]

    @pytest.mark.parametrize(("wide", "power"), [(False, 51), (True, 50)], ids=["plain", "wide"])
    def test_a_larger_mask_is_refused(self, wide, power):
        """Its last blocks would be those of the next draw."""
        layout((1,), window=((2**power,), (0,)), wide=wide)
        with pytest.raises(WindowError, match=rf"at most 2\^{power} elements; got {2**power + 1}"):
            layout((1,), window=((2**power + 1,), (0,)), wide=wide)

    def test_normal_draws_are_wide(self):
        """Each takes a whole word, so their limit is the smaller one."""
        with pytest.raises(WindowError, match=r"at most 2\^50 elements"):
            normal((1,), seed=0, window=((2**50 + 1,), (0,)))

    def test_sizes_do_not_wrap(self):
        """Sizes that are NumPy integers are multiplied as Python's."""
        with pytest.raises(WindowError, match="got 1208925819614629174706176"):
            layout((np.int64(2**40), np.int64(2**40)))

    def test_shared_axes_do_not_count(self):
        """The limit holds for the mask, not for the array."""
        assert layout((2**40, 2**40), share=(0, 1)).mask_shape == (1, 1)


class TestShare:
    """`share` names axes."""

    @pytest.mark.parametrize(
        ("share", "expected"), [((), ()), (0, (0,)), (-1, (2,)), ((2, 0), (0, 2)), ([-3, np.int8(1)], (0, 1))]
    )
    def test_axes_are_found_from_both_ends(self, share, expected):
        """One axis or several, in any order."""
        assert expected == shared_axes(3, share)

    @pytest.mark.parametrize("share", [3, -4, (0, 5)])
    def test_an_axis_that_is_not_there_is_refused(self, share):
        """The message says how many there are."""
        with pytest.raises(ShareError, match="an array with 3 axes; got axis"):
            layout((2, 3, 4), share)

    @pytest.mark.parametrize("share", [(0, 0), (2, -1)])
    def test_an_axis_named_twice_is_refused(self, share):
        """By either name."""
        with pytest.raises(ShareError, match="each shared axis once"):
            layout((2, 3, 4), share)

    @pytest.mark.parametrize("share", ["01", 1.0, (None,)])
    def test_what_is_no_axis_is_refused(self, share):
        """Text and floats are no axes."""
        with pytest.raises(ShareError, match="shared axes as integers"):
            layout((2, 3, 4), share)


class TestRows:
    """The layout as kernels walk it."""

    @given(place=places())
    @example(Place((3, 1, 2), (1,), (3, 1, 2), (0, 0, 0)))
    @example(Place((2, 2), (), (4, 2), ([1, 3], 0)))
    def test_folding_keeps_every_element(self, place):
        """Rows of `run * inner` positions visit the array in order, each at its own mask element."""
        where = layout(place.shape, place.share, place.window)
        folded = rows(where)
        walked = np.repeat(folded.bases[:, None] + np.arange(folded.run), folded.inner)

        assert np.broadcast_to(where.elements(), place.shape).reshape(-1).tolist() == walked.tolist()

    @pytest.mark.parametrize(
        ("share", "window", "expected"),
        [
            ((), None, (1, 120, 1)),
            ((0,), None, (2, 60, 1)),
            ((2, 3), None, (1, 6, 20)),
            ((1,), None, (6, 20, 1)),
            ((), ((9, 3, 4, 5), (4, 0, 0, 0)), (1, 120, 1)),
            ((), ((2, 9, 4, 5), (0, 4, 0, 0)), (2, 60, 1)),
            ((), ((9, 3, 4, 5), ([4, 0], 0, 0, 0)), (2, 60, 1)),
            ((), ((9, 3, 4, 5), ([4, 5], 0, 0, 0)), (1, 120, 1)),
        ],
        ids=["whole", "batch", "channel", "time", "batch-shard", "channel-shard", "shuffled", "consecutive"],
    )
    def test_runs_are_as_long_as_they_can_be(self, share, window, expected):
        """A long run is what makes a kernel fast: rows, run and inner size of known cases."""
        folded = rows(layout((2, 3, 4, 5), share, window))

        assert expected == (len(folded.bases), folded.run, folded.inner)

    @given(sizes=st.lists(st.integers(0, 3), max_size=3))
    def test_the_whole_is_one_run(self, sizes):
        """Without sharing or window, or with nothing in it, a mask is one stretch from 0."""
        folded = rows(layout(tuple(sizes)))

        assert (len(folded.bases), int(folded.bases[0])) == (1, 0) or 0 in sizes
