"""Globs over the names of layers."""

import pytest

from thinned.methods.patterns import listed, matches, nearest

NAMES = [f"blocks.{n}.{part}" for n in range(12) for part in ("norm", "drop_path1", "drop_path2")] + [
    "head.drop"
]


class TestMatches:
    """`matches`."""

    @pytest.mark.parametrize(
        ("pattern", "count"),
        [
            ("*", 37),
            ("*.drop_path1", 12),
            ("blocks.1.*", 3),
            ("blocks.[01].drop_path?", 4),
            ("drop", 0),
            ("*DROP", 0),
        ],
    )
    def test_counts(self, pattern, count):
        """`*` also matches dots; a name counts as a whole, and its case."""
        assert count == len(matches(pattern, NAMES))


class TestNearest:
    """`nearest`."""

    def test_names_with_numbers_are_one_pattern(self):
        """The likeliest first."""
        assert ["blocks.*.drop_path1", "blocks.*.drop_path2", "head.drop"] == nearest("*.drop_path", NAMES)

    def test_digits_in_a_word_stay(self):
        """Only whole parts are numbers."""
        assert ["stage2.*.drop1"] == nearest("x", ["stage2.0.drop1", "stage2.11.drop1"])


class TestListed:
    """`listed`."""

    def test_few_and_many(self):
        """The rest is a number."""
        assert ("'a'", "'a', 'b', 'c' and 1 more") == (listed(["a"]), listed(["a", "b", "c", "d"]))
