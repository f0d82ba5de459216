"""Intervals that hold what they promise."""

import itertools

import numpy as np
import pytest
from scipy import stats

from tests.bounds import stray_of_share
from thinned.lab.statistics import (
    bootstrap_interval,
    equivalent,
    holm,
    mean_interval,
    paired_interval,
    smallest_detectable,
)

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


class TestPairedInterval:
    """Differences of counts, of which a few may agree."""

    def test_it_is_students_where_differences_differ(self):
        """And where there are none at all."""
        for values in ([0.25, 0.5, -0.25], [0.0, 0.0, 0.0]):
            assert paired_interval(values) == mean_interval(values)

    @pytest.mark.parametrize("n", [2, 3, 4, 5, 6, 7])
    def test_differences_that_agree_are_judged_by_their_signs(self, n):
        """Zero is outside from six on, where the sign test's p falls below 5 %; rounding makes no difference."""
        for values in ([-0.5] * n, [0.97 - 0.96, 0.98 - 0.97] * (n // 2) + [0.01] * (n % 2)):
            found = paired_interval(values)

            assert (found.excludes_zero, found.p) == (n >= 6, 2.0 ** (1 - n))
            assert found.low < found.estimate < found.high
            assert found.detectable > 0

    @pytest.mark.parametrize("n", [2, 3])
    def test_counts_without_a_difference_are_outside_in_no_more_than_a_twentieth(self, n):
        """One example more, one less or none, all equally likely; of Student's intervals more are outside."""
        samples = list(itertools.product([-1.0, 0.0, 1.0], repeat=n))
        missed = sum(paired_interval(sample).excludes_zero for sample in samples)

        assert missed <= 0.05 * len(samples)
        assert sum(mean_interval(sample).excludes_zero for sample in samples) > 0.05 * len(samples)


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


class TestChance:
    """The p-value beside an interval."""

    def test_it_is_scipys(self):
        """Student's two-sided test."""
        values = [0.3, -0.1, 0.8, 0.25, 0.0]

        assert stats.ttest_1samp(values, 0).pvalue == pytest.approx(mean_interval(values).p, rel=1e-12)

    @pytest.mark.parametrize(("values", "p"), [([0.0, 0.0], 1.0), ([0.5, 0.5], 0.0)])
    def test_values_that_do_not_vary_leave_no_doubt(self, values, p):
        """All 0, or all the same other number."""
        assert p == mean_interval(values).p


class TestBootstrap:
    """Of statistics that are no means."""

    def test_it_is_a_function_of_its_arguments(self):
        """Another seed is another interval; no global generator is read."""
        values = [0.3, -0.1, 0.8, 0.25, 0.0, 1.1]
        one, other = (bootstrap_interval(values, seed=seed, resamples=500) for seed in (0, 1))

        assert one == bootstrap_interval(values, seed=0, resamples=500) != other

    def test_it_holds_the_true_median_about_as_often_as_it_says(self):
        """Of 60 exponential values, by repetition, within a bound as above; it promises that for many values."""
        draws = np.random.default_rng(3).exponential(size=(300, 60))
        found = (bootstrap_interval(row, statistic=np.median, resamples=200) for row in draws)
        held = np.mean([each.low <= np.log(2) <= each.high for each in found])

        assert abs(held - 0.95) < stray_of_share(300, 0.95)

    def test_equal_values_are_their_own_interval(self):
        """Resampling would find nothing else."""
        assert (2.0, 2.0) == ((found := bootstrap_interval([2.0, 2.0, 2.0])).low, found.high)


class TestHolm:
    """Many hypotheses at once."""

    @pytest.mark.parametrize(
        ("given", "adjusted"), [([], []), ([0.2], [0.2]), ([0.01, 0.04, 0.03], [0.03, 0.06, 0.06])]
    )
    def test_it_is_as_by_hand(self, given, adjusted):
        """The smallest times three, the next times two, and never less than one before."""
        assert adjusted == pytest.approx(holm(given))

    def test_no_claim_is_made_of_nothing(self):
        """Of 1,000 families of ten true hypotheses, 5 % at most contain a claim, within a bound as above."""
        families = np.random.default_rng(2).uniform(size=(1000, 10))
        wrong = np.mean([min(holm(row)) < 0.05 for row in families])

        assert wrong < 0.05 + stray_of_share(1000, 0.05)


class TestEquivalent:
    """Showing that there is nothing."""

    def test_it_holds_where_the_interval_lies_inside_the_margin(self):
        """The 90 % interval; and it is not shown by few or noisy values."""
        few, wide = [0.1, -0.1, 0.05, 0.0, -0.05], [1.0, -1.2, 0.4, -0.3, 0.1]
        found = [equivalent(values, margin=0.5) for values in (few, wide)]

        assert [True, False] == [each.holds for each in found]
        for each in found:
            assert each.holds == (-0.5 < each.interval.low and each.interval.high < 0.5)

    def test_a_difference_as_large_as_the_margin_passes_in_five_of_a_hundred(self):
        """At most, by repetition, within a bound as above."""
        passed = np.mean([equivalent(row, margin=1.0).holds for row in samples(10, 1.0)[:1000]])

        assert abs(passed - 0.05) < stray_of_share(1000, 0.05)

    def test_values_that_do_not_vary_are_judged_by_themselves(self):
        """No spread, no test."""
        assert equivalent([0.1, 0.1], 0.2).holds
        assert not equivalent([0.2, 0.2], 0.2).holds

    def test_a_margin_is_above_nothing(self):
        """Else nothing could ever be equivalent."""
        with pytest.raises(ValueError, match="margin above 0; got 0"):
            equivalent([1.0, 2.0], 0)
