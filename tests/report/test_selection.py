"""Which runs are meant."""

from datetime import UTC, datetime

import pytest

from tests.lab.recorded import DATA, pairs, record
from thinned.errors import ConfigurationError
from thinned.report.selection import Selection, seeds, since

NOW = datetime(2026, 11, 5, 12, tzinfo=UTC)
RUNS = [*pairs((0.5, 0.6), (0.5, 0.6)), record("none", 7, status="diverged", data=DATA | {"name": "mine"})]


class TestSelection:
    """By what runs are."""

    @pytest.mark.parametrize(
        ("selection", "expected"),
        [
            (Selection(), 5),
            (Selection(study=("dropout",)), 5),
            (Selection(study=("width",)), 0),
            (Selection(arm=("d*", "x")), 2),
            (Selection(data=("m?ne",)), 1),
            (Selection(status=("diverged",)), 1),
            (Selection(seed=frozenset({1, 7})), 3),
            (Selection(since=datetime(2026, 1, 1, 0, 0, 1, tzinfo=UTC)), 3),
            (Selection(arm=("none",), seed=frozenset({0})), 1),
        ],
        ids=lambda value: str(value).removeprefix("Selection"),
    )
    def test_all_that_is_asked_must_hold(self, selection, expected):
        """What is left empty admits everything."""
        assert expected == len(selection.of(RUNS))


class TestWords:
    """As the command line has them."""

    def test_seeds(self):
        """Alone and in spans."""
        assert {0, 1, 2, 7} == seeds("7, 0-2")

    @pytest.mark.parametrize("text", ["", "a", "-3", "5-2", "0-99999999", "1,,2"])
    def test_no_seeds(self, text):
        """The error has the text, or its part."""
        with pytest.raises(ConfigurationError, match=r"expected seeds"):
            seeds(text)

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("36h", "2026-11-04T00:00:00+00:00"),
            ("1w", "2026-10-29T12:00:00+00:00"),
            ("2026-11-01", "2026-11-01T00:00:00+00:00"),
            ("2026-11-01T12:00+02:00", "2026-11-01T12:00:00+02:00"),
        ],
    )
    def test_since(self, text, expected):
        """An age, a day, a moment."""
        assert expected == since(text, NOW).isoformat()

    @pytest.mark.parametrize("text", ["yesterday", "5", "99999999999w", "2026-13-01"])
    def test_not_since(self, text):
        """The error has what can be said."""
        with pytest.raises(ConfigurationError, match=r"such as 24h or 7d"):
            since(text, NOW)
