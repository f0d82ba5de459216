"""Dropout beside normalisation."""

import pytest

from tests.lab.studies import made
from thinned.lab.studies.normalisation import QUESTION


def beside(**gains):
    """Runs in which dropout gives 2 points, and so much more beside a normalisation."""

    def effect(arm, configuration):
        return 2.0 * any(configuration.rates) + (
            gains.get(configuration.normalisation.replace("-", "_"), 0.0) if any(configuration.rates) else 0.0
        )

    return made.noisy(effect)


class TestAnswer:
    """By the interactions."""

    @pytest.mark.parametrize(
        ("gains", "verdict", "opening"),
        [
            (
                {"batch_after": -2.0},
                "less",
                "Dropout does less for test accuracy beside BatchNorm after dropout than",
            ),
            (
                {"layer_before": 1.0},
                "more",
                "Dropout does more for test accuracy beside LayerNorm before dropout",
            ),
            (
                {"batch_before": -1.0, "layer_after": 1.0},
                "mixed",
                "What dropout does for test accuracy depends",
            ),
            ({}, "undecided", "That normalisation changes what dropout does to test accuracy is not seen"),
        ],
    )
    def test_it_says_beside_which_dropout_does_what(self, gains, verdict, opening):
        """The four of them, corrected together."""
        found = made.answer(QUESTION, beside(**gains))

        assert verdict == found.verdict
        assert found.sentence.startswith(opening)
        assert "dropout changes test accuracy by +2.00 points" in found.sentence

    def test_what_a_normalisation_does_by_itself_is_no_interaction(self):
        """BatchNorm gives 5 points to both: dropout's effect is the same."""
        found = made.answer(
            QUESTION, made.noisy(lambda arm, each: 5.0 * each.normalisation.startswith("batch"))
        )

        assert "undecided" == found.verdict
