"""Intervals, never bare means."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy import optimize, stats

LEVEL = 0.95
POWER = 0.8
QUADRATURE = 2000
"""Parts that a distribution is cut into, to average over it."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean with the interval that holds the true one in `level` of all repetitions of the experiment.

    Args:
        estimate: the mean.
        low: lower end.
        high: upper end.
        n: how many values it comes from.
        detectable: the smallest true mean that n values this noisy would tell from 0 with probability 0.8.
    """

    estimate: float
    low: float
    high: float
    n: int
    detectable: float

    @property
    def excludes_zero(self) -> bool:
        """Whether 0 lies outside."""
        return self.low > 0 or self.high < 0

    def scaled(self, factor: float) -> "Interval":
        """In another unit; a positive factor."""
        return Interval(
            self.estimate * factor, self.low * factor, self.high * factor, self.n, self.detectable * factor
        )


def mean_interval(values: Sequence[float], level: float = LEVEL) -> Interval:
    """The mean of independent values, with Student's t interval.

        mean +- t(1 - (1 - level) / 2, n - 1) * s / sqrt(n)

    Exact where the values are normal. For a paired comparison, pass the differences.

    Args:
        values: at least two finite numbers.
        level: of confidence.

    Raises:
        ValueError: fewer than two values, or one that is not finite.

    Example:
        >>> interval = mean_interval([1.0, 2.0, 3.0])
        >>> round(interval.low, 3), interval.estimate, round(interval.high, 3)
        (-0.484, 2.0, 4.484)

    References:
        Student, "The Probable Error of a Mean", 1908, https://doi.org/10.2307/2331554.
    """
    array = np.asarray(values, np.float64)
    if array.ndim != 1 or array.size < 2 or not np.isfinite(array).all():
        raise ValueError(f"expected at least two finite values; got {list(values)!r}. Run more seeds.")
    n = array.size
    mean, error = float(array.mean()), float(array.std(ddof=1)) / math.sqrt(n)
    half = float(stats.t.ppf((1 + level) / 2, n - 1)) * error
    return Interval(mean, mean - half, mean + half, n, smallest_detectable(n, level=level) * error)


@cache
def smallest_detectable(n: int, *, power: float = POWER, level: float = LEVEL) -> float:
    """The true mean, in standard errors, that a two-sided t test on n values finds with probability `power`.

    Solves P(|T| > t(1 - (1 - level) / 2, n - 1)) = power, where T is noncentral t with that mean.

    Example:
        >>> round(smallest_detectable(10), 2)
        3.15

    References:
        Cohen, "Statistical Power Analysis for the Behavioral Sciences", 1988, chapter 2.
    """
    critical = float(stats.t.ppf((1 + level) / 2, n - 1))
    # The standard error that a sample happens to show, at the middles of equally likely parts. SciPy's own
    # noncentral t is NaN for the shifts that n = 2 needs.
    shares = (np.arange(QUADRATURE) + 0.5) / QUADRATURE
    shown = np.sqrt(stats.chi2.ppf(shares, n - 1) / (n - 1))

    def shortfall(shift: float) -> float:
        found = stats.norm.cdf(shift - critical * shown) + stats.norm.cdf(-shift - critical * shown)
        return float(found.mean()) - power

    return float(optimize.brentq(shortfall, 0.0, 10 * critical))
