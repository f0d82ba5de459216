"""Which layer has the higher rate."""

import pytest

from tests.lab.studies import made
from thinned.errors import ConfigurationError
from thinned.lab.answer import HeatMap
from thinned.lab.configuration import Configuration
from thinned.lab.scope import Scope
from thinned.lab.studies.swap_rates import QUESTION, arm


def tilted(first, second):
    """Runs that each rate costs something."""

    def effect(arm, configuration):
        return first * configuration.rates[0] + second * configuration.rates[1]

    return made.noisy(effect)


class TestAnswer:
    """By the mean of the three swaps."""

    @pytest.mark.parametrize(
        ("first", "second", "verdict", "opening"),
        [
            (-1, 1, "second", "On average the higher rate is better in the second hidden layer"),
            (1, -1, "first", "On average the higher rate is better in the first hidden layer"),
        ],
    )
    def test_it_says_where_the_higher_rate_belongs(self, first, second, verdict, opening):
        """By hand: the swaps move 0.3, 0.4 and 0.8 from one layer to the other, and so change 2 x 0.5."""
        found = made.answer(QUESTION, tilted(first, second))

        assert verdict == found.verdict
        assert found.sentence.startswith(f"{opening}")
        assert f"by {2 * first * 0.5:+.2f} points" in found.sentence

    def test_rates_that_cost_the_same_in_both_layers_swap_for_nothing(self):
        """However large the effects of the rates."""
        found = made.answer(QUESTION, tilted(-5, -5))

        assert "undecided" == found.verdict
        assert "0 are better and 24 worse than no dropout" in found.sentence

    def test_the_map_has_every_pair_of_rates(self):
        """The cell of 0.9 first and 0.1 second is in the last row and the second column."""
        found = made.answer(QUESTION, tilted(-1, 1))
        (chart,) = (chart for chart in found.charts if isinstance(chart, HeatMap))

        assert (0.0, 0.1, 0.2, 0.5, 0.9) == chart.x == chart.y
        assert chart.values[4][1] == pytest.approx(-0.8)
        assert chart.values[0][0] != chart.values[0][0]  # nothing to compare none with: NaN

    def test_a_run_that_diverged_is_told(self):
        """It is missing from every difference of its arm."""
        found = made.answer(QUESTION, made.diverging(tilted(-1, 1), arm(0.9, 0.1)))

        assert "1 of 8 runs of 0.9, 0.1 diverged" in found.sentence


class TestArms:
    """A square of rates."""

    def test_the_full_map_is_seven_by_seven(self):
        """With the six pairs of the question."""
        arms = made.design_of(QUESTION, "full").arms()

        assert 49 == len(arms)
        assert {"0.2, 0.5", "0.5, 0.2", "0.1, 0.5", "0.5, 0.1", "0.1, 0.9", "0.9, 0.1"} <= set(arms)

    def test_one_layer_has_nothing_to_swap(self):
        """An error that says so."""
        with pytest.raises(ConfigurationError, match="expected two hidden layers"):
            QUESTION.arms(Configuration(hidden=(8,), rates=(0.5,)), Scope("quick"))
