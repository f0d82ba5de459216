"""Two arms, paired by seed."""

import pytest

from tests.lab.recorded import pairs, record
from thinned.lab.comparison import GAP, TEST_ACCURACY, TEST_LOSS, compare
from thinned.lab.statistics import mean_interval


def compared(records):
    """Both arms of the dropout study."""
    return compare(records, "none", "dropout")


class TestCompare:
    """Differences."""

    def test_the_difference_is_treated_minus_control_by_seed(self):
        """Whatever the seeds' own levels are; accuracy in percentage points."""
        found = compared(pairs((0.5, 0.52), (0.7, 0.73), (0.9, 0.91))).differences["test_accuracy"]
        expected = mean_interval([2.0, 3.0, 1.0])

        assert (expected.estimate, expected.low, expected.high) == pytest.approx(
            (found.estimate, found.low, found.high)
        )

    @pytest.mark.parametrize(
        ("accuracies", "verdict"),
        [
            ([(0.5, 0.6), (0.5, 0.61)], "helped"),
            ([(0.6, 0.5), (0.61, 0.5)], "hurt"),
            ([(0.5, 0.6), (0.6, 0.5)], "undecided"),
            ([(0.5, 0.5), (0.6, 0.6)], "undecided"),
            ([(0.5, 0.6)], "unanswered"),
        ],
    )
    def test_the_interval_of_accuracy_decides(self, accuracies, verdict):
        """Above 0 helped, below 0 hurt, around 0 undecided, no interval unanswered."""
        assert verdict == compared(pairs(*accuracies)).verdict

    def test_a_seed_with_one_run_is_no_pair(self):
        """But the run counts for its arm."""
        found = compared([*pairs((0.5, 0.6), (0.5, 0.6)), record("none", 7)])

        assert (2, 3, 2) == (len(found.pairs), found.control.finished, found.treated.finished)

    @pytest.mark.parametrize(("none", "dropout"), [("finished", "diverged"), ("diverged", "finished")])
    def test_diverged_runs_are_counted_and_in_no_mean(self, none, dropout):
        """Their pair is left out, their number is not; in either arm."""
        third = [record("none", 2, status=none), record("dropout", 2, status=dropout)]
        found = compared([*pairs((0.5, 0.6), (0.5, 0.6)), *third])

        assert (2, 5, 1) == (
            len(found.pairs),
            found.control.finished + found.treated.finished,
            found.control.diverged + found.treated.diverged,
        )

    def test_no_runs_are_no_answer(self):
        """Not an error: a study may be killed before its first."""
        assert "unanswered" == compared([]).verdict


class TestMetric:
    """How values are printed."""

    @pytest.mark.parametrize(
        ("metric", "value", "shown"),
        [(TEST_ACCURACY, 0.416, "+0.42"), (GAP, -0.001, "+0.00"), (TEST_LOSS, -0.01234, "-0.0123")],
    )
    def test_a_change_has_its_sign(self, metric, value, shown):
        """And a change that rounds to zero is not called negative."""
        assert shown == metric.show(value, signed=True)
