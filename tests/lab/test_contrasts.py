"""Weighted sums of arms, one number a seed, judged together."""

import math

import numpy as np
import pytest
from scipy import stats

from tests.bounds import ALARM
from thinned.lab.contrasts import (
    ALPHA,
    chance,
    contrast,
    difference,
    family,
    interaction,
    judged,
    mean_of,
    slope,
    values_of,
)


class TestContrast:
    """Paired by seed."""

    def test_a_difference_is_paired(self):
        """By hand: 2, 3, 4; the seed that only one arm finished is left out."""
        runs = {"none": {0: 50.0, 1: 60.0, 2: 70.0, 3: 10.0}, "half": {0: 52.0, 1: 63.0, 2: 74.0}}

        found = contrast(runs, "half - none", difference("half", "none"))

        assert (2.0, 3.0, 4.0) == found.values
        assert 3.0 == found.interval.estimate

    def test_an_interaction_is_what_is_left_of_the_sum(self):
        """Neither 1, first 2, second 4, both 8: 8 - 2 - 4 + 1."""
        runs = {"neither": {0: 1.0}, "first": {0: 2.0}, "second": {0: 4.0}, "both": {0: 8.0}}

        assert {0: 3.0} == values_of(runs, interaction("both", "first", "second", "neither"))

    def test_a_slope_is_that_of_least_squares(self):
        """NumPy's, over places that are not even."""
        places, values = (0.5, 1.0, 4.0, 4.5), (3.0, -1.0, 2.0, 7.0)
        runs = {str(x): {0: y} for x, y in zip(places, values, strict=True)}

        found = values_of(runs, slope({x: {str(x): 1.0} for x in places}))

        assert found[0] == pytest.approx(np.polyfit(places, values, 1)[0], rel=1e-12)

    def test_a_mean_of_differences_is_the_difference_of_means(self):
        """Weights of the same arm add up."""
        runs = {"none": {0: 1.0}, "a": {0: 2.0}, "b": {0: 5.0}}

        assert {0: 2.5} == values_of(runs, mean_of([difference("a", "none"), difference("b", "none")]))

    @pytest.mark.parametrize("runs", [{}, {"none": {0: 1.0}, "half": {0: 2.0}}])
    def test_with_fewer_than_two_seeds_there_is_no_interval_and_no_claim(self, runs):
        """None, and a p-value of 1."""
        found = contrast(runs, "x", difference("half", "none"))

        assert (None, 1.0, 0) == (found.interval, found.p, found.sign)


class TestChance:
    """Student's, with an end for values without spread."""

    def test_it_is_students(self):
        """Scipy's two-sided test."""
        values = [0.3, -0.1, 0.4, 0.2]

        assert chance(values) == pytest.approx(float(stats.ttest_1samp(values, 0).pvalue), rel=1e-12)

    def test_equal_values_are_no_certainty(self):
        """Three runs that agree have the p-value of three heads or three tails, and not 0."""
        assert 0.25 == chance([0.28, 0.28, 0.28])
        assert judged({"x": [0.28, 0.28, 0.28]})[0].sign == 0
        assert judged({"x": [0.28] * 6})[0].sign == 1


class TestFamily:
    """One wrong claim in twenty families, at most."""

    def test_a_claim_pays_for_its_company(self):
        """A p-value of 0.03 is a claim by itself, and none among two."""
        values = [1.0, 2.0, 3.0, 1.5, 0.2]
        alone = judged({"a": values})[0]
        among = judged({"a": values, "b": [1.0, -1.0, 0.5, -0.5, 0.1]})[0]

        assert alone.p == among.p
        assert ALPHA / 2 < alone.p < ALPHA
        assert (1, 0) == (alone.sign, among.sign)

    def test_a_member_without_an_interval_costs_the_others_nothing(self):
        """What cannot be judged is not one of the hypotheses."""
        runs = {"none": {0: 1.0, 1: 2.0, 2: 3.0}, "a": {0: 2.0, 1: 3.1, 2: 3.9}, "b": {}}
        members = {name: difference(name, "none") for name in "ab"}

        alone, _ = family(runs, members)

        assert alone.p == alone.adjusted

    def test_null_families_make_no_more_claims_than_they_say(self):
        """400 families of five dependent contrasts without any effect: claims in at most 5 %, up to chance.

        The number of families with a claim is binomial with a share of at most 0.05.
        """
        draws = np.random.default_rng(0).normal(size=(400, 6, 6))
        count = 0
        for seeds in draws:
            runs = {str(arm): dict(enumerate(map(float, values))) for arm, values in enumerate(seeds)}
            members = {str(arm): difference(str(arm), "0") for arm in range(1, 6)}
            count += any(each.sign for each in family(runs, members))

        assert count <= stats.binom.isf(ALARM, len(draws), ALPHA)
        assert (
            count >= 1
        )  # by chance some families do claim: 400 of them without any is less likely than 1e-6


def test_weights_of_nothing_have_no_values():
    """A difference of an arm with itself."""
    assert {} == values_of({"a": {0: 1.0}}, difference("a", "a"))
    assert math.isclose(1.0, contrast({"a": {0: 1.0}}, "a - a", difference("a", "a")).p)
