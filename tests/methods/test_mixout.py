"""Mixout as a row of the table: moments of a weight."""

import numpy as np
import pytest

from tests.bounds import stray
from thinned.mask import keep, quantise
from thinned.mask.rate import scale, threshold
from thinned.methods.mixout import moments

N = 1_000_000


class TestMoments:
    """`moments`."""

    @pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
    def test_are_those_of_the_masks(self, rate):
        """Of the paper's own formula, within Bernstein's bounds."""
        w, w0, q = 3.0, 1.0, quantise(rate)
        k = keep((N,), rate, seed=0, site="mixout")
        mixed = (k * w + ~k * w0 - q * w0) / (1 - q)
        mean, variance = moments(w, w0, rate)
        far = (w - w0) * max(1, scale(threshold(rate)) - 1)
        squares = (mixed - mean) ** 2

        assert abs(mixed.mean() - mean) <= stray(N, variance, far)
        assert abs(squares.mean() - variance) <= stray(N, variance * far**2, far**2)

    def test_edges(self):
        """Rate 0 is the weight, rate 1 the target."""
        assert moments(3.0, 1.0, 0) == (3, 0)
        assert moments(3.0, 1.0, 1) == (1, 0)

    def test_a_target_of_zeros_is_dropout(self):
        """Variance w^2 q / (1 - q)."""
        assert moments([3.0], [0.0], 0.5).variance == np.array([9.0])
