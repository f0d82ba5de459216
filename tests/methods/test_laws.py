"""Alpha, Gaussian and uniform dropout, noise and a stochastic ReLU: their moments are those of their draws."""

import math

import numpy as np
import pytest

from tests.bounds import stray
from thinned.errors import RateError, ShareError
from thinned.kernels import laws
from thinned.mask import threshold
from thinned.methods import alpha, gaussian_dropout, gaussian_noise, stochastic_relu, uniform_dropout
from thinned.methods.law import LawPlan, bits, check_size, plan, size_of
from thinned.methods.laws import LAWS

N = 1 << 20
RATES = [0.05, 0.25, 0.5, 0.9]
MOST = math.sqrt(64 * math.log(2))
"""The largest normal that the law has."""


def drawn(law, amount, x):
    """`N` outputs at one input value, in float64."""
    values, y = np.full(N, x), np.empty(N)
    how = plan((N,), law, amount)
    at = (5, 6, 7, 8)
    laws.run("float64", values.ctypes.data, y.ctypes.data, how, at, threads=1, owners=(values, y))
    return y


def check(y, mean, variance, reach, fourth):
    """Mean and mean square of the deviation, each within Bernstein's bound.

    Args:
        y: outputs.
        mean: the formula's.
        variance: the formula's.
        reach: how far an output may lie from the mean.
        fourth: the fourth central moment.
    """
    assert abs(y.mean() - mean) <= stray(N, variance, reach)
    spread = max(fourth - variance**2, 0.0)
    assert abs(((y - mean) ** 2).mean() - variance) <= stray(N, spread, max(reach**2, variance))


def two_points(q, kept, dropped):
    """Reach and fourth moment of a law of two values."""
    mean = (1 - q) * kept + q * dropped
    far = abs(kept - mean), abs(dropped - mean)
    return max(far), (1 - q) * far[0] ** 4 + q * far[1] ** 4


class TestMoments:
    """`moments` of each."""

    @pytest.mark.parametrize("rate", RATES)
    @pytest.mark.parametrize("x", [-1.3, 0.4])
    def test_alpha(self, rate, x):
        """Two values: an affine image of the input, and one constant."""
        q = threshold(rate) / 65536
        a, b, c = alpha.affine(q)

        check(drawn(alpha.LAW, threshold(rate), x), *alpha.moments(x, rate), *two_points(q, a * x + b, c))

    @pytest.mark.parametrize("rate", RATES)
    def test_gaussian_dropout(self, rate):
        """A normal has a fourth moment of three variances squared, here at most: the law's tails end."""
        mean, variance = gaussian_dropout.moments(1.5, rate)
        y = drawn(gaussian_dropout.LAW, threshold(rate), 1.5)

        check(y, mean, variance, MOST * math.sqrt(variance), 3 * variance**2)

    @pytest.mark.parametrize("rate", RATES)
    def test_uniform_dropout(self, rate):
        """A uniform law has a fourth moment of 9/5 variances squared."""
        mean, variance = uniform_dropout.moments(1.5, rate)
        y = drawn(uniform_dropout.LAW, threshold(rate), 1.5)

        check(y, mean, variance, math.sqrt(3 * variance) * 1.0001, 1.8 * variance**2)

    @pytest.mark.parametrize("std", [1e-3, 0.1, 3.0])
    def test_gaussian_noise(self, std):
        """The input does not count."""
        mean, variance = gaussian_noise.moments(-2.0, std)

        check(drawn(gaussian_noise.LAW, bits(std), -2.0), mean, variance, MOST * std, 3 * variance**2)

    @pytest.mark.parametrize("rate", RATES)
    def test_gaussian_and_uniform_are_dropouts(self, rate):
        """The same two moments, but for the steps of the uniform law."""
        dropout = threshold(rate) / (65536 - threshold(rate))

        assert math.isclose(gaussian_dropout.moments(1.0, rate).variance, dropout, rel_tol=2**-50)
        assert math.isclose(uniform_dropout.moments(1.0, rate).variance, dropout, rel_tol=2**-31)

    def test_a_rectifier(self):
        """Dropout's moments, of what the rectifier lets through."""
        mean, variance = stochastic_relu.moments([-2.0, 3.0], 0.25)

        assert ([0, 3], [0, 3]) == (mean.tolist(), variance.tolist())

    @pytest.mark.parametrize("method", [alpha, gaussian_dropout, uniform_dropout, stochastic_relu])
    def test_at_the_edges(self, method):
        """Rate 0 changes nothing, rate 1 leaves nothing."""
        assert method.moments(2.0, 0) == (2.0, 0)
        assert method.moments(2.0, 1) == (0, 0)


