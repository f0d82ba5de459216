"""Dropout and weight decay, alone and together."""

import pytest

from tests.lab.studies import made
from thinned.lab.answer import HeatMap
from thinned.lab.studies.weight_decay import DECAYS, QUESTION, arm, picked

GAIN = {"rate": {0.0: 0.0, 0.2: 1.0, 0.5: 2.0}, "decay": {0.0: 0.0, 1e-4: 0.5, 1e-3: 1.5, 0.5: -80.0}}


def effects(together):
    """What each rate and each decay gives, and what is added where both are."""

    def effect(name, configuration):
        rate, decay = configuration.rates[0], configuration.weight_decay
        both = together if rate and 0 < decay < 0.5 else 0.0
        return GAIN["rate"][rate] + GAIN["decay"][decay] + both

    return made.noisy(effect)


class TestAnswer:
    """By the interaction at the best rate, 0.5, and the best decay, 0.001."""

    @pytest.mark.parametrize(
        ("together", "verdict", "opening"),
        [
            (0.0, "additive", "Dropout and weight decay both help, and no departure from the sum"),
            (-1.0, "diminishing", "Dropout and weight decay together do less than the sum"),
            (-2.5, "cancelling", "Dropout and weight decay spoil each other"),
            (1.0, "synergy", "Dropout and weight decay together do more than the sum"),
        ],
    )
    def test_it_says_what_both_do_together(self, together, verdict, opening):
        """By hand: 2 by dropout, 1.5 by decay, and what is added or lost."""
        found = made.answer(QUESTION, effects(together))

        assert verdict == found.verdict
        assert found.sentence.startswith(opening)
        assert "at the rate 0.5 and the decay 0.001, which were best alone in validation" in found.sentence
        assert f"differs from the sum by {together:+.2f} points" in found.sentence

    def test_half_a_unit_of_decay_ruins_the_network(self):
        """The published answer's decay is on the grid, and in the sentence."""
        assert 0.5 in DECAYS["quick"]
        assert 0.5 in DECAYS["full"]
        assert "a decay of 0.5 changes accuracy by -80.00" in made.answer(QUESTION, effects(0.0)).sentence

    def test_the_interaction_has_a_map_of_its_own(self):
        """One cell for each pair of a rate and a decay that are not 0."""
        found = made.answer(QUESTION, effects(-1.0))
        _, interactions = (chart for chart in found.charts if isinstance(chart, HeatMap))

        assert (2, 3) == (len(interactions.y), len(interactions.x))
        assert [-1.0, -1.0, 0.0] == pytest.approx(list(interactions.values[0]))


class TestPicked:
    """Whoever chooses does not judge."""

    def test_the_test_set_does_not_choose(self):
        """Validation prefers 0.2, the test would prefer 0.5: 0.2 is judged."""

        def reached(name, configuration, seed):
            rate = configuration.rates[0]
            gain = (
                {0.0: 0.0, 0.2: 2.0, 0.5: 1.0} if configuration.validation else {0.0: 0.0, 0.2: 1.0, 0.5: 2.0}
            )
            return (
                90
                + gain[rate]
                + GAIN["decay"][configuration.weight_decay] / 10
                + made.noise(name, seed, size=0.01)
            )

        found = made.answer(QUESTION, reached)

        assert "at the rate 0.2 and the decay 0.001" in found.sentence

    def test_a_rate_that_diverged_is_not_chosen(self):
        """Its mean would be over the runs that happened to last."""
        design = made.design_of(QUESTION)
        runs = made.records(
            design,
            lambda name, each, seed: (
                None if (seed, each.rates[0]) == (0, 0.5) else effects(0.0)(name, each, seed)
            ),
        )

        assert (0.2, 1e-3, arm(0, 1e-3)) == picked(design, runs)
