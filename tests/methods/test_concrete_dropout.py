"""Concrete dropout's formulas: the paper's, and moments that the draws have."""

import math

import numpy as np
import pytest

import thinned
from tests.bounds import stray
from thinned.errors import RateError
from thinned.methods.concrete_dropout import (
    check_positive,
    factor,
    logit_of,
    moments,
    noise,
    penalty,
    sigmoid,
    slope,
)

RATES = [0.01, 0.1, 0.5, 0.9]


def textbook(p, u, t):
    """The paper's equation, written as it stands there."""
    z = 1 / (1 + np.exp(-(math.log(p) - math.log(1 - p) + np.log(u) - np.log(1 - u)) / t))
    return (1 - z) / (1 - p)


class TestFactor:
    """What an element is multiplied by."""

    @pytest.mark.parametrize("p", RATES)
    @pytest.mark.parametrize("t", [0.1, 2 / 3])
    def test_is_the_papers(self, p, t):
        """At every uniform that the law knows, `u` standing for the paper's `1 - u`.

        The exponent is at most 2^8 and rounded a few times, which is the relative error of its exponential; and the
        textbook's `1 - z` loses what is below float64's precision.
        """
        u = (np.arange(65536) + 0.5) / 65536
        eps = np.finfo(np.float64).eps

        expected, found = textbook(p, 1 - u, t), factor(logit_of(p), noise(), t)
        assert np.allclose(expected, found, rtol=2**10 * eps, atol=4 * eps / (1 - p))

    @pytest.mark.parametrize("p", RATES)
    def test_becomes_dropouts_own(self, p):
        """As the temperature falls: the law's mask at the same address, and the scale of the exact rate."""
        u = thinned.mask.uniform((4096,), seed=5)
        mask = thinned.mask.keep((4096,), p, seed=5)
        found = factor(logit_of(p), np.log((1 - u) / u), 1e-9)

        assert np.allclose(mask / (1 - p), found)

    @pytest.mark.parametrize("p", RATES)
    def test_slope_is_its_derivative(self, p):
        """By the logit, against a central difference."""
        a, h, some = logit_of(p), 1e-6, noise()[::97]
        difference = (factor(a + h, some, 0.1) - factor(a - h, some, 0.1)) / (2 * h)
        exact = factor(a, some, 0.1) * slope(a, some, 0.1)

        assert np.allclose(difference, exact, rtol=1e-5, atol=1e-6)


class TestMoments:
    """`moments`, exactly."""

    @pytest.mark.parametrize("p", RATES)
    @pytest.mark.parametrize("t", [0.1, 2 / 3])
    def test_draws_have_them(self, p, t):
        """Within Bernstein's bounds: a factor lies between 0 and 1 / (1 - p)."""
        n = 200_000
        u = thinned.mask.uniform((n,), seed=1)
        drawn = factor(logit_of(p), np.log((1 - u) / u), t)
        mean, variance = (float(value[0]) for value in moments([1.0], p, t))
        reach = 1 / (1 - p)
        squares = (drawn - mean) ** 2
        fourth = float(np.mean((factor(logit_of(p), noise(), t) - mean) ** 4))

        assert abs(drawn.mean() - mean) < stray(n, variance, reach)
        assert abs(squares.mean() - variance) < stray(n, fourth, reach**2)

    def test_scale_with_the_input(self):
        """The mean as it, the variance as its square."""
        one, three = moments([1.0], 0.2), moments([-3.0], 0.2)

        assert np.allclose(three.mean, -3 * one.mean)
        assert np.allclose(three.variance, 9 * one.variance)

    def test_the_bias_is_the_papers(self):
        """None at 1/2, and by numerical integration of the paper's equation elsewhere."""
        u = (np.arange(2_000_000) + 0.5) / 2_000_000

        assert moments([1.0], 0.5).mean == pytest.approx(1, abs=1e-12)
        assert moments([1.0], 0.1).mean == pytest.approx(textbook(0.1, u, 0.1).mean(), abs=1e-5)


class TestPenalty:
    """The regulariser."""

    @pytest.mark.parametrize("p", RATES)
    def test_is_the_papers(self, p):
        """Both terms, in the rate."""
        expected = 0.3 * 7 / (1 - p) + 0.2 * 16 * (p * math.log(p) + (1 - p) * math.log(1 - p))
        found = penalty(logit_of(p), 7, 16, 0.3, 0.2, sigmoid, lambda x: np.log(sigmoid(x)))

        assert expected == pytest.approx(found)


class TestErrors:
    """Arguments that are refused."""

    @pytest.mark.parametrize("p", [0, 1, -0.1, 1.1, math.nan, "0.5", True, None])
    def test_rates(self, p):
        """Between 0 and 1, since from neither one can learn."""
        with pytest.raises(RateError, match="expected a rate between 0 and 1"):
            logit_of(p)

    def test_schedules(self):
        """The rate is learned."""
        with pytest.raises(RateError, match="since it is learned; got the schedule late"):
            logit_of(thinned.late(0.5, after=3))

    @pytest.mark.parametrize("value", [0, -1, math.inf, math.nan, "1", True])
    def test_positive(self, value):
        """A temperature."""
        with pytest.raises(RateError, match="expected a temperature as a finite number above 0"):
            check_positive("a temperature", value)
