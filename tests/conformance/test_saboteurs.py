"""Each check rejects its saboteur, and no other mistake than it has is told of it."""

import pytest

from thinned.conformance import prepare
from thinned.conformance.checks import CHECKS
from thinned.conformance.mistakes import Right
from thinned.conformance.outcome import NOT_APPLICABLE, PASSED
from thinned.conformance.saboteurs import CONDITIONS, SABOTEURS

DEAR = {"compiled_law", "compiled_equals_eager", "many_elements"}
"""Checks of a second or more, run on the right one and on their own saboteurs."""


def found_by(make, method="Dropout", also=(), **arguments):
    """Every check's outcome, without the dear ones that are not named."""
    checks = [name for name in CHECKS if name not in DEAR or name in also]
    examination = prepare(make, kind="torch-module", method=method, compiler="aot_eager", **arguments)
    return examination.report(checks)


class TestSaboteurs:
    """Broken on purpose."""

    def test_there_is_one_for_each_check(self):
        """No more and no fewer."""
        assert set(CHECKS) == set(SABOTEURS)

    @pytest.mark.parametrize("check", SABOTEURS)
    def test_is_found_by_its_check(self, check):
        """And by none that its mistake has nothing to do with."""
        saboteur = SABOTEURS[check]
        report = found_by(saboteur.make, saboteur.method, also={check})
        failed = {outcome.check for outcome in report if outcome.failed}

        assert check in failed
        assert failed <= {check} | saboteur.also
        assert report[check].measured
        assert report[check].expected

    @pytest.mark.parametrize("condition", CONDITIONS)
    def test_each_condition_of_a_check_has_one_too(self, condition):
        """Which only that condition finds, with words that say what is wrong."""
        check, saboteur, words = CONDITIONS[condition]
        report = found_by(saboteur.make, saboteur.method, also={check})
        failed = {outcome.check for outcome in report if outcome.failed}

        assert check in failed
        assert failed <= {check} | saboteur.also
        assert words in report[check].likely

    @pytest.mark.parametrize("draws", [0, 1])
    def test_the_right_one_passes_all(self, draws):
        """With other seeds too; every check applies to it."""
        report = found_by(Right, also=DEAR if not draws else (), draws=draws)

        assert {PASSED} == {outcome.status for outcome in report}
        assert report.ok
        assert 0 == report.exit_code(strict=True)

    def test_nothing_passes_that_could_not_be_looked_at(self):
        """A function without a mode has none to be identical in."""
        report = prepare(lambda x, rate: Right(rate)(x), kind="torch-function").report(
            ["identity_in_evaluation"]
        )
        (outcome,) = report

        assert NOT_APPLICABLE == outcome.status
        assert outcome.measured.startswith("because it has no parameter for the mode")
