"""Dropout as a row of the table: its plan is tested with the mask, its moments here."""

import numpy as np
import pytest

from tests.bounds import stray
from thinned.mask import keep, quantise
from thinned.mask.rate import scale, threshold
from thinned.methods.dropout import moments

N = 1_000_000


class TestMoments:
    """`moments`."""

    @pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
    def test_are_those_of_the_masks(self, rate):
        """The mean of `k s` is 1 and its variance q / (1 - q), within Bernstein's bound."""
        factors = keep((N,), rate, seed=0, site="moments") * scale(threshold(rate))
        mean, variance = moments(1.0, rate)
        reach = max(mean, scale(threshold(rate)) - mean)

        assert abs(factors.mean() - mean) <= stray(N, variance, reach)
        # (k s - 1)^2 takes two values, 1 and (s - 1)^2, with chances q and 1 - q.
        squares, q = (factors - mean) ** 2, quantise(rate)
        spread = q * 1 + (1 - q) * (scale(threshold(rate)) - 1) ** 4 - variance**2
        far = max(abs(1 - variance), abs((scale(threshold(rate)) - 1) ** 2 - variance))
        assert abs(squares.mean() - variance) <= stray(N, max(spread, 0), far)

    def test_are_exact_at_the_edges(self):
        """Rate 0 changes nothing, rate 1 leaves nothing."""
        assert moments(1.0, 0) == (1, 0)
        assert moments(1.0, 1) == (0, 0)

    def test_use_the_quantised_rate(self):
        """The mean is exactly 1 because the scale follows the rate that is really used."""
        q = quantise(0.3)

        assert np.isclose((1 - q) * scale(threshold(0.3)), 1, rtol=2**-52, atol=0)
