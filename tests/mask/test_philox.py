"""Philox in NumPy, beyond Random123's published answers."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tests.mask import independent
from tests.strategies import WORDS
from thinned.mask.philox import philox4x32


class TestPhilox:
    """`philox4x32`."""

    @given(counter=st.tuples(WORDS, WORDS, WORDS, WORDS), key=st.tuples(WORDS, WORDS))
    def test_equals_integer_arithmetic(self, counter, key):
        """Wrapping arrays and Python integers give the same four words."""
        assert independent.philox(counter, key) == philox4x32(counter, key).tolist()

    def test_broadcasts_key_against_counters(self):
        """One key serves many counters, and gives each what it gives alone."""
        counters = np.arange(12, dtype=np.uint32).reshape(3, 4)

        expected = np.stack([philox4x32(counter, (5, 6)) for counter in counters])

        assert np.array_equal(expected, philox4x32(counters, (5, 6)))

    def test_no_rounds_leave_the_counter(self):
        """Rounds are the only thing that happens to a counter."""
        assert philox4x32([1, 2, 3, 4], [5, 6], rounds=0).tolist() == [1, 2, 3, 4]

    def test_flipping_one_bit_flips_half(self):
        """Each of the 192 input bits moves the output: between 32 and 96 of its 128 bits.

        Under independence the distance is Binomial(128, 1/2), which leaves [32, 96] with chance 4.2e-9; for
        192 bits that is 8.0e-7.
        """
        base = philox4x32([0, 0, 0, 0], [0, 0])
        for bit in range(192):
            words = [0] * 6
            words[bit // 32] = 1 << bit % 32
            moved = philox4x32(words[:4], words[4:])

            flipped = np.unpackbits((base ^ moved).view(np.uint8))
            assert 32 <= int(flipped.sum()) <= 96
