"""Where the x of a chart lie."""

from dataclasses import replace

import pytest

from tests.report.answers import LINES, POINTS, ROWS, series
from thinned.lab.answer import Chart
from thinned.report.scale import FEW, Scale


class TestScale:
    """Numbers at themselves, categories side by side."""

    def test_categories_stand_in_the_order_they_come_in(self):
        """At 0, 1, 2, each with its name."""
        scale = Scale.of(ROWS)

        assert [0.0, 1.0, 2.0] == list(scale.places.values())
        assert list(ROWS.series[0].x) == [text for _, text in scale.ticks]

    def test_zero_has_a_place_on_a_logarithmic_axis(self):
        """As far left of the first number as that is of the second, and it is called 0."""
        scale = Scale.of(POINTS)

        assert pytest.approx(0.001) == scale.places[0]
        assert (pytest.approx(0.001), "0") == scale.ticks[0]

    def test_few_numbers_have_a_tick_each(self):
        """Many leave them to the plotting library."""
        many = replace(LINES, series=(series("a", range(1, FEW + 2), [1.0] * (FEW + 1)),))

        assert ["1", "10", "100"] == [text for _, text in Scale.of(LINES).ticks]
        assert () == Scale.of(many).ticks

    def test_a_chart_without_points_has_an_axis(self):
        """With nothing on it: a study that has just begun."""
        assert Scale({}, (), False, False) == Scale.of(Chart("lines", "", "", "", (), log_x=True))
