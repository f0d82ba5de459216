"""An effect along an axis: width, and the number of examples."""

import math

import pytest

from tests.lab.studies import made
from thinned.errors import ConfigurationError
from thinned.lab.configuration import Configuration
from thinned.lab.scope import Scope
from thinned.lab.studies import less_data, width

STUDIES = {
    "width": (width.QUESTION, lambda configuration: configuration.hidden[0]),
    "less-data": (less_data.QUESTION, lambda configuration: configuration.train_examples),
}

each_study = pytest.mark.parametrize(("question", "place"), STUDIES.values(), ids=STUDIES)


@each_study
class TestAnswer:
    """By the slope, one number a seed."""

    @pytest.mark.parametrize(
        ("slope", "verdict", "words"), [(1.0, "grows", "does more"), (-1.0, "falls", "does less")]
    )
    def test_it_says_how_the_effect_changes(self, question, place, slope, verdict, words):
        """So many points for ten times the place, whatever each place gives to both arms."""

        def effect(arm, configuration):
            at = math.log10(place(configuration))
            return 3 * at + (slope * at if any(configuration.rates) else 0.0)

        found = made.answer(question, made.noisy(effect, level=70))

        assert verdict == found.verdict
        assert words in found.sentence
        assert f"its effect changes by {slope:+.2f} points" in found.sentence

    def test_an_effect_that_is_the_same_everywhere_has_no_trend(self, question, place):
        """Dropout helps by 2 points at every place: seen at each, and no slope."""
        found = made.answer(question, made.noisy(lambda arm, configuration: 2.0 * any(configuration.rates)))

        assert "undecided" == found.verdict
        assert all("up" == row[-1] for row in found.tables[0].rows)

    def test_a_place_without_runs_gives_no_answer(self, question, place):
        """Not a slope over those that are left."""
        design = made.design_of(question)
        runs = made.records(design, made.noisy(made.null))
        largest = max(place(each) for each in design.arms().values())

        found = question.answer(
            design, [run for run in runs if place(Configuration.from_json(run.configuration)) < largest]
        )

        assert "unanswered" == found.verdict


class TestArms:
    """What is equal, and what is not."""

    def test_widths_reach_4096(self):
        """Every hidden layer is as wide."""
        arms = made.design_of(width.QUESTION, "full").arms()

        assert {(w, w) for w in (64, 128, 256, 512, 1024, 2048, 4096)} == {
            each.hidden for each in arms.values()
        }

    def test_sizes_reach_all_of_fashion_mnist(self):
        """From 100, in about as many steps, or 20 times the epochs."""
        arms = made.design_of(less_data.QUESTION, "full", Configuration(batch=64, epochs=10)).arms()
        steps = {
            each.train_examples: each.epochs * math.ceil(each.train_examples / each.batch)
            for each in arms.values()
        }

        assert {100, 60_000} <= set(steps)
        assert 10 * 938 == steps[60_000]
        assert all(count >= 10 * 938 for size, count in steps.items() if size >= 3_000)
        assert 200 * 2 == steps[100]

    def test_sizes_beyond_the_data_are_left_out(self):
        """1,500 examples: sizes up to 1,000; 150 are too few to vary."""
        scope = Scope("full", {}, made.COUNTS | {"train_examples": 1_500})

        assert {100, 300, 1_000} == {
            each.train_examples for each in less_data.QUESTION.arms(Configuration(), scope).values()
        }
        with pytest.raises(ConfigurationError, match="at least 300 training examples"):
            less_data.QUESTION.arms(Configuration(), Scope("full", {}, {"train_examples": 150}))
