"""What answers say in the same words."""

from dataclasses import replace

import pytest

from tests.lab.recorded import record
from thinned.lab.wording import diverged, guesses, where

DATA = {**record("none", 0).data, "classes": 10, "test_examples": 10_000}


def run(arm, seed, accuracy, **changes):
    """On ten classes."""
    return record(arm, seed, accuracy, data=DATA, **changes)


class TestWhere:
    """Over how many seeds."""

    def test_a_seed_of_one_arm_alone_is_no_pair(self):
        """A study may stop in between."""
        runs = [run("none", 0, 0.8), run("dropout", 0, 0.8), run("none", 1, 0.8)]

        assert "on toy, over 1 paired seed" == where(runs)


class TestDiverged:
    """Runs that no mean should hide."""

    def test_runs_that_learned_nothing_are_told_apart_from_those_that_diverged(self):
        """The former are in the means, the latter are not."""
        runs = [run("none", 0, 0.1), run("none", 1, 0.8), run("dropout", 0, 0.8, status="diverged")]

        assert (
            "; 1 of 1 runs of dropout diverged and are in no difference; 1 of 2 runs of none ended at the "
            "accuracy of guessing and are counted as they are"
        ) == diverged(runs)

    def test_many_arms_are_counted(self):
        """First those that learned at some seeds and not at others."""
        runs = [replace(run("none", seed, 0.1), arm=f"arm {seed}") for seed in range(6)]
        found = diverged([*runs, replace(run("none", 9, 0.8), arm="arm 5")])

        assert found.startswith("; 1 of 2 runs of arm 5, 1 of 1 runs of arm 0, ")
        assert found.endswith(
            "1 of 1 runs of arm 2 and 2 runs of 2 further arms ended at the accuracy of guessing "
            "and are counted as they are"
        )

    def test_random_labels_cannot_be_learned(self):
        """So that their test accuracy is that of guessing says nothing."""
        one = run("none", 0, 0.1)

        assert not guesses(replace(one, configuration=one.configuration | {"random_labels": 1.0}))

    def test_none_are_not_mentioned(self):
        """An empty end."""
        assert "" == diverged([run("none", 0, 0.8)])

    @pytest.mark.parametrize(
        ("accuracy", "is_guess"), [(0.0, True), (0.1, True), (0.111, True), (0.113, False)]
    )
    def test_the_limit_is_four_standard_errors_above_chance(self, accuracy, is_guess):
        """0.1 + 4 sqrt(0.1 x 0.9 / 10,000) = 0.112."""
        assert is_guess == guesses(run("none", 0, accuracy))
