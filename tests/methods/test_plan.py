"""Plans: every decision, made once."""

import numpy as np
import pytest
from hypothesis import given

from tests.strategies import RATES, places
from thinned.errors import RateError, ShareError, WindowError
from thinned.mask import threshold
from thinned.mask.rate import scale
from thinned.methods.dropout import plan


class TestPlan:
    """`plan`."""

    @given(place=places(), rate=RATES)
    def test_holds_what_its_parts_say(self, place, rate):
        """Layout, threshold and scale, with nothing left to decide."""
        found = plan(place.shape, rate, place.share, place.window)

        assert (threshold(rate), scale(threshold(rate))) == (found.threshold, found.scale)
        assert place.shape == found.where.shape
        assert place.share == found.where.shared

    def test_sharing_shapes_the_mask(self):
        """Shared axes have size 1 in the mask."""
        assert plan((2, 3, 8, 8), 0.25, share=(-1, -2)).where.mask_shape == (2, 3, 1, 1)

    def test_cannot_be_changed(self):
        """Frameworks keep plans for the backward pass."""
        with pytest.raises(AttributeError):
            plan((2,), 0.5).threshold = 0

    def test_rows_are_folded_once(self):
        """Forward and backward walk the same rows."""
        one = plan((2, 3), 0.5, window=((4, 3), (2, 0)))

        assert one.rows() is one.rows()

    def test_equal_shapes_share_their_rows(self):
        """A layer called again with the same shape decides nothing anew."""
        assert plan((2, 3), 0.5).rows() is plan([2, 3], 0.25).rows()

    @pytest.mark.parametrize(
        ("arguments", "error"),
        [
            ({"rate": 2}, RateError),
            ({"rate": 0.5, "share": 9}, ShareError),
            ({"rate": 0.5, "window": ((1, 1), (0, 0))}, WindowError),
        ],
        ids=["rate", "share", "window"],
    )
    def test_refuses_what_its_parts_refuse(self, arguments, error):
        """Errors come when the plan is made, before any array is touched."""
        with pytest.raises(error):
            plan((2, 3), **arguments)

    def test_what_was_asked_before_does_not_count(self):
        """Plans are kept, but 1.0 is no axis after 1 was one, and a value that may change is read each time."""
        plan((2, 3), 0.5, (1,))
        with pytest.raises(ShareError):
            plan((2, 3), 0.5, (1.0,))
        axis = np.array(0)
        assert (0,) == plan((2, 3), 0.5, (axis,)).where.shared
        axis[...] = 1
        assert (1,) == plan((2, 3), 0.5, (axis,)).where.shared
