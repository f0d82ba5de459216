"""Some few elements of a mask, decided in plain integers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.strategies import RATES, addresses
from thinned.mask import keep, threshold
from thinned.mask.address import coordinates
from thinned.mask.single import first_kept


class TestFirstKept:
    """`first_kept`."""

    @given(rate=RATES, address=addresses(), count=st.integers(0, 40))
    def test_is_the_mask(self, rate, address, count):
        """The law's, bit for bit, at every address."""
        found = first_kept(count, threshold(rate), coordinates(**address))

        assert keep((count,), rate, **address).tolist() == list(found)

    @pytest.mark.parametrize(("rate", "expected"), [(0, True), (1, False)])
    def test_certainties(self, rate, expected):
        """Rate 0 keeps all, rate 1 none."""
        assert (expected,) * 100 == first_kept(100, threshold(rate), (5, 6, 7, 8))
