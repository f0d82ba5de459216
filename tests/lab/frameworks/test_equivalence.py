"""The burden is to show that two ends are the same."""

import numpy as np
import pytest
from scipy import stats

from tests.bounds import stray_of_share
from thinned.lab.frameworks.equivalence import ALPHA, RESTARTS, WIDTH, equivalence


def samples(count, n, shift=0.0):
    """Pairs of normal samples, a reference and one that lies `shift` of its deviations higher."""
    draws = np.random.default_rng(0).normal(size=(count, 2, n))
    return [(pair[0], pair[1] + shift) for pair in draws]


class TestEquivalence:
    """Two one-sided tests."""

    @pytest.mark.parametrize("shift", [-3, 3])
    def test_a_shifted_sample_is_rejected(self, shift):
        """Three deviations lie beyond a margin of two; none of 50 studies passes it."""
        assert not any(equivalence(ours, theirs).holds for theirs, ours in samples(50, RESTARTS, shift))

    def test_its_p_is_the_larger_of_welchs_two(self):
        """As SciPy has them, with the margin taken off the values."""
        theirs, ours = samples(1, RESTARTS, 0.5)[0]
        found = equivalence(ours, theirs)
        margin = WIDTH * theirs.std(ddof=1)
        below = stats.ttest_ind(ours + margin, theirs, equal_var=False, alternative="greater").pvalue
        above = stats.ttest_ind(ours - margin, theirs, equal_var=False, alternative="less").pvalue

        assert max(below, above) == pytest.approx(found.p, rel=1e-9)
        assert margin == found.margin

    def test_it_holds_where_the_90_percent_interval_lies_within_the_margin(self):
        """The two ways to say it agree."""
        found = [equivalence(ours, theirs) for theirs, ours in samples(200, 6, 0.7)]
        within = [max(-each.low, each.high) < each.margin for each in found]

        assert within == [each.holds for each in found]
        assert {True, False} == set(within)

    def test_on_the_margin_it_passes_rarely(self):
        """In 8 of 100 studies: the test's 5, and some because the margin is estimated too."""
        count = 1000
        share = np.mean([equivalence(b, a).holds for a, b in samples(count, RESTARTS, WIDTH)])

        assert abs(share - 0.08) < stray_of_share(count, 0.08)
        assert share > ALPHA - stray_of_share(count, ALPHA)

    @pytest.mark.parametrize(("n", "expected"), [(10, 0.69), (RESTARTS, 0.96)])
    def test_its_power_is_what_is_said(self, n, expected):
        """The share of studies in which eight frameworks that end at the same place pass in both measures."""
        count = 200
        draws = np.random.default_rng(1).normal(size=(count, 2, 9, n))
        passed = [
            all(equivalence(ours, measure[0]).holds for measure in study for ours in measure[1:])
            for study in draws
        ]

        assert abs(np.mean(passed) - expected) < stray_of_share(count, expected)

    @pytest.mark.parametrize(("ours", "holds"), [((1.0, 1.0), True), ((1.5, 1.5), False)])
    def test_values_without_spread_are_compared_as_they_are(self, ours, holds):
        """There is no margin then, and no chance."""
        assert holds == equivalence(ours, (1.0, 1.0)).holds

    @pytest.mark.parametrize(("resolution", "holds"), [(0.0, False), (0.01, True)])
    def test_without_spread_the_margin_is_one_step_of_the_measure(self, resolution, holds):
        """One of 16 restarts with one right answer fewer, of 100, is not another end."""
        theirs = [0.97] * 16

        assert holds == equivalence([0.96, *theirs[1:]], theirs, resolution).holds
        assert not equivalence([0.96] * 8 + [0.95] * 8, theirs, resolution).holds

    @pytest.mark.parametrize("ours", [(1.0,), (1.0, float("nan"))])
    def test_what_has_no_spread_to_estimate_is_refused(self, ours):
        """One value, or a NaN."""
        with pytest.raises(ValueError, match="at least two finite values a side"):
            equivalence(ours, (1.0, 2.0))
