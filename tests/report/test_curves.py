"""What every study has: curves and a table of runs."""

from dataclasses import replace

import pytest

from tests.lab.recorded import pairs, record
from thinned.report.curves import MOST_ARMS, learning_curves, run_table

RUNS = pairs((0.5, 0.52), (0.6, 0.63), (0.7, 0.74))


class TestCurves:
    """By epoch."""

    def test_they_are_means_with_intervals(self):
        """In percent where they are accuracies; the mean of 50, 60, 70 is 60."""
        (chart,) = [
            each for each in learning_curves(RUNS, ["none", "dropout"]) if each.title == "Test accuracy"
        ]
        none = chart.series[0]

        assert ("none", (1.0, 2.0)) == (none.name, none.x)
        assert [60.0, 60.0] == pytest.approx([value.estimate for value in none.values])
        assert none.values[0].low < 50
        assert (50.0, 60.0, 70.0) == pytest.approx(none.runs[0])

    def test_a_metric_of_the_users_own_is_drawn(self):
        """Under its own name, without a unit that we do not know."""
        run = replace(RUNS[0], epochs=[each | {"test_spread": 3.0} for each in RUNS[0].epochs])

        assert ("Test spread", "test spread") in [
            (each.title, each.y_label) for each in learning_curves([run], ["none"])
        ]

    def test_a_single_run_is_a_line(self):
        """Without a band."""
        chart = learning_curves(RUNS[:1], ["none"])[0]

        assert 1 == chart.series[0].values[0].n

    def test_too_many_arms_have_none(self):
        """Nobody could tell them apart."""
        arms = [f"arm {k}" for k in range(MOST_ARMS + 1)]
        runs = [record("none", k) for k in range(MOST_ARMS + 1)]
        for arm, run in zip(arms, runs, strict=True):
            object.__setattr__(run, "arm", arm)

        assert () == learning_curves(runs, arms)
        assert 4 == len(learning_curves(runs[:-1], arms[:-1]))

    def test_runs_that_diverged_are_in_none(self):
        """They have no last epoch."""
        assert () == learning_curves([record("none", 0, status="diverged")], ["none"])


class TestRuns:
    """One row a run."""

    def test_it_has_what_was_measured(self):
        """In the units of the heads."""
        found = run_table(RUNS[:1])
        row = dict(zip(found.columns, found.rows[0], strict=True))

        assert ("50.00", 50.0) == (row["Test accuracy, %"].text, row["Test accuracy, %"].sort)
        assert "Validation loss" not in row

    def test_a_run_that_diverged_is_sorted_last(self):
        """By everything that it did not reach."""
        found = run_table([RUNS[0], record("none", 1, status="diverged")])

        assert ("diverged after 1 epochs", "", float("inf")) == (
            found.rows[1][2], found.rows[1][3].text, found.rows[1][3].sort
        )  # fmt: skip
