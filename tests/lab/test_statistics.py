"""Intervals that hold what they promise."""

import numpy as np
import pytest
from scipy import stats

from tests.bounds import stray_of_share
from thinned.lab.statistics import mean_interval, smallest_detectable

TRIALS = 4_000


def samples(n, shift=0.0):
    """Normal samples, axes (trial, value)."""
    return np.random.default_rng(1).normal(shift, 1.0, (TRIALS, n))


class TestMeanInterval:
    """Student's t."""

    def test_it_is_scipys(self):
        """The ends are those of SciPy's own test."""
        values = [0.3, -0.1, 0.8, 0.25, 0.0]
        found, expected = mean_interval(values), stats.ttest_1samp(values, 0).confidence_interval(0.95)

        assert (expected.low, expected.high) == pytest.approx((found.low, found.high), rel=1e-12)

    @pytest.mark.parametrize("n", [2, 5, 10])
    def test_it_holds_the_true_mean_as_often_as_it_says(self, n):
        """Of 4,000 repetitions 95 % do, within the bound that fails once in a million."""
        held = np.mean([not mean_interval(row).excludes_zero for row in samples(n)])

        assert abs(held - 0.95) < stray_of_share(TRIALS, 0.95)

    def test_equal_values_leave_no_doubt(self):
        """No spread, no width; and nothing is NaN."""
        found = mean_interval([0.0, 0.0, 0.0])

        assert (0.0, 0.0, 0.0, 0.0) == (found.estimate, found.low, found.high, found.detectable)

    @pytest.mark.parametrize("values", [[], [1.0], [1.0, float("nan")], [1.0, float("inf")]])
    def test_no_interval_is_made_up(self, values):
        """Fewer than two values, or one that is not finite, is an error."""
        with pytest.raises(ValueError, match="at least two finite values"):
            mean_interval(values)


class TestSmallestDetectable:
    """What would have been seen."""

    @pytest.mark.parametrize("n", [3, 5, 10, 30])
    def test_it_solves_scipys_noncentral_t(self, n):
        """The power there is 0.8, to the error of the quadrature."""
        shift, critical = smallest_detectable(n), stats.t.ppf(0.975, n - 1)
        power = stats.nct.sf(critical, n - 1, shift) + stats.nct.cdf(-critical, n - 1, shift)

        assert power == pytest.approx(0.8, abs=1e-5)

    @pytest.mark.parametrize("n", [2, 5])
    def test_it_is_found_four_times_in_five(self, n):
        """By repetition, also for n = 2, where SciPy has no number; within a bound as above."""
        shift = smallest_detectable(n) / np.sqrt(n)
        found = np.mean([mean_interval(row).excludes_zero for row in samples(n, shift)])

        assert abs(found - 0.8) < stray_of_share(TRIALS, 0.8)
