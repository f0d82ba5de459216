"""How far a mean may stray, with a proof: every statistical test takes its bound from here.

Bernstein's inequality: for the mean of n independent values, each within `reach` of its expectation and with
variance at most `variance`,

    P(|mean - expectation| >= t)  <=  2 exp(-n t^2 / (2 variance + 2 reach t / 3))

It holds for every n, and assumes no normal limit. Solved for t at the chance `ALARM`, it gives `stray`.

References:
    Boucheron, Lugosi, Massart, "Concentration Inequalities", 2013, theorem 2.10 and corollary 2.11.
"""

import math

ALARM = 1e-6
"""The chance that one check fails although the draws are what they should be."""


def stray(n, variance, reach, alarm=ALARM):
    """The t that a mean of `n` values exceeds with chance at most `alarm`."""
    log = math.log(2 / alarm) / n
    linear = reach * log / 3
    return linear + math.sqrt(linear**2 + 2 * variance * log)


def stray_of_share(n, p, alarm=ALARM):
    """The same for the share of `n` independent events of chance `p`: variance p (1 - p), reach at most 1."""
    return stray(n, p * (1 - p), max(p, 1 - p), alarm)
