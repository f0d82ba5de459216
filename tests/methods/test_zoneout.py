"""Zoneout: what a state is in evaluation, and the moments of what it is in training."""

import numpy as np
import pytest

from tests.bounds import stray
from thinned.errors import BindError, RateError
from thinned.mask import keep, quantise
from thinned.methods.zoneout import check_sequence, expected, moments

N, RATE = 200_000, 0.3


class TestMoments:
    """`moments`."""

    def test_are_those_of_draws(self):
        """The mean of many, and of their squared distance from it, within Bernstein's bounds."""
        new, old = 2.0, -1.0
        drawn = np.where(keep((N,), RATE, seed=1), new, old)
        mean, variance = moments(new, old, RATE)
        squares = (drawn - mean) ** 2
        apart = (new - mean) ** 2 - (old - mean) ** 2  # the two values that a square takes
        q = quantise(RATE)

        assert abs(drawn.mean() - mean) <= stray(N, variance, abs(new - old))
        assert abs(squares.mean() - variance) <= stray(N, q * (1 - q) * apart**2, abs(apart))

    def test_are_exact_where_the_draws_are_two(self):
        """The definition, with the quantised rate."""
        q = quantise(RATE)
        mean, variance = moments(5.0, 1.0, RATE)

        assert np.isclose(mean, (1 - q) * 5 + q * 1)
        assert np.isclose(variance, (1 - q) * (5 - mean) ** 2 + q * (1 - mean) ** 2)

    def test_edges(self):
        """Rate 0 takes the new value, rate 1 the old one."""
        assert moments(5.0, 1.0, 0) == (5, 0)
        assert moments(5.0, 1.0, 1) == (1, 0)

    def test_a_wrong_rate(self):
        """Is refused."""
        with pytest.raises(RateError):
            moments(1.0, 1.0, 1.5)


class TestExpected:
    """`expected`."""

    def test_is_the_mean(self):
        """Evaluation takes what training is on average."""
        assert moments(3.0, 7.0, 0.25).mean == expected(3.0, 7.0, 0.25)


def test_a_sequence_of_a_bound_batch_has_three_axes():
    """Otherwise nobody knows which axis is the batch."""
    with pytest.raises(BindError, match="2 axes"):
        check_sequence(2)