class TestAlpha:
    """The affine map."""

    @pytest.mark.parametrize("q", [0.0, 0.1, 0.5, 0.99])
    def test_keeps_mean_and_variance(self, q):
        """Of any input of mean 0 and variance 1: the paper's theorem."""
        a, b, c = alpha.affine(q)
        mean = (1 - q) * b + q * c
        second = (1 - q) * (a**2 + b**2) + q * c**2

        assert math.isclose(mean, 0, abs_tol=1e-15)
        assert math.isclose(second - mean**2, 1, rel_tol=1e-14)

    def test_rate_zero_changes_no_bit(self):
        """Not -0 either."""
        y = drawn(alpha.LAW, 0, -0.0)

        assert np.signbit(y).all()

    def test_the_gradient_is_the_slope(self):
        """The same mask and slope, without shift and limit."""
        how = plan((3,), alpha.LAW, 20_000)
        gradient = how.gradient()

        assert (how.setting.level, how.setting.a) == (gradient.setting.level, gradient.setting.a)
        assert (-0.0, 0.0) == (gradient.setting.b, gradient.setting.c)
        assert gradient.gradient() is gradient

    def test_feature_axes(self):
        """At least batch and channel."""
        assert () == alpha.feature_axes(2)
        with pytest.raises(ShareError, match="got 1 axes"):
            alpha.feature_axes(1)


class TestUniform:
    """The width."""

    def test_at_a_quarter_is_continuous_dropout(self):
        """`y = 2 u x`."""
        setting = uniform_dropout.LAW.setting(16384)

        assert (1.0, 1.0) == (setting.a, setting.b)


class TestLaws:
    """The registry, and what amounts mean."""

    @pytest.mark.parametrize("law", LAWS.values(), ids=LAWS)
    def test_are_known_by_name(self, law):
        """With their gradients."""
        assert LAWS[law.name] is law
        assert law.gradient is None or LAWS[law.gradient.name] is law.gradient

    @pytest.mark.parametrize(
        "law", [law for law in LAWS.values() if law.measure == "rate"], ids=lambda law: law.name
    )
    def test_thresholds_that_are_traced_are_clamped(self, law):
        """Whatever arrives."""
        assert law.setting(-5) == law.setting(0)
        assert law.setting(70_000) == law.setting(65536)

    @pytest.mark.parametrize("law", LAWS.values(), ids=LAWS)
    def test_the_gradient_draws_what_forward_draws(self, law):
        """The same words against the same level."""
        for amount in (0, 20_000, 65536):
            if law.gradient is not None:
                one, two = law.setting(amount), law.gradient.setting(amount)
                assert (one.draw, one.level) == (two.draw, two.level)

    def test_a_size_and_its_bits(self):
        """Any float64."""
        assert 0.1 == size_of(bits(0.1))

    @pytest.mark.parametrize("size", [-0.1, math.nan, math.inf, "1", True, None])
    def test_sizes_that_are_none(self, size):
        """Negative, infinite, no number."""
        with pytest.raises(RateError, match="expected a standard deviation"):
            check_size(size)

    def test_plans_are_made_once(self):
        """And gradients with them."""
        one, two = plan((3, 4), alpha.LAW, 5), plan((3, 4), alpha.LAW, 5)

        assert isinstance(one, LawPlan)
        assert one is two
        assert one.gradient() is two.gradient()
        assert one.rows() is two.rows()
