"""`@parametrize_with_checks`, run as its users run it."""

import pytest
import torch

from thinned.conformance.checks import CHECKS
from thinned.conformance.pytest import parametrize_with_checks
from thinned.errors import SubjectError


def cases(*subjects, **arguments):
    """The check of each case, by the name of its test."""
    return {each.id: each.values for each in parametrize_with_checks(subjects, **arguments).args[1]}


class TestCases:
    """What is collected."""

    def test_one_for_each_subject_and_check(self):
        """Named after both; nothing is run, and nothing made."""
        found = cases(torch.nn.Dropout, print, checks=["keep_rate", "scale"])

        assert ["Dropout-keep_rate", "Dropout-scale", "print-keep_rate", "print-scale"] == list(found)
        assert len(CHECKS) == len(cases(torch.nn.Dropout))

    @pytest.mark.parametrize("arguments", [{"checks": ["kept"]}, {"expected_failures": {"kept": "?"}}])
    def test_an_unknown_check(self, arguments):
        """Is told while tests are collected."""
        with pytest.raises(SubjectError, match="expected names of checks"):
            cases(torch.nn.Dropout, **arguments)


def dropout(x, rate):
    """With a rate of its own, and without a mode."""
    return torch.where(torch.rand(x.shape) >= rate / 2, x / (1 - rate), 0.0)


class TestOutcomes:
    """What a case does."""

    def run(self, check, **arguments):
        """One check of the function above."""
        ((subject, case),) = cases(dropout, checks=[check], **arguments).values()
        case(subject)

    def test_passes(self):
        """In silence."""
        self.run("scale")

    def test_fails_in_words(self):
        """With what was measured, what was expected, and the likely mistake."""
        with pytest.raises(
            pytest.fail.Exception, match=r"(?s)found: keeps 0.7.*expected: 0.5.*likely: 1 - p/2"
        ):
            self.run("keep_rate")

    def test_skips_what_does_not_apply(self):
        """With the reason."""
        with pytest.raises(pytest.skip.Exception, match="because it has no parameter for the mode"):
            self.run("identity_in_evaluation")

    def test_a_limit(self):
        """Is an expected failure, or with `strict` a failure."""
        with pytest.raises(pytest.xfail.Exception, match="limit: takes the rate"):
            self.run("bad_rates")
        with pytest.raises(pytest.fail.Exception, match="takes the rate"):
            self.run("bad_rates", strict=True)

    @pytest.mark.parametrize("reasons", [{"keep_rate": "half"}, lambda subject: {"keep_rate": "half"}])
    def test_an_expected_failure(self, reasons):
        """Is one, with its reason."""
        with pytest.raises(pytest.xfail.Exception, match="half"):
            self.run("keep_rate", expected_failures=reasons)

    def test_an_expected_failure_that_passes(self):
        """Fails."""
        with pytest.raises(pytest.fail.Exception, match="take it off the list"):
            self.run("scale", expected_failures={"scale": "half"})
