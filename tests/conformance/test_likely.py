"""The likely mistake, from figures alone."""

import pytest

from thinned.conformance import likely


class TestKeepRate:
    """What keeps as much."""

    @pytest.mark.parametrize(
        ("kept", "p", "words"),
        [
            (0.3085, 0.5, "randn"),
            (0.4207, 0.2, "randn"),
            (0.8, 0.8, "swapped"),
            (1.0, 0.5, "nothing is dropped"),
            (0.0, 0.5, "nothing is kept"),
            (0.25, 0.5, "applied twice"),
            (0.9, 0.2, "1 - p/2"),
            (0.5, 0.2, "half whatever the rate"),
        ],
    )
    def test_has_its_words(self, kept, p, words):
        """Each hypothesis its own."""
        assert words in likely.keep_rate([(kept, p, 0.005)])

    def test_two_rates_tell_more_than_one(self):
        """At 0.5 two masks that agree keep as much as a uniform on (-1, 1)."""
        assert "two masks" in likely.keep_rate([(0.75, 0.5, 0.005), (0.96, 0.2, 0.005)])
        assert "(-1, 1)" in likely.keep_rate([(0.75, 0.5, 0.005), (0.9, 0.2, 0.005)])

    @pytest.mark.parametrize(("kept", "p"), [(0.5, 0.5), (0.66, 0.5)])
    def test_silent(self, kept, p):
        """Where it is right, and where nothing fits."""
        assert "" == likely.keep_rate([(kept, p, 0.005)])


class TestScale:
    """What multiplies as much."""

    @pytest.mark.parametrize(
        ("measured", "p", "words"),
        [
            (1.0, 0.5, "not scaled"),
            (5.0, 0.2, "swapped"),
            (0.8, 0.2, "evaluation"),
            (4.0, 0.5, "twice"),
            (1.2, 0.2, "first terms"),
        ],
    )
    def test_has_its_words(self, measured, p, words):
        """Each hypothesis its own."""
        assert words in likely.scale(measured, p, 1 - p)

    def test_silent(self):
        """Where nothing fits."""
        assert "" == likely.scale(1.37, 0.5, 0.5)


class TestLowPrecision:
    """Draws of too few bits."""

    @pytest.mark.parametrize(("kept", "bits"), [(1 - 2**-8, 8), (1 - 2**-9, 11), (1 - 0.001 - 2**-9, 8)])
    def test_has_its_words(self, kept, bits):
        """A uniform that knows only multiples of its step."""
        assert "half type" in likely.low_precision(kept, 0.001, bits, 2e-4)
