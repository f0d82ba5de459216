"""Pictures for those who do not see them."""

import math
from dataclasses import replace

import pytest

from tests.report.answers import ANSWER, HEAT, LINES, ROWS, series
from thinned.lab.answer import Chart, HeatMap, Series
from thinned.lab.statistics import Interval
from thinned.report.words import MOST, summary, table


class TestSummary:
    """In sentences."""

    def test_lines_go_from_somewhere_to_somewhere(self):
        """With intervals at both ends."""
        assert "none goes from 90.00 (89.72 to 90.28) at 1 to 97.00 (96.72 to 97.28) at 100." in summary(
            LINES
        )

    def test_a_map_has_a_lowest_and_a_highest(self):
        """What is NaN is neither."""
        assert (
            "The lowest is -0.5 at second 0.5, first 0; the highest is 0.5 at second 0, first 0.5."
        ) in summary(HEAT)

    def test_many_rows_are_not_all_read_out(self):
        """The rest is counted."""
        many = replace(ROWS, series=(series("", [f"arm {k}" for k in range(MOST + 3)], [0.0] * (MOST + 3)),))

        assert "arm 7 " in summary(many)
        assert "arm 8" not in summary(many)
        assert summary(many).endswith("and 3 more.")

    @pytest.mark.parametrize(
        "empty",
        [
            Chart("lines", "t", "x", "y", ()),
            Chart("lines", "t", "x", "y", (Series("a", (), ()),)),
            Chart("intervals", "t", "x", "y", (Series("a", (), ()),)),
            HeatMap("t", "x", "y", (1,), (1,), ((math.nan,),), (("",),)),
        ],
    )
    def test_an_empty_picture_has_words(self, empty):
        """A study that has just begun has a page too."""
        assert summary(empty).startswith("t")
        assert table(empty).columns


class TestTable:
    """As a table."""

    @pytest.mark.parametrize("picture", ANSWER.charts, ids=lambda picture: picture.title)
    def test_it_has_every_value(self, picture):
        """A row an x or y, a column a series or x."""
        found = table(picture)
        rows = len(picture.y) if isinstance(picture, HeatMap) else len(picture.series[0].x)

        assert rows == len(found.rows)

    def test_a_point_that_one_series_lacks_is_an_empty_cell(self):
        """Which is sorted last."""
        gap = replace(LINES, series=(series("a", (1, 2), (1, 2)), series("b", (2,), (3,))))

        assert ("", math.inf) == (table(gap).rows[0][2].text, table(gap).rows[0][2].sort)

    def test_a_single_run_has_no_interval(self):
        """Its value stands alone."""
        one = Chart("points", "", "x", "y", (Series("a", (1,), (Interval(2.0, 2.0, 2.0, 1, 0.0),)),))

        assert "2" == table(one).rows[0][1].text
