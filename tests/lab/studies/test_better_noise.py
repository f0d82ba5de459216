"""Every method at its own tuned strength."""

import thinned
from tests.lab.studies import made
from thinned.lab.methods import METHODS
from thinned.lab.studies.better_noise import CANDIDATES, LEFT_OUT, QUESTION, chosen, second
from thinned.lab.tuning import stages


def favouring(**gains):
    """Runs in which some methods are better; each is best at its middle strength."""

    def effect(arm, configuration):
        names = [name for name, each in CANDIDATES.items() if each.method == configuration.method]
        gain = (
            max(gains.get(name.replace(" ", "_"), 0.0) for name in names) if any(configuration.rates) else 0.0
        )
        return gain - (configuration.validation > 0) * abs(configuration.rates[0] - 0.3)

    return made.noisy(effect)


class TestAnswer:
    """Against tuned dropout, for all of them together."""

    def test_a_better_method_is_named(self):
        """With its difference; the others are not."""
        found = made.answer(QUESTION, favouring(dropout=1.0, uniform_dropout=2.0))

        assert "better" == found.verdict
        assert found.sentence.startswith(
            "Better than tuned dropout in test accuracy: uniform dropout by +1.00 points"
        )
        assert "batch dropout by" not in found.sentence

    def test_worse_methods_do_not_make_dropout_worse(self):
        """Dropout is ahead of all: nothing is better."""
        found = made.answer(QUESTION, favouring(dropout=2.0))

        assert "undecided" == found.verdict
        assert found.sentence.startswith(
            f"No method of {len(CANDIDATES) - 1} is seen to be better than dropout"
        )
        assert "dropout itself changes accuracy by +2.00 points" in found.sentence

    def test_a_method_that_diverged_is_told(self):
        """In the second stage."""
        found = made.answer(QUESTION, made.diverging(favouring(dropout=1.0), "mixout"))

        assert "1 of 8 runs of mixout diverged" in found.sentence


class TestChosen:
    """By validation alone."""

    def test_the_best_strength_in_validation_is_taken(self):
        """0.3, which the validation part of these runs prefers for every probability."""
        design = made.design_of(QUESTION)
        runs = made.records(design, favouring())

        assert 0.3 == chosen(design, runs)["dropout"]
        assert (0.3, 0.3) == second(design, runs)["dropout"].rates

    def test_the_two_stages_share_no_seed_and_no_data(self):
        """The first never sees the test set, and the second trains on everything."""
        design = made.design_of(QUESTION)
        first, last = stages(made.records(design, favouring()))

        assert all(set(run.final) >= {"validation_accuracy"} for run in first)
        assert not any("test_accuracy" in run.final for run in first)
        assert not any(run.configuration.get("validation") for run in last)

    def test_a_method_that_always_diverged_has_no_second_stage(self):
        """The others go on."""
        design = made.design_of(QUESTION)
        reached = favouring()
        runs = made.records(
            design, lambda arm, each, seed: None if each.method == "Mixout" else reached(arm, each, seed)
        )

        assert set(CANDIDATES) - {"mixout"} == set(chosen(design, runs))
        assert "mixout" not in second(design, runs)
        assert "mixout" not in QUESTION.answer(design, runs).tables[0].rows[0]

    def test_a_first_stage_alone_compares_nothing(self):
        """Validation accuracies are shown, nothing is called chosen, and no difference is claimed."""
        design = made.design_of(QUESTION)
        first, _ = stages(made.records(design, favouring()))
        found = QUESTION.answer(design, first)

        assert "unanswered" == found.verdict
        assert "has not been run" in found.sentence
        assert not found.charts
        assert "chosen" not in str(found.tables[0].rows)


class TestCandidates:
    """The whole catalogue, in or out with a reason."""

    def test_every_entry_is_tried_or_left_out_with_a_reason(self):
        """And none is both."""
        tried = {each.method for each in CANDIDATES.values()}
        names = {entry.name for entry in thinned.catalogue()}

        assert names == tried | set(LEFT_OUT)
        assert not tried & set(LEFT_OUT)
        assert tried == set(METHODS)
