"""Masks behave like chance: a million draws a fact, each with a false-alarm chance of at most 1e-6.

Philox is fixed, so each verdict was settled once and cannot flicker; the seeds are 0 and its neighbours and
were not chosen. The bounds are Bernstein's (`tests/bounds.py`), from n and the exact variance under the law
alone.
"""

import math
from functools import cache

import numpy as np
import pytest

from tests.bounds import ALARM, stray, stray_of_share
from thinned.mask import normal, quantise, uniform

N = 1_000_000
NEIGHBOURS = {"site": 1, "step": 1, "draw": 1, "seed": 1, "seed_high": 1 << 32}
RATES = [0.1, 0.5, 0.9]


@cache
def draws(**address):
    """A million uniforms, drawn once and compared with every rate: `u > quantise(rate)` is `keep(rate)`."""
    address["seed"] = address.get("seed", 0) + address.pop("seed_high", 0)
    return uniform((N,), **address)


def kept(rate, **address):
    """The mask at an address."""
    return draws(**address) > quantise(rate)


class TestOneMask:
    """The elements of one mask."""

    @pytest.mark.parametrize("rate", RATES)
    def test_keep_rate(self, rate):
        """The share kept is 1 minus the quantised rate.

        n = 10^6 events of chance q = 1 - T / 65536: Bernstein with variance q (1 - q).
        """
        q = 1 - quantise(rate)

        assert abs(kept(rate).mean() - q) <= stray_of_share(N, q)

    @pytest.mark.parametrize("rate", RATES)
    def test_variance_of_a_block(self, rate):
        """The number kept among the eight elements of a block varies as a binomial does.

        K ~ Binomial(8, q). V = (K - 8 q)^2 has mean 8 q (1 - q), lies in [0, 64], and its variance is summed
        from the binomial's probabilities; n = 125,000 blocks are independent. Elements of a block that leaned
        on each other would move the mean of V by twice their covariances.
        """
        q = 1 - quantise(rate)
        weights = [math.comb(8, k) * q**k * (1 - q) ** (8 - k) for k in range(9)]
        values = [(k - 8 * q) ** 2 for k in range(9)]
        mean = 8 * q * (1 - q)
        variance = sum(w * (v - mean) ** 2 for w, v in zip(weights, values, strict=True))
        found = ((kept(rate).reshape(-1, 8).sum(axis=1) - 8 * q) ** 2).mean()

        assert abs(found - mean) <= stray(N // 8, variance, max(values))

    def test_variance_of_uniforms(self):
        """Half-words spread over their whole range.

        u is uniform on (h + 1/2) / 65536. V = (u - 1/2)^2 has mean (1 - 65536^-2) / 12 and lies in [0, 1/4];
        its variance is below that of a continuous uniform, 1/80 - 1/144 = 1/180.
        """
        mean = (1 - 65536.0**-2) / 12

        assert abs(((draws() - 0.5) ** 2).mean() - mean) <= stray(N, 1 / 180, 1 / 4)

    def test_half_words_fill_all_bins(self):
        """Each of 256 high bytes and 256 low bytes comes as often as any other.

        Each count is a share of chance 1/256; the alarm is divided among the 512 (union bound).
        """
        words = (draws() * 65536).astype(np.int64)
        for part in (words >> 8, words & 255):
            shares = np.bincount(part, minlength=256) / N

            assert np.abs(shares - 1 / 256).max() <= stray_of_share(N, 1 / 256, ALARM / 512)

    @pytest.mark.parametrize("rate", RATES)
    @pytest.mark.parametrize("lag", [1, 2, 7, 8, 16])
    def test_neighbouring_elements(self, rate, lag):
        """Elements 1, 2, 7, 8 and 16 apart agree as often as strangers do.

        Under independence two elements agree with chance q^2 + (1 - q)^2. Agreements at one lag are not all
        independent of each other, so pairs are taken from stretches of 2 lag: (i, i + lag) for i < lag, which
        are disjoint; n is their number.
        """
        q = 1 - quantise(rate)
        mask = kept(rate)[: N // (2 * lag) * 2 * lag].reshape(-1, 2, lag)
        agree = mask[:, 0] == mask[:, 1]

        assert abs(agree.mean() - (q**2 + (1 - q) ** 2)) <= stray_of_share(agree.size, q**2 + (1 - q) ** 2)


class TestTwoMasks:
    """Masks at neighbouring addresses."""

    @pytest.mark.parametrize("rate", RATES)
    @pytest.mark.parametrize("coordinate", NEIGHBOURS)
    def test_agree_as_strangers_do(self, rate, coordinate):
        """One more in any coordinate is another mask altogether.

        Under independence elements agree with chance q^2 + (1 - q)^2, and n = 10^6 pairs are independent.
        """
        q = 1 - quantise(rate)
        agree = kept(rate) == kept(rate, **{coordinate: NEIGHBOURS[coordinate]})

        assert abs(agree.mean() - (q**2 + (1 - q) ** 2)) <= stray_of_share(N, q**2 + (1 - q) ** 2)

    @pytest.mark.parametrize("coordinate", NEIGHBOURS)
    @pytest.mark.parametrize("shift", [1, 8])
    def test_are_not_each_other_shifted(self, coordinate, shift):
        """Nor is it the same stream begun elsewhere, as seed + step would give.

        At rate 1/2 two strangers agree with chance 1/2; n = 10^6 - shift pairs are independent.
        """
        there = kept(0.5, **{coordinate: NEIGHBOURS[coordinate]})
        agree = kept(0.5)[shift:] == there[:-shift]

        assert abs(agree.mean() - 0.5) <= stray_of_share(agree.size, 0.5)


class TestNormal:
    """Normal draws."""

    @pytest.mark.parametrize("bound", [-2.0, -0.5, 0.0, 0.5, 2.0])
    def test_fall_below_as_often_as_the_normal_law_says(self, bound):
        """The share below each bound is Phi(bound).

        n = 200,000 independent events of chance Phi; words have 32 bits, which moves Phi by less than 2^-30.
        """
        phi = (1 + math.erf(bound / math.sqrt(2))) / 2
        found = normal((N // 5,), seed=0) < bound

        assert abs(found.mean() - phi) <= stray_of_share(N // 5, phi) + 2**-30
