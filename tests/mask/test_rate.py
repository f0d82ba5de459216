"""From a rate to a threshold, a scale, and back."""

from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.strategies import RATES
from thinned.errors import RateError
from thinned.mask import keep, quantise, threshold, uniform
from thinned.mask.rate import scale

LEVELS = {False: 2**16, True: 2**32}
BOTH = pytest.mark.parametrize("wide", [False, True], ids=["plain", "wide"])


class TestThreshold:
    """`threshold` of a constant rate."""

    @BOTH
    @given(rate=RATES)
    def test_is_the_nearest_level_ties_to_even(self, wide, rate):
        """Exact arithmetic says the same; float64 loses nothing in a multiplication by a power of two."""
        assert round(Fraction(rate) * LEVELS[wide]) == threshold(rate, wide=wide)

    @BOTH
    @pytest.mark.parametrize("kind", [int, float, np.float32, np.float64, np.int64, Fraction, np.array])
    def test_certainty_is_exact(self, wide, kind):
        """Rates 0 and 1 in any number type keep all and none."""
        assert (0, LEVELS[wide]) == (threshold(kind(0), wide=wide), threshold(kind(1), wide=wide))

    @BOTH
    @pytest.mark.parametrize("rate", [-1e-300, 1 + 1e-15, float("nan"), float("inf"), -float("inf"), 50])
    def test_no_probability_is_refused(self, wide, rate):
        """A rate in per cent, or a NaN, is the author's slip."""
        with pytest.raises(RateError, match=r"expected a rate in \[0, 1\]"):
            threshold(rate, wide=wide)

    @BOTH
    def test_chance_that_rounds_to_certainty_is_refused(self, wide):
        """Whoever asks for a little chance must not get none; the tie itself rounds to the even certainty."""
        tie = 0.5 / LEVELS[wide]
        for rate, certainty in ((tie, 0), (1 - tie, 1)):
            with pytest.raises(RateError, match=f"rounds to {certainty} in multiples"):
                threshold(rate, wide=wide)
        assert threshold(np.nextafter(tie, 1), wide=wide) == 1

    @pytest.mark.parametrize(
        "rate", [True, np.bool_(False), "0.5", b"0.5", None, [0.5], np.array([0.5]), 0.5j]
    )
    def test_what_is_no_number_is_refused(self, rate):
        """Arrays of rates and booleans have no one threshold."""
        with pytest.raises(RateError, match="expected a rate as one number"):
            threshold(rate)

    def test_a_decimal_is_refused_in_full_words(self):
        """Decimals do not mix with floats; the message names the type."""
        with pytest.raises(RateError, match="Decimal"):
            threshold(Decimal("0.5"))

    def test_a_float32_rate_is_taken_at_its_own_value(self):
        """float32(0.1) is not 0.1, but both round to one T; a T next to a tie shows which one was used."""
        rate = np.float32(0.1)

        assert round(Fraction(float(rate)) * 2**32) == threshold(rate, wide=True) != threshold(0.1, wide=True)


class TestScheduledThreshold:
    """`threshold(constant=False)`: no error, whatever comes."""

    @BOTH
    @given(rate=st.floats())
    def test_clamps_and_quantises(self, wide, rate):
        """Outside [0, 1] is clamped; NaN counts as 1, so that it drops everything and is seen."""
        clamped = 1.0 if np.isnan(rate) else min(max(rate, 0.0), 1.0)

        assert round(Fraction(clamped) * LEVELS[wide]) == threshold(rate, wide=wide, constant=False)

    @given(rate=RATES)
    def test_agrees_with_the_constant_rate(self, rate):
        """A schedule that stands still is a constant."""
        assert threshold(rate) == threshold(rate, constant=False)

    def test_may_round_to_certainty(self):
        """A schedule that starts at 0 passes through rates too small to matter."""
        assert (threshold(1e-9, constant=False), threshold(1 - 1e-9, constant=False)) == (0, 65536)


class TestScale:
    """`scale`."""

    @BOTH
    @given(data=st.data())
    def test_makes_the_expectation_exact(self, wide, data):
        """Share kept times scale is 1 within one rounding: half an ulp of the scale, 2^-53 of its value."""
        level = data.draw(st.integers(0, LEVELS[wide] - 1))
        error = Fraction(LEVELS[wide] - level, LEVELS[wide]) * Fraction(scale(level, wide=wide)) - 1

        assert abs(error) <= Fraction(1, 2**53)

    @BOTH
    def test_is_zero_where_nothing_is_kept(self, wide):
        """Not infinity: at rate 1 the gradient is 0 and not NaN."""
        assert scale(LEVELS[wide], wide=wide) == 0.0


class TestQuantise:
    """`quantise`."""

    @given(rate=RATES)
    def test_is_idempotent_and_near(self, rate):
        """The rate really used is within half a level, and quantises to itself."""
        used = quantise(rate)

        assert abs(used - rate) <= 0.5 / 65536
        assert used == quantise(used) == float(np.float32(used))

    @given(rate=RATES, seed=st.integers(0, 2**64 - 1))
    def test_the_textbook_comparison_keeps_the_same(self, rate, seed):
        """`u > p` on uniforms is `keep`, bit for bit, in float32 too."""
        u = uniform((64,), seed=seed)

        assert keep((64,), rate, seed=seed).tolist() == (u > quantise(rate)).tolist()
        assert (u == u.astype(np.float32)).all()
