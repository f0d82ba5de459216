"""How far a mean may stray, with a proof: every statistical test takes its bound from here.

Bernstein's inequality: for the mean of n independent values, each within `reach` of its expectation and with
variance at most `variance`,

    P(|mean - expectation| >= t)  <=  2 exp(-n t^2 / (2 variance + 2 reach t / 3))

It holds for every n, and assumes no normal limit. Solved for t at the chance `ALARM`, it gives `stray`.

References:
    Boucheron, Lugosi, Massart, "Concentration Inequalities", 2013, theorem 2.10 and corollary 2.11; for the squares
    of normals, example 2.12 and section 2.4.
"""

import math

ALARM = 1e-6
"""The chance that one check fails although the draws are what they should be."""


def stray(n: float, variance: float, reach: float, alarm: float = ALARM) -> float:
    """The t that a mean of `n` values exceeds with chance at most `alarm`.

    Example:
        >>> round(stray(10_000, 0.25, 0.5), 4)
        0.0272
    """
    log = math.log(2 / alarm) / n
    linear = reach * log / 3
    return linear + math.sqrt(linear**2 + 2 * variance * log)


def stray_of_share(n: float, p: float, alarm: float = ALARM) -> float:
    """The same for the share of `n` independent events of chance `p`: variance p (1 - p), reach at most 1.

    Example:
        >>> stray_of_share(10_000, 0.5) == stray(10_000, 0.25, 0.5)
        True
    """
    return stray(n, p * (1 - p), max(p, 1 - p), alarm)


def stray_of_seen(n: int, variance: float, alarm: float = ALARM) -> float:
    """The same for values in [0, 1] whose variance is not known but seen: that of the sample, over n - 1.

        P(|mean - expectation| >= sqrt(2 variance log(4 / alarm) / n) + 7 log(4 / alarm) / (3 (n - 1)))  <=  alarm

    References:
        Maurer, Pontil, "Empirical Bernstein Bounds and Sample Variance Penalization", 2009, theorem 4,
        https://arxiv.org/abs/0907.3740.

    Example:
        >>> round(stray_of_seen(10_000, 0.01), 4)
        0.0091
    """
    log = math.log(4 / alarm)
    return math.sqrt(2 * variance * log / n) + 7 * log / (3 * (n - 1))


def stray_of_normal(n: float, alarm: float = ALARM) -> float:
    """The same for the mean of `n` standard normals: `P(|mean| >= t) <= 2 exp(-n t^2 / 2)`.

    Example:
        >>> round(stray_of_normal(10_000), 4)
        0.0539
    """
    return math.sqrt(2 * math.log(2 / alarm) / n)


def stray_of_square(n: float, alarm: float = ALARM) -> float:
    """The same for the mean of the squares of `n` standard normals, whose expectation is 1.

    `P(mean >= 1 + 2 sqrt(s / n) + 2 s / n) <= exp(-s)`, and the lower tail is lighter.

    Example:
        >>> round(stray_of_square(10_000), 4)
        0.0791
    """
    log = math.log(2 / alarm) / n
    return 2 * math.sqrt(log) + 2 * log
