"""Where dropout belongs."""

import pytest

from tests.lab.studies import made
from thinned.errors import ConfigurationError
from thinned.lab.configuration import Configuration
from thinned.lab.data import load
from thinned.lab.scope import Scope
from thinned.lab.studies.placement import QUESTION, transformer
from thinned.lab.training import train


def places(**gains):
    """Runs in which some arms are better; those before and after a ReLU are equal to the last bit."""

    def effect(arm, configuration):
        return gains.get(arm.replace(", ", "_").replace(" ", "_"), 0.0)

    reached = made.noisy(effect)
    return lambda arm, each, seed: reached("relu, after" if arm == "relu, before" else arm, each, seed)


class TestAnswer:
    """By two families: places, and rates of the Transformer."""

    def test_it_names_what_differs(self):
        """Dropout before the tanh costs a point."""
        found = made.answer(QUESTION, places(tanh_before=-1.0))

        assert "differs" == found.verdict
        assert "before a tanh by -1.00 points" in found.sentence
        assert "before the activation, instead of after it (tanh) (down)" in found.sentence

    @pytest.mark.parametrize(("gain", "word"), [(1.0, "up"), (-1.0, "down")])
    def test_it_names_a_rate_that_is_not_like_ten_percent(self, gain, word):
        """Better or worse."""
        design = made.design_of(QUESTION)
        reached = places()
        runs = made.records(
            design, lambda arm, each, seed: reached(arm, each, seed) + gain * (arm == transformer(0.3))
        )

        assert (
            f"against the usual 10 % are: 30 % instead of 10 % ({word})"
            in QUESTION.answer(design, runs).sentence
        )

    def test_places_are_answered_where_the_transformer_is_missing(self):
        """And that is said."""
        design = made.design_of(QUESTION)
        runs = made.records(design, places(tanh_before=-1.0))
        found = QUESTION.answer(design, [run for run in runs if "transformer" not in run.arm])

        assert "differs" == found.verdict
        assert "the Transformer's runs are missing, so its rates are not answered" in found.sentence

    def test_equal_runs_are_called_exactly_equal(self):
        """Before and after a ReLU; the reason is said."""
        assert (
            "after it changes test accuracy by exactly nothing, as"
            in made.answer(QUESTION, places()).sentence
        )


class TestArms:
    """The perceptron's, and the Transformer's."""

    def test_before_and_after_a_relu_are_one_network(self):
        """Trained, they agree to the last bit: a factor that is not negative may go through max(0, x)."""
        base = Configuration(hidden=(8, 8), batch=256, epochs=2)
        arms = QUESTION.arms(base, Scope("quick", {}, made.COUNTS))
        before, after, tanh_before, tanh_after = (
            train(arms[name], 0, load("digits")).final
            for name in ("relu, before", "relu, after", "tanh, before", "tanh, after")
        )

        assert before == after
        assert tanh_before != tanh_after

    def test_the_user_chooses_the_epochs_of_the_transformer_too(self):
        """Other settings are the perceptron's own."""
        base = Configuration(hidden=(8, 8), epochs=3)
        arms = QUESTION.arms(base, Scope("quick", {"epochs": 3, "hidden": (8, 8)}, made.COUNTS))

        assert {3} == {each.epochs for each in arms.values()}
        assert (8, 8) != arms[transformer(0.1)].hidden

    def test_one_layer_is_neither_early_nor_late(self):
        """An error that says so."""
        with pytest.raises(ConfigurationError, match="at least two hidden layers"):
            QUESTION.arms(Configuration(hidden=(8,), rates=(0.5,)), Scope("quick"))
